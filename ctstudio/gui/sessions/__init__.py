"""Session files in the window: saved, opened, autosaved, restored after a crash."""
