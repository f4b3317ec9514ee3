"""The model observer against what is known of discs in white noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, special

from ctstudio.ct.detectability import FEWEST, channels, detectability, matched

SIDE, DIAMETER = 33, 9.0


def disc(contrast: float) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    return contrast * (np.hypot(y, x) <= DIAMETER / 2)


def regions(count: int, sd: float, seed: int, contrast: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sd, (count, SIDE, SIDE))
    return disc(contrast) + noise + 50


def test_channels_are_those_of_laguerre_and_gauss() -> None:
    made = channels(65, 10.0)
    products = made.reshape(5, -1) @ made.reshape(5, -1).T
    assert np.abs(products - np.eye(5)).max() < 1e-3
    y, x = np.mgrid[:65, :65] - 32
    square = 2 * math.pi * (y * y + x * x) / 15.0**2
    third = special.eval_laguerre(3, square) * np.exp(-square / 2)
    assert made[3] == pytest.approx(third / np.sqrt((third**2).sum()), abs=1e-12)


@pytest.mark.parametrize("contrast", [3.0, 6.0])
def test_in_white_noise_it_is_the_signal_that_the_channels_let_through(contrast) -> None:
    """Uncorrelated noise: d' is the norm of the signal, as the channels see it, over the SD."""
    basis = channels(SIDE, DIAMETER).reshape(5, -1)
    plain = disc(contrast) - disc(contrast).mean()
    basis = basis - basis.mean(axis=1, keepdims=True)
    seen = basis @ plain.ravel()
    expected = math.sqrt(seen @ np.linalg.solve(basis @ basis.T, seen)) / 10
    got = detectability(regions(300, 10, 1, contrast), regions(300, 10, 2), DIAMETER)
    assert got.d_prime == pytest.approx(expected, abs=3 * got.error)
    assert got.error < 0.15
    # Answers are normally distributed: AUC = Phi(d' / sqrt 2).
    assert got.auc == pytest.approx(float(special.ndtr(got.d_prime / math.sqrt(2))), abs=0.02)


def test_where_there_is_no_disc_it_is_not_flattered() -> None:
    many = [
        detectability(regions(12, 10, 2 * k), regions(12, 10, 2 * k + 1), DIAMETER).d_prime
        for k in range(100)
    ]
    assert abs(np.mean(many)) < 0.25


def test_more_noise_is_worse_and_a_shift_of_all_values_is_nothing() -> None:
    quiet = detectability(regions(40, 5, 1, 4), regions(40, 5, 2), DIAMETER)
    loud = detectability(regions(40, 15, 1, 4), regions(40, 15, 2), DIAMETER)
    assert quiet.d_prime > 2 * loud.d_prime
    shifted = detectability(regions(40, 15, 1, 4) + 100, regions(40, 15, 2) - 30, DIAMETER)
    assert shifted.d_prime == pytest.approx(loud.d_prime, abs=1e-6)


def test_smoothing_alone_adds_no_information() -> None:
    """A filter that can be undone leaves the ideal observer as it was; this one about so."""
    present, absent = regions(200, 10, 1, 5), regions(200, 10, 2)
    smooth = [ndimage.gaussian_filter(r, (0, 1.0, 1.0), mode="wrap") for r in (present, absent)]
    plain = detectability(present, absent, DIAMETER)
    after = detectability(*smooth, DIAMETER)
    assert after.d_prime == pytest.approx(plain.d_prime, rel=0.1)


def test_bad_regions() -> None:
    with pytest.raises(ValueError, match="needs"):
        detectability(regions(FEWEST - 1, 1, 1), regions(20, 1, 2), DIAMETER)
    with pytest.raises(ValueError, match="of one size"):
        detectability(regions(20, 1, 1)[:, 1:], regions(20, 1, 2), DIAMETER)


@pytest.mark.parametrize("sd", [3.0, 12.0])
def test_a_matched_filter_in_white_noise_is_the_ideal_observer(sd: float) -> None:
    """There d' is contrast / SD times the root of the sum of squares of the disc less its mean."""
    found = matched(regions(1500, sd, 1, 5.0), regions(1500, sd, 2), regions(3000, sd, 3), DIAMETER)
    shape = disc(1.0) - disc(1.0).mean()
    ideal = 5.0 / sd * math.sqrt((shape**2).sum())
    # The filter's disc has soft edges, this one has hard ones.
    assert found.d_prime == pytest.approx(ideal, abs=4 * found.error + 0.04 * ideal)
    assert found.auc == pytest.approx(float(special.ndtr(found.d_prime / math.sqrt(2))))
    shifted = matched(
        regions(1500, sd, 1, 5.0) + 100, regions(1500, sd, 2), regions(3000, sd, 3), DIAMETER
    )
    assert shifted.d_prime == pytest.approx(found.d_prime, abs=1e-6)


def test_the_error_of_a_matched_filter_is_its_scatter() -> None:
    told = [
        matched(
            regions(5, 20, k, 6.0), regions(5, 20, 900 + k), regions(60, 20, 1800 + k), DIAMETER
        )
        for k in range(150)
    ]
    scatter = float(np.std([one.d_prime for one in told]))
    assert scatter == pytest.approx(float(np.mean([one.error for one in told])), rel=0.2)
    with pytest.raises(ValueError, match="regions of each kind"):
        matched(regions(5, 1, 1), regions(5, 1, 2), regions(FEWEST - 1, 1, 3), DIAMETER)
