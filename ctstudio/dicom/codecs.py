"""From the bytes of one image to its stored values.

JPEG 2000, JPEG, JPEG-LS and RLE are decoded by imagecodecs, which releases the GIL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RLE = "1.2.840.10008.1.2.5"
_JPEG = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 52, 53, 54, 55, 57, 70)}
_JPEG_LS = {f"1.2.840.10008.1.2.4.{n}" for n in (80, 81)}
_JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91)}
_HTJ2K = {f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203)}

# Start-of-frame markers of JPEG (ITU-T T.81 table B.1) and JPEG-LS (T.87, F7).
_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


class CodecError(Exception):
    """Why a compressed image cannot be decoded, in words for the user."""


@dataclass(frozen=True)
class CodestreamInfo:
    """What a compressed image says of itself."""

    rows: int
    columns: int
    components: int
    bits: int
    signed: bool


def codestream_info(data: bytes) -> CodestreamInfo | None:
    """Read size, precision and sign from the beginning of a codestream; None if there is none.

    JPEG 2000: the SIZ marker segment (ISO/IEC 15444-1 A.5.1), with or without a JP2 wrapper around
    it. JPEG and JPEG-LS: the frame header (ITU-T T.81 B.2.2).
    """
    start = data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start >= 0:
        siz = data[start + 4 : start + 4 + 41]
        if len(siz) < 39:
            return None

        def u32(at: int) -> int:
            return int.from_bytes(siz[at : at + 4], "big")

        components = int.from_bytes(siz[36:38], "big")
        depth = siz[38]
        return CodestreamInfo(
            rows=u32(8) - u32(16),
            columns=u32(4) - u32(12),
            components=components,
            bits=(depth & 0x7F) + 1,
            signed=bool(depth & 0x80),
        )
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in _START_OF_FRAME:
            return CodestreamInfo(
                rows=int.from_bytes(data[at + 5 : at + 7], "big"),
                columns=int.from_bytes(data[at + 7 : at + 9], "big"),
                components=data[at + 9],
                bits=data[at + 4],
                signed=False,
            )
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def join_fragments(data: bytes) -> bytes:
    """The codestream of one encapsulated frame (PS3.5 A.4): its fragments, joined.

    ``data`` begins with the Basic Offset Table. A missing end marker is tolerated; the codec says
    whether something is missing.
    """
    fragments: list[bytes] = []
    at = 0
    while at + 8 <= len(data):
        tag = data[at : at + 4]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if tag != b"\xfe\xff\x00\xe0":
            break
        fragments.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    if len(fragments) < 2:
        raise CodecError("the compressed pixel data are empty")
    return b"".join(fragments[1:])


def decode(
    data: bytes, syntax: str, *, rows: int, columns: int, bits_allocated: int
) -> NDArray[Any]:
    """Decode one codestream to ``(rows, columns)``, in whatever integer dtype the codec gives.

    Raises
    ------
    CodecError
        When the syntax is unknown, or the codestream is not of the size that the header states
        (checked before anything is allocated). Codecs raise their own errors for broken data.
    """
    import imagecodecs

    if syntax == _RLE:
        # The decoder joins the byte planes and returns plain little-endian bytes.
        kind = f"<u{bits_allocated // 8}"
        return _as_plane(
            np.frombuffer(imagecodecs.dicomrle_decode(data, kind), kind), rows, columns
        )
    if syntax not in _JPEG | _JPEG_LS | _JPEG_2000 | _HTJ2K:
        raise CodecError("this kind of compression cannot be decoded")
    info = codestream_info(data)
    if info is None:
        raise CodecError("the compressed pixel data do not begin like an image")
    if (info.rows, info.columns, info.components) != (rows, columns, 1):
        raise CodecError(
            f"the compressed image is {info.columns} x {info.rows} with {info.components} "
            f"components, the header says {columns} x {rows} with one"
        )
    if syntax in _JPEG:
        return _as_plane(imagecodecs.jpeg8_decode(data), rows, columns)
    if syntax in _JPEG_LS:
        # A stream cut off without an end marker can keep CharLS busy for many seconds.
        return _as_plane(imagecodecs.jpegls_decode(data + b"\xff\xd9"), rows, columns)
    if syntax in _HTJ2K:
        return _as_plane(imagecodecs.htj2k_decode(data), rows, columns)
    return _as_plane(imagecodecs.jpeg2k_decode(data), rows, columns)


def load_decoders() -> Iterator[None]:
    """Load the libraries that `decode` would load when it first needs one, one after another."""
    import imagecodecs

    for name in ("jpeg2k", "jpeg8", "jpegls", "htj2k", "dicomrle"):
        getattr(imagecodecs, f"{name}_decode")
        yield


def _as_plane(decoded: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    if decoded.size < rows * columns:
        raise CodecError(f"only {decoded.size} of {rows * columns} pixels could be decoded")
    if decoded.ndim == 1:  # RLE segments may be padded to even length
        decoded = decoded[: rows * columns]
    return decoded.reshape(rows, columns)


def keep_stored_bits(
    values: NDArray[Any], *, bits_allocated: int, bits_stored: int, high_bit: int
) -> None:
    """Clear what lies outside the stored bits, extending the sign where the dtype is signed.

    In place; ``values`` are integers of ``bits_allocated`` bits. Older files keep overlays in the
    bits above ``high_bit``.
    """
    if bits_stored == bits_allocated:
        return
    np.left_shift(values, bits_allocated - 1 - high_bit, out=values)
    np.right_shift(values, bits_allocated - bits_stored, out=values)
