"""What a series is, what is odd about it, and how to mend it, in windows and a bar."""
