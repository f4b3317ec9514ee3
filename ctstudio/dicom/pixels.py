"""From a file to the stored values of its images."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ctstudio.dicom.codecs import CodecError, decode, join_fragments, keep_stored_bits
from ctstudio.dicom.headers import Header
from ctstudio.dicom.places import open_binary

_AT_ONCE = hasattr(os, "preadv")
_NO_TABLE = b"\xfe\xff\x00\xe0\0\0\0\0"
_LARGE_BYTES = 64 << 20
_COMPRESSION_LIMIT = 1000


def dtype_of(header: Header) -> np.dtype[Any]:
    """The integers that hold the stored values of one image."""
    return np.dtype(f"{'i' if header.signed else 'u'}{header.bits_allocated // 8}")


def refusal(header: Header) -> str:
    """Why the file cannot hold what its header asks for, known before any allocation; else ""."""
    needed = header.frame_bytes
    if header.native:
        there = min(header.pixel_bytes or 0, header.file_bytes - header.pixel_offset)
        return f"it holds {max(there, 0)} of {needed} pixel bytes" if there < needed else ""
    if needed > max(_LARGE_BYTES, _COMPRESSION_LIMIT * header.file_bytes):
        return f"its header asks for {needed >> 20} MB from a file of {header.file_bytes} bytes"
    return ""


class PixelReader:
    """Puts images into arrays; several threads may use one.

    What must be unpacked as a whole (a deflated file, a member of an archive) and holds several
    images is unpacked once and kept until another such file is asked for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[Path, bytes] | None = None

    def fill(self, header: Header, out: NDArray[Any]) -> None:
        """Put the stored values into ``out`` ``(y, x)``, an integer array that holds them.

        Raises OSError, CodecError, or what the codec raises.
        """
        kind = dtype_of(header)
        if header.native:
            direct = out.dtype == kind and out.flags.c_contiguous
            target = out if direct else np.empty(out.shape, kind)
            self._read(header, target)
            if not header.little_endian:
                target.byteswap(inplace=True)
        elif header.deflated:
            target = self._inflated(header)
        else:
            decoded = self._decoded(header)
            # Same width: the bits are kept, the header's sign is put on them.
            target = decoded.astype(f"u{kind.itemsize}", casting="unsafe", copy=False).view(kind)
        keep_stored_bits(
            target,
            bits_allocated=header.bits_allocated,
            bits_stored=header.bits_stored,
            high_bit=header.high_bit,
        )
        if target is not out:
            out[...] = target

    def coded(self, header: Header) -> bytes:
        """The bytes of the image as they are coded, in a file of one compressed image to its end.

        Raises OSError, CodecError, or what a broken file makes pydicom raise.
        """
        if header.deflated:
            return self._inflated(header).tobytes()
        with self._open(header) as stream:
            stream.seek(header.pixel_offset)
            count = header.frame_bytes if header.native else header.packed_bytes or -1
            return stream.read(count)

    def _read(self, header: Header, target: NDArray[Any]) -> None:
        """Put the pixel bytes into ``target`` as they lie in the file."""
        view = target.data.cast("B")
        try:
            file = os.open(header.path, os.O_RDONLY) if _AT_ONCE else -1
        except NotADirectoryError:  # a member of an archive
            file = -1
        if file < 0:
            with self._open(header) as stream:
                stream.seek(header.pixel_offset)
                _fill(view, lambda got: stream.readinto(view[got:]))  # type: ignore[attr-defined]
            return
        # Few calls: each of them gives up Python's lock, and must wait to have it back.
        try:
            _check_size(os.fstat(file).st_size, header)
            _fill(view, lambda got: os.preadv(file, [view[got:]], header.pixel_offset + got))
        finally:
            os.close(file)

    def _open(self, header: Header) -> BinaryIO:
        """The file, which must be as long as it was when it was scanned."""
        if header.frames > 1 and not header.path.is_file():
            return io.BytesIO(self._unpacked(header, _whole))
        return _open(header)

    def _decoded(self, header: Header) -> NDArray[Any]:
        with self._open(header) as stream:
            stream.seek(header.pixel_offset)
            data = stream.read(header.packed_bytes or -1)
        # A frame among others lies behind the one table of offsets that all of them share.
        table = _NO_TABLE if header.packed_bytes else b""
        decoded = decode(
            join_fragments(table + data),
            header.syntax,
            rows=header.rows,
            columns=header.columns,
            bits_allocated=header.bits_allocated,
        )
        return decoded if decoded.flags.writeable else decoded.copy()

    def _inflated(self, header: Header) -> NDArray[Any]:
        whole = self._unpacked(header, _inflate) if header.frames > 1 else _inflate(header)
        data = memoryview(whole)[header.frame * header.frame_bytes :]
        if len(data) < header.frame_bytes:
            raise CodecError(f"it holds {len(data)} of {header.frame_bytes} pixel bytes")
        values = np.frombuffer(data, dtype_of(header), header.rows * header.columns)
        return values.reshape(header.rows, header.columns).copy()

    def _unpacked(self, header: Header, unpack: Callable[[Header], bytes]) -> bytes:
        with self._lock:
            if self._kept is None or self._kept[0] != header.path:
                self._kept = None  # the old one goes before the new one comes
                self._kept = (header.path, unpack(header))
            return self._kept[1]


def _open(header: Header) -> BinaryIO:
    stream = open_binary(header.path, 0)
    try:
        _check_size(stream.seek(0, os.SEEK_END), header)
    except CodecError:
        stream.close()
        raise
    stream.seek(0)
    return stream


def _check_size(size: int, header: Header) -> None:
    if size != header.file_bytes:
        raise CodecError("the file changed after it was scanned")


def _whole(header: Header) -> bytes:
    with _open(header) as stream:
        return stream.read()


def _inflate(header: Header) -> bytes:
    """The pixels of a deflated file, all of its images."""
    import pydicom

    with _open(header) as stream:
        data: bytes = pydicom.dcmread(stream, force=True).PixelData
    return data


def _fill(view: memoryview, read: Callable[[int], int | None]) -> None:
    """Fill ``view`` by ``read``, which is told how much is there and returns how much it added."""
    got = 0
    while got < len(view):
        count = read(got)
        if not count:
            raise CodecError(f"the file ends after {got} of {len(view)} pixel bytes")
        got += count
