"""Measuring upon the images: tools, what is drawn, the list and its plots."""
