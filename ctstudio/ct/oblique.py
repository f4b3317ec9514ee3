"""Planes of any direction through a stack of slices.

Values are interpolated linearly between the eight voxels around a point, in patient coordinates:
of a tilted stack, or one whose slices are not equally far apart, too. Upon a voxel's centre it is
the voxel's own value, and nothing lies outside of what its neighbours have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.views import Blend, Difference, LiveSlices, OnBase, SliceStack
from ctstudio.ct.volume import Geometry, Volume

NamedPlane = Literal["axial", "coronal", "sagittal"]
Vector = tuple[float, float, float]
Floats = NDArray[np.float64]

SCREEN: dict[NamedPlane, tuple[Vector, Vector]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
"""What points to the right and down on the screen: patient left and back, left and feet, back and
feet."""

MOST_PIXELS = 1024  # on a side of a picture
TOUCH = 1e-6  # of a voxel: what rounding puts outside of the outermost centres is inside
FLAT_MM = 0.01  # slices displaced by no more along their plane are not tilted


@dataclass(frozen=True)
class Oblique:
    """A plane through ``centre_mm``; ``row`` points to the right on the screen, ``column`` down.

    Both are unit vectors at a right angle, in DICOM's patient coordinates. ``base`` is the plane
    that its angles are told from.
    """

    centre_mm: Vector
    row: Vector
    column: Vector
    base: NamedPlane = "axial"

    @classmethod
    def of(cls, base: NamedPlane, centre_mm: Floats, angles: Vector = (0.0, 0.0, 0.0)) -> Oblique:
        """``base`` through a point, turned by ``angles`` in degrees.

        About the screen's horizontal axis (the right-hand rule: positive brings the upper edge
        towards the viewer's back), then about its vertical one, then within the plane.
        """
        right, down = (np.array(v, float) for v in SCREEN[base])
        frame = np.stack([right, down, np.cross(right, down)], axis=1)
        a, b, c = (math.radians(angle) for angle in angles)
        turn = _about(0, a) @ _about(1, b) @ _about(2, c)
        made = frame @ turn
        return cls(_vector(centre_mm), _vector(made[:, 0]), _vector(made[:, 1]), base)

    @property
    def angles(self) -> Vector:
        """What `of` would turn ``base`` by, in degrees."""
        right, down = (np.array(v, float) for v in SCREEN[self.base])
        frame = np.stack([right, down, np.cross(right, down)], axis=1)
        own = np.stack([np.array(self.row), np.array(self.column), self.normal], axis=1)
        turn = frame.T @ own
        b = math.asin(min(max(turn[0, 2], -1.0), 1.0))
        if abs(turn[0, 2]) > 1 - 1e-9:  # looking along the first axis: two angles are one
            return math.degrees(math.atan2(turn[2, 1], turn[1, 1])), math.degrees(b), 0.0
        a, c = math.atan2(-turn[1, 2], turn[2, 2]), math.atan2(-turn[0, 1], turn[0, 0])
        return math.degrees(a), math.degrees(b), math.degrees(c)

    @property
    def normal(self) -> Floats:
        """Unit vector ``(3,)`` across the plane: row x column."""
        return np.cross(np.array(self.row), np.array(self.column))

    def turned(self, axis: Floats, degrees: float) -> Oblique:
        """Turned about its centre and a unit vector ``(3,)``, by the right-hand rule."""
        angle = math.radians(degrees)

        def turn(vector: Vector) -> Floats:
            v = np.array(vector)
            across: Floats = np.cross(axis, v) * math.sin(angle)
            along: Floats = axis * float(axis @ v) * (1 - math.cos(angle))
            return v * math.cos(angle) + across + along

        row = turn(self.row)
        row /= np.linalg.norm(row)
        column = turn(self.column)
        column -= row * float(row @ column)  # what rounding did, not let grow by many small turns
        column /= np.linalg.norm(column)
        return replace(self, row=_vector(row), column=_vector(column))

    def through(self, point_mm: Floats) -> Oblique:
        """The parallel plane through another point ``(3,)``, about which it is turned next."""
        return replace(self, centre_mm=_vector(point_mm))


def _vector(values: Floats) -> Vector:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _about(axis: int, angle: float) -> Floats:
    """The rotation ``(3, 3)`` about an axis, by the right-hand rule."""
    c, s = math.cos(angle), math.sin(angle)
    turn = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[i, i] = turn[j, j] = c
    turn[i, j], turn[j, i] = -s, s
    return turn


@dataclass(eq=False)
class ObliqueStack(OnBase):
    """A stack seen in an oblique plane and those parallel to it.

    One of its slices goes through the plane's centre, and there is a pixel's centre. Pixels are
    square and as wide as the finest spacing of the base, unless that made more than 1024 on a side.
    Slices are as far apart as voxels are in that direction. Outside of the base values are NaN.
    """

    base: SliceStack
    plane: Oblique

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(slices, rows, columns)``."""
        return self._layout[1]

    @property
    def geometry(self) -> Geometry:
        return self._layout[0]

    @property
    def derivation(self) -> tuple[str, ...]:
        return (*self.base.derivation, "oblique plane, linear between voxels")

    @cached_property
    def _layout(self) -> tuple[Geometry, tuple[int, int, int]]:
        base, plane = self.base.geometry, self.plane
        _, ny, nx = self.base.shape
        dy, dx = base.spacing_mm
        dz = base.slice_spacing_mm or 1.0
        right, down = (nx - 1) * dx * base.row_direction, (ny - 1) * dy * base.column_direction
        corners = [base.positions_mm + way for way in (0, right, down, right + down)]
        away = np.concatenate(corners) - np.array(plane.centre_mm)
        normal = plane.normal
        axes = (base.normal * dz, base.column_direction * dy, base.row_direction * dx)
        step = math.sqrt(sum(float(axis @ normal) ** 2 for axis in axes))
        spread = [away @ np.array(v) for v in (plane.row, plane.column)]
        widest = max(float(np.ptp(s)) for s in spread)
        pixel = max(min(dz, dy, dx), widest / (MOST_PIXELS - 2))
        depth = away @ normal

        def ends(values: Floats, spacing: float) -> tuple[int, int]:
            low, high = float(values.min()) / spacing, float(values.max()) / spacing
            return math.floor(low + TOUCH), math.ceil(high - TOUCH)

        (left, far), (top, bottom) = (ends(s, pixel) for s in spread)
        first, last = ends(depth, step)
        corner = (
            np.array(plane.centre_mm)
            + left * pixel * np.array(plane.row)
            + top * pixel * np.array(plane.column)
        )
        positions = corner + np.outer(np.arange(first, last + 1) * step, normal)
        geometry = replace(
            base,
            positions_mm=positions,
            row_direction=np.array(plane.row),
            column_direction=np.array(plane.column),
            spacing_mm=(pixel, pixel),
        )
        return geometry, (last - first + 1, bottom - top + 1, far - left + 1)

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        """One slice, ``(rows, columns)`` float32 in ``unit``."""
        geometry, (_, rows, columns) = self.geometry, self.shape
        pixel = geometry.spacing_mm[0]
        corner = geometry.positions_mm[index]
        down, right = geometry.column_direction * pixel, geometry.row_direction * pixel
        if self.base.unit == LABEL_UNIT:  # what lies between two labels is no label
            numbers = sample(self.base, corner, down, right, (rows, columns), nearest=True)
            return np.nan_to_num(numbers, nan=0.0)
        return sample(self.base, corner, down, right, (rows, columns))


