"""Numbers as people say them."""

from __future__ import annotations


def seconds_in_words(seconds: float) -> str:
    """``75`` -> "1:15", ``4000`` -> "1 h 7 min"; under ten seconds "8 s"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
