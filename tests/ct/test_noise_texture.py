"""How neighbouring pixels' noise goes together, against noise made with known correlation."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.ct.noise_texture import LAGS, correlations

MASK = np.ones((160, 160), bool)


def white(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10, (160, 160))


def test_white_noise_has_none() -> None:
    found = correlations(40 + white(), MASK)
    assert found is not None
    assert np.abs(found).max() < 0.03


def test_a_running_mean_has_that_of_a_triangle() -> None:
    noise = white()
    noise = (noise + np.roll(noise, 1, axis=1) + np.roll(noise, 2, axis=1)) / 3
    found = correlations(noise - 800, MASK)
    assert found is not None
    told = dict(zip(LAGS, found, strict=True))
    assert told[0, 1] == pytest.approx(2 / 3, abs=0.04)
    assert told[0, 2] == pytest.approx(1 / 3, abs=0.04)
    assert told[1, 0] == pytest.approx(0, abs=0.04)


def test_only_what_is_masked_counts() -> None:
    image = white()
    image[:, :60] = np.linspace(0, 5000, 60)
    mask = MASK.copy()
    mask[:, :60] = False
    found = correlations(image, mask)
    assert found is not None
    assert np.abs(found).max() < 0.05
    assert correlations(image, np.zeros_like(MASK)) is None
