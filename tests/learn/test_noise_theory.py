"""The noise of both beams against what theory says of every ray and every frequency."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.learn.noise import MU_WATER_PER_MM, NOISES, LowDose
from ctstudio.learn.projection import apodisation

N = 160
MIDDLE = N // 2
SPACING = (1.0, 1.0)
TO_HU = 1000 / MU_WATER_PER_MM


def ellipse(a_mm: float, b_mm: float) -> torch.Tensor:
    """Water in air, ``(y, x)`` HU, with an edge as wide as a pixel."""
    y, x = np.mgrid[:N, :N].astype(float) - MIDDLE
    r = np.hypot(x / a_mm, y / b_mm)
    return torch.from_numpy(np.clip((1 - r) * min(a_mm, b_mm) + 0.5, 0, 1) * 1000 - 1000).float()


def chord(a: float, b: float, theta: NDArray[np.float64], t: Any) -> NDArray[np.float64]:
    """Length in the ellipse of the ray ``x cos(theta) + y sin(theta) = t``."""
    square = (a * np.cos(theta)) ** 2 + (b * np.sin(theta)) ** 2
    return np.asarray(2 * a * b * np.sqrt(np.maximum(square - t**2, 0)) / square)


def simulator(**settings: Any) -> LowDose:
    """A plain scanner: no modulation, no electronic noise, unless asked for."""
    plain = {"views": 240, "modulation": 0.0, "electronic": 0.0, "kernel": "ram-lak"}
    made: LowDose = NOISES.make(Choice("low_dose", {**plain, **settings}))
    return made


def draws(noise: LowDose, clean: torch.Tensor, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    lines = noise.line_integrals(clean[None], SPACING).expand(count, -1, -1)
    return noise.fields_of(lines, (N, N), SPACING, generator)


def around(fields: torch.Tensor, half: int, x: int = 0, y: int = 0) -> torch.Tensor:
    rows = slice(MIDDLE + y - half, MIDDLE + y + half)
    return fields[:, rows, MIDDLE + x - half : MIDDLE + x + half]


def kernel_share(kernel: Any) -> float:
    """What a kernel leaves of the variance behind the ramp alone."""
    u = torch.linspace(0, 1, 10001)
    return float((3 * u**2 * apodisation(kernel, u) ** 2).mean())


@pytest.mark.parametrize("modulation", [0.0, 0.5])
@pytest.mark.parametrize("place", [(0, 0), (55, 0), (0, 32)])
def test_variance_of_parallel_beams(place: tuple[int, int], modulation: float) -> None:
    """The sum over the views of the variance of the ray through the place, times
    ``(pi / views)^2 / (12 pitch^2)`` (Kak & Slaney 1988, section 5.2), and the kernel's share."""
    a, b, views = 70.0, 45.0, 240
    noise = simulator(kernel="hann", modulation=modulation, photons=1e6)
    got = float((around(draws(noise, ellipse(a, b), 120), 5, *place) ** 2).mean())
    theta = np.pi * np.arange(views) / views
    t = place[0] * np.cos(theta) + place[1] * np.sin(theta)
    thickest = MU_WATER_PER_MM * chord(a, b, theta, 0.0)
    photons = 1e6 * np.exp(modulation * (thickest - 5))
    readings = (1 / noise.dose - 1) / photons * np.exp(MU_WATER_PER_MM * chord(a, b, theta, t))
    truth = (np.pi / views) ** 2 / 12 * readings.sum() * kernel_share("hann") * TO_HU**2
    assert got == pytest.approx(truth, rel=0.06)


