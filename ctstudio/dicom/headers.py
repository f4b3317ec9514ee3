"""One file's header, up to the pixels: where the slice lies, how its values are stored."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.config import IGNORE
from pydicom.uid import UID

from ctstudio.dicom.codecs import CodestreamInfo, codestream_info
from ctstudio.dicom.elements import (
    BIG_ENDIAN,
    DEFLATED,
    IMPLICIT,
    Elements,
    pixel_span,
    read_with_pydicom,
    walk,
)
from ctstudio.dicom.places import Stamp, open_binary
from ctstudio.dicom.plausible import (
    unit_directions,
    usable_length,
    usable_place,
    usable_rescale,
    usable_spacing,
)
from ctstudio.dicom.raw_values import RawValues, number_of, numbers_of, text_of, whole_number_of

if TYPE_CHECKING:
    from ctstudio.dicom.layouts import Layouts

NATIVE = {IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN, DEFLATED}
JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203)}

# What differs from slice to slice of a series, and what is mostly the same in all of them.
_OWN_TAGS = {
    "sop_uid": 0x00080018,
    "acquisition_time": 0x00080032,
    "instance": 0x00200013,
    "position": 0x00200032,
    "slice_location": 0x00201041,
}
_COMMON_TAGS = {
    "image_type": 0x00080008,
    "modality": 0x00080060,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "birth_date": 0x00100030,
    "thickness": 0x00180050,
    "echo": 0x00180086,
    "between_slices": 0x00180088,
    "kernel": 0x00181210,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
    "series_number": 0x00200011,
    "acquisition": 0x00200012,
    "orientation": 0x00200037,
    "frame_of_reference": 0x00200052,
    "temporal": 0x00200100,
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
WANTED = frozenset((*_OWN_TAGS.values(), *_COMMON_TAGS.values()))


DICOMDIR = "it is a DICOMDIR index, not an image"
SEGMENTATION = "it is a segmentation, to be shown on the series that it was made on"
SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Storage classes of segmentations and of segmentations as label maps."""
BROKEN = "its header is broken"
_PIXEL_BEGINNING = 4096  # where a codestream says what it is


class UnreadableError(Exception):
    """Why one file or slice cannot be used, in words for the user; never leaves the package."""


@dataclass(frozen=True, slots=True)
class Header:
    """What sorting and decoding one image need: a file, or a frame of one.

    ``pixel_offset`` is where the pixel bytes begin in the file, ``pixel_bytes`` their length, or
    None where they are encapsulated (compressed) or deflated. ``bits_stored``, ``high_bit`` and
    ``signed`` follow a JPEG 2000 codestream where it contradicts the header. Lengths are in mm.
    """

    path: Path
    file_bytes: int
    modified_ns: int
    pixel_offset: int
    pixel_bytes: int | None
    sop_uid: str
    instance_number: int | None
    position: tuple[float, ...] | None
    slice_location: float | None
    parts: tuple[str, ...]
    """What tells apart several images at one position: time point, echo, acquisition, kernel."""
    syntax: str
    little_endian: bool
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    codestream_disagrees: bool
    series_uid: str
    study_uid: str
    series_number: int | None
    modality: str
    localiser: bool
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    thickness: float | None
    between_slices: float | None
    slope: float
    intercept: float
    rescaled: bool
    rescale_type: str
    frame_of_reference: str = ""
    patient: str = ""
    """Two bytes of a hash of who the patient is said to be, "" where neither name nor number is
    stated: enough to notice that a series is of two, too little to tell of whom."""
    frames: int = 1
    """How many images the file holds."""
    frame: int = 0
    """Which of them this is. What is stated here of one in a file that has not been taken apart
    by `frames.take_apart` is stated of the file."""
    packed_bytes: int = 0
    """Length of the frame's encapsulated fragments; 0 where they go on to the end."""

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
        return str(_uid(self.syntax).name) if self.syntax else "no transfer syntax stated"

    @property
    def hounsfield(self) -> bool:
        """Whether rescaled values are HU: CT that is no localiser and names no other unit."""
        named = self.rescale_type.upper()
        says_hu = not named or named == "HU" or named.startswith(("HOUN", "[HU"))
        return self.modality == "CT" and self.rescaled and not self.localiser and says_hu


def parse_header(path: Path, head: bytes, stamp: Stamp, layouts: Layouts | None = None) -> Header:
    """The header of the file (or member of an archive) whose first bytes are ``head``.

    With ``layouts`` files that are laid out like one that was parsed before cost less. pydicom
    warns about files that bend the standard; here only what makes a slice unusable counts.

    Raises
    ------
    UnreadableError
        With the reason, where the file is not an image that can be read.
    """
    if not _looks_like_dicom(head):
        raise UnreadableError("it is empty" if not head else "it is not a DICOM file")
    elements = walk(head, WANTED) if layouts is None else layouts.walk(head)
    if elements is not None:
        at = elements.pixel_element
        if len(head) >= min(at + _PIXEL_BEGINNING, stamp.size):
            return _header(path, stamp, elements, head[at : at + _PIXEL_BEGINNING])
    try:
        with warnings.catch_warnings(), open_binary(path) as stream:
            warnings.simplefilter("ignore")
            elements = read_with_pydicom(stream, WANTED)
            stream.seek(elements.pixel_element)
            return _header(path, stamp, elements, stream.read(_PIXEL_BEGINNING))
    except UnreadableError:
        raise
    except Exception as error:  # whatever a broken header makes pydicom raise
        if isinstance(error, OSError) and error.strerror:
            raise UnreadableError(error.strerror) from error
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadableError(f"{BROKEN} ({text})") from error


