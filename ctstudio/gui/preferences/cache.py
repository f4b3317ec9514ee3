"""What the cache holds, how large it is, and making it smaller."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

SESSIONS = "sessions"
SCANS = "scans.db"


def size_of(path: Path) -> int:
    """Bytes on disk of a file or of all files in a folder; what cannot be read counts nothing."""
    try:
        if path.is_dir():
            return sum(size_of(inner) for inner in path.iterdir())
        return path.stat().st_size
    except OSError:
        return 0


def contents(cache: Path) -> dict[str, int]:
    """Bytes by what they are for: "sessions", "scans", "demo", "other"."""
    sizes = dict.fromkeys(("sessions", "scans", "demo", "other"), 0)
    with suppress(OSError):
        for path in cache.iterdir():
            kind = (
                "sessions" if path.name == SESSIONS
                else "scans" if path.name.startswith(SCANS)
                else "demo" if path.name.startswith("demo-")
                else "other"
            )  # fmt: skip
            sizes[kind] += size_of(path)
    return sizes


def clear(cache: Path, keep: Path | None = None) -> int:
    """Remove what the program put there, but for the folder ``keep``; returns the bytes freed.

    Files that another program put there stay.
    """
    before = size_of(cache)
    with suppress(OSError):
        for path in cache.iterdir():
            if path.name.startswith(("demo-", SCANS)):
                _remove(path)
    _remove_sessions(cache, keep)
    return max(before - size_of(cache), 0)


def prune(cache: Path, limit: int, keep: Path | None = None) -> None:
    """Remove the pixels of sessions, those unused for longest first, until ``limit`` bytes."""
    folders = []
    with suppress(OSError):
        folders = [p for p in (cache / SESSIONS).iterdir() if p.is_dir() and p != keep]
    folders.sort(key=_last_used)
    used = size_of(cache / SESSIONS)
    for folder in folders:
        if used <= limit:
            return
        used -= size_of(folder)
        _remove(folder)


def _remove_sessions(cache: Path, keep: Path | None) -> None:
    with suppress(OSError):
        for path in (cache / SESSIONS).iterdir():
            if path != keep:
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
