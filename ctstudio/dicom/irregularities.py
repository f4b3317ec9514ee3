"""What is odd about a series: each irregularity with its name, a sentence and what can be done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.resample import Fix, tilt_degrees
from ctstudio.ct.volume import Geometry
from ctstudio.dicom.headers import Header

MOST_COMPARED = 64
"""With how many of the last stacks one is compared: where all differ the time must stay linear."""

_SAME_MM = 1e-3
_LEAST_TILT_DEGREES = 0.05


class Kind(StrEnum):
    """Names of irregularities, for programs and tables."""

    GAP = "gap"
    DUPLICATE_POSITION = "duplicate position"
    VARIABLE_SPACING = "variable spacing"
    GANTRY_TILT = "gantry tilt"
    OVERLAP = "overlapping slices"
    MIXED_ORIENTATION = "mixed orientation"
    MIXED_SIZE = "mixed size"
    MIXED_SPACING = "mixed pixel spacing"
    MIXED_STUDY = "mixed studies"
    MIXED_PATIENT = "mixed patients"
    MIXED_FRAME_OF_REFERENCE = "mixed frames of reference"
    MIXED_THICKNESS = "mixed slice thickness"
    CONFLICT = "conflicting images"
    BITS = "more bits than stated"
    LOCALISER = "localiser in the series"
    NON_SQUARE_PIXELS = "non-square pixels"
    MISSING_SPACING = "missing spacing"
    MISSING_ORIENTATION = "missing orientation"
    MISSING_POSITION = "missing position"


OF_STACKS = frozenset(
    {
        Kind.GAP,
        Kind.DUPLICATE_POSITION,
        Kind.VARIABLE_SPACING,
        Kind.GANTRY_TILT,
        Kind.OVERLAP,
        Kind.NON_SQUARE_PIXELS,
    }
)
"""What `of_stack` may find; the others are of the files."""


@dataclass(frozen=True)
class Irregularity:
    """One thing that is odd about a series.

    ``fixes`` are what `ctstudio.ct.resample.mend` can do, the safe default (to leave it) first.
    ``warns`` is False where pictures are right without any doing, so that it need not be pointed
    out; it stands in the report all the same.
    """

    kind: Kind
    sentence: str
    fixes: tuple[Fix, ...] = (Fix.LEAVE,)
    warns: bool = True

    @property
    def rank(self) -> int:
        """By which they are told: false values first, then what can be mended, then the rest."""
        if not self.warns:
            return 3
        if self.kind in (Kind.BITS, Kind.CONFLICT, Kind.MIXED_PATIENT):
            return 0
        return 1 if len(self.fixes) > 1 else 2


def of_stack(geometry: Geometry, thickness_mm: float | None) -> list[Irregularity]:
    """What is odd about the places of slices, and about their pixels' shape."""
    found: list[Irregularity] = []
    gaps = np.diff(geometry.offsets_mm)
    same = np.abs(gaps) < _SAME_MM
    if len(same) and same.all():
        # There is no depth that a stack could be resampled in.
        found.append(
            Irregularity(
                Kind.DUPLICATE_POSITION,
                f"All {len(gaps) + 1} images lie at one position: they are no volume, but moments "
                "or versions of one slice, or their places are not true.",
                (Fix.LEAVE, Fix.SPLIT),
            )
        )
    elif same.any():
        shared = int(np.sum(np.append(same, False) | np.append(False, same)))
        found.append(
            Irregularity(
                Kind.DUPLICATE_POSITION,
                f"{shared} images share a position with another one.",
                (Fix.LEAVE, Fix.SPLIT, Fix.UNIFORM),
            )
        )
    apart = gaps[~same]
    if len(apart):
        found += _of_distances(apart, np.flatnonzero(~same), thickness_mm)
    if geometry.tilted and (angle := tilt_degrees(geometry)) >= _LEAST_TILT_DEGREES:
        found.append(
            Irregularity(
                Kind.GANTRY_TILT,
                f"The stack is sheared by {angle:.1f} degrees (gantry tilt): each slice is "
                "displaced along its plane, and programs that stack them upright show it askew.",
                (Fix.LEAVE, Fix.SHEAR),
            )
        )
    dy, dx = geometry.spacing_mm
    if not math.isclose(dy, dx, rel_tol=1e-3):
        found.append(
            Irregularity(
                Kind.NON_SQUARE_PIXELS,
                f"The pixels are not square: rows lie {dy:.4g} mm apart, columns {dx:.4g} mm.",
                (Fix.LEAVE, Fix.SQUARE),
                warns=False,
            )
        )
    return found


