"""The first bytes of many files, as quickly as the place allows where they lie."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeAlias

from ctstudio.dicom.places import read_head

_READERS = 4
_TRIAL, _BATCH, _STRETCH = 8, 32, 512  # files
_AHEAD = 4  # batches
_QUICK_S = 0.001  # a file at hand takes a hundredth of that
_YIELD_SECONDS = 0.05

Beginnings: TypeAlias = list[bytes | OSError]


def beginnings(paths: Sequence[Path]) -> Iterator[Beginnings]:
    """The first bytes of ``paths``, in order, some files at a time; nothing while one must wait.

    Several files are asked for at once where each takes a while (network drives, archives); files
    at hand are read one after another, since threads would only be in each other's way.
    """
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="dicom-scan")
    try:
        at = 0
        stretch = _TRIAL
        while at < len(paths):
            seconds = yield from _side_by_side(pool, paths[at : at + stretch])
            at += stretch
            quick = seconds < _QUICK_S * stretch
            while quick and at < len(paths):
                heads, seconds = _read(paths[at : at + _BATCH])
                at += _BATCH
                quick = seconds < _QUICK_S * _BATCH
                yield heads
            stretch = _STRETCH
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _side_by_side(
    pool: ThreadPoolExecutor, paths: Sequence[Path]
) -> Generator[Beginnings, None, float]:
    """Read ``paths`` in the pool; returns how many seconds its threads took, all together."""
    pending: deque[Future[tuple[Beginnings, float]]] = deque()
    batches = (paths[k : k + _BATCH] for k in range(0, len(paths), _BATCH))
    total = 0.0
    while True:
        while len(pending) < _AHEAD and (batch := next(batches, None)) is not None:
            pending.append(pool.submit(_read, batch))
        if not pending:
            return total
        if not wait([pending[0]], timeout=_YIELD_SECONDS).done:
            yield []
            continue
        heads, seconds = pending.popleft().result()
        total += seconds
        yield heads


def _read(paths: Sequence[Path]) -> tuple[Beginnings, float]:
    begun = time.perf_counter()
    heads: Beginnings = []
    for path in paths:
        try:
            heads.append(read_head(path))
        except OSError as error:
            heads.append(error)
    return heads, time.perf_counter() - begun
