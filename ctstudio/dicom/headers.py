"""One file's header, up to the pixels: where the slice lies, how its values are stored."""

from __future__ import annotations

import io
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from ctstudio.dicom.codecs import CodestreamInfo, codestream_info

DEFLATED = "1.2.840.10008.1.2.1.99"
NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED}
JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203)}

HEAD_BYTES = 1 << 16
"""How much of a file is fetched at first; the header of a CT slice seldom exceeds 10 kB."""

_LONG_LENGTH = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"UT", b"SQ", b"UC", b"UR"}

_TAGS = {
    "charset": 0x00080005,
    "image_type": 0x00080008,
    "sop_uid": 0x00080018,
    "modality": 0x00080060,
    "thickness": 0x00180050,
    "between_slices": 0x00180088,
    "echo": 0x00180086,
    "kernel": 0x00181210,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
    "series_number": 0x00200011,
    "acquisition": 0x00200012,
    "instance": 0x00200013,
    "position": 0x00200032,
    "orientation": 0x00200037,
    "temporal": 0x00200100,
    "slice_location": 0x00201041,
    "acquisition_time": 0x00080032,
    "samples": 0x00280002,
    "photometric": 0x00280004,
    "frames": 0x00280008,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "spacing": 0x00280030,
    "bits_allocated": 0x00280100,
    "bits_stored": 0x00280101,
    "high_bit": 0x00280102,
    "signed": 0x00280103,
    "intercept": 0x00281052,
    "slope": 0x00281053,
    "rescale_type": 0x00281054,
}


class UnreadableError(Exception):
    """Why one file or slice cannot be used, in words for the user; never leaves the package."""


@dataclass(frozen=True, slots=True)
class Header:
    """What sorting and decoding one single-frame image need.

    ``pixel_offset`` is where the pixel bytes begin in the file, ``pixel_bytes`` their length, or
    None where they are encapsulated (compressed) or deflated. ``bits_stored``, ``high_bit`` and
    ``signed`` follow a JPEG 2000 codestream where it contradicts the header. Lengths are in mm.
    """

    path: Path
    file_bytes: int
    modified_ns: int
    syntax: str
    little_endian: bool
    pixel_offset: int
    pixel_bytes: int | None
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    codestream_disagrees: bool
    sop_uid: str
    series_uid: str
    study_uid: str
    series_number: int | None
    instance_number: int | None
    modality: str
    localiser: bool
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    slice_location: float | None
    thickness: float | None
    between_slices: float | None
    slope: float
    intercept: float
    rescaled: bool
    rescale_type: str
    parts: tuple[str, ...]
    """What tells apart several images at one position: time point, echo, acquisition, kernel."""

    @property
    def deflated(self) -> bool:
        return self.syntax == DEFLATED

    @property
    def native(self) -> bool:
        """Whether the stored values lie in the file as they are."""
        return self.pixel_bytes is not None

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.bits_allocated // 8

    @property
    def syntax_name(self) -> str:
        return str(UID(self.syntax).name) if self.syntax else "no transfer syntax stated"

    @property
    def hounsfield(self) -> bool:
        """Whether rescaled values are HU: CT that is no localiser and names no other unit."""
        named = self.rescale_type.upper()
        says_hu = not named or named == "HU" or named.startswith(("HOUN", "[HU"))
        return self.modality == "CT" and self.rescaled and not self.localiser and says_hu


def read_head(path: Path) -> tuple[bytes, os.stat_result]:
    """The first bytes of a file and its status; made to run in a pool, it parses nothing.

    Raises OSError.
    """
    with path.open("rb", buffering=0) as stream:
        return stream.read(HEAD_BYTES) or b"", os.fstat(stream.fileno())


def parse_header(path: Path, head: bytes, status: os.stat_result) -> Header:
    """The header of the file whose first bytes are ``head``.

    pydicom warns about files that bend the standard; here only what makes a slice unusable counts.

    Raises
    ------
    UnreadableError
        With the reason, where the file is not a single-frame image that can be read.
    """
    if not _looks_like_dicom(head):
        raise UnreadableError("it is empty" if not head else "it is not a DICOM file")
    whole = len(head) >= status.st_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _parse(path, io.BytesIO(head), status)
        except Exception as error:
            if whole:
                raise _as_unreadable(error) from error
        # The header was longer than what was fetched.
        try:
            with path.open("rb") as stream:
                return _parse(path, stream, status)
        except Exception as error:
            raise _as_unreadable(error) from error


