"""Panes, their grid, and what is drawn upon the images."""
