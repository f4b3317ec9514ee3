"""Lengths, angles, regions and profiles upon slices.

A place is a patient point in mm, so that it means the same in every layer of one patient space,
whatever its pixels, slices and directions. Where a file states no spacing the mm of its geometry
are pixels (`Geometry.spacing_known`), and so are the lengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.metrics import RoiStatistics, roi_statistics
from ctstudio.ct.volume import Geometry

Kind = Literal["distance", "angle", "rectangle", "ellipse", "freehand", "profile"]

REGIONS: tuple[Kind, ...] = ("rectangle", "ellipse", "freehand")
POINTS: dict[Kind, int] = {
    "distance": 2, "profile": 2, "angle": 3, "rectangle": 4, "ellipse": 4, "freehand": 3,
}  # fmt: skip
"""How many points each kind has; a free-hand outline has as many or more."""

PARALLEL = 0.999  # cosine of the angle between two normals
NEAR = 0.6  # of the distance between slices: what is further away lies in another slice
EDGE = 1e-9  # of a pixel: rounding
MOST_SAMPLES = 4096
BINS = 60
ONE_EDGE = 0.6  # of the range of a profile: less of a step is not its only edge


@dataclass(frozen=True, eq=False)
class Shape:
    """What was drawn upon a slice.

    Parameters
    ----------
    kind
        What is measured.
    points_mm
        ``(n, 3)`` float64, patient mm. Of an angle the vertex is the second one. Rectangle and
        ellipse have the four corners (of the box around it) in order; a free-hand outline is
        closed from its last point to the first.
    normal
        Unit vector ``(3,)`` across the slice.

    Raises
    ------
    ValueError
        When the points are too few for the kind, or are no points.
    """

    kind: Kind
    points_mm: NDArray[np.float64]
    normal: NDArray[np.float64]

    def __post_init__(self) -> None:
        points = np.array(self.points_mm, np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise ValueError(f"points must be (n, 3) numbers, not {points.shape}")
        exact = self.kind != "freehand"
        if len(points) < POINTS[self.kind] or (exact and len(points) != POINTS[self.kind]):
            raise ValueError(f"{self.kind} of {len(points)} points")
        points.flags.writeable = False
        object.__setattr__(self, "points_mm", points)
        object.__setattr__(self, "normal", np.array(self.normal, np.float64))

    @property
    def is_region(self) -> bool:
        """Whether it encloses pixels."""
        return self.kind in REGIONS

    @property
    def length(self) -> float:
        """From the first point to the last, mm."""
        return float(np.linalg.norm(self.points_mm[-1] - self.points_mm[0]))

    @property
    def angle(self) -> float:
        """Of an angle: the degrees at its vertex, 0 to 180; nan where a side has no length."""
        one, vertex, other = self.points_mm[:3]
        a, b = one - vertex, other - vertex
        if not (a.any() and b.any()):
            return math.nan
        # Better conditioned than the arc cosine near 0 and 180 degrees (Kahan).
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        return math.degrees(
            2 * math.atan2(float(np.linalg.norm(a - b)), float(np.linalg.norm(a + b)))
        )

    def moved(self, by_mm: NDArray[np.float64]) -> Shape:
        """The same displaced by ``(3,)`` mm, along its slice."""
        return replace(self, points_mm=self.points_mm + self._along(by_mm))

    def with_point(self, which: int, to_mm: NDArray[np.float64]) -> Shape:
        """The same with one of its points elsewhere in the slice.

        A corner of a rectangle or ellipse takes its neighbours along: the opposite corner stays.
        """
        points = np.array(self.points_mm)
        points[which] += self._along(to_mm - points[which])
        if self.kind in ("rectangle", "ellipse"):
            after, across, before = ((which + k) % 4 for k in (1, 2, 3))
            fixed = points[across]
            way = points[which] - fixed
            one = _unit(points[after] - fixed)
            other = _unit(points[before] - fixed)
            # Of a box that is flat one edge alone tells how it lies.
            one = one if one.any() else np.cross(other, self.normal)
            other = other if other.any() else np.cross(one, self.normal)
            points[after] = fixed + (way @ one) * one
            points[before] = fixed + (way @ other) * other
            points[which] = points[after] + points[before] - fixed
        return replace(self, points_mm=points)

    def _along(self, by: NDArray[np.float64]) -> NDArray[np.float64]:
        flat: NDArray[np.float64] = by - (by @ self.normal) * self.normal
        return flat


def _unit(way: NDArray[np.float64]) -> NDArray[np.float64]:
    size = float(np.linalg.norm(way))
    return way / size if size > EDGE else np.zeros(3)


def box(
    start_mm: NDArray[np.float64],
    end_mm: NDArray[np.float64],
    right: NDArray[np.float64],
    down: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The four corners ``(4, 3)`` of the box from one corner to the opposite one.

    Its edges lie along the unit vectors ``right`` and ``down`` ``(3,)``.
    """
    way = end_mm - start_mm
    across, along = (way @ right) * right, (way @ down) * down
    return np.stack([start_mm, start_mm + across, start_mm + across + along, start_mm + along])


