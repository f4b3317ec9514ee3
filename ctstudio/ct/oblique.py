"""Planes of any direction through a stack of slices.

Values are interpolated linearly between the eight voxels around a point. Upon a voxel's centre it
is the voxel's own value, and nothing lies outside of what its neighbours have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.sampling import TOUCH, sample
from ctstudio.ct.views import OnBase, SliceStack
from ctstudio.ct.volume import Geometry

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
COARSENESS = 2  # pixels on a side of a pixel of a draft


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
    ``coarseness`` makes the pixels wider, for drafts.
    """

    base: SliceStack
    plane: Oblique
    coarseness: int = 1  # pixels are so many times as wide; the slices stay

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def coarser(self) -> ObliqueStack:
        """The same slices with pixels `COARSENESS` times as wide."""
        return replace(self, coarseness=COARSENESS * self.coarseness)

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
        pixel = max(min(dz, dy, dx), widest / (MOST_PIXELS - 2)) * self.coarseness
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
        return self._sampled(index, 0, 0, self.shape[1:])

    def value_at(self, index: int, row: int, column: int) -> float:
        """The value of one pixel of a slice."""
        return float(self._sampled(index, row, column, (1, 1))[0, 0])

    def _sampled(
        self, index: int, row: int, column: int, size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Pixels ``size`` of a slice from (row, column) on."""
        geometry = self.geometry
        pixel = geometry.spacing_mm[0]
        down, right = geometry.column_direction * pixel, geometry.row_direction * pixel
        corner = geometry.positions_mm[index] + row * down + column * right
        if self.base.unit == LABEL_UNIT:  # what lies between two labels is no label
            numbers = sample(self.base, corner, down, right, size, nearest=True)
            return np.nan_to_num(numbers, nan=0.0)
        return sample(self.base, corner, down, right, size)
