"""Other planes through a stack of slices, and slabs: they are stacks of slices themselves.

The planes lie along the volume's own axes, so that in a regular stack every value shown is that of
a voxel. Of a tilted stack, or one whose slices are not equally far apart, they are the true planes
of the patient, interpolated between the voxels around.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.oblique import SCREEN, NamedPlane, Oblique, ObliqueStack
from ctstudio.ct.sampling import FLAT_MM
from ctstudio.ct.views import Blend, Difference, LiveSlices, OnBase, SliceStack
from ctstudio.ct.volume import Geometry, Volume

Projection = Literal["maximum", "minimum", "mean"]
Plane = NamedPlane | Oblique

PLANES: tuple[NamedPlane, ...] = ("axial", "coronal", "sagittal")

MOST_ROWS = 4096
TOUCH = 1e-3  # of a voxel: as near to the outermost centres counts as inside


def plane_name(plane: Plane) -> str:
    """ "axial", "coronal", "sagittal" or "oblique"."""
    return "oblique" if isinstance(plane, Oblique) else plane


def plane_data(plane: Plane) -> str | dict[str, Any]:
    """A plane in numbers, lists and words alone, for a file."""
    if not isinstance(plane, Oblique):
        return plane
    return {
        "centre_mm": list(plane.centre_mm),
        "row": list(plane.row),
        "column": list(plane.column),
        "base": plane.base,
    }


def plane_from_data(data: object) -> Plane | None:
    """The plane that `plane_data` wrote; None where it is none."""
    if isinstance(data, str):
        return next((plane for plane in PLANES if plane == data), None)
    if not isinstance(data, dict):
        return None
    base = next((plane for plane in PLANES if plane == data.get("base")), None)
    try:
        centre, row, column = (
            np.array([float(v) for v in data[key]]) for key in ("centre_mm", "row", "column")
        )
    except (KeyError, TypeError, ValueError):
        return None
    vectors = np.concatenate([centre, row, column])
    square = vectors.shape == (9,) and bool(np.isfinite(vectors).all())
    if base is None or not square or abs(float(row @ column)) > 1e-6:
        return None
    if max(abs(float(v @ v) - 1) for v in (row, column)) > 1e-6:
        return None
    (a, b, c), (d, e, f), (g, h, i) = centre.tolist(), row.tolist(), column.tolist()
    return Oblique((a, b, c), (d, e, f), (g, h, i), base)


def stored_plane(geometry: Geometry) -> NamedPlane:
    """The plane that the slices lie in, or are nearest to; "axial" where nobody knows."""
    if not geometry.orientation_known:
        return "axial"
    across = int(np.argmax(np.abs(geometry.normal)))
    return ("sagittal", "coronal", "axial")[across]


def in_plane(stack: SliceStack, plane: Plane) -> SliceStack:
    """``stack`` seen in ``plane``: itself where its slices lie so, or where it has but one."""
    if len(stack) < 2 or plane == stored_plane(stack.geometry):
        return stack
    if isinstance(plane, Oblique):
        return ObliqueStack(stack, plane)
    return Reformatted(stack, plane)


@dataclass(eq=False)
class Reformatted(OnBase):
    """A stack cut along another plane than that of its slices.

    Values outside the slices of a tilted stack are NaN.
    """

    base: SliceStack
    plane: NamedPlane

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(slices, rows, columns)`` of the new plane."""
        return self._layout.shape

    @property
    def geometry(self) -> Geometry:
        return self._layout.geometry

    @cached_property
    def _layout(self) -> _Layout:
        return _Layout.of(self.base.geometry, self.base.shape, self.plane)

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        """One slice of the plane, ``(rows, columns)`` float32 in ``unit``."""
        layout = self._layout
        at = layout.first + (layout.count - 1 - index if layout.reversed_order else index)
        seen = layout.picture(self.base, at)
        seen = seen if layout.depth_down else seen.T
        seen = seen[::-1] if layout.flip_down else seen
        return np.ascontiguousarray(seen[:, ::-1] if layout.flip_right else seen)


