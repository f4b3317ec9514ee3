"""Masks from files, laid onto the slices of a series by their place in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.ct.labels import UNKNOWN, label_map
from ctstudio.ct.volume import Volume
from ctstudio.workflows.open import read, read_labels, scan

MOST_LABELS = 1000
MOST_IN_A_SLICE = 128
WHOLE = 1e-3  # how far a label may lie from a whole number
MOST_COVERED = 0.95  # above which what a mask leaves out is but a margin
LEAST_INSIDE = 0.01  # of the slices' voxels that the mask must reach


def read_masks(paths: Sequence[Path], on: Volume) -> Work[list[tuple[str, Volume]]]:
    """Read label maps for ``on`` from DICOM SEG, NIfTI, pictures or arrays.

    Segmentations and maps that say where they lie are brought onto the slices of ``on`` by that;
    pictures and arrays, which do not, must have its size. Returns a name and a label map for each.

    Raises
    ------
    StudioError
        When there is no mask in ``paths``, or one that does not fit; the sentence names it.
    """
    found = yield from scan(paths)
    masks = yield from read_labels(found.segmentations, on)
    if found.segmentations and not masks and not found.series:
        raise StudioError(
            f"{found.segmentations[0].name} is a segmentation of another series.",
            hint="Open the series that it was made on first.",
        )
    for series in found.series:
        volume = yield from read(series)
        name = series.source.description or series.title
        masks.append((name, (yield from onto(volume, on, name))))
    return masks


def onto(mask: Volume, on: Volume, name: str = "The mask") -> Work[Volume]:
    """A volume of whole numbers as a label map on the slices of ``on``; NaN is not annotated.

    By its place in the patient where both are known to lie there, each voxel taking the nearest
    label, outside 0, or where not all of the mask is annotated -1; else voxel by voxel, for which
    the sizes must agree.

    Raises
    ------
    StudioError
        When the values are no labels, or the mask lies elsewhere or has another size.
    """
    numbers = np.empty(mask.shape, np.int32)
    without = 0
    for z in range(len(mask)):
        yield Progress(z, len(mask), f"Reading {name}")
        values = mask.slice_hu(z)
        without += int(np.isnan(values).sum())
        numbers[z] = numbers_of(values, name)
    if without:
        yield Note(
            f"{name}: {_share(without / numbers.size)} of the voxels have no value (NaN); they are "
            "taken as not annotated."
        )
    if np.array_equal(np.unique(numbers), [0, 255]):
        numbers[numbers == 255] = 1  # a picture in black and white
    placed = mask.geometry.orientation_known and on.geometry.orientation_known
    if placed and mask.geometry.spacing_known:
        numbers = yield from _at_places_of(numbers, mask, on, name)
    elif mask.shape != on.shape:
        raise StudioError(
            f"{name} has {_size(mask)} voxels, the series {_size(on)}.",
            hint="A mask without a place in the patient must have the size of its series.",
        )
    return label_map(numbers, on.geometry, on.source, mask.labels, (*on.derivation, name))


def numbers_of(values: NDArray[np.float32], name: str) -> NDArray[np.int32]:
    """The numbers of labels in a slice ``(y, x)``, or `UNKNOWN` where nothing is annotated.

    Raises
    ------
    StudioError
        When the values of ``name`` are none, or so many that it is rather an image.
    """
    values = np.nan_to_num(values, nan=UNKNOWN)
    whole = np.rint(values)
    if np.abs(values - whole).max(initial=0) > WHOLE or whole.min(initial=0) < UNKNOWN:
        raise StudioError(
            f"{name} is no mask: its values are not whole numbers from 0.",
            hint="Choose a file in which 0 is the background and each label has a number; -1 is "
            "not annotated.",
        )
    if whole.max(initial=0) > MOST_LABELS:
        raise StudioError(
            f"{name} is no mask: it has a value of {whole.max():.0f}.",
            hint=f"Labels go up to {MOST_LABELS}; is this an image?",
        )
    if (many := len(np.unique(whole))) > MOST_IN_A_SLICE:
        raise StudioError(
            f"{name} is no mask: it has {many} different values.",
            hint="Is this an image, or a mask whose edges were smoothed, as JPEG does?",
        )
    labels: NDArray[np.int32] = whole.astype(np.int32)
    return labels


def _at_places_of(
    numbers: NDArray[np.int32], mask: Volume, on: Volume, name: str
) -> Work[NDArray[np.int32]]:
    """The labels at the centres of the voxels of ``on``."""
    here, there = on.geometry, mask.geometry
    nothing = UNKNOWN if numbers.min(initial=0) < 0 else 0
    out = np.full(on.shape, nothing, np.int32)
    dy, dx = here.spacing_mm
    rows, columns = np.mgrid[: on.shape[1], : on.shape[2]]
    in_slice = (
        rows[..., None] * (dy * here.column_direction)
        + columns[..., None] * (dx * here.row_direction)
    )  # fmt: skip
    offsets = there.offsets_mm
    half = max(there.slice_spacing_mm, mask.source.slice_thickness_mm or 0.0, 1e-3) / 2 + 1e-3
    middles = (offsets[1:] + offsets[:-1]) / 2
    reached = 0
    for z in range(len(on)):
        yield Progress(z, len(on), f"Fitting {name}")
        points = in_slice + here.positions_mm[z]
        depth = points @ there.normal
        k = np.searchsorted(middles, depth)
        away = points - there.positions_mm[k]
        y = np.rint(away @ there.column_direction / there.spacing_mm[0]).astype(int)
        x = np.rint(away @ there.row_direction / there.spacing_mm[1]).astype(int)
        inside = np.abs(depth - offsets[k]) <= half
        inside &= (y >= 0) & (y < mask.shape[1]) & (x >= 0) & (x < mask.shape[2])
        out[z][inside] = numbers[k[inside], y[inside], x[inside]]
        reached += int(inside.sum())
    if reached < LEAST_INSIDE * out.size:
        raise StudioError(
            f"{name} does not lie where the series does: it covers {reached / out.size:.1%} of it.",
            hint="Choose the mask that was drawn on this series.",
        )
    if not nothing and reached < MOST_COVERED * out.size:
        share = f"{reached / out.size:.0%}"
        yield Note(f"{name} covers {share} of the series; the rest counts as background.")
    return out


def _share(part: float) -> str:
    """A part of a whole in per cent; little is not nothing, nor much all."""
    return "less than 1%" if part < 0.01 else "more than 99%" if 0.99 < part < 1 else f"{part:.0%}"


def _size(volume: Volume) -> str:
    z, y, x = volume.shape
    return f"{x} x {y} x {z}"