def slice_of(shape: Shape, geometry: Geometry) -> int | None:
    """The slice of ``geometry`` that ``shape`` lies in; None where there is none."""
    if abs(float(shape.normal @ geometry.normal)) < PARALLEL:
        return None
    centre = shape.points_mm.mean(axis=0)
    index = geometry.nearest_slice(centre)
    away = abs(float((geometry.positions_mm[index] - centre) @ geometry.normal))
    return index if away <= NEAR * max(geometry.slice_spacing_mm, 0.1) else None


def to_pixels(
    points_mm: NDArray[np.float64], geometry: Geometry, index: int
) -> NDArray[np.float64]:
    """Patient points ``(n, 3)`` as fractional ``(n, 2)`` row and column of slice ``index``."""
    away = points_mm - geometry.positions_mm[index]
    dy, dx = geometry.spacing_mm
    return np.stack([away @ geometry.column_direction / dy, away @ geometry.row_direction / dx], 1)


def inside(
    shape: Shape, geometry: Geometry, index: int, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which pixels ``(y, x)`` of slice ``index`` have their centre in a region, or on its edge.

    ``size`` is that of the slice. A free-hand outline that crosses itself encloses what lies
    within it an odd number of times.
    """
    mask = np.zeros(size, np.bool_)
    where, part = _within(shape, geometry, index, size)
    mask[where] = part
    return mask


def _within(
    shape: Shape,
    geometry: Geometry,
    index: int,
    size: tuple[int, int],
    most: int | None = None,
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """The rows and columns around a region, and which pixels of these are in it.

    With ``most`` only every so manieth row and column are looked at that there are no more pixels.
    """
    corners = to_pixels(shape.points_mm, geometry, index)
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, size)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 1, low, size)
    height, width = (int(n) for n in high - low)
    step = 1 if most is None else max(math.ceil(math.sqrt(height * width / most)), 1)
    where = (
        slice(int(low[0]) + min(step // 2, max(height - 1, 0)), int(high[0]), step),
        slice(int(low[1]) + min(step // 2, max(width - 1, 0)), int(high[1]), step),
    )
    y, x = (np.arange(part.start, part.stop, step, dtype=float) for part in where)
    if shape.kind == "freehand":
        return where, _odd(corners, y, x)
    # As fractions of the two half axes, -1 to 1 within the box.
    centre = corners.mean(0)
    axes = np.stack([(corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2], axis=1)
    if abs(np.linalg.det(axes)) < EDGE:
        return where, np.zeros((len(y), len(x)), np.bool_)
    turn = np.linalg.inv(axes)
    away_y, away_x = (y - centre[0])[:, None], (x - centre[1])[None, :]
    s, t = (turn[k, 0] * away_y + turn[k, 1] * away_x for k in (0, 1))
    found: NDArray[np.bool_]
    if shape.kind == "ellipse":
        found = s * s + t * t <= 1 + EDGE
    else:
        found = (np.abs(s) <= 1 + EDGE) & (np.abs(t) <= 1 + EDGE)
    return where, found


def values(
    shape: Shape,
    picture: NDArray[np.floating],
    geometry: Geometry,
    index: int,
    most: int | None = None,
) -> NDArray[np.float64]:
    """The values of ``picture`` ``(y, x)``, slice ``index``, in a region, ``(n,)``; no NaN.

    ``most`` takes about so many of them, evenly spread, where there are more.
    """
    where, part = _within(shape, geometry, index, picture.shape, most)
    found = picture[where][part].astype(np.float64)
    return found[np.isfinite(found)]


def statistics(
    shape: Shape,
    picture: NDArray[np.floating],
    geometry: Geometry,
    index: int,
    most: int | None = None,
) -> RoiStatistics | None:
    """What a region of ``picture`` ``(y, x)``, slice ``index``, holds; None where no pixel.

    Pixels without a value (NaN, outside of a tilted stack) do not count. ``most`` estimates it
    from about so many pixels, evenly spread, where there are more: for as long as it is dragged.
    """
    where, part = _within(shape, geometry, index, picture.shape, most)
    around = picture[where]
    mask = part & np.isfinite(around)
    if not mask.any():
        return None
    found = roi_statistics(around, mask, geometry.spacing_mm if geometry.spacing_known else None)
    each = (where[0].step or 1) * (where[1].step or 1)
    return found if each == 1 else replace(found, n=found.n * each, area=found.area * each)


def distances(shape: Shape, pixel_mm: float) -> NDArray[np.float64]:
    """Where a profile is read, ``(n,)`` mm from its first point: both ends, one a pixel or more.

    At most 4096 places.
    """
    length = shape.length
    steps = max(math.ceil(length / max(pixel_mm, 1e-6) - EDGE), 1)
    return np.linspace(0.0, length, min(steps + 1, MOST_SAMPLES))


def profile(
    shape: Shape,
    picture: NDArray[np.floating],
    geometry: Geometry,
    index: int,
    at_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Values along a line ``(n,)`` at ``at_mm`` from its first point, bilinear between pixels.

    NaN outside the outermost pixel centres of ``picture`` ``(y, x)``, slice ``index``.
    """
    start, end = shape.points_mm[0], shape.points_mm[-1]
    length = max(float(np.linalg.norm(end - start)), 1e-12)
    places = start + (at_mm / length)[:, None] * (end - start)
    y, x = to_pixels(places, geometry, index).T
    rows, columns = picture.shape
    tolerance = 1e-6
    known = (y >= -tolerance) & (y <= rows - 1 + tolerance)
    known &= (x >= -tolerance) & (x <= columns - 1 + tolerance)
    y, x = y.clip(0, rows - 1), x.clip(0, columns - 1)
    top = np.minimum(y.astype(int), max(rows - 2, 0))
    left = np.minimum(x.astype(int), max(columns - 2, 0))
    bottom, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    v, u = y - top, x - left

    def at(row: NDArray[np.intp], column: NDArray[np.intp]) -> NDArray[np.float64]:
        return picture[row, column].astype(np.float64)

    upper = (1 - u) * at(top, left) + u * at(top, right)
    lower = (1 - u) * at(bottom, left) + u * at(bottom, right)
    found: NDArray[np.float64] = np.where(known, (1 - v) * upper + v * lower, np.nan)
    return found


def edge_width(at_mm: NDArray[np.float64], samples: NDArray[np.float64]) -> float:
    """How wide an edge across a profile is, from 10 to 90 % of its step, in mm.

    The step leads from the median of the first fifth of the ``samples`` ``(n,)`` to that of the
    last. Around the place ``at_mm`` ``(n,)`` where it is half done, the nearest crossings count,
    linear between samples. nan where a value is missing, or the step is not most of what there is
    along the profile: that crosses something else than one edge.
    """
    fifth = max(len(samples) // 5, 1)
    low, high = float(np.median(samples[:fifth])), float(np.median(samples[-fifth:]))
    if len(samples) < 3 or not np.isfinite(samples).all() or low == high:
        return math.nan
    if abs(high - low) < ONE_EDGE * float(np.ptp(samples)):
        return math.nan
    part = (samples - low) / (high - low)
    half = np.flatnonzero((part[:-1] < 0.5) & (part[1:] >= 0.5))
    if not len(half):
        return math.nan
    before = np.flatnonzero(part[: half[0] + 1] <= 0.1)
    after = np.flatnonzero(part[half[0] + 1 :] >= 0.9)
    if not (len(before) and len(after)):
        return math.nan
    begin, end = int(before[-1]), int(half[0] + 1 + after[0])

    def crossing(left: int, level: float) -> float:
        rise = part[left + 1] - part[left]
        return float(at_mm[left] + (level - part[left]) / rise * (at_mm[left + 1] - at_mm[left]))

    return crossing(end - 1, 0.9) - crossing(begin, 0.1)


def histogram(
    samples: Sequence[NDArray[np.float64]], bins: int = BINS
) -> tuple[NDArray[np.float64], list[NDArray[np.int64]]]:
    """Counts of several sets of values in the same bins.

    Returns the edges ``(bins + 1,)`` and counts ``(bins,)`` a set. Where the values are whole
    numbers every bin holds equally many of them: HU would make a comb otherwise. No values at
    all give one empty bin.
    """
    some = [s for s in samples if s.size]
    if not some:
        return np.array([0.0, 1.0]), [np.zeros(1, np.int64) for _ in samples]
    low, high = min(float(s.min()) for s in some), max(float(s.max()) for s in some)
    if all(np.array_equal(s, np.rint(s)) for s in some):
        width = float(math.ceil((high - low + 1) / bins))
        edges = np.arange(low - 0.5, high + width, width)
    else:
        room = max((high - low) * 1e-6, 1e-6)
        edges = np.linspace(low, high + room, bins + 1)
    return edges, [np.histogram(s, edges)[0].astype(np.int64) for s in samples]


def _odd(
    corners: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where a ray from a place ``y`` ``(m,)``, ``x`` ``(n,)`` crosses the outline an odd number of
    times, ``(m, n)``; both ascend.
    """
    (y0, x0), (y1, x1) = corners.T, np.roll(corners, -1, axis=0).T
    # Each edge is crossed in the rows between its ends, the lower end included.
    first = np.searchsorted(y, np.minimum(y0, y1))
    crossed = np.searchsorted(y, np.maximum(y0, y1)) - first
    edge = np.repeat(np.arange(len(corners)), crossed)
    row = np.repeat(first - np.cumsum(crossed) + crossed, crossed) + np.arange(len(edge))
    at = (x1 - x0)[edge] * (y[row] - y0[edge]) / (y1 - y0)[edge] + x0[edge]
    # A crossing turns everything before it; what is before several is turned as often.
    turns = np.zeros((len(y), len(x) + 1), np.int32)
    np.add.at(turns, (row, np.searchsorted(x, at)), 1)
    odd: NDArray[np.bool_] = turns[:, ::-1].cumsum(axis=1)[:, -2::-1] % 2 == 1
    return odd
