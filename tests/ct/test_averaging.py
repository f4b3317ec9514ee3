"""Noisy series become quiet by means that others compute alike, and lie where they lay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import block_reduce

from ctstudio.core.events import finish
from ctstudio.ct.averaging import averaged_below
from ctstudio.ct.tissue_noise import noise_of_tissue, noise_of_tissues
from ctstudio.ct.volume import Geometry, Volume

SD = 40.0


def disc(sd: float = SD, spacing_mm: float = 3.0, size: int = 128) -> Volume:
    """Soft tissue in air, with white noise, stored as int16."""
    y, x = np.mgrid[:size, :size] - size / 2
    body = np.where(x**2 + y**2 < (0.45 * size) ** 2, 40.0, -1000.0)
    noise = np.random.default_rng(3).normal(0, sd, (5, size, size))
    stored = np.rint(body + noise + 1024).astype(np.int16)
    geometry = Geometry.axial(5, (spacing_mm, 0.8, 0.6))
    return Volume(stored, np.ones(5), np.full(5, -1024.0), "HU", geometry)


def told(volume: Volume) -> float:
    slices = [volume.slice_hu(z) for z in range(len(volume))]
    return noise_of_tissue(noise_of_tissues(slices, volume.geometry.spacing_mm))


def test_a_quiet_series_stays_as_it_is() -> None:
    volume = disc(10)
    assert finish(averaged_below(volume, 14)) is volume


def test_pixels_are_averaged_first() -> None:
    volume = disc()
    quiet = finish(averaged_below(volume, 25))
    expected = block_reduce(volume.hu().astype(np.float64), (1, 2, 2), np.mean)
    np.testing.assert_allclose(quiet.hu(), expected, atol=1e-3)
    assert told(quiet) == pytest.approx(SD / 2, rel=0.1)
    assert quiet.geometry.spacing_mm == (1.6, 1.2)
    for y, x in ((0, 0), (10, 31)):
        middle = np.mean(
            [volume.geometry.to_patient(2, 2 * y + i, 2 * x + k) for i in (0, 1) for k in (0, 1)],
            axis=0,
        )
        np.testing.assert_allclose(quiet.geometry.to_patient(2, y, x), middle, atol=1e-9)


def test_then_neighbouring_slices() -> None:
    volume = disc()
    quiet = finish(averaged_below(volume, 14))
    halved = block_reduce(volume.hu().astype(np.float64), (1, 2, 2), np.mean)
    expected = ndimage.uniform_filter1d(halved, 3, axis=0, mode="nearest")
    np.testing.assert_allclose(quiet.hu(), expected, atol=1e-3)
    assert len(quiet) == len(volume)


def test_slices_far_apart_are_not_mixed() -> None:
    volume = disc(spacing_mm=8.0)
    quiet = finish(averaged_below(volume, 14))
    np.testing.assert_allclose(
        quiet.hu(), block_reduce(volume.hu().astype(np.float64), (1, 2, 2), np.mean), atol=1e-3
    )


def test_one_slice_and_odd_sides() -> None:
    volume = disc(size=127)
    one = Volume(
        volume.voxels[:1], np.ones(1), np.full(1, -1024.0), "HU", volume.geometry.select(slice(1))
    )
    quiet = finish(averaged_below(one, 14))
    assert quiet.shape == (1, 63, 63)
    first = volume.slice_hu(0)[:2, :2].mean()
    assert quiet.slice_hu(0)[0, 0] == pytest.approx(first)


def test_padding_counts_as_air() -> None:
    volume = disc()
    hu = volume.hu()
    hu[:, :4] = -3024
    hu[:, 4:6] = np.nan
    quiet = finish(averaged_below(Volume.from_hu(hu, volume.geometry), 14))
    assert np.all(quiet.hu()[:, :3] == -1000)


def test_where_the_noise_cannot_be_told_nothing_changes() -> None:
    volume = disc()
    air = replace(volume, voxels=np.zeros_like(volume.voxels))
    assert finish(averaged_below(air, 14)) is air
