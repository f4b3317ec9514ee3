"""Stacks that are not what they seem, made regular: sheared upright, evenly spaced, taken apart.

Every result carries what was done in its derivation. Interpolation is linear: no value lies
outside of those of its neighbours, and a linear field is kept exactly.
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.volume import Geometry, Volume

AIR_HU = -1024.0
"""What is written where nothing was acquired."""

_SAME_MM = 1e-3  # positions closer than this are one
_MOST_SLICES = 8  # times as many as there were
_SNAP = 1e-5  # voxels; a sample this near to a voxel's centre is that voxel


class Fix(StrEnum):
    """What can be done about an irregular stack; the values are for scripts and settings."""

    LEAVE = "leave"
    UNIFORM = "resample"
    SHEAR = "shear"
    SQUARE = "square"
    SPLIT = "split"

    @property
    def label(self) -> str:
        """The words on its button."""
        return _WORDS[self][0]

    @property
    def result(self) -> str:
        """What its result is called, behind the name of the series."""
        return _WORDS[self][1]

    @property
    def help(self) -> str:
        """What it does, in a sentence."""
        return _WORDS[self][2]


_WORDS = {
    Fix.LEAVE: ("Leave it as it is", "", "Slices are shown as they were acquired."),
    Fix.UNIFORM: (
        "Resample to equal distances",
        "equal distances",
        "Slices in between are interpolated linearly, at the smallest distance that there is.",
    ),
    Fix.SHEAR: (
        "Shear the tilt away",
        "upright",
        "Each slice is moved within its plane until the stack stands upright on its slices.",
    ),
    Fix.SQUARE: (
        "Resample to square pixels",
        "square pixels",
        "Rows or columns are interpolated linearly until both lie equally far apart.",
    ),
    Fix.SPLIT: (
        "Split into regular stacks",
        "part",
        "Each run of slices at equal distances becomes a series of its own; no value changes.",
    ),
}


def mend(volume: Volume, fix: Fix, *, spacing_mm: float | None = None) -> Work[list[Volume]]:
    """Apply one fix: the volumes that come of it (several where it splits). Yields Progress.

    ``spacing_mm`` is the distance between slices that `Fix.UNIFORM` makes.

    Raises
    ------
    StudioError
        When memory does not suffice, or the volume is too thin for the fix.
    """
    if fix is Fix.LEAVE:
        return [volume]
    if fix is Fix.SPLIT:
        return split(volume)
    if fix is Fix.UNIFORM:
        return [(yield from resample_uniform(volume, spacing_mm))]
    work = {Fix.SHEAR: shear_tilt_away, Fix.SQUARE: square_pixels}[fix]
    return [(yield from work(volume))]


def shear_tilt_away(volume: Volume) -> Work[Volume]:
    """Move each slice within its plane until the stack stands upright on its slices.

    Nothing is interpolated across slices. The middle slice keeps its values exactly; the picture
    grows by the shift, and what lies outside of a slice becomes air (or the least value of a
    volume that is not in HU). Yields Progress.
    """
    geometry = volume.geometry
    dy, dx = geometry.spacing_mm
    middle = geometry.positions_mm[len(volume) // 2]
    moved = geometry.positions_mm - middle
    right, down = moved @ geometry.row_direction / dx, moved @ geometry.column_direction / dy
    left, top = math.floor(right.min() + _SNAP), math.floor(down.min() + _SNAP)
    rows = volume.shape[1] + math.ceil(down.max() - _SNAP) - top
    columns = volume.shape[2] + math.ceil(right.max() - _SNAP) - left
    out = _new((len(volume), rows, columns), volume)
    for k in range(len(volume)):
        part, y = _shifted(volume.slice_hu(k), top - down[k], 0)
        part, x = _shifted(part, left - right[k], 1)
        out[k, y : y + part.shape[0], x : x + part.shape[1]] = part
        yield Progress(k + 1, len(volume), "Shearing slices")
    corner = middle + left * dx * geometry.row_direction + top * dy * geometry.column_direction
    upright = corner + np.outer(moved @ geometry.normal, geometry.normal)
    step = f"gantry tilt of {tilt_degrees(geometry):.1f} degrees sheared away (linear, in plane)"
    return _regular(volume, out, replace(geometry, positions_mm=upright), step)


def resample_uniform(volume: Volume, spacing_mm: float | None = None) -> Work[Volume]:
    """Slices at equal distances, by default the smallest one between two slices of ``volume``.

    Of several slices at one position the first counts. Planes that coincide with a slice keep its
    values exactly; those between two slices are interpolated along the line that joins equal
    voxels, so that a tilted stack stays tilted. Yields Progress.

    Raises
    ------
    StudioError
        When there are fewer than two positions, or memory does not suffice.
    ValueError
        When ``spacing_mm`` is not positive.
    """
    offsets = volume.geometry.offsets_mm
    kept = [k for k in range(len(offsets)) if not k or offsets[k] - offsets[k - 1] > _SAME_MM]
    places = offsets[kept]
    if len(kept) < 2:
        raise StudioError(
            "There is nothing to interpolate: all slices lie at one position.",
            hint="Leave the series as it is, or split it.",
        )
    extent = float(places[-1] - places[0])
    if spacing_mm is None:
        spacing_mm = max(float(np.diff(places).min()), extent / (_MOST_SLICES * len(kept)))
    if not spacing_mm > 0:
        raise ValueError("the distance between slices must be positive")
    count = math.floor(extent / spacing_mm + 1e-3) + 1
    wanted = places[0] + spacing_mm * np.arange(count)
    out = _new((count, *volume.shape[1:]), volume)
    positions = np.empty((count, 3))
    for k, place in enumerate(wanted):
        low = int(np.clip(np.searchsorted(places, place, "right") - 1, 0, len(kept) - 2))
        weight = _snapped((place - places[low]) / (places[low + 1] - places[low]))
        below, above = kept[low], kept[low + 1]
        if weight <= 0:
            out[k] = volume.slice_hu(below)
        elif weight >= 1:
            out[k] = volume.slice_hu(above)
        else:
            out[k] = _mix(volume.slice_hu(below), volume.slice_hu(above), weight)
        ends = volume.geometry.positions_mm
        positions[k] = (1 - weight) * ends[below] + weight * ends[above]
        yield Progress(k + 1, count, "Resampling slices")
    step = f"resampled to slices {spacing_mm:.4g} mm apart (linear, across slices)"
    return _regular(volume, out, replace(volume.geometry, positions_mm=positions), step)


def square_pixels(volume: Volume) -> Work[Volume]:
    """Rows and columns at equal distances: the smaller of the two. Yields Progress."""
    side = min(volume.geometry.spacing_mm)
    axis = int(np.argmax(volume.geometry.spacing_mm))
    scale = side / volume.geometry.spacing_mm[axis]
    before = volume.shape[1 + axis]
    at = np.arange(math.floor((before - 1) / scale + _SNAP) + 1) * scale
    low = np.clip(np.floor(at + _SNAP).astype(int), 0, max(before - 2, 0))
    weight = np.clip(at - low, 0, 1).astype(np.float32)
    high = np.minimum(low + 1, before - 1)
    shape = list(volume.shape)
    shape[1 + axis] = len(at)
    out = _new((shape[0], shape[1], shape[2]), volume)
    column = weight[:, None] if axis == 0 else weight
    for k in range(len(volume)):
        hu = volume.slice_hu(k)
        out[k] = hu.take(low, axis) * (1 - column) + hu.take(high, axis) * column
        yield Progress(k + 1, len(volume), "Resampling pixels")
    step = f"resampled to square pixels of {side:.4g} mm (linear, in plane)"
    return _regular(volume, out, replace(volume.geometry, spacing_mm=(side, side)), step)


def split(volume: Volume) -> list[Volume]:
    """Stacks of equally spaced slices; each slice is in one of them. Values are not copied.

    Where several slices share a position, the first ones make a stack, the second ones another.
    """
    parts = regular_parts(volume.geometry)
    result = []
    for part in parts:
        files = volume.source.files
        indices: slice | list[int] = slice(part[0], part[-1] + 1)
        if part[-1] - part[0] + 1 != len(part):
            indices = part
        geometry = replace(volume.geometry, positions_mm=volume.geometry.positions_mm[indices])
        source = volume.source
        if len(files) == len(volume):
            source = replace(source, files=tuple(files[k] for k in part))
        step = f"{len(part)} of {len(volume)} slices, from slice {part[0] + 1} (split)"
        result.append(
            Volume(
                volume.voxels[indices],
                volume.slope[indices],
                volume.intercept[indices],
                volume.unit,
                geometry,
                source,
                volume.derivation if len(parts) == 1 else (*volume.derivation, step),
            )
        )
    return result


def regular_parts(geometry: Geometry) -> list[list[int]]:
    """The indices of slices, in stacks of equal distances (to 1 %), none at a position twice."""
    offsets = geometry.offsets_mm
    layers: list[list[int]] = []
    depth = 0
    for k in range(len(offsets)):
        shared = k > 0 and abs(offsets[k] - offsets[k - 1]) <= _SAME_MM
        depth = depth + 1 if shared else 0
        if depth == len(layers):
            layers.append([])
        layers[depth].append(k)
    parts = []
    for layer in layers:
        part = [layer[0]]
        for k in layer[1:]:
            if len(part) > 1:
                usual = offsets[part[1]] - offsets[part[0]]
                if abs(offsets[k] - offsets[part[-1]] - usual) > 0.01 * abs(usual) + _SAME_MM:
                    parts.append(part)
                    part = []
            part.append(k)
        parts.append(part)
    return sorted(parts)


def tilt_degrees(geometry: Geometry) -> float:
    """By how much the stack leans: the angle between its axis and the normal of its slices."""
    steps = np.diff(geometry.positions_mm, axis=0)
    along = steps @ geometry.normal
    across = np.linalg.norm(steps - np.outer(along, geometry.normal), axis=1)
    apart = np.abs(along) > _SAME_MM
    if not apart.any():
        return 0.0
    return float(np.median(np.degrees(np.arctan2(across[apart], np.abs(along[apart])))))


def _shifted(
    values: NDArray[np.float32], start: float, axis: int
) -> tuple[NDArray[np.float32], int]:
    """``values`` sampled at ``start + i`` along ``axis``, where that lies within them.

    Returns the samples and the first such ``i``, which may not be negative.
    """
    whole = math.floor(start + _SNAP)
    weight = _snapped(start - whole)
    if weight > 0:
        count = values.shape[axis]
        values = _mix(
            values.take(range(count - 1), axis), values.take(range(1, count), axis), weight
        )
    return values, -whole


def _snapped(weight: float) -> float:
    return float(round(weight)) if abs(weight - round(weight)) < _SNAP else float(weight)


def _mix(
    first: NDArray[np.float32], second: NDArray[np.float32], weight: float
) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = first * np.float32(1 - weight) + second * np.float32(weight)
    return mixed


def _new(shape: tuple[int, int, int], volume: Volume) -> NDArray[np.float32]:
    """An array full of air, or of the least value of a volume that is not in HU."""
    try:
        if volume.unit == "HU":
            return np.full(shape, AIR_HU, np.float32)
        least = min(float(volume.slice_hu(k).min()) for k in range(len(volume)))
        return np.full(shape, least, np.float32)
    except MemoryError as error:
        size = math.prod(shape) * 4 / 1e9
        raise StudioError(
            f"There is not enough memory for the resampled series ({size:.1f} GB).",
            hint="Close other volumes or programs, or leave the series as it is.",
        ) from error


def _regular(volume: Volume, values: NDArray[np.float32], geometry: Geometry, step: str) -> Volume:
    """The result; no source file is a slice of it any more."""
    source = volume.source
    return Volume.from_hu(
        values,
        geometry,
        source=replace(source, files=(), described_by=source.files or source.described_by),
        derivation=(*volume.derivation, step),
        unit=volume.unit,
    )
