"""Folders and files to series, from headers alone; what cannot be used is reported, not raised."""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.series import Skipped
from ctstudio.dicom.headers import Header, UnreadableError, parse_header, read_head
from ctstudio.dicom.series import SeriesInfo, build, group

__all__ = ["NothingFoundError", "ScanResult", "SeriesInfo", "Skipped", "nothing_found", "scan"]

_YIELD_SECONDS = 0.05
_AHEAD = 32
_READERS = 4


class NothingFoundError(StudioError):
    """No series at all; ``skipped`` says why, path by path."""

    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class ScanResult:
    """The series found, and what was left aside."""

    series: tuple[SeriesInfo, ...]
    skipped: tuple[Skipped, ...]


def scan(paths: Sequence[Path]) -> Work[ScanResult]:
    """Find the series in ``paths`` (folders, searched to any depth, and files).

    Yields Progress. Pixels are not read. Files of any name are tried.

    Raises
    ------
    NothingFoundError
        When no series is found at all; ``details`` lists what was skipped and why.
    """
    skipped: list[Skipped] = []
    headers: list[Header] = []
    last = time.monotonic()
    files: list[Path] = []
    for found in _walk(paths, skipped):
        if found is not None:
            files.append(found)
        if time.monotonic() - last > _YIELD_SECONDS:
            yield Progress(0, 0, f"Looking for files: {len(files)}")
            last = time.monotonic()

    # A pool fetches the beginnings of files, which pays on network drives; parsing is Python's
    # work, which threads would not speed up, and stays in this thread.
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="dicom-scan")
    try:
        pending: deque[tuple[Path, Future[tuple[bytes, os.stat_result]]]] = deque()
        waiting = iter(files)
        done = 0
        while True:
            while len(pending) < _AHEAD and (path := next(waiting, None)) is not None:
                pending.append((path, pool.submit(read_head, path)))
            if not pending:
                break
            path, future = pending[0]
            if not wait([future], timeout=_YIELD_SECONDS).done:
                yield Progress(done, len(files), "Reading headers")
                continue
            try:
                head, status = future.result()
                headers.append(parse_header(path, head, status))
            except UnreadableError as error:
                skipped.append(Skipped(path, str(error)))
            except OSError as error:
                skipped.append(Skipped(path, _os_reason(error)))
            pending.popleft()
            done += 1
            if time.monotonic() - last > _YIELD_SECONDS or done == len(files):
                yield Progress(done, len(files), "Reading headers")
                last = time.monotonic()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

    series: list[SeriesInfo] = []
    groups = group(headers)
    for index, members in enumerate(groups):
        series += build(members)
        yield Progress(index + 1, len(groups), "Sorting slices")
    if not series:
        raise nothing_found(paths, skipped)
    series.sort(key=lambda s: (s.source.study_uid, s.source.series_number or 0, -s.slices))
    return ScanResult(tuple(series), tuple(skipped))


def _walk(paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[Path | None]:
    """Every regular file under ``paths``, sorted within its folder; None now and then."""
    seen: set[tuple[int, int]] = set()
    todo = [Path(p) for p in reversed(paths)]
    while todo:
        path = todo.pop()
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                # Links to folders are followed, each folder once.
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                # Folders of this prefix are being written by this program.
                inside = [p for p in path.iterdir() if not p.name.startswith(".tmp-")]
                todo += sorted(inside, reverse=True)
                yield None
            elif stat.S_ISREG(status.st_mode):
                yield path
            else:
                skipped.append(Skipped(path, "it is neither a file nor a folder"))
        except OSError as error:
            skipped.append(Skipped(path, _os_reason(error)))
            yield None


def _os_reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission is denied"
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    return (error.strerror or str(error)).lower()


def nothing_found(
    paths: Sequence[Path],
    skipped: Sequence[Skipped],
    hint: str = "Choose a folder with DICOM images of CT.",
) -> NothingFoundError:
    """The error for ``paths`` in which no series is; ``hint`` says what to choose instead."""
    error = _nothing_found(paths, skipped, hint)
    error.skipped = tuple(skipped)
    return error


def _nothing_found(
    paths: Sequence[Path], skipped: Sequence[Skipped], hint: str
) -> NothingFoundError:
    given = [Path(p) for p in paths]
    listing = "\n".join(f"{s.path}: {s.reason}" for s in skipped)
    reasons = {s.path: s.reason for s in skipped}
    first = given[0] if given else None
    if first is None:
        return NothingFoundError("There is nothing to open.", hint="Choose a folder or a file.")
    if len(given) == 1 and first in reasons:
        if reasons[first] == "permission is denied":
            hint = "Ask its owner for read access, or copy it to a folder of your own."
        elif reasons[first] == "it does not exist":
            hint = "Check the path."
        return NothingFoundError(
            f"Cannot open {first}: {reasons[first]}.", hint=hint, path=first, details=listing
        )
    where = str(first) if len(given) == 1 else f"{first} and {len(given) - 1} more"
    if not skipped:
        return NothingFoundError(f"{where} is empty.", hint=hint, path=first)
    denied = sum(s.reason == "permission is denied" for s in skipped)
    if denied:
        hint = f"Permission was denied for {denied} of {len(skipped)} entries. {hint}"
    files = "1 file was" if len(skipped) == 1 else f"{len(skipped)} files were"
    return NothingFoundError(
        f"No image was found in {where}; {files} skipped.", hint=hint, path=first, details=listing
    )
