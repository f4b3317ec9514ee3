"""The search for files: through folders, into zip archives, along a DICOMDIR."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctstudio.ct.series import Skipped
from ctstudio.dicom import dicomdir
from ctstudio.dicom.places import ArchiveError, Stamp, is_archive, member_stamp, members

ARCHIVE_REFUSED = "the archive is not opened: "
"""How the reasons begin for which a whole zip archive is left out."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in ``folder`` or a member of ``archive``, as it was when it was come across."""

    path: Path
    folder: Path
    stamp: Stamp
    archive: Path | None = None


class Walk:
    """The search through ``paths``; what cannot be entered goes to ``skipped``."""

    def __init__(self, paths: Sequence[Path], skipped: list[Skipped]) -> None:
        self._given = [Path(p) for p in paths]
        self._skipped = skipped
        self._folders: set[tuple[int, int]] = set()
        self._files: set[str] = set()

    def files(self) -> Iterator[File | None]:
        """Every file, sorted within its folder, each once; None now and then."""
        todo = list(reversed(self._given))
        indices: list[Path] = []
        while todo:
            path = todo.pop()
            try:
                status = path.stat()
                if stat.S_ISDIR(status.st_mode):
                    # Links to folders are followed, each folder once.
                    if (status.st_dev, status.st_ino) not in self._folders:
                        self._folders.add((status.st_dev, status.st_ino))
                        yield from self._folder(path, todo, indices)
                elif path in self._given and dicomdir.is_named_so(path):
                    yield from self._listed(path)
                else:
                    yield from self._one(path, path.parent, status)
            except OSError as error:
                self._skip(path, error)
                yield None
        # What a folder's index names and nobody came across is missing.
        for index in indices:
            yield from self._listed(index, missing_only=True)

    def _folder(self, folder: Path, todo: list[Path], indices: list[Path]) -> Iterator[File | None]:
        below: list[Path] = []
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
        for entry in inside:
            # Folders of this prefix are being written by this program.
            if entry.name.startswith(".tmp-"):
                continue
            path = folder / entry.name
            try:
                if entry.is_dir():
                    below.append(path)
                    continue
                if dicomdir.is_named_so(path):
                    indices.append(path)
                # A number of zero stands where a system (Windows) does not tell it here.
                status = entry.stat()
                yield from self._one(path, folder, status if status.st_ino else path.stat())
            except OSError as error:
                self._skip(path, error)
                yield None
        todo += reversed(below)
        yield None

    def _one(self, path: Path, folder: Path, status: os.stat_result) -> Iterable[File]:
        """The file, or those in it where it is an archive, unless it is known already."""
        name = os.fspath(path)
        if not stat.S_ISREG(status.st_mode):
            self._skipped.append(Skipped(path, "it is neither a file nor a folder"))
            return ()
        if name in self._files:
            return ()
        self._files.add(name)
        if is_archive(path):
            return self._archive(path, status)
        return (File(path, folder, Stamp.of(status)),)

    def _archive(self, path: Path, status: os.stat_result) -> Iterator[File]:
        try:
            inside = members(path)
        except ArchiveError as error:
            self._skipped.append(Skipped(path, f"{ARCHIVE_REFUSED}{error}"))
            return
        if not inside:
            self._skipped.append(Skipped(path, "it is empty"))
        for name in sorted(inside):
            member = path / name
            yield File(member, member.parent, member_stamp(status, inside[name]), path)

    def _listed(self, index: Path, *, missing_only: bool = False) -> Iterator[File]:
        """The files that a DICOMDIR names, as far as they have not been come across."""
        try:
            listing = dicomdir.files(index)
        except dicomdir.BrokenIndexError as error:
            if not missing_only:
                self._skipped.append(Skipped(index, str(error)))
            return
        for path, reason in listing:
            if reason:
                self._skipped.append(Skipped(path, reason))
            elif not missing_only:
                yield from self._one(path, path.parent, path.stat())

    def _skip(self, path: Path, error: OSError) -> None:
        self._skipped.append(Skipped(path, os_reason(error)))


def os_reason(error: OSError) -> str:
    """What the system says, in words that follow "because"."""
    if isinstance(error, PermissionError):
        return "permission is denied"
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    return (error.strerror or str(error)).lower()
