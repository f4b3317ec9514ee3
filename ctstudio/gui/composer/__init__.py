"""The composer: figures and films of what is open, with a live picture of them."""
