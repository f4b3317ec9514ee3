"""Folders, files, zip archives and DICOMDIR to series, from headers alone.

What cannot be used is reported, not raised.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypeGuard

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.series import Skipped
from ctstudio.dicom.beginnings import beginnings
from ctstudio.dicom.finding import ARCHIVE_REFUSED, File, Walk, os_reason
from ctstudio.dicom.frames import take_apart
from ctstudio.dicom.headers import BROKEN, WANTED, Header, UnreadableError, parse_header
from ctstudio.dicom.layouts import Layouts
from ctstudio.dicom.scan_cache import Entries, Found, ScanCache, kept, key, recall
from ctstudio.dicom.series import SeriesInfo, build, group

__all__ = [
    "ARCHIVE_REFUSED",
    "NothingFoundError",
    "ScanResult",
    "SeriesInfo",
    "Skipped",
    "nothing_found",
    "scan",
]

_YIELD_SECONDS = 0.05
_MOST_OTHERS = 1000
_NOT_DICOM = "it is not a DICOM file"
_NESTED = "it is an archive inside an archive; unpack it first"


class NothingFoundError(StudioError):
    """No series at all; ``skipped`` says why, path by path."""

    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class ScanResult:
    """The series found, and what was left aside."""

    series: tuple[SeriesInfo, ...]
    skipped: tuple[Skipped, ...]


def scan(paths: Sequence[Path], *, cache: ScanCache | None = None) -> Work[ScanResult]:
    """Find the series in ``paths``.

    Folders are searched to any depth, zip archives are looked into where they lie, a DICOMDIR
    that is given by name stands for the files that it lists, and files of any name are tried.
    Pixels are not read. What ``cache`` knows of a file that has not changed is not read again.
    Yields Progress; may be closed at any event.

    Raises
    ------
    NothingFoundError
        When no series is found at all; ``details`` lists what was skipped and why.
    """
    skipped: list[Skipped] = []
    files: list[File] = []
    last = time.monotonic()
    for found in Walk(paths, skipped).files():
        if found is not None:
            files.append(found)
        if time.monotonic() - last > _YIELD_SECONDS:
            yield Progress(0, 0, f"Looking for files: {len(files)}")
            last = time.monotonic()

    results = yield from _headers(files, cache)
    headers: list[Header] = []
    for result in results:
        if isinstance(result, Header):
            headers.append(result)
        elif isinstance(result, tuple):
            headers += result
    skipped += _reasons(files, results)

    series: list[SeriesInfo] = []
    groups = group(headers)
    for index, members_ in enumerate(groups):
        series += yield from build(members_)
        yield Progress(index + 1, len(groups), "Sorting slices")
    if not series:
        raise nothing_found(paths, skipped)
    series.sort(key=lambda s: (s.source.study_uid, s.source.series_number or 0, -s.slices))
    return ScanResult(tuple(series), tuple(skipped))


_Result: TypeAlias = Found | tuple[Header, ...]
"""What a file is; of several images, one header each."""


class _Unkept(str):
    """A reason that no cache may keep.

    A file that could not be read may become readable without having changed, and the words of a
    broken header may quote what stands in it.
    """


def _headers(files: Sequence[File], cache: ScanCache | None) -> Work[list[_Result]]:
    """What each file is: recalled where it is known, read where it is not; in the files' order."""
    results: list[_Result | None] = [None] * len(files)
    others: dict[Path, Entries] = {}
    if cache is not None:
        others = yield from _recall(files, cache, results)
    unknown = [index for index, found in enumerate(results) if found is None]

    done = len(files) - len(unknown)
    remaining = iter(unknown)
    layouts = Layouts(WANTED)
    last = time.monotonic()
    for heads in beginnings([files[index].path for index in unknown]):
        for index, head in zip(islice(remaining, len(heads)), heads, strict=True):
            results[index] = _parse(files[index], head, layouts)
        done += len(heads)
        if time.monotonic() - last > _YIELD_SECONDS or not heads or done == len(files):
            yield Progress(done, len(files), "Reading headers")
            last = time.monotonic()
    complete = [found for found in results if found is not None]
    if cache is not None:
        news = {files[k].folder for k in unknown if _may_be_kept(complete[k])}
        if news:
            cache.store(_learnt(files, complete, news, others))
    return complete


def _recall(
    files: Sequence[File], cache: ScanCache, results: list[_Result | None]
) -> Work[dict[Path, Entries]]:
    """Fill in what is known; returns what is known besides, folder by folder."""
    folders: dict[Path, list[int]] = defaultdict(list)
    for index, file in enumerate(files):
        folders[file.folder].append(index)
    others: dict[Path, Entries] = {}
    last = time.monotonic()
    for folder, indices in folders.items():
        known = others[folder] = cache.load(folder)
        for index in indices:
            file = files[index]
            results[index] = recall(file.path, file.stamp, known.pop(key(file.path.name), None))
        if time.monotonic() - last > _YIELD_SECONDS:
            yield Progress(indices[-1] + 1, len(files), "Recalling headers")
            last = time.monotonic()
    return others


def _learnt(
    files: Sequence[File],
    results: Sequence[_Result],
    folders: set[Path],
    others: dict[Path, Entries],
) -> dict[Path, Entries]:
    """The entries of ``folders``: what this scan found there, and what it did not look at."""
    learnt: dict[Path, Entries] = {folder: {} for folder in folders}
    for file, found in zip(files, results, strict=True):
        if file.folder in folders and _may_be_kept(found):
            learnt[file.folder][key(file.path.name)] = kept(file.stamp, found)
    for folder, entries in learnt.items():
        # Files that are gone for good must not pile up.
        if len(others.get(folder, {})) <= _MOST_OTHERS + len(entries):
            entries.update(others.get(folder, {}))
    return learnt


def _may_be_kept(result: _Result) -> TypeGuard[Found]:
    # Files of several images are few, and taken apart anew.
    return not isinstance(result, (_Unkept, tuple))


def _parse(file: File, head: bytes | OSError, layouts: Layouts) -> _Result:
    if isinstance(head, OSError):
        return _Unkept(os_reason(head))
    try:
        header = parse_header(file.path, head, file.stamp, layouts)
        return header if header.frames == 1 else take_apart(header)
    except UnreadableError as error:
        if file.archive is not None and head.startswith(b"PK\x03\x04"):
            return _NESTED
        return _Unkept(error) if str(error).startswith(BROKEN) else str(error)
    except OSError as error:
        return _Unkept(os_reason(error))


def _reasons(files: Sequence[File], results: Sequence[_Result]) -> list[Skipped]:
    """What was left aside; an archive without any DICOM in it counts as one file that is none."""
    with_dicom = {
        file.archive for file, found in zip(files, results, strict=True) if found != _NOT_DICOM
    }
    skipped: list[Skipped] = []
    named: set[Path] = set()
    for file, found in zip(files, results, strict=True):
        if not isinstance(found, str):
            continue
        if file.archive is None or file.archive in with_dicom:
            skipped.append(Skipped(file.path, found))
        elif file.archive not in named:
            named.add(file.archive)
            skipped.append(Skipped(file.archive, "it holds no DICOM file"))
    return skipped


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
