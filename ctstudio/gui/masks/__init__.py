"""Masks: laid over the images, compared, painted."""
