"""What the user may choose once for all starts."""
