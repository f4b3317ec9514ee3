"""Series averaged down until they are quiet enough to be learnt from as if they were clean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Progress, Work
from ctstudio.ct.padding import AIR_HU, measured
from ctstudio.ct.tissue_noise import noise_of_tissue, noise_of_tissues
from ctstudio.ct.volume import Volume

MEASURED_SLICES = 6
SLAB = 3
THICKEST_MM = 6.0
"""Slices farther apart are not averaged: they show too different anatomy."""


def averaged_below(volume: Volume, noise_hu: float) -> Work[Volume]:
    """A series whose soft tissue is no noisier than ``noise_hu``, or as near to it as is sensible.

    A noisier series first gets pixels of the mean of 2 x 2, half as many in rows and columns, then
    slices of the mean of themselves and both neighbours where these are at most 6 mm apart. The
    resolution falls with the pixels, so that edges stay as sharp as before, counted in pixels. A
    series whose noise cannot be told (no soft tissue) and one that is quiet enough is returned as
    it is.

    Returns
    -------
    Volume
        Float32 HU; padding and what is not a number counts as air. As many slices as before.
    """
    if not _noise(volume) > noise_hu:
        return volume
    text = "Averaging a noisy series"
    halved = np.empty((len(volume), *(side // 2 for side in volume.shape[1:])), np.float32)
    for z in range(len(volume)):
        yield Progress(z, len(volume), text)
        halved[z] = _halved(volume.slice_hu(z))
    geometry = volume.geometry
    dy, dx = geometry.spacing_mm
    # The mean of four pixels lies at the middle of them.
    shift = (geometry.row_direction * dx + geometry.column_direction * dy) / 2
    geometry = replace(
        geometry, positions_mm=geometry.positions_mm + shift, spacing_mm=(2 * dy, 2 * dx)
    )
    result = Volume.from_hu(
        halved,
        geometry,
        source=replace(volume.source, files=(), described_by=()),
        derivation=(*volume.derivation, "pixels averaged 2 x 2"),
        unit=volume.unit,
    )
    near = geometry.uniform and not geometry.tilted and geometry.slice_spacing_mm <= THICKEST_MM
    if len(volume) < SLAB or not near or not _noise(result) > noise_hu:
        return result
    ends = np.concatenate([halved[:1], halved, halved[-1:]])
    mean = (ends[:-2] + ends[1:-1] + ends[2:]) / np.float32(SLAB)
    return result.derived(mean, f"slabs of {SLAB} slices averaged")


def _noise(volume: Volume) -> float:
    """The SD in the soft tissue of some slices, HU; nan where there is none."""
    chosen = np.linspace(0, len(volume) - 1, min(MEASURED_SLICES, len(volume))).round().astype(int)
    slices = [volume.slice_hu(int(z)) for z in chosen]
    return noise_of_tissue(noise_of_tissues(slices, volume.geometry.spacing_mm))


def _halved(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of 2 x 2 pixels, without an odd last row or column."""
    clean = np.where(measured(hu), hu, np.float32(AIR_HU))
    rows, columns = (side // 2 * 2 for side in clean.shape)
    quarters = clean[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
    mean: NDArray[np.float32] = quarters.mean(axis=(1, 3), dtype=np.float32)
    return mean
