"""The step of a checkpoint, read without torch and without running what stands in it."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

BEGINNING = 2**18  # bytes; the step is among the first entries
MEMOS = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1")


def saved_step(path: Path) -> int | None:
    """The step at which a .pt was written; None where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(names[0]) as stream:
                beginning = stream.read(BEGINNING)
        asked = False
        for operation, value, _ in pickletools.genops(beginning):
            if operation.name in MEMOS:
                continue
            if asked and operation.name in NUMBERS and isinstance(value, int):
                return value
            asked = value == "step"
    # A damaged or foreign file fails in many ways, and each means the same.
    except Exception:
        return None
    return None
