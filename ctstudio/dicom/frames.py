"""Files of several images (multi-frame, enhanced CT): one header a frame (PS3.3 C.7.6.16)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset

from ctstudio.dicom.headers import BROKEN, Header, UnreadableError
from ctstudio.dicom.places import open_binary
from ctstudio.dicom.plausible import (
    unit_directions,
    usable_length,
    usable_place,
    usable_rescale,
    usable_spacing,
)

_MOST_FRAMES = 100_000
_ITEM = b"\xfe\xff\x00\xe0"
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")


def take_apart(header: Header) -> tuple[Header, ...]:
    """One header for each frame of the file that ``header`` describes.

    Raises
    ------
    UnreadableError
        Where the header is broken, or the frames cannot be told apart.
    OSError
        Where the file cannot be read.
    """
    if header.frames > min(_MOST_FRAMES, header.file_bytes):
        raise UnreadableError(
            f"its header asks for {header.frames} frames from a file of {header.file_bytes} bytes"
        )
    try:
        with warnings.catch_warnings(), open_binary(header.path) as stream:
            warnings.simplefilter("ignore")
            # Where fragments lie is asked before pydicom moves on.
            spans = _spans(stream, header)
            stream.seek(0)
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            shared = _first(dataset, "SharedFunctionalGroupsSequence")
            each = dataset.get("PerFrameFunctionalGroupsSequence") or []
            return tuple(
                _frame(header, k, spans[k], [each[k], shared] if k < len(each) else [shared])
                for k in range(header.frames)
            )
    except (UnreadableError, OSError):
        raise
    except Exception as error:  # whatever a broken header makes pydicom raise
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadableError(f"{BROKEN} ({text})") from error


def _frame(
    header: Header, index: int, span: tuple[int, int | None, int], groups: list[Dataset | None]
) -> Header:
    """``groups`` are what is stated of this frame, before what is stated of all of them."""
    measures = _macro(groups, "PixelMeasuresSequence")
    values = _macro(groups, "PixelValueTransformationSequence")
    place = _floats(_macro(groups, "PlanePositionSequence").get("ImagePositionPatient"), 3)
    plane = _macro(groups, "PlaneOrientationSequence").get("ImageOrientationPatient")
    kind = _macro(groups, "CTImageFrameTypeSequence").get("FrameType")
    kernel = _macro(groups, "CTReconstructionSequence").get("ConvolutionKernel")
    content = _macro(groups, "FrameContentSequence")
    slope, intercept = header.slope if header.rescaled else None, header.intercept
    if "RescaleSlope" in values:
        slope, intercept = usable_rescale(
            _float(values.RescaleSlope),
            _float(values.get("RescaleIntercept")),
            header.modality,
        )
    offset, length, packed = span
    return replace(
        header,
        pixel_offset=offset,
        pixel_bytes=length,
        packed_bytes=packed,
        frame=index,
        instance_number=index + 1,
        localiser=header.localiser or "LOCALIZER" in str(kind or "").upper(),
        position=usable_place(place) or header.position,
        orientation=unit_directions(_floats(plane, 6)) or header.orientation,
        spacing=usable_spacing(_floats(measures.get("PixelSpacing"), 2)) or header.spacing,
        thickness=usable_length(_float(measures.get("SliceThickness"))) or header.thickness,
        between_slices=usable_length(_float(measures.get("SpacingBetweenSlices")))
        or header.between_slices,
        slope=slope if slope else 1.0,
        intercept=intercept,
        rescaled=bool(slope),
        rescale_type=str(values.get("RescaleType") or header.rescale_type),
        parts=(
            str(content.get("TemporalPositionIndex") or ""),
            str(content.get("StackID") or ""),
            str(content.get("FrameAcquisitionNumber") or ""),
            str(kernel or ""),
            str(kind or ""),
            str(content.get("FrameAcquisitionDateTime") or ""),
        ),
    )


def _macro(groups: list[Dataset | None], keyword: str) -> Dataset:
    """The functional group of this name; empty where there is none."""
    for group in groups:
        item = None if group is None else _first(group, keyword)
        if item is not None:
            return item
    return Dataset()


def _first(dataset: Dataset, keyword: str) -> Dataset | None:
    items = dataset.get(keyword)
    return items[0] if items else None


def _floats(value: Any, count: int) -> tuple[float, ...] | None:
    if value is None or isinstance(value, (str, float)) or len(value) < count:
        return None
    return tuple(float(v) for v in value[:count])


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _spans(stream: BinaryIO, header: Header) -> list[tuple[int, int | None, int]]:
    """Of each frame: where its pixels begin, how many bytes they are, and how many packed."""
    count, size = header.frames, header.frame_bytes
    if header.deflated:
        return [(0, None, 0)] * count
    if header.pixel_bytes is not None:
        total = header.pixel_bytes
        return [(header.pixel_offset + k * size, max(0, total - k * size), 0) for k in range(count)]
    items = list(_items(stream, header.pixel_offset))
    if len(items) < 2:
        raise UnreadableError("the compressed pixel data are empty")
    starts = _starts(stream, items, count)
    ends = [*starts[1:], items[-1][0] + 8 + items[-1][1]]
    return [(start, None, end - start) for start, end in zip(starts, ends, strict=True)]


def _starts(stream: BinaryIO, items: list[tuple[int, int]], count: int) -> list[int]:
    """Where the first fragment of each frame lies; the first item is the offset table (A.4)."""
    table, fragments = items[0], items[1:]
    if len(fragments) == count:
        return [offset for offset, _ in fragments]
    places = {offset for offset, _ in fragments}
    if table[1] >= 4 * count:
        stream.seek(table[0] + 8)
        raw = stream.read(4 * count)
        base = fragments[0][0]
        starts = [base + int.from_bytes(raw[k : k + 4], "little") for k in range(0, 4 * count, 4)]
        if places.issuperset(starts) and starts == sorted(set(starts)):
            return starts
    starts = []
    for offset, _ in fragments:
        stream.seek(offset + 8)
        if stream.read(8).startswith(_BEGINNINGS):
            starts.append(offset)
    if len(starts) != count:
        raise UnreadableError(
            f"its {count} frames cannot be told apart in {len(fragments)} compressed pieces"
        )
    return starts


def _items(stream: BinaryIO, at: int) -> Iterator[tuple[int, int]]:
    """Offset of the tag and length of the value of each item, up to the first that is none."""
    end = stream.seek(0, os.SEEK_END)
    while at + 8 <= end:
        stream.seek(at)
        head = stream.read(8)
        if head[:4] != _ITEM:
            return
        length = int.from_bytes(head[4:], "little")
        yield at, min(length, end - at - 8)
        at += 8 + length
