"""DICOMDIR: the index of a disc or folder, and the files that it names (PS3.3 F, PS3.10 8)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom

_RECORDS = "DirectoryRecordSequence"
_FILE_ID = "ReferencedFileID"
_MISSING = "the DICOMDIR names it, but it is not there"
_OUTSIDE = "the DICOMDIR names a file outside its own folder"


class BrokenIndexError(Exception):
    """Why a DICOMDIR cannot be used, in words that follow "because"."""


def is_named_so(path: Path) -> bool:
    """Whether a file is called what PS3.10 8.6 prescribes, in whatever case."""
    return path.name.upper().split(";")[0].rstrip(".") == "DICOMDIR"


def files(index: Path) -> list[tuple[Path, str]]:
    """The files that a DICOMDIR names, each once, with the reason why one cannot be opened or "".

    Names are compared without regard to case and version number, since systems show those of a
    disc differently.

    Raises
    ------
    BrokenIndexError
        Where it is no DICOMDIR, or cannot be read.
    """
    found: dict[Path, str] = {}
    folders = _Folders()
    for parts in _file_ids(index):
        if any(part in ("", ".", "..") or ":" in part for part in parts):
            found[index.parent.joinpath(*(p.strip(".:") or "_" for p in parts))] = _OUTSIDE
            continue
        path = folders.find(index.parent, parts)
        if path is None:
            found[index.parent.joinpath(*parts)] = _MISSING
        else:
            found[path] = ""
    return list(found.items())


def _file_ids(index: Path) -> Iterator[list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Implementations that follow the standard's letter write explicit little endian.
            dataset = pydicom.dcmread(index, force=True)
            records = list(dataset[_RECORDS].value)
        except OSError as error:
            raise BrokenIndexError((error.strerror or str(error)).lower()) from error
        except Exception as error:  # whatever a broken index makes pydicom raise
            raise BrokenIndexError(
                "it is a DICOMDIR index that cannot be read; open its folder instead"
            ) from error
        for record in records:
            try:
                value = record.get(_FILE_ID)
            except Exception:  # one broken record must not hide the others
                continue
            if value:
                text = value if isinstance(value, str) else "\\".join(str(v) for v in value)
                yield re.split(r"[\\/]", text)


class _Folders:
    """Names in folders, found without regard to case."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, Path]] = {}

    def find(self, folder: Path, parts: list[str]) -> Path | None:
        for part in parts:
            child = self._inside(folder).get(_plain(part))
            if child is None:
                return None
            folder = child
        return folder if folder.is_file() else None

    def _inside(self, folder: Path) -> dict[str, Path]:
        names = self._names.get(folder)
        if names is None:
            try:
                names = {_plain(path.name): path for path in folder.iterdir()}
            except OSError:
                names = {}
            self._names[folder] = names
        return names


def _plain(name: str) -> str:
    return name.strip().split(";")[0].rstrip(".").casefold()