def _of_distances(
    gaps: NDArray[np.float64], before: NDArray[np.intp], thickness_mm: float | None
) -> list[Irregularity]:
    """``gaps`` in mm, each behind the slice of that index."""
    found: list[Irregularity] = []
    usual = float(np.median(gaps))
    ratios = gaps / usual
    # Multiples of one spacing are missing slices; anything else is a stack made of parts.
    whole = np.abs(ratios - np.round(ratios)) < 0.05
    fixes = (Fix.LEAVE, Fix.UNIFORM, Fix.SPLIT)
    if float(np.ptp(gaps)) <= 0.01 * usual + 1e-3:
        pass
    elif np.all(whole & (ratios > 0.5)):
        missing = int(np.sum(np.round(ratios) - 1))
        places = np.flatnonzero(ratios > 1.5)
        first = places[0]
        where = f"after slice {before[first] + 1}"
        if len(places) > 1:
            where = f"in {len(places)} places, the first {where}"
        count = "1 slice seems" if missing == 1 else f"{missing} slices seem"
        sentence = (
            f"{count} to be missing {where}: there the gap is {gaps[first]:.4g} mm, "
            f"elsewhere {usual:.4g} mm."
        )
        found.append(Irregularity(Kind.GAP, sentence, fixes))
    else:
        sentence = (
            f"The distance between slices varies from {gaps.min():.4g} to {gaps.max():.4g} mm."
        )
        found.append(Irregularity(Kind.VARIABLE_SPACING, sentence, fixes))
    if thickness_mm is not None and thickness_mm > 1.01 * usual + 1e-3:
        sentence = f"Slices of {thickness_mm:.4g} mm lie {usual:.4g} mm apart: they overlap."
        found.append(Irregularity(Kind.OVERLAP, sentence, warns=False))
    return found


def of_headers(header: Header, slices: int) -> list[Irregularity]:
    """What the files of a series, of which this is one, do not say of themselves."""
    found: list[Irregularity] = []
    if header.orientation is None and (slices > 1 or header.position is not None):
        sentence = "The files state no orientation: axial slices are assumed."
        found.append(Irregularity(Kind.MISSING_ORIENTATION, sentence))
    if header.spacing is None:
        sentence = "The files state no usable pixel spacing: lengths are shown in pixels."
        found.append(Irregularity(Kind.MISSING_SPACING, sentence))
    return found


def of_mixture(groups: Sequence[Sequence[Header]]) -> list[Irregularity]:
    """What the files of one series differ in, so that ``groups`` of them were made."""
    found: list[Irregularity] = []
    scouts = sum(len(members) for members in groups if members[0].localiser)
    images = [members[0] for members in groups if not members[0].localiser]
    own = "shown as a series of its own"
    if scouts and images:
        told = f"This series holds 1 localiser image, {own}."
        if scouts > 1:
            told = f"This series holds {scouts} localiser images, shown as a series of their own."
        found.append(Irregularity(Kind.LOCALISER, told))
    for kind, word, values in (
        (Kind.MIXED_SIZE, "sizes", _distinct([(float(h.rows), h.columns) for h in images])),
        (Kind.MIXED_ORIENTATION, "orientations", _distinct([h.orientation for h in images])),
        (Kind.MIXED_SPACING, "pixel spacings", _distinct([h.spacing for h in images])),
    ):
        if values > 1:
            sentence = f"This series holds images of {values} {word}: each is {own}."
            found.append(Irregularity(kind, sentence))
    return found


