"""Where the program was when it crashed: told by faulthandler into a file, for a later report."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CRASH_FILE = "crash.txt"
MOST = 100_000  # bytes; an older file begins anew


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """While this lasts, a crash of the interpreter leaves its threads' places in ``folder``.

    A folder that cannot be written to is no reason not to start.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / CRASH_FILE
        long = path.is_file() and path.stat().st_size > MOST
        stream = path.open("w" if long else "a", encoding="utf-8")
    except OSError:
        yield
        return
    with stream:
        faulthandler.enable(stream)
        try:
            yield
        finally:
            faulthandler.disable()
