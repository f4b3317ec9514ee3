"""What earlier scans learnt of files, so that a folder is read once.

One SQLite file in the user's cache holds, folder by folder, what `Header` holds: UIDs, geometry
and how pixels are stored. It holds no name, number, birth date or sex of a patient (of who that is
two bytes of a hash), no description and no path: folders and files appear as hashes only. What a
series is called is read from one of its files at every scan.

An entry counts only while size, time of modification, time of change and number of the file are
what they were. Files that changed within the last seconds are not entered, since another
change might still fall into the same tick of the clock.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from hashlib import blake2b
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import pydicom

from ctstudio import __version__
from ctstudio.core.places import cache_folder
from ctstudio.dicom.headers import Header
from ctstudio.dicom.places import Stamp

Found: TypeAlias = Header | str
"""The header of a file, or the reason why it gives no image."""

Entry: TypeAlias = tuple[Stamp, tuple[tuple[Any, ...], tuple[Any, ...]] | str]
"""A file as it was, and what was found in it: the fields of its header that are its own, and those
that are mostly the same in all of a series."""

Entries: TypeAlias = dict[str, Entry]
"""The files of one folder by `key`."""

SETTLED_NS = 3_000_000_000
"""How old a change must be: FAT counts in steps of two seconds."""

_FORMAT = 5  # to be raised when the same fields come to mean something else
_FIELDS = tuple(f.name for f in fields(Header))
_FIRST_COMMON = _FIELDS.index("syntax")
# The first three, path, file_bytes and modified_ns, are what path and stamp hold.
_own = attrgetter(*_FIELDS[3:_FIRST_COMMON])
_common = attrgetter(*_FIELDS[_FIRST_COMMON:])
_MOST_FILES = 300_000
_LINE_FILES = 256
_PATIENCE_S = 2.0
_SWITCH = "CTSTUDIO_SCAN_CACHE"


class ScanCache:
    """The cache in the file ``path``; any failure of it is a cache that knows nothing."""

    def __init__(self, path: Path, *, settled_ns: int = SETTLED_NS) -> None:
        self._path = path
        self._settled_ns = settled_ns

    def load(self, folder: Path) -> Entries:
        """What is known of the files in ``folder``, by `key`; for `recall`."""
        if not self._path.is_file():
            return {}
        try:
            with self._open() as base:
                row = base.execute(
                    "SELECT entries FROM folders WHERE folder = ?", (_folder_key(folder),)
                ).fetchone()
            return _unpacked(row[0]) if row else {}
        except (
            sqlite3.Error, zlib.error, ValueError, TypeError, OSError, AttributeError, LookupError,
        ):  # fmt: skip
            self._discard()
            return {}

    def store(self, folders: Mapping[Path, Entries]) -> None:
        """Remember the files of each folder, in place of what was known of it."""
        newest = time.time_ns() - self._settled_ns
        rows = []
        for folder, found in folders.items():
            entries = {
                name: entry
                for name, entry in found.items()
                if max(entry[0].modified_ns, entry[0].changed_ns) <= newest
            }
            rows.append((_folder_key(folder), _packed(entries), len(entries), time.time()))
        # A cache that cannot be written, or is being written elsewhere, costs time only.
        with suppress(sqlite3.Error, OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as base, base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS folders "
                    "(folder BLOB PRIMARY KEY, entries BLOB, files INTEGER, used REAL)"
                )
                base.executemany("REPLACE INTO folders VALUES (?, ?, ?, ?)", rows)
                base.execute(
                    "DELETE FROM folders WHERE folder IN (SELECT folder FROM (SELECT folder, "
                    "SUM(files) OVER (ORDER BY used DESC) AS total FROM folders) WHERE total > ?)",
                    (_MOST_FILES,),
                )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=_PATIENCE_S)) as base:
            yield base

    def _discard(self) -> None:
        with suppress(OSError):
            self._path.unlink()


def default_cache() -> ScanCache | None:
    """The user's cache; None where the environment says ``CTSTUDIO_SCAN_CACHE=off``."""
    if os.environ.get(_SWITCH, "").lower() == "off":
        return None
    return ScanCache(cache_folder() / "scans.db")


def key(name: str) -> str:
    """What stands for the name of a file."""
    return blake2b(os.fsencode(name), digest_size=12).hexdigest()


def kept(stamp: Stamp, found: Found) -> Entry:
    """What is kept of a file."""
    if isinstance(found, str):
        return stamp, found
    return stamp, (_own(found), _common(found))


def recall(path: Path, stamp: Stamp, known: Entry | None) -> Found | None:
    """What is known of ``path``, unless the file is no longer the one that it was."""
    if known is None or known[0] != stamp:
        return None
    data = known[1]
    if isinstance(data, str):
        return data
    return Header(path, stamp.size, stamp.modified_ns, *data[0], *data[1])


def _packed(entries: Entries) -> bytes:
    """Entries as compressed lines of JSON: what many files have in common, then the files.

    A line is short, since Python's lock is kept, and the window waits, while one is coded.
    """
    numbers: dict[tuple[Any, ...], int] = {}
    files = (
        (name, stamp, data if isinstance(data, str) else [*data[0], _number(numbers, data[1])])
        for name, (stamp, data) in entries.items()
    )
    lines = []
    while line := list(islice(files, _LINE_FILES)):
        lines.append(_json(line))
    return zlib.compress(b"\n".join([_json(list(numbers)), *lines]), 1)


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _number(numbers: dict[tuple[Any, ...], int], common: tuple[Any, ...]) -> int:
    return numbers.setdefault(common, len(numbers))


def _unpacked(packed: bytes) -> Entries:
    first, *lines = zlib.decompress(packed).split(b"\n")
    common = [_with_tuples(values) for values in json.loads(first)]
    return {
        name: (
            Stamp(*stamp),
            data if isinstance(data, str) else (_with_tuples(data[:-1]), common[data[-1]]),
        )
        for line in lines
        for name, stamp, data in json.loads(line)
    }


def _with_tuples(values: list[Any]) -> tuple[Any, ...]:
    return tuple([tuple(v) if v.__class__ is list else v for v in values])


def _folder_key(folder: Path) -> bytes:
    """Hash of the place, and of what the program knows of headers: another version starts anew."""
    version = repr((_FORMAT, __version__, pydicom.__version__, _FIELDS))
    place = os.fsencode(os.path.abspath(folder))  # noqa: PTH100  # links stay as they are
    return blake2b(version.encode() + place, digest_size=16).digest()