def _looks_like_dicom(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return True
    # Old files have neither preamble nor meta information: they begin with group 0002 or 0008.
    begins = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
    return head[:2] in begins and b"\x00" in head[2:4] and len(head) > 16


def _as_unreadable(error: Exception) -> UnreadableError:
    if isinstance(error, UnreadableError):
        return error
    if isinstance(error, OSError):
        return UnreadableError(error.strerror or str(error))
    if isinstance(error, InvalidDicomError):
        return UnreadableError("it is not a DICOM file")
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return UnreadableError(f"its header is broken ({text})")


def _parse(path: Path, stream: io.BytesIO | io.BufferedReader, status: os.stat_result) -> Header:
    dataset = pydicom.dcmread(
        stream, stop_before_pixels=True, force=True, specific_tags=list(_TAGS.values())
    )
    meta = dataset.file_meta
    if meta.get("MediaStorageSOPClassUID") == "1.2.840.10008.1.3.10":
        raise UnreadableError("it is a DICOMDIR index, not an image")
    values = _Values(dataset)
    rows, columns = values.integer("rows"), values.integer("columns")
    if not rows or not columns:
        what = values.text("modality")
        raise UnreadableError(f"it holds no image{f' ({what} object)' if what else ''}")
    syntax = str(meta.get("TransferSyntaxUID", "") or "")
    implicit, little = dataset.original_encoding
    if syntax == DEFLATED:
        offset, length = 0, None
    else:
        offset, length = _pixel_element(stream, bool(implicit), bool(little))
        native = syntax in NATIVE or not UID(syntax).is_transfer_syntax
        if native and length is None:
            if syntax and syntax not in NATIVE:
                raise UnreadableError(f"its transfer syntax {syntax} is not known")
            raise UnreadableError("its pixel data have no length, although they are not compressed")
        if not native and length is not None:
            raise UnreadableError(f"its pixel data are not encapsulated as {UID(syntax).name} asks")
    codestream = None
    if syntax in JPEG_2000:
        stream.seek(offset)
        codestream = codestream_info(stream.read(4096))
    bits = _bit_layout(values, codestream)
    _refuse_unsupported(values, bits[0])
    orientation = _unit_directions(values.floats("orientation", 6))
    spacing = values.floats("spacing", 2)
    if spacing and not all(0 < s < 1e4 for s in spacing):
        spacing = None
    slope, intercept = values.number("slope"), values.number("intercept")
    return Header(
        path=path,
        file_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        syntax=syntax,
        little_endian=bool(little),
        pixel_offset=offset,
        pixel_bytes=length,
        rows=rows,
        columns=columns,
        bits_allocated=bits[0],
        bits_stored=bits[1],
        high_bit=bits[2],
        signed=bits[3],
        codestream_disagrees=bits[4],
        sop_uid=values.text("sop_uid"),
        series_uid=values.text("series_uid"),
        study_uid=values.text("study_uid"),
        series_number=values.integer_text("series_number"),
        instance_number=values.integer_text("instance"),
        modality=values.text("modality"),
        localiser="LOCALIZER" in values.text("image_type").upper(),
        position=values.floats("position", 3),
        orientation=orientation,
        spacing=spacing,
        slice_location=values.number("slice_location"),
        thickness=values.number("thickness"),
        between_slices=values.number("between_slices"),
        slope=slope if slope else 1.0,
        intercept=intercept or 0.0,
        rescaled=bool(slope),
        rescale_type=values.text("rescale_type"),
        parts=tuple(
            values.text(name)
            for name in (
                "temporal", "echo", "acquisition", "kernel", "image_type", "acquisition_time",
            )
        ),
    )  # fmt: skip


def _refuse_unsupported(values: _Values, bits_allocated: int) -> None:
    frames = values.text("frames")
    if frames not in ("", "1"):
        raise UnreadableError(f"images of several frames ({frames}) cannot be opened yet")
    if values.integer("samples", 1) != 1 or values.text("photometric") == "PALETTE COLOR":
        raise UnreadableError("colour images cannot be opened yet")
    if bits_allocated not in (8, 16, 32):
        raise UnreadableError(f"images of {bits_allocated} bits a pixel cannot be opened yet")


def _bit_layout(
    values: _Values, codestream: CodestreamInfo | None
) -> tuple[int, int, int, bool, bool]:
    """Bits allocated, bits stored, high bit, signed, and whether the codestream disagrees.

    A JPEG 2000 codestream states its own precision and sign. An unsigned codestream under a signed
    header holds two's complement of the codestream's precision; a signed codestream is signed.
    """
    allocated = values.integer("bits_allocated", 16)
    stored = values.integer("bits_stored", allocated)
    high = values.integer("high_bit", stored - 1)
    signed = values.integer("signed") == 1
    disagrees = False
    if codestream is not None:
        disagrees = codestream.signed != signed or codestream.bits != stored
        stored, high = codestream.bits, codestream.bits - 1
        signed = signed or codestream.signed
        allocated = 8 if stored <= 8 else 16 if stored <= 16 else 32
    if not (1 <= stored <= allocated and stored - 1 <= high < allocated):
        raise UnreadableError(
            f"its header contradicts itself ({stored} bits stored, high bit {high}, "
            f"{allocated} allocated)"
        )
    return allocated, stored, high, signed, disagrees


def _pixel_element(
    stream: io.BytesIO | io.BufferedReader, implicit: bool, little: bool
) -> tuple[int, int | None]:
    """Offset and length (None: encapsulated) of the pixel data that begin at ``stream``."""
    start = stream.tell()
    raw = stream.read(12)
    order = "little" if little else "big"
    if len(raw) < 8:
        raise UnreadableError("it ends before its pixels")
    group, element = (int.from_bytes(raw[k : k + 2], order) for k in (0, 2))  # type: ignore[arg-type]
    if (group, element) in ((0x7FE0, 0x0008), (0x7FE0, 0x0009)):
        raise UnreadableError("floating-point pixels cannot be opened yet")
    if (group, element) != (0x7FE0, 0x0010):
        raise UnreadableError("it has no pixel data")
    if implicit:
        position, size = 4, 4
    elif raw[4:6] in _LONG_LENGTH:
        position, size = 8, 4
    else:
        position, size = 6, 2
    length = int.from_bytes(raw[position : position + size], order)  # type: ignore[arg-type]
    return start + position + size, None if length == 0xFFFFFFFF else length


def _unit_directions(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Orientation made exactly unit and orthogonal-checked; None where it is no orientation."""
    if values is None:
        return None
    row, column = values[:3], values[3:]
    row_length, column_length = math.hypot(*row), math.hypot(*column)
    cosine = sum(a * b for a, b in zip(row, column, strict=True))
    if min(row_length, column_length) < 0.5 or abs(cosine) > 0.05:
        return None
    return (*(v / row_length for v in row), *(v / column_length for v in column))


class _Values:
    """Elements by name, decoded from their raw bytes: fast, and no broken value raises."""

    def __init__(self, dataset: pydicom.Dataset) -> None:
        self._dataset = dataset

    def _raw(self, name: str) -> tuple[object, bool]:
        if _TAGS[name] not in self._dataset:
            return None, True
        element = self._dataset.get_item(_TAGS[name])
        return element.value, getattr(element, "is_little_endian", True)

    def text(self, name: str) -> str:
        value, _ = self._raw(name)
        if value is None:
            return ""
        if isinstance(value, bytes):
            return value.decode("latin-1").strip(" \0\r\n\t")
        if isinstance(value, (list, tuple)):
            return "\\".join(str(v) for v in value)
        return str(value)

    def integer(self, name: str, default: int = 0) -> int:
        """A binary 16-bit value (US)."""
        value, little = self._raw(name)
        if isinstance(value, bytes):
            return int.from_bytes(value[:2], "little" if little else "big") if value else default
        return value if isinstance(value, int) else default

    def floats(self, name: str, count: int) -> tuple[float, ...] | None:
        try:
            values = tuple(float(v) for v in self.text(name).split("\\"))
        except ValueError:
            return None
        if len(values) < count or not all(map(math.isfinite, values)):
            return None
        return values[:count]

    def number(self, name: str) -> float | None:
        values = self.floats(name, 1)
        return values[0] if values else None

    def integer_text(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None else int(value)
