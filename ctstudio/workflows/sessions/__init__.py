"""Sessions as files: what is open, how the layers were made, and how they are seen."""
