"""Figures, films and reports from their descriptions."""