def sample(
    stack: SliceStack,
    corner: Floats,
    down: Floats,
    right: Floats,
    size: tuple[int, int],
    *,
    nearest: bool = False,
) -> NDArray[np.float32]:
    """Values ``size`` float32 at the points ``corner + i * down + j * right`` of the patient, mm.

    Interpolated linearly, or those of the ``nearest`` voxels; NaN outside of ``stack``.
    """
    if isinstance(stack, Difference):
        parts = (sample(part, corner, down, right, size) for part in (stack.other, stack.base))
        other, base = parts
        return other - base
    if isinstance(stack, Blend) and stack.fraction in (0.0, 1.0):
        shown = stack.other if stack.fraction else stack.base
        return sample(shown, corner, down, right, size)
    if isinstance(stack, Blend):
        base = sample(stack.base, corner, down, right, size)
        other = sample(stack.other, corner, down, right, size)
        return base + np.float32(stack.fraction) * (other - base)
    geometry = stack.geometry
    i, j = np.arange(size[0])[:, None], np.arange(size[1])
    depth, y, x = (
        (float(corner @ axis) + i * float(down @ axis) + j * float(right @ axis))
        for axis in (geometry.normal, geometry.column_direction, geometry.row_direction)
    )
    if isinstance(stack, Volume) and _regular(geometry) and _one_scale(stack):
        return _from_voxels(stack, depth, y, x, nearest)
    return _between_slices(stack, depth, y, x, nearest)


def _regular(geometry: Geometry) -> bool:
    return len(geometry.positions_mm) > 1 and geometry.uniform and not _tilted(geometry)


def _tilted(geometry: Geometry) -> bool:
    away = geometry.positions_mm - geometry.positions_mm[0]
    aside = away - np.outer(away @ geometry.normal, geometry.normal)
    return float(np.abs(aside).max()) > FLAT_MM * len(away)


def _one_scale(volume: Volume) -> bool:
    return bool(np.ptp(volume.slope) == 0 and np.ptp(volume.intercept) == 0)


