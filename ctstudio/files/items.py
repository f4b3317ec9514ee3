"""Where bytes lie: files on disk and members of zip archives, read in memory and within limits."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

LARGE_BYTES = 64 << 20
COMPRESSION_LIMIT = 1100  # deflate reaches 1032; pictures of CT stay below 100
ARCHIVE_BYTES = 4 << 30
ARCHIVE_MEMBERS = 100_000

_DIGITS = re.compile(r"([0-9]+)")


class BrokenError(Exception):
    """A file that cannot be used; its text follows "because"."""


@dataclass(frozen=True)
class Item:
    """One file: ``path`` on disk, or ``member`` of the zip archive there; ``size`` in bytes."""

    path: Path
    size: int
    member: str = ""

    @property
    def where(self) -> Path:
        """The path that names it to people, with the archive as a folder."""
        return self.path / self.member if self.member else self.path

    @property
    def name(self) -> str:
        """Its last part."""
        return self.where.name

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts by folder, then numbers by their size: img2 before img10."""
        return (str(self.where.parent), *natural(self.name))


def natural(name: str) -> tuple[object, ...]:
    """A key that sorts numbers in ``name`` by their size, and equal ones by their zeros."""
    key: list[object] = []
    for part in _DIGITS.split(name.casefold()):
        digits = part.lstrip("0")
        # Digits are compared as text of known length: no number is too long for it.
        key.append((len(digits), digits) if part[:1].isdecimal() else part)
    return (tuple(key), name)


def kind_of(name: str) -> str:
    """The ending that says what a file is, in small letters; ".nii.gz" is one."""
    lower = name.lower()
    return ".nii.gz" if lower.endswith(".nii.gz") else PurePosixPath(lower).suffix


def members(path: Path, suffixes: frozenset[str]) -> list[Item]:
    """The files with one of these endings in a zip archive.

    Raises
    ------
    BrokenError
        Where it is no archive, or would unpack to more than a scan can be.
    """
    with _open(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > ARCHIVE_MEMBERS:
        raise BrokenError(f"it holds {len(infos)} files, more than {ARCHIVE_MEMBERS}")
    total = sum(info.file_size for info in infos)
    if total > ARCHIVE_BYTES:
        raise BrokenError(f"it unpacks to {total / 2**30:.1f} GB, more than {ARCHIVE_BYTES >> 30}")
    items = []
    for info in infos:
        parts = PurePosixPath(info.filename).parts
        # Resource forks of another system are no pictures, whatever their ending.
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        if kind_of(info.filename) in suffixes:
            require_plausible(info.file_size, info.compress_size)
            if info.flag_bits & 1:
                raise BrokenError("it is encrypted")
            items.append(Item(path, info.file_size, info.filename))
    return items


def require_plausible(needed: int, stored: int) -> None:
    """Refuse what would grow from ``stored`` bytes to ``needed`` as no image does.

    Raises
    ------
    BrokenError
        Where it asks for more than 64 MB and 1100 times what is there.
    """
    if needed > max(LARGE_BYTES, COMPRESSION_LIMIT * stored):
        raise BrokenError(f"it asks for {needed >> 20} MB from {stored} bytes")


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise BrokenError("it is no zip archive, or a broken one") from error


class Store:
    """Opens items; keeps the archive of the last one open, since its directory may be long."""

    def __init__(self) -> None:
        self._archive: zipfile.ZipFile | None = None
        self._path: Path | None = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        if self._archive is not None:
            self._archive.close()

    def stream(self, item: Item) -> BinaryIO:
        """The bytes of ``item``, seekable; a member of an archive is unpacked in memory.

        Raises
        ------
        OSError
            Where the file cannot be read.
        BrokenError
            Where an archive is damaged.
        """
        if not item.member:
            return item.path.open("rb")
        if self._archive is None or self._path != item.path:
            if self._archive is not None:
                self._archive.close()
            self._archive, self._path = _open(item.path), item.path
        try:
            data = self._archive.read(item.member)
        except (zipfile.BadZipFile, KeyError, EOFError, RuntimeError, NotImplementedError) as error:
            raise BrokenError(f"the archive is damaged there ({error})") from error
        return io.BytesIO(data)
