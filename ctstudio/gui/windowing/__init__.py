"""How values become grey or colour: presets, colour maps, gamma, windows from a region."""
