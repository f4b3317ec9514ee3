"""A picture on other pixels: exact where it can be, unknown where there is nothing."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from ctstudio.ct.regrid import regrid


def test_pixel_centres_are_the_pixels_themselves() -> None:
    picture = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    picture[2, 3] = np.nan
    same = regrid(picture, np.arange(5.0), np.arange(7.0))
    assert np.array_equal(same, picture, equal_nan=True)
    assert np.array_equal(regrid(picture, np.array([4.0, 0]), np.array([6.0])), picture[[4, 0], 6:])


def test_between_pixels_it_is_linear_interpolation() -> None:
    draw = np.random.default_rng(1)
    picture = draw.normal(size=(6, 9)).astype(np.float32)
    rows, columns = draw.uniform(0, 5, 11), draw.uniform(0, 8, 13)
    at = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    want = map_coordinates(picture, at, order=1)
    assert np.allclose(regrid(picture, rows, columns), want, atol=1e-5)


def test_outside_nothing_is_known() -> None:
    made = regrid(np.ones((3, 3), np.float32), np.array([-0.5, 0, 2.4]), np.array([1, 2.2]))
    assert np.array_equal(np.isnan(made), [[True, True], [False, True], [True, True]])


def test_a_single_row_stays_one() -> None:
    picture = np.arange(4, dtype=np.float32)[None]
    assert np.allclose(regrid(picture, np.zeros(1), np.array([0.5, 2.25])), [[0.5, 2.25]])
