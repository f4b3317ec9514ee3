"""DICOM segmentations, whoever wrote them, onto the slices of an open series (PS3.3 A.51)."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.ct.labels import NOT_ANNOTATED, UNKNOWN, Label, default_colour, label_map
from ctstudio.ct.volume import Volume
from ctstudio.dicom.headers import SEGMENTATION_CLASSES
from ctstudio.dicom.places import open_binary
from ctstudio.dicom.seg_codes import UNANNOTATED
from ctstudio.dicom.seg_frames import Frames, MisfitError

_YIELD_SECONDS = 0.05
_MOST_SEGMENTS = 65535


@dataclass(frozen=True)
class Segmentation:
    """What the header of a segmentation says of where it belongs."""

    path: Path
    title: str
    frame_of_reference_uid: str
    series_uids: frozenset[str]

    def belongs_to(self, volume: Volume) -> bool:
        """Whether it was made on the series of ``volume``, or else in the same patient space."""
        source = volume.source
        if source.series_uid and source.series_uid in self.series_uids:
            return True
        frame = source.frame_of_reference_uid
        return bool(frame) and frame == self.frame_of_reference_uid


def peek(path: Path) -> Segmentation:
    """Read the header of a segmentation.

    Raises
    ------
    StudioError
        When it cannot be read, or is none.
    """
    dataset = _dataset(path, pixels=False)
    try:
        references = dataset.get("ReferencedSeriesSequence") or []
        return Segmentation(
            path=path,
            title=_words(dataset.get("SeriesDescription") or dataset.get("ContentDescription"))
            or path.stem,
            frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
            series_uids=frozenset(str(item.get("SeriesInstanceUID", "")) for item in references),
        )
    except Exception as error:  # whatever a broken header makes pydicom raise
        raise _broken(path, error) from error


def read_segmentation(path: Path, on: Volume) -> Work[Volume]:
    """Read a segmentation onto the slices of ``on``; returns the label map, numbered as the file.

    Binary, fractional (from half of the largest value on) and label map types, with frames in any
    order, for some slices only, or turned by right angles. Where segments overlap, the larger
    fraction counts, else the one of the higher number. A segment of CT Studio's that says what is
    not annotated makes the map a sparse one.

    Yields Progress, and a Note where something was decided or left out.

    Raises
    ------
    StudioError
        When it cannot be read, or does not fit: another frame of reference, another size, spacing
        or angle, or no slice where it has frames.
    """
    dataset = _dataset(path, pixels=True)
    try:
        return (yield from _onto(dataset, path, on))
    except MisfitError as error:
        raise StudioError(
            f"{path} does not fit {on.source.description or 'the series'}: {error}.",
            hint="Open the series that it was made on.",
            path=path,
        ) from error
    except (StudioError, MemoryError):
        raise
    except Exception as error:  # whatever a broken file makes pydicom or a codec raise
        raise _broken(path, error) from error


def _onto(dataset: Dataset, path: Path, on: Volume) -> Work[Volume]:
    _require_space(dataset, on)
    labels = _labels(dataset)
    kind = str(dataset.get("SegmentationType") or "")
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise MisfitError(f"its kind of segmentation ({kind or 'none stated'}) is not known")
    frames = Frames(dataset, on)
    most = int(dataset.get("MaximumFractionalValue") or 255) if kind == "FRACTIONAL" else 1
    highest = max((label.number for label in labels), default=0)
    wide = np.uint16 if highest > 255 or kind == "LABELMAP" else np.uint8
    numbers = np.zeros(on.shape, wide)
    strength = np.zeros(on.shape, np.uint16) if kind == "FRACTIONAL" else None
    apart, overlapping = 0, 0
    last = time.monotonic()
    for k in range(frames.count):
        if time.monotonic() - last > _YIELD_SECONDS:
            yield Progress(k, frames.count, "Reading labels")
            last = time.monotonic()
        plane = frames.plane(k)
        if plane.slice is None:
            apart += 1
            continue
        values = frames.values(k, plane)
        target = numbers[plane.slice]
        if kind == "LABELMAP":
            np.copyto(target, values, where=values > 0, casting="unsafe")
            continue
        segment = frames.segment(k)
        if strength is None:
            inside = values > 0
            overlapping += int(np.count_nonzero(target[inside]))
        else:
            best = strength[plane.slice]
            inside = (2 * values.astype(np.uint32) >= max(most, 1)) & (values > best)
            overlapping += int(np.count_nonzero(target[inside]))
            best[inside] = values[inside]
        target[inside] = segment
    if frames.count and apart == frames.count:
        raise MisfitError("none of its frames lies on one of its slices")
    if apart:
        yield Note(f"{path.name}: {apart} of {frames.count} frames lie on no slice; left out.")
    if overlapping:
        yield Note(f"{path.name}: segments overlap in {overlapping} voxels; one of them is kept.")
    if kind == "FRACTIONAL":
        yield Note(f"{path.name}: fractions of at least one half count as inside.")
    yield Progress(frames.count, frames.count, "Reading labels")
    unknown = _unannotated(dataset)
    if unknown:
        named = (label for label in labels if label.number not in unknown)
        labels = [NOT_ANNOTATED, *named]
        numbers = np.where(np.isin(numbers, unknown), UNKNOWN, numbers.astype(np.int32))
    return label_map(numbers, on.geometry, on.source, labels, (f"segmentation {path.name}",))


def _require_space(dataset: Dataset, on: Volume) -> None:
    theirs = str(dataset.get("FrameOfReferenceUID") or "")
    ours = on.source.frame_of_reference_uid
    if theirs and ours and theirs != ours:
        raise MisfitError("it lies in another frame of reference (another scan or patient)")
    size = dataset.get("Rows"), dataset.get("Columns")
    if size != on.shape[1:]:
        raise MisfitError(
            f"its frames have {size[1]} x {size[0]} pixels, the slices {on.shape[2]} x "
            f"{on.shape[1]}"
        )


def _labels(dataset: Dataset) -> list[Label]:
    found = []
    for item in dataset.get("SegmentSequence") or []:
        number = int(item.SegmentNumber)
        if number == 0:  # the background of a label map
            continue
        if not 0 < number <= _MOST_SEGMENTS:
            raise MisfitError(f"it numbers a segment {number}")
        name = _words(item.get("SegmentLabel")) or f"Segment {number}"
        found.append(Label(number, name, _colour(item, number)))
    return found


def _unannotated(dataset: Dataset) -> list[int]:
    """The numbers of the segments that hold what nobody annotated."""
    value, scheme, _ = UNANNOTATED[1]
    found = []
    for item in dataset.get("SegmentSequence") or []:
        kinds = item.get("SegmentedPropertyTypeCodeSequence") or []
        coded = [(str(k.get("CodeValue")), str(k.get("CodingSchemeDesignator"))) for k in kinds]
        if (value, scheme) in coded:
            found.append(int(item.SegmentNumber))
    return found


def _colour(item: Dataset, number: int) -> tuple[int, int, int]:
    """RecommendedDisplayCIELabValue (PS3.3 C.10.7.1.1) as sRGB; else one of ours."""
    import highdicom

    value = item.get("RecommendedDisplayCIELabValue")
    try:
        red, green, blue = highdicom.color.CIELabColor.from_dicom_value(list(value)).to_rgb()
        return int(red), int(green), int(blue)
    except (TypeError, ValueError):
        return default_colour(number)


def _dataset(path: Path, *, pixels: bool) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_binary(path) as stream:
                dataset = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True)
            kind = str(dataset.get("SOPClassUID") or "")
        except OSError as error:
            raise StudioError(
                f"Cannot read {path}: {error.strerror or error}.", hint="Check the path.", path=path
            ) from error
        except Exception as error:  # whatever a broken header makes pydicom raise
            raise _broken(path, error) from error
    if kind not in SEGMENTATION_CLASSES:
        raise StudioError(
            f"{path} is no DICOM segmentation.", hint="Choose a file of the class SEG.", path=path
        )
    return dataset


def _broken(path: Path, error: Exception) -> StudioError:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return StudioError(
        f"{path} is a broken segmentation ({text}).",
        hint="Copy it again from where it came.",
        path=path,
    )


def _words(value: Any) -> str:
    text = " ".join(str(value or "").split())
    return "".join(character for character in text if character.isprintable())
