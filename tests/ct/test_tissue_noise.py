"""The noise of tissues, against noise that is known since it was added."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.ct.tissue_noise import noise_of_tissue, noise_of_tissues

SPACING = (0.8, 0.8)


def anatomy() -> np.ndarray:
    """Fat around soft tissue with vessels, a lung with vessels, air; HU without noise."""
    y, x = np.mgrid[:256, :256].astype(float)
    hu = np.full((256, 256), -1000.0)
    hu[((y - 128) / 120) ** 2 + ((x - 128) / 120) ** 2 < 1] = -100
    hu[((y - 128) / 95) ** 2 + ((x - 128) / 95) ** 2 < 1] = 50
    hu[((y - 110) / 50) ** 2 + ((x - 90) / 40) ** 2 < 1] = -800
    rng = np.random.default_rng(0)
    for _ in range(60):
        cy, cx = rng.uniform(70, 150), rng.uniform(60, 120)
        hu[(y - cy) ** 2 + (x - cx) ** 2 < 6] = 30
    for _ in range(20):
        cy, cx = rng.uniform(60, 190), rng.uniform(140, 200)
        hu[(y - cy) ** 2 + (x - cx) ** 2 < 9] = 180
    return ndimage.gaussian_filter(hu, 0.7)


def correlated(seed: int, sd: float) -> np.ndarray:
    """Noise as CT has it, its power rising from zero and falling again, of the SD ``sd``."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)
    f = np.hypot(fy, fx)
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(256, 256))) * np.sqrt(f) * (f < 0.4)).real
    return field * sd / field.std()


@pytest.mark.parametrize("sd", [8.0, 25.0])
def test_known_noise_is_found_in_every_tissue(sd: float) -> None:
    slices = [anatomy() + correlated(seed, sd) for seed in range(3)]
    found = {each.tissue: each.sd_hu for each in noise_of_tissues(slices, SPACING)}
    assert set(found) == {"Soft tissue", "Fat", "Lung", "Air"}
    for tissue, told in found.items():
        assert told == pytest.approx(sd, rel=0.15), tissue


def test_noise_that_differs_by_tissue_is_told_apart() -> None:
    clean = anatomy()
    noise = correlated(4, 1.0) * np.where(clean < -600, 30.0, 10.0)
    found = noise_of_tissues([clean + noise], SPACING)
    assert noise_of_tissue(found, "Lung") == pytest.approx(30, rel=0.2)
    assert noise_of_tissue(found) == pytest.approx(10, rel=0.2)


def test_what_is_not_there_is_not_told() -> None:
    found = noise_of_tissues([np.full((64, 64), 40.0)], SPACING)
    assert [each.tissue for each in found] == ["Soft tissue"]
    assert noise_of_tissue(found) == 0
    assert math.isnan(noise_of_tissue(found, "Lung"))
    assert noise_of_tissues([np.full((64, 64), np.nan)], SPACING) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (2, 2)])
def test_of_a_row_of_pixels_nothing_is_found(size: tuple[int, int]) -> None:
    assert noise_of_tissues([np.full(size, 40.0)], SPACING) == []
