"""Which values of a header can be meant: others are taken as not stated."""

from __future__ import annotations

import math
from functools import lru_cache

# Beyond these a header is garbled, whatever it says: rescaled values would leave float32, places
# and pixels would be of sizes that no scanner makes.
_SLOPES = (1e-12, 1e9)
_LARGEST_INTERCEPT = 1e12
_FURTHEST_MM = 1e6
_PIXEL_MM = (1e-5, 1e4)
_MOST_ELONGATED = 1000.0


def usable_rescale(
    slope: float | None, intercept: float | None, modality: str
) -> tuple[float | None, float]:
    """Slope, or None where the header states none of use, and intercept.

    In CT a slope without an intercept is of no use: values would be wrong by about 1000 HU.
    """
    if slope is None or not _SLOPES[0] <= abs(slope) <= _SLOPES[1]:
        slope = None
    if intercept is None:
        return (None if modality == "CT" else slope), 0.0
    if not abs(intercept) <= _LARGEST_INTERCEPT:
        return None, 0.0
    return slope, intercept


def usable_spacing(spacing: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Distances of rows and of columns in mm, or None."""
    if spacing is None or not all(_PIXEL_MM[0] <= s < _PIXEL_MM[1] for s in spacing):
        return None
    return spacing if max(spacing) <= _MOST_ELONGATED * min(spacing) else None


def usable_place(position: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """A place in the patient in mm, or None."""
    return position if position and all(abs(v) <= _FURTHEST_MM for v in position) else None


def usable_length(length: float | None) -> float | None:
    """A length in mm, or None."""
    return length if length is not None and abs(length) <= _FURTHEST_MM else None


@lru_cache(maxsize=256)
def unit_directions(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Orientation made exactly unit and orthogonal-checked; None where it is no orientation."""
    if values is None:
        return None
    row, column = values[:3], values[3:]
    row_length, column_length = math.hypot(*row), math.hypot(*column)
    cosine = sum(a * b for a, b in zip(row, column, strict=True))
    if min(row_length, column_length) < 0.5 or abs(cosine) > 0.05:
        return None
    return (*(v / row_length for v in row), *(v / column_length for v in column))
