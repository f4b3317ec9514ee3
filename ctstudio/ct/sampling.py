"""Values of a stack of slices between its voxels, at points of the patient.

They are interpolated linearly between the eight voxels around a point, in patient coordinates: of
a tilted stack, or one whose slices are not equally far apart, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.views import Blend, Difference, LiveSlices, SliceStack
from ctstudio.ct.volume import Geometry, Volume

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Read = Callable[[NDArray[np.int_], NDArray[np.int_], NDArray[np.int_]], NDArray[np.float32]]

TOUCH = 1e-6  # of a voxel: what rounding puts outside of the outermost centres is inside
BLOCK_ROWS = 64  # that are interpolated at once
FLAT_MM = 0.01  # slices displaced by no more along their plane are not tilted


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
    if isinstance(stack, Volume) and _regular(geometry) and _of_one_piece(stack):
        return _from_voxels(stack, corner, down, right, size, nearest)
    i, j = np.arange(size[0])[:, None], np.arange(size[1])
    depth, y, x = (
        (float(corner @ axis) + i * float(down @ axis) + j * float(right @ axis))
        for axis in (geometry.normal, geometry.column_direction, geometry.row_direction)
    )
    return _between_slices(stack, depth, y, x, nearest)


def _regular(geometry: Geometry) -> bool:
    return len(geometry.positions_mm) > 1 and geometry.uniform and not _tilted(geometry)


def _tilted(geometry: Geometry) -> bool:
    away = geometry.positions_mm - geometry.positions_mm[0]
    aside = away - np.outer(away @ geometry.normal, geometry.normal)
    return float(np.abs(aside).max()) > FLAT_MM * len(away)


def _of_one_piece(volume: Volume) -> bool:
    alike = np.ptp(volume.slope) == 0 and np.ptp(volume.intercept) == 0
    return bool(alike and volume.voxels.flags.c_contiguous)


def _from_voxels(
    volume: Volume,
    corner: Floats,
    down: Floats,
    right: Floats,
    size: tuple[int, int],
    nearest: bool,
) -> NDArray[np.float32]:
    """Of a regular volume: one interpolation in its voxels, as they are stored."""
    geometry = volume.geometry
    origin, offsets = geometry.positions_mm[0], geometry.offsets_mm
    dz = float(offsets[-1] - offsets[0]) / (len(offsets) - 1)
    dy, dx = geometry.spacing_mm
    starts, downs, rights = [], [], []  # in voxels along z, y, x
    for axis, spacing in (
        (geometry.normal, dz),
        (geometry.column_direction, dy),
        (geometry.row_direction, dx),
    ):
        starts.append(float((corner - origin) @ axis) / spacing)
        downs.append(float(down @ axis) / spacing)
        rights.append(float(right @ axis) / spacing)
    made = np.empty(size, np.float32)
    j = np.arange(size[1])
    along = [j * step for step in rights]
    for first in range(0, size[0], BLOCK_ROWS):  # so few that all arrays stay in the cache
        i = np.arange(first, min(first + BLOCK_ROWS, size[0]))[:, None]
        places = [s + i * d + a for s, d, a in zip(starts, downs, along, strict=True)]
        made[first : first + BLOCK_ROWS] = _in_voxels(volume.voxels, places, nearest)
    slope, intercept = float(volume.slope[0]), float(volume.intercept[0])
    if (slope, intercept) != (1, 0):
        made = (made * slope + intercept).astype(np.float32)
    return made


def _in_voxels(
    voxels: NDArray[np.generic], places: list[Floats], nearest: bool
) -> NDArray[np.float32]:
    """Stored values ``(m, n)`` float32 at fractional ``places`` (z, y, x, each ``(m, n)``).

    The places are altered.
    """
    inside = np.ones(places[0].shape, bool)
    index = np.zeros(places[0].shape, np.intp)  # of the voxel before each place, all of one row
    parts, steps, step = [], [], voxels.size
    for place, count in zip(places, voxels.shape, strict=True):
        inside &= place >= -TOUCH
        inside &= place <= count - 1 + TOUCH
        np.clip(place, 0, count - 1, out=place)
        step //= count
        low = (place + 0.5 if nearest else place).astype(np.intp)
        if not nearest:
            np.minimum(low, max(count - 2, 0), out=low)
        parts.append((place - low).astype(np.float32))
        low *= step
        index += low
        steps.append(step if count > 1 else 0)
    flat = voxels.reshape(-1)

    def at(*ways: int) -> NDArray[np.float32]:
        ahead = sum(way * step for way, step in zip(ways, steps, strict=True))
        # Nothing is clipped: to say so spares a look at each index.
        found: NDArray[np.float32] = flat[ahead:].take(index, mode="clip").astype(np.float32)
        return found

    def between(low: Floats32, high: Floats32, axis: int) -> Floats32:
        high -= low
        high *= parts[axis]
        low += high
        return low

    if nearest:
        values = at(0, 0, 0)
    else:
        a, b, c, d = (between(at(z, y, 0), at(z, y, 1), 2) for z in (0, 1) for y in (0, 1))
        values = between(between(a, b, 1), between(c, d, 1), 0)
    values[~inside] = np.nan
    return values


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