@pytest.mark.parametrize("place", [(0, 0), (55, 0), (0, 32), (60, 60)])
def test_variance_of_a_fan_beam(place: tuple[int, int]) -> None:
    """As for parallel beams, over both readings of each ray. Seen from a place, as many fans turn
    ``D cos(gamma) / L`` times as far in direction, L being the way to the source; and a reading
    stands for cos(gamma) of the pitch."""
    a, b, fans, distance = 70.0, 45.0, 480, 300.0
    noise = simulator(kernel="hann", beam="fan", source_mm=distance, photons=1e6)
    got = float((around(draws(noise, ellipse(a, b), 120), 5, *place) ** 2).mean())
    beta = 2 * np.pi * np.arange(fans) / fans
    source = distance * np.stack([-np.sin(beta), np.cos(beta)])
    way = np.array(place)[:, None] - source
    length = np.hypot(*way)
    cross = -source[0] * way[1] + source[1] * way[0]
    gamma = np.arcsin(cross / distance / length)
    lines = MU_WATER_PER_MM * chord(a, b, beta + gamma, distance * np.sin(gamma))
    readings = (1 / noise.dose - 1) / (1e6 / 2) * np.exp(lines)  # half of the photons each
    sum_over_rays = (readings * np.cos(gamma) * distance * np.cos(gamma) / length).sum()
    truth = (np.pi / fans) ** 2 / 12 * sum_over_rays * kernel_share("hann") * TO_HU**2
    assert got == pytest.approx(truth, rel=0.06)


def test_both_beams_spend_the_same_dose() -> None:
    settings = {"kernel": "hann", "photons": 1e6, "source_mm": 570.0}
    one, other = (
        float((around(draws(simulator(beam=beam, **settings), ellipse(60, 60), 60), 8) ** 2).mean())
        for beam in ("parallel", "fan")
    )
    assert one == pytest.approx(other, rel=0.06)


@pytest.mark.parametrize("beam", ["parallel", "fan"])
def test_spectrum_falls_to_zero_in_proportion_to_the_frequency(beam: str) -> None:
    """Behind the ramp, power is proportional to the frequency (Riederer et al. 1978, doi
    10.1088/0031-9155/23/3/004)."""
    patches = around(draws(simulator(beam=beam, photons=1e6), ellipse(76, 76), 80), 40)
    window = torch.hann_window(80, periodic=False)
    windowed = (patches - patches.mean(dim=(1, 2), keepdim=True)) * window[:, None] * window
    power = (torch.fft.fft2(windowed).abs() ** 2).mean(dim=0).numpy()
    f = np.fft.fftfreq(80)
    radius = np.hypot(f[:, None], f)

    def ring(low: float, high: float) -> tuple[float, float]:
        chosen = (radius > low) & (radius <= high)
        return float(power[chosen].mean()), float(radius[chosen].mean())

    top, top_frequency = ring(0.3, 0.4)
    assert power[0, 0] < 0.05 * top
    for low, high in ((0.03, 0.06), (0.06, 0.1), (0.1, 0.2)):
        value, frequency = ring(low, high)
        assert value / top == pytest.approx(frequency / top_frequency, rel=0.15)


@pytest.mark.parametrize("beam", ["parallel", "fan"])
def test_streaks_along_the_long_axis_hold_the_power_of_their_rays(beam: str) -> None:
    """In the middle, the power of frequencies in direction theta is that of the rays across it:
    it goes with the attenuation along them (Faulkner & Moores 1984, doi
    10.1088/0031-9155/29/11/003)."""
    a, b = 76.0, 30.0
    noise = simulator(beam=beam, photons=1e7, source_mm=2000.0)
    window = torch.hann_window(28, periodic=False)
    patches = around(draws(noise, ellipse(a, b), 200), 14) * window[:, None] * window
    power = (torch.fft.fft2(patches).abs() ** 2).mean(dim=0).numpy()
    f = np.fft.fftfreq(28)
    fy, fx = np.meshgrid(f, f, indexing="ij")
    radius, direction = np.hypot(fx, fy), np.arctan2(fy, fx)
    shares = []
    for middle in (0.0, np.pi / 2):
        off = np.angle(np.exp(2j * (direction - middle))) / 2
        chosen = (radius > 0.15) & (radius < 0.42) & (np.abs(off) < np.deg2rad(12))
        expected = np.exp(MU_WATER_PER_MM * chord(a, b, direction[chosen], 0.0))
        shares.append(float((power[chosen] / radius[chosen]).mean() / expected.mean()))
    assert shares[0] == pytest.approx(shares[1], rel=0.15)
    # The axis along which rays are long has 5.9 times the power of the other.
    thick = power[(np.abs(fx) < 0.01) & (np.abs(fy) > 0.2)].mean()
    assert float(thick) > 4 * float(power[(np.abs(fy) < 0.01) & (np.abs(fx) > 0.2)].mean())


