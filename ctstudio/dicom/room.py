"""Room for the voxels of a volume: in memory, or in a file where memory does not suffice.

The file lies in the user's cache and has no name there (on Windows: goes when it is closed), so
that nothing of it is left, however the program ends. The system keeps in memory what is looked at.
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.places import cache_folder

_SHARE = 0.7  # of the memory that is free: what is made of a volume needs some too
_SPARE_DISK = 1 << 30
_limit: list[int] = []


def make_room(shape: tuple[int, int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros, in memory if there is enough of it free, else in a file.

    Raises
    ------
    MemoryError
        When neither memory nor disk suffices.
    """
    size = math.prod(shape) * dtype.itemsize
    if size <= _SHARE * free_memory():
        try:
            return np.zeros(shape, dtype)
        except MemoryError:
            pass
    try:
        return _in_a_file(shape, dtype, size)
    except (OSError, ValueError, OverflowError) as error:
        raise MemoryError(str(error)) from error


def limit_memory(size: int | None) -> None:
    """Let this process take at most ``size`` bytes for volumes from now on; None: what is free."""
    _limit[:] = [size] if size is not None else []


def free_memory() -> int:
    """How many bytes this process may still take without others being pushed out."""
    import psutil

    free = int(psutil.virtual_memory().available)
    if _limit:
        free = min(free, max(0, _limit[0] - int(psutil.Process().memory_info().rss)))
    # A container or a batch system may grant less than the machine has.
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        return min(free, max(0, limit - int((group / "memory.current").read_text())))
    except (OSError, ValueError):
        return free


def _in_a_file(shape: tuple[int, int, int], dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < size + _SPARE_DISK:
        raise OSError(f"there is no room for {size / 1e9:.1f} GB in {folder}")
    with tempfile.TemporaryFile(dir=folder, prefix=".volume-") as file:
        # A disk that fills up while the pages are written would end the process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        room = mmap.mmap(file.fileno(), size)
    return np.frombuffer(room, dtype).reshape(shape)
