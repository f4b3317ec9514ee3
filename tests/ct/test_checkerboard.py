"""The measure of checkerboard artefacts, against patterns whose share is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.ct.checkerboard import checkerboard

Y, X = np.mgrid[:128, :160]


def blobs() -> np.ndarray:
    random = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(random.normal(size=Y.shape), 5)
    return smooth / smooth.std()


def pattern(period: int) -> np.ndarray:
    """A wave along both axes of one period, of variance 1 over whole periods."""
    wave = np.cos(2 * np.pi * Y / period) * np.cos(2 * np.pi * X / period)
    return wave / wave.std()


def tapered(image: np.ndarray) -> float:
    """The variance that a Hann window leaves."""
    window = np.outer(np.hanning(129)[:-1], np.hanning(161)[:-1])
    return float((((image - np.average(image, weights=window)) * window) ** 2).sum())


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("strength", [0.05, 0.3, 1.0])
def test_a_pattern_has_its_share_of_the_variance(period: int, strength: float) -> None:
    image = blobs() + strength * pattern(period)
    share = tapered(strength * pattern(period)) / tapered(image)
    # Blobs themselves have a little of a period as long as 8 px.
    slack = 2e-5 if period < 8 else 5e-3
    assert checkerboard(image, period) == pytest.approx(share, rel=0.03, abs=slack)
    assert checkerboard(7 - 3 * image, period) == pytest.approx(checkerboard(image, period))


def test_a_checkerboard_alone_is_all_of_it() -> None:
    board = (Y + X) % 2
    assert checkerboard(board) == pytest.approx(1, abs=1e-9)
    # Squares of 2 px repeat every 4.
    assert checkerboard((Y // 2 + X // 2) % 2, 4) == pytest.approx(1, abs=1e-9)
    # Stripes are on one of the lines.
    assert checkerboard(Y % 2) == pytest.approx(1, abs=1e-9)


def test_masks_with_sharp_edges_have_next_to_none() -> None:
    discs = sum(((Y - y) ** 2 + (X - x) ** 2 < r**2) for y, x, r in ((40, 50, 20), (90, 110, 25)))
    assert checkerboard(discs) < 1e-3
    assert checkerboard((Y > 60) & (X > 41)) < 1e-3
    holes = np.where((Y + X) % 2, discs, 0)  # every second pixel is missing
    assert checkerboard(holes) > 0.2


def test_another_period_is_not_taken_for_it() -> None:
    assert checkerboard(blobs() + pattern(5), 2) < 1e-3
    assert checkerboard(blobs() + pattern(5), 5) > 0.3
    assert checkerboard(np.random.default_rng(0).normal(size=(128, 128))) < 0.01


def test_nothing_to_measure() -> None:
    assert checkerboard(np.full((64, 64), 3.0)) == 0
    assert checkerboard(np.ones((20, 90))) == 0
    with pytest.raises(ValueError, match="period of 1 px"):
        checkerboard(np.ones((64, 64)), 1)