def test_electronic_noise_dominates_where_photons_are_few() -> None:
    """A reading's variance is 1 / n + sd^2 / n^2: from 2 times at half of the dose to 4 times."""
    water, photons = ellipse(60, 60), 6e4
    n = photons * math.exp(-120 * MU_WATER_PER_MM)

    def ratio(electronic: float) -> float:
        one, half = (
            draws(
                simulator(dose=dose, already_noisy=False, photons=photons, electronic=electronic),
                water,
                24,
            )
            for dose in (0.5, 0.25)
        )
        return float(around(half, 12).var() / around(one, 12).var())

    for electronic in (0.0, 30.0, 100.0):

        def variance(dose: float, sd: float = electronic) -> float:
            return 1 / (dose * n) + (sd / (dose * n)) ** 2

        assert ratio(electronic) == pytest.approx(variance(0.25) / variance(0.5), rel=0.08)
    assert ratio(100.0) > 3.3


def test_bank_draws_have_the_covariance_of_its_fields() -> None:
    noise = simulator(kernel="hann", views=120, fields=8)
    water = ellipse(60, 60)
    finish(noise.prepare(water[None], SPACING, slices=[0], seed=4))
    assert noise._bank is not None
    p, corner = 12, MIDDLE - 6
    fields = noise._bank.fields[0, :, corner : corner + p, corner : corner + p].float().flatten(1)
    truth = fields.T @ fields / len(fields)
    count = 20_000
    clean = torch.zeros(count, 1, p, p)
    where = torch.tensor([[0, corner, corner]]).expand(count, -1)
    drawn = noise.patches(clean, where, torch.Generator().manual_seed(1)).flatten(1)
    got = drawn.T @ drawn / count
    assert float((got - truth).abs().max()) < 0.05 * float(truth.diagonal().max())
    # The fields themselves are direct draws; lag by lag they agree with many others.
    fresh = around(draws(noise, water, 200, seed=9), 30)
    whole = around(noise._bank.fields[0].float(), 30)
    for dy, dx in ((0, 0), (0, 1), (1, 1), (2, 0), (3, 2)):
        both = [float((f[:, : 60 - dy, : 60 - dx] * f[:, dy:, dx:]).mean()) for f in (whole, fresh)]
        assert both[0] == pytest.approx(both[1], abs=0.06 * float((fresh**2).mean()))


@pytest.mark.parametrize("beam", ["parallel", "fan"])
def test_whole_hu_are_taken_as_they_are(beam: str) -> None:
    stack = torch.stack([ellipse(60, 60), ellipse(70, 40), ellipse(50, 50)]).round()
    banks = []
    for given in (stack, stack.to(torch.int16)):
        noise = simulator(beam=beam, views=90, fields=2)
        finish(noise.prepare(given, SPACING, slices=[0, 2], seed=4))
        assert noise._bank is not None
        banks.append(noise._bank.fields)
    assert torch.equal(*banks)
    assert torch.isfinite(banks[0]).all()


def test_a_source_too_near_is_refused() -> None:
    wide = torch.nn.functional.pad(ellipse(70, 70)[None], (160, 160, 160, 160), value=-1000.0)
    with pytest.raises(StudioError, match="300 mm is too near"):
        simulator(beam="fan", source_mm=300.0).slice(wide[0], SPACING, seed=1)
    simulator(beam="fan", source_mm=570.0, views=90).slice(wide[0], SPACING, seed=1)
