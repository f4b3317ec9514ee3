"""Noise that grows with the signal, against its moments in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress
from ctstudio.core.registry import Choice
from ctstudio.learn.noise import NOISES, Multiplicative, Noise, PoissonGaussian

SPACING = (1.0, 1.0)


def constant(value: float, count: int = 400) -> torch.Tensor:
    return torch.full((count, count), value)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.5), (-0.3, 0.3), (0.0, 0.0)])
@pytest.mark.parametrize(("value", "black"), [(40.0, -1000.0), (0.7, 0.0), (-1000.0, -1000.0)])
def test_multiplicative_moments(low: float, high: float, value: float, black: float) -> None:
    """x + (x - black) U: the mean and variance of a uniform number, times the value."""
    choice = Choice("multiplicative", {"low": low, "high": high, "black": black})
    noise: Multiplicative = NOISES.make(choice)
    got = noise.slice(constant(value), SPACING, seed=1).double()
    signal = value - black
    sd = signal * (high - low) / math.sqrt(12)
    tolerance = 1e-6 * abs(value) + 1e-6
    middle = value + signal * (low + high) / 2
    assert float(got.mean()) == pytest.approx(middle, abs=0.02 * sd + tolerance)
    assert float(got.std()) == pytest.approx(sd, rel=0.01, abs=tolerance)
    assert float(got.min()) >= value + low * signal - tolerance
    assert float(got.max()) <= value + high * signal + tolerance


def test_multiplicative_is_the_articles_recipe() -> None:
    """x * 0.5 * U(0, 5) has the quantiles of a uniform number from 0 to 2.5 x."""
    noise: Multiplicative = NOISES.make(Choice("multiplicative", {"black": 0.0}))
    image = torch.rand(300, 300, generator=torch.Generator().manual_seed(3)) + 0.1
    share = noise.slice(image, SPACING, seed=2) / image / 0.5
    quantiles = torch.linspace(0.05, 0.95, 19)
    assert torch.allclose(torch.quantile(share.flatten(), quantiles), 5 * quantiles, atol=0.05)


def test_multiplicative_limits_in_order() -> None:
    with pytest.raises(StudioError, match="lies above"):
        NOISES.make(Choice("multiplicative", {"low": 0.5, "high": 0.1}))


@pytest.mark.parametrize("photons", [30.0, 1600.0])
@pytest.mark.parametrize("value", [-1100.0, -1000.0, -700.0, 0.0, 1000.0])
def test_poisson_gaussian_moments(photons: float, value: float) -> None:
    electronic = 7.0
    noise: PoissonGaussian = NOISES.make(
        Choice("poisson_gaussian", {"photons": photons, "electronic": electronic})
    )
    added = noise.slice(constant(value), SPACING, seed=1).double() - value
    signal = max(value + 1000, 0.0)
    variance = 1000 / photons * signal + electronic**2
    assert float(added.mean()) == pytest.approx(0.0, abs=4 * math.sqrt(variance) / 400)
    assert float(added.var()) == pytest.approx(variance, rel=0.02)
    # The third moment of a Poisson count is its mean; the Gaussian part has none.
    third = (1000 / photons) ** 2 * signal
    noise_of_third = math.sqrt(15) * variance**1.5 / 400
    assert float((added**3).mean()) == pytest.approx(third, abs=4 * noise_of_third)


def test_poisson_gaussian_counts_are_whole_and_padding_stays() -> None:
    noise: PoissonGaussian = NOISES.make(
        Choice("poisson_gaussian", {"photons": 10.0, "electronic": 0.0})
    )
    clean = constant(-345.0, 100)
    clean[:10] = -3024
    got = noise.slice(clean, SPACING, seed=1)
    assert torch.equal(got[:10], clean[:10])
    counts = (got[10:] + 1000) / 1000 * 10
    assert torch.allclose(counts, counts.round(), atol=1e-4)
    # A Poisson count's chance of none is exp(-mean).
    assert float((counts.round() == 0).float().mean()) == pytest.approx(math.exp(-6.55), abs=0.001)


@pytest.mark.parametrize("name", ["multiplicative", "poisson_gaussian"])
def test_patches_follow_the_generator(name: str) -> None:
    noise: Noise = NOISES.make(Choice(name))
    clean = constant(30.0)[None, None].expand(6, -1, -1, -1)
    work = noise.prepare(clean[:, 0], SPACING, slices=[0, 1], seed=1)
    assert list(work) == [Progress(2, 2, "This noise needs no preparation")]
    where = torch.zeros((6, 3), dtype=torch.int64)
    one, again, other = (
        noise.patches(clean, where, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    rest = (one - one.mean()).flatten(1)
    across = (rest @ rest.T / rest.shape[1]).fill_diagonal_(0)
    assert float(across.abs().max()) < 0.02 * float(rest.var())
