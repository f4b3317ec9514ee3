"""Structure in what was removed, where it is known how much there is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.ct.phantom import draw_slice
from ctstudio.ct.residual import FINE_PX, structure


@pytest.fixture(scope="module")
def anatomy() -> np.ndarray:
    return draw_slice(0.0, size=192).astype(np.float32)


def test_noise_alone_has_none(anatomy) -> None:
    noise = np.random.default_rng(1).normal(0, 20, anatomy.shape)
    # The coefficient of independent values has the SD 1 / sqrt(n).
    assert abs(structure(noise, anatomy)) < 4 / math.sqrt(anatomy.size)


def test_a_blur_removes_just_that(anatomy) -> None:
    image = np.clip(anatomy, -1100, 1500)
    removed = image - ndimage.gaussian_filter(image, FINE_PX)
    assert structure(removed, anatomy) == pytest.approx(1, abs=1e-6)
    assert structure(-0.3 * removed, anatomy) == pytest.approx(-1, abs=1e-6)


def test_of_noise_and_blur_it_is_the_share_of_the_blur(anatomy) -> None:
    image = np.clip(anatomy, -1100, 1500)
    fine = image - ndimage.gaussian_filter(image, FINE_PX)
    noise = np.random.default_rng(2).normal(0, fine.std(), anatomy.shape)
    assert structure(fine + noise, anatomy) == pytest.approx(1 / math.sqrt(2), abs=0.02)


def test_only_the_mask_counts(anatomy) -> None:
    removed = np.random.default_rng(3).normal(0, 20, anatomy.shape)
    half = np.zeros(anatomy.shape, bool)
    half[:, :96] = True
    other = removed.copy()
    other[:, 96:] = anatomy[:, 96:]
    assert structure(other, anatomy, half) == structure(removed, anatomy, half)


def test_where_nothing_was_removed_nothing_is_said(anatomy) -> None:
    assert math.isnan(structure(np.zeros_like(anatomy), anatomy))
    assert math.isnan(structure(anatomy, anatomy, np.zeros(anatomy.shape, bool)))


def noise(like: np.ndarray) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 20, like.shape)


def test_of_few_pixels_and_of_rounding_nothing_is_said(anatomy) -> None:
    rng = np.random.default_rng(4)
    small = rng.normal(0, 20, (19, 20))
    assert math.isnan(structure(small, small))
    rounding = anatomy + noise(anatomy) - np.rint(anatomy + noise(anatomy))
    assert math.isnan(structure(rounding, anatomy)), "no more than rounding was removed"
    flat = np.full((64, 64), 40.0) + rng.normal(0, 0.1, (64, 64))
    assert math.isnan(structure(rng.normal(0, 20, flat.shape), flat)), "a flat reference"
