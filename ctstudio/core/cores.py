"""How many cores long work may use: all of them, or all but the one that a window needs."""

from __future__ import annotations

import os

_for_window = 0


def keep_one_for_the_window() -> None:
    """From now on one core is left to the window, so that it never waits for long work."""
    global _for_window
    _for_window = 1


def usable() -> int:
    """Cores that this process may use for long work, at least one."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Windows and macOS
        cores = os.cpu_count() or 1
    return max(1, cores - _for_window)