def _from_voxels(
    volume: Volume, depth: Floats, y: Floats, x: Floats, nearest: bool
) -> NDArray[np.float32]:
    """Of a regular volume: one interpolation in its voxels, as they are stored."""
    from scipy.ndimage import map_coordinates

    geometry = volume.geometry
    origin = geometry.positions_mm[0]
    offsets = geometry.offsets_mm
    dz = float(offsets[-1] - offsets[0]) / (len(offsets) - 1)
    dy, dx = geometry.spacing_mm
    places = (
        (depth - float(offsets[0])) / dz,
        (y - float(origin @ geometry.column_direction)) / dy,
        (x - float(origin @ geometry.row_direction)) / dx,
    )
    inside = np.ones(depth.shape, bool)
    for place, count in zip(places, volume.shape, strict=True):
        inside &= (place >= -TOUCH) & (place <= count - 1 + TOUCH)
    at = np.stack(
        [place[inside].clip(0, n - 1) for place, n in zip(places, volume.shape, strict=True)]
    )
    order = 0 if nearest else 1
    found = map_coordinates(volume.voxels, at, np.float32, order=order, mode="nearest")
    made = np.full(depth.shape, np.nan, np.float32)
    slope, intercept = float(volume.slope[0]), float(volume.intercept[0])
    made[inside] = found if (slope, intercept) == (1, 0) else found * slope + intercept
    return made


Read = Callable[[NDArray[np.int_], NDArray[np.int_], NDArray[np.int_]], NDArray[np.float32]]


def _between_slices(
    stack: SliceStack, depth: Floats, y: Floats, x: Floats, nearest: bool
) -> NDArray[np.float32]:
    """Of any stack: a point is looked up in the slices before and behind it, along the normal."""
    geometry = stack.geometry
    offsets = geometry.offsets_mm
    origins = geometry.positions_mm
    below = np.clip(np.searchsorted(offsets, depth, "right") - 1, 0, max(len(offsets) - 2, 0))
    above = np.minimum(below + 1, len(offsets) - 1)
    gap = offsets[above] - offsets[below]
    part = (depth - offsets[below]) / np.where(gap > 0, gap, 1.0)
    reach = TOUCH * geometry.slice_spacing_mm
    inside = (depth >= offsets[0] - reach) & (depth <= offsets[-1] + reach)
    part = part.clip(0, 1).astype(np.float32)
    part = np.rint(part) if nearest else part
    read = _reader(stack)
    _, ny, nx = stack.shape
    dy, dx = geometry.spacing_mm
    ways = (origins @ geometry.column_direction, origins @ geometry.row_direction)
    found = []
    for slices in (below, above):
        row, column = (y - ways[0][slices]) / dy, (x - ways[1][slices]) / dx
        if nearest:
            row, column = np.rint(row), np.rint(column)
        found.append(_in_slices(read, slices, row, column, ny, nx))
    low, high = found
    mixed = low + part * (high - low)
    # On a slice itself it does not matter how far its neighbour reaches.
    mixed = np.where(part == 0, low, np.where(part == 1, high, mixed))
    made: NDArray[np.float32] = np.where(inside, mixed, np.float32(np.nan))
    return made


def _in_slices(
    read: Read, slices: NDArray[np.int_], row: Floats, column: Floats, ny: int, nx: int
) -> NDArray[np.float32]:
    """Values at fractional rows and columns of slices; NaN outside."""
    inside = (row >= -TOUCH) & (row <= ny - 1 + TOUCH)
    inside &= (column >= -TOUCH) & (column <= nx - 1 + TOUCH)
    k, row, column = slices[inside], row[inside].clip(0, ny - 1), column[inside].clip(0, nx - 1)
    top, left = np.minimum(row.astype(int), ny - 1), np.minimum(column.astype(int), nx - 1)
    bottom, right = np.minimum(top + 1, ny - 1), np.minimum(left + 1, nx - 1)
    down, along = (row - top).astype(np.float32), (column - left).astype(np.float32)
    upper = _mixed(read(k, top, left), read(k, top, right), along)
    lower = _mixed(read(k, bottom, left), read(k, bottom, right), along)
    made = np.full(inside.shape, np.nan, np.float32)
    made[inside] = _mixed(upper, lower, down)
    return made


def _mixed(
    low: NDArray[np.float32], high: NDArray[np.float32], part: NDArray[np.float32]
) -> NDArray[np.float32]:
    return low + part * (high - low)


def _reader(stack: SliceStack) -> Read:
    """Reads voxels ``(n,)`` of a stack by their slices, rows and columns."""
    if isinstance(stack, Volume):
        voxels, slope, intercept = stack.voxels, stack.slope, stack.intercept

        def stored(k: NDArray[np.int_], y: NDArray[np.int_], x: NDArray[np.int_]) -> Floats32:
            exact = np.asarray(voxels[k, y, x], np.float64) * slope[k] + intercept[k]
            return exact.astype(np.float32)

        return stored
    if isinstance(stack, LiveSlices):
        behind, results = _reader(stack.base), stack.results

        def live(k: NDArray[np.int_], y: NDArray[np.int_], x: NDArray[np.int_]) -> Floats32:
            values = behind(k, y, x)
            for number, picture in results.items():
                there = k == number
                values[there] = picture[y[there], x[there]]
            return values

        return live

    def computed(k: NDArray[np.int_], y: NDArray[np.int_], x: NDArray[np.int_]) -> Floats32:
        values = np.empty(k.shape, np.float32)
        for number in np.unique(k):
            there = k == number
            values[there] = stack.slice_hu(int(number))[y[there], x[there]]
        return values

    return computed


Floats32 = NDArray[np.float32]