def _looks_like_dicom(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return True
    # Old files have neither preamble nor meta information: they begin with group 0002 or 0008.
    begins = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
    return head[:2] in begins and b"\x00" in head[2:4] and len(head) > 16


def _header(path: Path, stamp: Stamp, elements: Elements, pixels: bytes) -> Header:
    """Interpret the elements; ``pixels`` are the first bytes from the pixel element on."""
    if elements.storage_class == "1.2.840.10008.1.3.10":
        raise UnreadableError(DICOMDIR)
    if elements.storage_class in SEGMENTATION_CLASSES:
        raise UnreadableError(SEGMENTATION)
    raw = elements.values.get
    syntax, little = elements.syntax, elements.little_endian
    codestream = codestream_info(pixels) if syntax in JPEG_2000 else None
    common = _common(syntax, little, codestream, *map(raw, _COMMON_TAGS.values()))
    offset, length = _pixel_data(elements, pixels)
    sop_uid, time, instance, position, location = map(raw, _OWN_TAGS.values())
    return Header(
        path,
        stamp.size,
        stamp.modified_ns,
        offset,
        length,
        text_of(sop_uid or b""),
        whole_number_of(instance),
        usable_place(numbers_of(position, 3)),
        usable_length(number_of(location)),
        (*common.parts, text_of(time or b"")),
        *common.fields,
    )


@dataclass(frozen=True, slots=True)
class _Common:
    """The fields of `Header` from ``syntax`` to ``frames``, and all but the last of its parts."""

    parts: tuple[str, ...]
    fields: tuple[Any, ...]


@lru_cache(maxsize=256)
def _common(
    syntax: str, little_endian: bool, codestream: CodestreamInfo | None, *raw: bytes | None
) -> _Common:
    """What is the same in most slices of a series; ``raw`` are the values of its tags."""
    values = RawValues(dict(zip(_COMMON_TAGS, raw, strict=True)), little_endian)
    rows, columns = values.integer("rows"), values.integer("columns")
    if not rows or not columns:
        what = values.text("modality")
        raise UnreadableError(f"it holds no image{f' ({what} object)' if what else ''}")
    bits = _bit_layout(values, codestream)
    _refuse_unsupported(values, bits[0])
    slope, intercept = usable_rescale(
        values.number("slope"), values.number("intercept"), values.text("modality")
    )
    return _Common(
        parts=tuple(
            values.text(name)
            for name in ("temporal", "echo", "acquisition", "kernel", "image_type")
        ),
        fields=(
            syntax,
            little_endian,
            rows,
            columns,
            *bits,
            values.text("series_uid"),
            values.text("study_uid"),
            whole_number_of(values.raw("series_number")),
            values.text("modality"),
            "LOCALIZER" in values.text("image_type").upper(),
            unit_directions(numbers_of(values.raw("orientation"), 6)),
            usable_spacing(numbers_of(values.raw("spacing"), 2)),
            usable_length(values.number("thickness")),
            usable_length(values.number("between_slices")),
            slope if slope else 1.0,
            intercept,
            bool(slope),
            values.text("rescale_type"),
            values.text("frame_of_reference"),
            _patient(values),
            _frames(values),
        ),
    )


def _patient(values: RawValues) -> str:
    said = [values.text(name) for name in ("patient_id", "patient_name", "birth_date")]
    # A date alone could be guessed from its hash.
    if not said[0] and not said[1]:
        return ""
    return blake2b("\0".join(said).encode(), digest_size=2).hexdigest()


def _refuse_unsupported(values: RawValues, bits_allocated: int) -> None:
    if values.integer("samples", 1) != 1 or values.text("photometric") == "PALETTE COLOR":
        raise UnreadableError("colour images cannot be opened yet")
    if bits_allocated not in (8, 16, 32):
        raise UnreadableError(f"images of {bits_allocated} bits a pixel cannot be opened yet")


def _frames(values: RawValues) -> int:
    text = values.text("frames")
    if text in ("", "1"):
        return 1
    frames = whole_number_of(values.raw("frames"))
    if frames is None or frames < 1:
        raise UnreadableError(f"its header asks for {text[:20]!r} frames")
    return frames


def _bit_layout(
    values: RawValues, codestream: CodestreamInfo | None
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


@lru_cache(maxsize=256)
def _uid(text: str) -> UID:
    """A UID of any spelling; pydicom would warn about a garbled one."""
    return UID(text, validation_mode=IGNORE)


@lru_cache(maxsize=64)
def _is_transfer_syntax(text: str) -> bool:
    return bool(_uid(text).is_transfer_syntax)


def _pixel_data(elements: Elements, pixels: bytes) -> tuple[int, int | None]:
    """Offset and length (None: encapsulated or deflated) of the pixel data."""
    syntax = elements.syntax
    if syntax == DEFLATED:
        return 0, None
    tag, offset, length = pixel_span(pixels, elements, elements.pixel_element)
    if tag in (0x7FE00008, 0x7FE00009):
        raise UnreadableError("floating-point pixels cannot be opened yet")
    if tag != 0x7FE00010:
        raise UnreadableError("it has no pixel data" if tag else "it ends before its pixels")
    if length is None and (not syntax or syntax in NATIVE):
        raise UnreadableError("its pixel data have no length, although they are not compressed")
    known = _is_transfer_syntax(syntax)
    if not known and length is None:
        raise UnreadableError(f"its transfer syntax {syntax} is not known")
    if known and length is not None and syntax not in NATIVE:
        raise UnreadableError(f"its pixel data are not encapsulated as {_uid(syntax).name} asks")
    return offset, length
