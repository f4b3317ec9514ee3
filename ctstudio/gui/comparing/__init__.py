"""Two layers in one pane: swipe, flicker, checkerboard, blend, difference; and a lens."""
