"""All commands by name, and the keys that they have."""
