"""The articles' experiments, each as its author ran it and repaired, with figures and numbers."""
