"""Where DICOM bytes lie: files, and members of zip archives, which stand for folders in a path.

``study.zip/CT/0001`` names the member ``CT/0001`` of the archive ``study.zip``. A member is
unpacked in memory, as far as it is asked for; nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import os
import re
import struct
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

HEAD_BYTES = 1 << 16
"""How much of a file is fetched at first; the header of a CT slice seldom exceeds 10 kB."""

MEMBER_HEAD_BYTES = 1 << 14
"""And of a member of an archive, which must be unpacked."""

_MOST_MEMBERS = 200_000
_LARGE_BYTES = 64 << 20
_MEMBER_RATIO = 250  # an image worth packing stays below 100; deflate could reach 1032
_ARCHIVE_BYTES, _ARCHIVE_RATIO = 1 << 30, 250
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DRIVE = re.compile(r"^[A-Za-z]:")


class ArchiveError(OSError):
    """Why an archive or a member of one cannot be used, in words that follow "because"."""


class Stamp(NamedTuple):
    """What tells whether a file is still the one that was read.

    ``changed_ns`` is the time of the last change of contents or name (on Windows: the creation).
    ``identity`` is the number of the file on its disk, or the checksum of a member.
    """

    size: int
    modified_ns: int
    changed_ns: int
    identity: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: where it lies there and how it is packed."""

    offset: int
    packed_bytes: int
    size: int
    deflated: bool
    checksum: int


def read_head(path: Path) -> bytes:
    """The first bytes of a file or member; parses nothing.

    Raises OSError.
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))  # half the time of open()
    except (FileNotFoundError, NotADirectoryError):
        inside = _inside(path)
        if inside is None:
            raise
        archive, member = inside
        return _unpacked(archive, member, MEMBER_HEAD_BYTES)
    try:
        return os.read(file, HEAD_BYTES)
    finally:
        os.close(file)


def open_binary(path: Path, buffering: int = -1) -> BinaryIO:
    """The bytes of a file, or of a member of an archive (unpacked in memory, its checksum tested).

    Raises OSError.
    """
    try:
        return path.open("rb", buffering)
    except (FileNotFoundError, NotADirectoryError):
        inside = _inside(path)
        if inside is None:
            raise
    archive, member = inside
    data = _unpacked(archive, member, member.size)
    if zlib.crc32(data) != member.checksum:
        raise ArchiveError("the archive is damaged there (wrong checksum)")
    return io.BytesIO(data)


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a zip archive by its name and its first bytes. Raises OSError."""
    if not path.name.lower().endswith(".zip"):
        return False
    with path.open("rb", buffering=0) as stream:
        return (stream.read(4) or b"") in (b"PK\x03\x04", b"PK\x05\x06")


def members(archive: Path) -> dict[str, Member]:
    """The files in a zip archive by name, in the archive's order; what a system adds is left out.

    Where several have one name, the second is called ``name (2)``, and so on.

    Raises
    ------
    ArchiveError
        Where it is broken, encrypted, leads out of itself, or would unpack to what no scan is.
    OSError
        Where it cannot be read.
    """
    status = archive.stat()
    return _members(str(archive), status.st_size, status.st_mtime_ns)


def member_stamp(archive: os.stat_result, member: Member) -> Stamp:
    """The stamp of a member of the archive with this status."""
    return Stamp(member.size, archive.st_mtime_ns, archive.st_ctime_ns, member.checksum)


@lru_cache(maxsize=8)
def _members(path: str, size: int, modified_ns: int) -> dict[str, Member]:
    """Size and time are part of the key: a changed archive is read anew."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ArchiveError("it is a broken zip archive") from error
    if len(infos) > _MOST_MEMBERS:
        raise ArchiveError(f"it holds {len(infos)} files, more than {_MOST_MEMBERS}")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > max(_ARCHIVE_BYTES, _ARCHIVE_RATIO * size):
        raise ArchiveError(
            f"it would unpack from {size >> 10} kB to {unpacked / 2**30:.1f} GB, "
            "which no series of images does"
        )
    if sum(info.compress_size for info in infos) > size:
        raise ArchiveError("its files overlap, as they do in an archive made to overflow a disk")
    found: dict[str, Member] = {}
    given = {PurePosixPath(info.filename).as_posix() for info in infos}
    same: Counter[str] = Counter()
    for info in infos:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
            raise ArchiveError(f"the name of one of its files leads out of it ({info.filename!r})")
        if _DRIVE.match(info.filename):
            raise ArchiveError(f"one of its files names a drive ({info.filename!r})")
        if info.flag_bits & 1:
            raise ArchiveError("it is encrypted; unpack it with its password first")
        if "__MACOSX" in name.parts or name.name.startswith("._"):
            continue
        if info.compress_type not in _PACKINGS:
            raise ArchiveError("it is packed in a way other than deflate; unpack it first")
        first = called = name.as_posix() if name.name else "unnamed"
        while called in found or (called != first and called in given):
            same[first] += 1
            called = f"{first} ({same[first] + 1})"
        found[called] = Member(
            info.header_offset,
            info.compress_size,
            info.file_size,
            info.compress_type == zipfile.ZIP_DEFLATED,
            info.CRC,
        )
    return found


def _inside(path: Path) -> tuple[Path, Member] | None:
    """Archive and member that ``path`` names, or None where no parent of it is a file."""
    for parent in path.parents:
        if parent.is_file():
            member = members(parent).get(path.relative_to(parent).as_posix())
            return None if member is None else (parent, member)
    return None


def _unpacked(archive: Path, member: Member, count: int) -> bytes:
    """The first ``count`` bytes of a member; never more than that in memory."""
    count = min(count, member.size)
    if count > max(_LARGE_BYTES, _MEMBER_RATIO * member.packed_bytes):
        raise ArchiveError(f"it asks for {count >> 20} MB from {member.packed_bytes} packed bytes")
    with archive.open("rb") as stream:
        stream.seek(member.offset)
        local = stream.read(30)
        if local[:4] != b"PK\x03\x04" or len(local) < 30:
            raise ArchiveError("the archive is damaged there")
        name, extra = struct.unpack_from("<HH", local, 26)
        stream.seek(name + extra, os.SEEK_CUR)
        if not member.deflated:
            data = stream.read(count)
        else:
            data = _inflated(stream, member.packed_bytes, count)
    if len(data) < count:
        raise ArchiveError("the archive is damaged there (it ends too early)")
    return data


def _inflated(stream: BinaryIO, packed: int, count: int) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    have = 0
    try:
        while have < count and not unpacker.eof:
            chunk = unpacker.unconsumed_tail
            if not chunk:
                chunk = stream.read(min(packed, HEAD_BYTES))
                packed -= len(chunk)
                if not chunk:
                    break
            parts.append(unpacker.decompress(chunk, count - have))
            have += len(parts[-1])
    except zlib.error as error:
        raise ArchiveError(f"the archive is damaged there ({error})") from error
    return b"".join(parts)
