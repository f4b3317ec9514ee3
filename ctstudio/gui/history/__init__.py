"""The history of trainings: a table of all runs, two of them side by side."""