def of_studies(studies: int) -> list[Irregularity]:
    """What is odd where files of one series UID name that many studies."""
    if studies < 2:
        return []
    sentence = (
        f"Files of {studies} studies share this series UID: each study is shown as a series of "
        "its own, since they may be of different patients."
    )
    return [Irregularity(Kind.MIXED_STUDY, sentence)]


def of_patients(patients: int) -> list[Irregularity]:
    """What is odd where files of one series UID are of that many patients."""
    if patients < 2:
        return []
    sentence = (
        f"Files of {patients} patients share this series UID: each patient is shown as a series "
        "of its own."
    )
    return [Irregularity(Kind.MIXED_PATIENT, sentence)]


def of_frames_of_reference(count: int, images: int, *, apart: bool) -> list[Irregularity]:
    """What is odd where ``images`` of one series name that many frames of reference.

    ``apart``: they were split by them.
    """
    if count < 2:
        return []
    if count == images:
        sentence = (
            "Every image names a frame of reference of its own, as some de-identification leaves "
            "it: their places are taken to be of one."
        )
        return [Irregularity(Kind.MIXED_FRAME_OF_REFERENCE, sentence, warns=False)]
    what = f"This series holds images of {count} frames of reference: "
    sentence = what + (
        "each is shown as a series of its own, since their places do not compare."
        if apart
        else "whether their places fit together is not known."
    )
    return [Irregularity(Kind.MIXED_FRAME_OF_REFERENCE, sentence)]


def of_copies(differing: int) -> list[Irregularity]:
    """What is odd where that many images claim to be another one that they are not."""
    if not differing:
        return []
    have = "1 image has" if differing == 1 else f"{differing} images have"
    sentence = (
        f"{have} the SOP instance UID and the place of another one, but other values: "
        "all are kept, and which of them is true is not known."
    )
    return [Irregularity(Kind.CONFLICT, sentence)]


def of_thickness(
    thicknesses: Sequence[float | None],
) -> tuple[float | None, list[Irregularity]]:
    """The thickness in mm that all slices state, if one; and what is odd where they differ."""
    stated = [value for value in thicknesses if value is not None and value > 0]
    if not stated:
        return None, []
    low, high = min(stated), max(stated)
    if high - low <= 0.01 * abs(high) + _SAME_MM:
        return stated[0], []
    sentence = f"The slices are {low:.4g} to {high:.4g} mm thick."
    return None, [Irregularity(Kind.MIXED_THICKNESS, sentence, warns=False)]


def of_values(header: Header, bits: int | None) -> list[Irregularity]:
    """What is odd where the values of this image take ``bits`` bits, more than it states."""
    if bits is None:
        return []
    counted = "1 bit" if header.bits_stored == 1 else f"{header.bits_stored} bits"
    sentence = (
        f"The header counts {counted} of a pixel as its value, but the pixels "
        f"use {bits}: what lies beyond is cut off, and values may be wrong."
    )
    return [Irregularity(Kind.BITS, sentence)]


def _distinct(values: Sequence[tuple[float, ...] | None]) -> int:
    """How many values differ by more than scanners' jitter."""
    found: list[tuple[float, ...] | None] = []
    for value in dict.fromkeys(values):
        if not any(near(value, other, 1e-3) for other in found[-MOST_COMPARED:]):
            found.append(value)
    return len(found)


def near(a: tuple[float, ...] | None, b: tuple[float, ...] | None, tolerance: float) -> bool:
    """Whether two lists of numbers, or the lack of them, agree."""
    if a == b or a is None or b is None:
        return a == b
    return all(abs(p - q) <= tolerance for p, q in zip(a, b, strict=True))