@dataclass(frozen=True)
class _Layout:
    """How a plane lies in the base: which axis is cut, which way round it is shown.

    ``axis`` is the base's axis that stays the same in a slice, 1 (y) or 2 (x); the picture's axes
    are depth (along the base's normal) and the other one of y and x.
    """

    axis: int
    count: int
    first: int  # the index along `axis` that the first slice has; below 0 where tilt reaches out
    depths: NDArray[np.float64]  # of the rows of depth, mm along the normal
    along: int  # pixels along the picture's other axis
    along_first: int
    shifts: NDArray[np.float64] | None  # (z, 2) in voxels, by which slices are displaced: y, x
    offsets: NDArray[np.float64]  # of the slices, mm along the normal
    depth_down: bool
    flip_down: bool
    flip_right: bool
    reversed_order: bool
    geometry: Geometry
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, base: Geometry, shape: tuple[int, int, int], plane: NamedPlane) -> _Layout:
        """The layout of ``plane`` through slices ``(z, y, x)`` of ``base``."""
        right, down = (np.array(v, float) for v in SCREEN[plane])
        axes = {0: base.normal, 1: base.column_direction, 2: base.row_direction}
        # The axis cut is the one of y and x that is nearer to the plane's normal.
        across = np.cross(right, down)
        axis = max((1, 2), key=lambda k: abs(float(axes[k] @ across)))
        other = 3 - axis
        depth_down = abs(float(axes[0] @ down)) >= abs(float(axes[other] @ down))
        down_axis, right_axis = (0, other) if depth_down else (other, 0)
        flip_down = float(axes[down_axis] @ down) < 0
        flip_right = float(axes[right_axis] @ right) < 0

        spacing = {1: base.spacing_mm[0], 2: base.spacing_mm[1]}
        offsets = base.offsets_mm
        shifts = _shifts(base)
        apart = float(offsets[-1] - offsets[0]) > 0
        depths = offsets if apart and base.uniform and shifts is None else _regular(offsets)
        step = float(depths[1] - depths[0])
        low, high = (np.zeros(2), np.zeros(2)) if shifts is None else (shifts.min(0), shifts.max(0))
        firsts = np.floor(low).astype(int)
        counts = np.array(shape[1:]) + np.ceil(high).astype(int) - firsts
        first, count = int(firsts[axis - 1]), int(counts[axis - 1])
        along_first, along = int(firsts[other - 1]), int(counts[other - 1])

        size = {0: len(depths), other: along}
        row_direction = axes[right_axis] * (-1 if flip_right else 1)
        column_direction = axes[down_axis] * (-1 if flip_down else 1)
        reversed_order = float(np.cross(row_direction, column_direction) @ axes[axis]) < 0
        # The base's origin, at the first depth; then to the picture's first pixel.
        corner = base.positions_mm[0] + (depths[0] - offsets[0]) * axes[0]
        corner = corner + along_first * spacing[other] * axes[other]
        steps = {0: step, other: spacing[other]}
        for flipped, which in ((flip_down, down_axis), (flip_right, right_axis)):
            if flipped:
                corner = corner + (size[which] - 1) * steps[which] * axes[which]
        numbers = first + np.arange(count)[:: -1 if reversed_order else 1]
        positions = corner + np.outer(numbers * spacing[axis], axes[axis])
        geometry = replace(
            base,
            positions_mm=positions,
            row_direction=row_direction,
            column_direction=column_direction,
            spacing_mm=(steps[down_axis], steps[right_axis]),
        )
        return cls(
            axis, count, first, depths, along, along_first, shifts, offsets, depth_down, flip_down,
            flip_right, reversed_order, geometry, (count, size[down_axis], size[right_axis]),
        )  # fmt: skip

    def picture(self, base: SliceStack, at: int) -> NDArray[np.float32]:
        """Values ``(depths, along)`` where the cut axis has the index ``at``."""
        slices = len(self.offsets)
        if self.shifts is None:
            lines = cut(base, self.axis, np.full(slices, at))
        else:
            lines = self._sheared(base, at)
        return lines if self.depths is self.offsets else self._between(lines)

    def _sheared(self, base: SliceStack, at: int) -> NDArray[np.float32]:
        """Lines ``(z, along)`` of a tilted stack at one place of the patient."""
        assert self.shifts is not None
        size = base.shape[self.axis]
        place = at - self.shifts[:, self.axis - 1]
        below = np.floor(place).astype(int)
        part = (place - below).astype(np.float32)[:, None]
        lines = cut(base, self.axis, below.clip(0, size - 1))
        if np.any(part):
            lines = lines + part * (cut(base, self.axis, (below + 1).clip(0, size - 1)) - lines)
        lines[(place < -TOUCH) | (place > size - 1 + TOUCH)] = np.nan
        other = 2 - self.axis
        out = np.empty((len(lines), self.along), np.float32)
        along = self.along_first + np.arange(self.along)
        have = np.arange(lines.shape[1])
        for z, line in enumerate(lines):
            wanted = along - self.shifts[z, other]
            out[z] = np.interp(wanted, have, line)
            out[z][(wanted < -TOUCH) | (wanted > len(have) - 1 + TOUCH)] = np.nan
        return out

    def _between(self, lines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lines of the slices ``(z, along)``, interpolated at the depths."""
        if self.offsets[-1] <= self.offsets[0]:
            return lines  # slices upon each other are shown one after the other
        z = np.searchsorted(self.offsets, self.depths, "right").clip(1, len(self.offsets) - 1)
        gap = np.maximum(self.offsets[z] - self.offsets[z - 1], 1e-9)
        part = ((self.depths - self.offsets[z - 1]) / gap).clip(0, 1).astype(np.float32)[:, None]
        low, high = lines[z - 1], lines[z]
        mixed = low + part * (high - low)
        # On a slice itself it does not matter how far its neighbour reaches.
        mixed = np.where(part == 0, low, mixed)
        exact: NDArray[np.float32] = np.where(part == 1, high, mixed)
        return exact


def cut(stack: SliceStack, axis: int, at: NDArray[np.int_]) -> NDArray[np.float32]:
    """Of every slice one row (``axis`` 1) or column (2): ``(z, n)`` float32 in the stack's unit.

    ``at`` ``(z,)`` says which. Values are those of `SliceStack.slice_hu`.
    """
    if isinstance(stack, Volume):
        z = np.arange(len(stack))
        stored = stack.voxels[z, at, :] if axis == 1 else stack.voxels[z, :, at]
        exact = np.asarray(stored, np.float64) * stack.slope[:, None] + stack.intercept[:, None]
        return exact.astype(np.float32)
    if isinstance(stack, Difference):
        return cut(stack.other, axis, at) - cut(stack.base, axis, at)
    if isinstance(stack, Blend):
        if stack.fraction == 1.0:
            return cut(stack.other, axis, at)
        base = cut(stack.base, axis, at)
        if stack.fraction == 0.0:
            return base
        return base + np.float32(stack.fraction) * (cut(stack.other, axis, at) - base)
    if isinstance(stack, LiveSlices):
        lines = cut(stack.base, axis, at)
        for number, picture in stack.results.items():
            line = at[number]
            lines[number] = picture[line] if axis == 1 else picture[:, line]
        return lines
    slices = (stack.slice_hu(z) for z in range(len(stack)))
    return np.stack([s[k] if axis == 1 else s[:, k] for s, k in zip(slices, at, strict=True)])


@dataclass(eq=False)
class Slab(OnBase):
    """Several slices seen as one: the greatest, the least or the mean value along the normal.

    ``thickness_mm`` counts from centre to centre of the outer slices; a slab has one slice at
    least. NaN count for nothing.
    """

    base: SliceStack
    projection: Projection
    thickness_mm: float

    @property
    def derivation(self) -> tuple[str, ...]:
        return (*self.base.derivation, f"{self.projection} over {self.thickness_mm:g} mm")

    def members(self, index: int) -> range:
        """The slices that are seen as slice ``index``."""
        offsets = self.geometry.offsets_mm
        near = np.abs(offsets - offsets[index]) <= self.thickness_mm / 2 + 1e-6
        found = np.flatnonzero(near)
        return range(int(found[0]), int(found[-1]) + 1)

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        """One slab, ``(y, x)`` float32 in ``unit``."""
        members = self.members(index)
        total = self.base.slice_hu(members[0]).copy()
        if len(members) == 1:
            return total
        if self.projection == "mean":
            known = (~np.isnan(total)).astype(np.float32)
            total = np.nan_to_num(total, nan=0.0)
            for member in members[1:]:
                hu = self.base.slice_hu(member)
                known += ~np.isnan(hu)
                total += np.nan_to_num(hu, nan=0.0)
            known[known == 0] = np.nan
            total /= known
            return total
        keep = np.fmax if self.projection == "maximum" else np.fmin
        for member in members[1:]:
            keep(total, self.base.slice_hu(member), out=total)
        return total


def _shifts(geometry: Geometry) -> NDArray[np.float64] | None:
    """By how many voxels ``(z, 2)``: y, x, slices are displaced along their plane; None: not."""
    away = geometry.positions_mm - geometry.positions_mm[0]
    y, x = away @ geometry.column_direction, away @ geometry.row_direction
    if max(float(np.abs(y).max()), float(np.abs(x).max())) <= FLAT_MM * len(away):
        return None
    dy, dx = geometry.spacing_mm
    return np.stack([y / dy, x / dx], axis=1)


def _regular(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Equally spaced depths from the first slice to the last, as fine as the finest gap."""
    gaps = np.diff(offsets)
    positive = gaps[gaps > 1e-3]
    extent = float(offsets[-1] - offsets[0])
    if not len(positive) or extent <= 0:
        return np.arange(len(offsets), dtype=float)  # slices upon each other: as if 1 mm apart
    step = max(float(positive.min()), extent / (MOST_ROWS - 1))
    count = max(int(np.floor(extent / step + 1e-6)) + 1, 2)
    result: NDArray[np.float64] = offsets[0] + np.arange(count) * step
    return result
