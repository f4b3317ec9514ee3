"""Simulated noise against the theory of filtered back-projection."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, finish
from ctstudio.core.registry import Choice
from ctstudio.learn.kernels import KERNELS
from ctstudio.learn.noise import (
    MU_WATER_PER_MM,
    NOISES,
    ArticleGaussian,
    Gaussian,
    LowDose,
    Noise,
    bank,
)
from ctstudio.learn.projection import apodisation

N = 160
SPACING = (1.0, 1.0)
SHAPE = (N, N)


def ellipse(a_mm: float, b_mm: float) -> torch.Tensor:
    """Water in air, ``(y, x)`` HU."""
    y, x = np.mgrid[:N, :N].astype(float) - N // 2
    r = np.hypot(x / a_mm, y / b_mm)
    return torch.from_numpy(np.clip((1 - r) * min(a_mm, b_mm) + 0.5, 0, 1) * 1000 - 1000).float()


def simulator(**settings: Any) -> LowDose:
    """A plain scanner: no modulation, no electronic noise, unless asked for."""
    plain = {"views": 240, "modulation": 0.0, "electronic": 0.0, "kernel": "ram-lak"}
    made: LowDose = NOISES.make(Choice("low_dose", {**plain, **settings}))
    return made


def draws(noise: LowDose, clean: torch.Tensor, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    lines = noise.line_integrals(clean[None], SPACING).expand(count, -1, -1)
    return noise.fields_of(lines, SHAPE, SPACING, generator)


def square(fields: torch.Tensor, half: int = 12, x: int = 0, y: int = 0) -> torch.Tensor:
    rows = slice(N // 2 + y - half, N // 2 + y + half)
    return fields[:, rows, N // 2 + x - half : N // 2 + x + half]


def power_spectrum(patches: torch.Tensor) -> torch.Tensor:
    """Two-dimensional noise power spectrum in HU^2 mm^2, zero frequency first."""
    spectrum = torch.fft.fft2(patches).abs() ** 2
    return spectrum.mean(dim=0) / patches[0].numel()


WATER = ellipse(60, 60)


@pytest.mark.parametrize("kernel", ["ram-lak", "hann"])
@pytest.mark.parametrize("already_noisy", [False, True])
def test_variance_at_the_centre_of_a_water_disc(kernel: str, already_noisy: bool) -> None:
    """pi^2 var(p) / (12 views pitch^2) for the ramp (Kak & Slaney 1988, section 5.2: the variance
    is pi^2 pitch / views var(p) times the integral of the squared filter), times that share of the
    integral which the kernel leaves."""
    noise = simulator(kernel=kernel, already_noisy=already_noisy, dose=0.25, photons=1e6)
    got = float(square(draws(noise, WATER, 24)).var())
    u = torch.linspace(0, 1, 10001)
    share = float((3 * u**2 * apodisation(kernel, u) ** 2).mean())  # type: ignore[arg-type]
    counts = 1e6 * math.exp(-120 * MU_WATER_PER_MM)
    readings = 1 / (0.25 * counts) - (1 / counts if already_noisy else 0)
    mu = math.pi**2 / (12 * 240 * 1.0**2) * readings * share
    assert got == pytest.approx(mu * (1000 / MU_WATER_PER_MM) ** 2, rel=0.06)


def test_variance_goes_with_one_over_dose() -> None:
    fields = {
        dose: draws(simulator(dose=dose, already_noisy=False), WATER, 16) for dose in (0.5, 0.25)
    }
    ratio = float(square(fields[0.25]).var() / square(fields[0.5]).var())
    assert ratio == pytest.approx(2.0, rel=0.08)


def test_what_is_missing_adds_up_to_the_dose() -> None:
    full = float(square(draws(simulator(dose=1.0, already_noisy=False), WATER, 16)).var())
    for dose in (0.5, 0.25, 0.1):
        added = float(square(draws(simulator(dose=dose, already_noisy=True), WATER, 16)).var())
        assert added == pytest.approx((1 / dose - 1) * full, rel=0.08)
    nothing = draws(simulator(dose=1.0, already_noisy=True), WATER, 2)
    assert float(nothing.abs().max()) == 0.0


def test_electronic_noise_adds_its_variance() -> None:
    counts = 1e5 * math.exp(-120 * MU_WATER_PER_MM)
    quiet = simulator(dose=0.1, already_noisy=False, photons=1e5)
    loud = simulator(dose=0.1, already_noisy=False, photons=1e5, electronic=30)
    ratio = float(square(draws(loud, WATER, 16)).var() / square(draws(quiet, WATER, 16)).var())
    assert ratio == pytest.approx(1 + 30**2 / (0.1 * counts), rel=0.1)


def test_spectrum_is_a_ramp_and_holds_the_variance() -> None:
    patches = square(draws(simulator(dose=0.25), WATER, 32), half=16)
    patches = patches - patches.mean(dim=(1, 2), keepdim=True)
    spectrum = power_spectrum(patches)
    assert float(spectrum.mean()) == pytest.approx(float(patches.var()), rel=0.01)
    fy, fx = np.meshgrid(np.fft.fftfreq(32), np.fft.fftfreq(32), indexing="ij")
    radius = np.hypot(fy, fx)
    profile = [
        float(spectrum.numpy()[(radius > low) & (radius <= low + 0.08)].mean())
        for low in (0.02, 0.1, 0.18, 0.26, 0.34)
    ]
    assert all(later > earlier for earlier, later in itertools.pairwise(profile))
    assert profile[0] < 0.3 * profile[-1]
    # A straight line through the origin: power over frequency stays the same.
    slope = np.array(profile) / (np.array((0.02, 0.1, 0.18, 0.26, 0.34)) + 0.04)
    assert np.ptp(slope[1:]) < 0.2 * slope.mean()


def test_noise_is_strongest_in_the_middle() -> None:
    fields = draws(simulator(dose=0.25), WATER, 8)
    assert float(square(fields, 8).std()) > 1.15 * float(square(fields, 8, x=48).std())


def test_streaks_run_along_the_long_axis() -> None:
    noise = simulator(dose=0.25, kernel="hann")
    centre = square(draws(noise, ellipse(76, 30), 16))

    def correlation(dy: int, dx: int) -> float:
        a, b = centre[:, : 24 - dy, : 24 - dx], centre[:, dy:, dx:]
        return float((a * b).mean() / centre.var())

    assert correlation(0, 2) > correlation(2, 0) + 0.2


def test_modulation_evens_the_noise_out() -> None:
    def spread(modulation: float) -> float:
        noise = simulator(modulation=modulation, kernel="hann")
        return float(
            square(draws(noise, ellipse(76, 60), 8)).std()
            / square(draws(noise, ellipse(40, 40), 8)).std()
        )

    assert 1 < spread(1.0) < 0.7 * spread(0.0)


@pytest.mark.parametrize("already_noisy", [False, True])
def test_mean_of_the_noise_is_zero(already_noisy: bool) -> None:
    noise = simulator(dose=0.25, already_noisy=already_noisy, kernel="hann", electronic=5.0)
    fields = draws(noise, WATER, 24)
    assert abs(float(square(fields, 30).mean())) < 0.3
    assert abs(float(fields.mean())) < 0.3


def test_starved_readings_stay_finite() -> None:
    iron = WATER.clone()
    iron[60:100, 60:100] = 3000
    for already_noisy in (False, True):
        noise = simulator(already_noisy=already_noisy, dose=0.01, photons=1e3, electronic=20)
        assert bool(torch.isfinite(noise.slice(iron, SPACING, seed=1)).all())


def test_the_signal_is_not_touched() -> None:
    noise = simulator(dose=0.5, kernel="hann", photons=1e6)
    clean = WATER.clone()
    clean[70:80, 70:80] = 400
    mean = torch.stack([noise.slice(clean, SPACING, seed=k) for k in range(24)]).mean(dim=0)
    sd = float((noise.slice(clean, SPACING, seed=99) - clean).std())
    # The edges of the block would show at once if the slice itself were reconstructed.
    assert float((mean - clean)[60:90, 60:90].abs().max()) < 6 * sd / math.sqrt(24)


def test_seeds_decide() -> None:
    noise = simulator()
    first, again, other = (noise.slice(WATER, SPACING, seed=s) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_bank_draws_like_fresh_fields() -> None:
    noise = simulator(dose=0.25, kernel="hann", fields=6)
    stack = torch.stack([WATER, WATER, ellipse(70, 50)])
    events = []
    work = noise.prepare(stack, SPACING, slices=[2, 0], seed=5)
    for event in work:
        events.append(event)
    assert events[-1] == Progress(12, 12, "Making noise fields")

    corner = N // 2 - 16
    where = torch.tensor([[0, corner, corner]] * 400)
    clean = WATER[None, None, corner : corner + 32, corner : corner + 32].expand(400, -1, -1, -1)
    mixed = (noise.patches(clean, where, torch.Generator().manual_seed(2)) - clean)[:, 0]
    fresh = square(draws(noise, WATER, 48, seed=9), half=16)
    assert float(mixed.var()) == pytest.approx(float(fresh.var()), rel=0.15)
    a, b = power_spectrum(mixed), power_spectrum(fresh)
    for low, high in ((0, 4), (4, 8), (8, 12)):
        assert float(a[low:high, low:high].mean()) == pytest.approx(
            float(b[low:high, low:high].mean()), rel=0.45
        )
    assert abs(float(mixed.mean())) < 1.0
    # Two draws share no more than chance allows; the same generator repeats them.
    flat = mixed.flatten(1)
    flat = flat / flat.norm(dim=1, keepdim=True)
    assert abs(float((flat[0::2] * flat[1::2]).sum(dim=1).mean())) < 0.1
    again = noise.patches(clean, where, torch.Generator().manual_seed(2))
    assert torch.equal(again[:, 0] - clean[:, 0], mixed)


def test_bank_belongs_to_its_slice_and_place() -> None:
    noise = simulator(dose=0.25)
    stack = torch.stack([WATER, WATER])
    finish(noise.prepare(stack, SPACING, slices=[0, 1], seed=1))
    whole = noise.patches(
        stack[:, None], torch.tensor([[0, 0, 0], [1, 0, 0]]), torch.Generator().manual_seed(3)
    )
    cut = noise.patches(
        stack[:, None, 40:60, 70:90],
        torch.tensor([[0, 40, 70], [1, 40, 70]]),
        torch.Generator().manual_seed(3),
    )
    assert torch.allclose(whole[:, :, 40:60, 70:90], cut, atol=1e-3)
    with pytest.raises(KeyError):
        noise.patches(stack[:1, None], torch.tensor([[7, 0, 0]]), torch.Generator())
    with pytest.raises(RuntimeError, match="prepare"):
        simulator().patches(stack[:1, None], torch.tensor([[0, 0, 0]]), torch.Generator())


def test_bank_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "FIELDS_OF_512", 1)  # room for 10 fields of 160 x 160
    noise = simulator(views=90)
    stack = WATER.expand(12, -1, -1)
    events = list(noise.prepare(stack, SPACING, slices=range(12), seed=1))
    assert isinstance(events[0], Note)
    assert noise._bank is not None
    assert noise._bank.fields.shape[:2] == (4, 2)
    where = torch.tensor([[k, 0, 0] for k in range(12)])
    noisy = noise.patches(stack[:, None, :32, :32], where, torch.Generator().manual_seed(1))
    assert noisy.shape == (12, 1, 32, 32)


def test_preparation_can_be_left() -> None:
    noise = simulator()
    work = noise.prepare(WATER.expand(4, -1, -1), SPACING, slices=range(4), seed=1)
    next(work)
    work.close()
    assert noise._bank is None


def test_sizes_and_padding() -> None:
    y, x = np.mgrid[:90, :130].astype(float)
    clean = torch.where(torch.from_numpy(np.hypot(x - 65, y - 45) < 30), 20.0, -1000.0).float()
    clean[:5] = -3024
    noisy = simulator(views=120).slice(clean, (0.8, 0.6), seed=1)
    assert noisy.shape == clean.shape
    assert torch.equal(noisy[:5], clean[:5])  # padding stays what it is
    assert bool((noisy[5:] != clean[5:]).all())  # and there is noise everywhere else


@pytest.mark.parametrize(
    "values",
    [
        torch.rand(64, 64),
        torch.rand(64, 64) * 255,
        torch.full((64, 64), float("nan")),
        torch.rand(64, 64) * 1e6 - 1000,
    ],
)
def test_low_dose_refuses_what_is_not_hu(values: torch.Tensor) -> None:
    with pytest.raises(StudioError, match="HU"):
        simulator().slice(values, SPACING, seed=1)
    with pytest.raises(StudioError, match="HU"):
        finish(simulator().prepare(values[None], SPACING, slices=[0], seed=1))


def test_gaussian() -> None:
    noise = NOISES.make(Choice("gaussian", {"sd": 40}))
    assert isinstance(noise, Gaussian)
    field = noise.slice(torch.zeros(200, 200), SPACING, seed=1)
    assert float(field.std()) == pytest.approx(40, rel=0.02)
    assert torch.equal(field, noise.slice(torch.zeros(200, 200), SPACING, seed=1))
    finish(noise.prepare(WATER[None], SPACING, slices=[0], seed=1))
    patches = noise.patches(
        torch.zeros(8, 1, 50, 50),
        torch.zeros(8, 3, dtype=torch.int64),
        torch.Generator().manual_seed(1),
    )
    assert float(patches.std()) == pytest.approx(40, rel=0.02)
    assert abs(float((patches[0] * patches[1]).mean())) < 100


def test_article_gaussian_takes_the_slice_maximum() -> None:
    noise = NOISES.make(Choice("article_gaussian"))
    assert isinstance(noise, ArticleGaussian)
    field = noise.slice(WATER, SPACING, seed=1) - WATER  # water is 1000 above air
    assert float(field.std()) == pytest.approx(300, rel=0.02)
    picture = NOISES.make(Choice("article_gaussian", {"black": 0}))
    image = torch.rand(200, 200)
    assert float((picture.slice(image, SPACING, seed=1) - image).std()) == pytest.approx(
        0.3, rel=0.02
    )
    finish(noise.prepare(torch.stack([WATER, WATER + 1000]), SPACING, slices=[0, 1], seed=1))
    clean = torch.zeros(2, 1, 100, 100)
    where = torch.tensor([[0, 0, 0], [1, 0, 0]])
    patches = noise.patches(clean, where, torch.Generator().manual_seed(1))
    assert float(patches[0].std()) == pytest.approx(300, rel=0.03)
    assert float(patches[1].std()) == pytest.approx(600, rel=0.03)


def test_many_low_doses_are_each_of_one_kind() -> None:
    """The variance of each slice's patches lies between those of the two doses, times the square
    of the patch's amplitude, and of the kinds there are all."""
    noise = NOISES.make(Choice("low_doses", {"least": 0.1, "most": 0.5, "fields": 2}))
    hu = WATER.expand(24, -1, -1)
    finish(noise.prepare(hu, SPACING, slices=range(24), seed=4))
    kinds = noise._kinds
    assert {kind.kernel for kind in kinds} == set(KERNELS)
    assert min(kind.dose for kind in kinds) == pytest.approx(0.1)
    assert max(kind.dose for kind in kinds) == pytest.approx(0.5)
    where = torch.tensor([[z, 64, 64] for z in range(24)])
    clean = WATER[None, None, 64:96, 64:96].expand(24, -1, -1, -1).contiguous()
    one = noise.patches(clean, where, torch.Generator().manual_seed(1)) - clean
    again = noise.patches(clean, where, torch.Generator().manual_seed(1)) - clean
    other = noise.patches(clean, where, torch.Generator().manual_seed(2)) - clean
    assert torch.equal(one, again)
    sd, other_sd = one.flatten(1).std(dim=1), other.flatten(1).std(dim=1)
    # Apart from the few fields' own spread, the same kind with two amplitudes.
    ratio = other_sd / sd
    assert 1 / 3.5 < float(ratio.min()) < 0.8
    assert 1.2 < float(ratio.max()) < 3.5
    assert float(sd.max() / sd.min()) > 4  # sharp at a low dose, smooth at a high one


@pytest.mark.parametrize(("weakest", "strongest"), [(0.1, 1.0), (1.0, 4.0)])
def test_amplitudes_of_patches_are_spread_as_set(weakest: float, strongest: float) -> None:
    """Evenly in their logarithm: the mean of the logarithms is that of both ends."""
    settings = {"least": 0.1, "most": 0.5, "fields": 2}
    given = Choice("low_doses", {**settings, "weakest": weakest, "strongest": strongest})
    noise, usual = NOISES.make(given), NOISES.make(Choice("low_dose", {"fields": 2}))
    noise._kinds = [usual] * len(noise._kinds)
    finish(noise.prepare(WATER[None], SPACING, slices=[0], seed=4))
    where = torch.tensor([[0, 64, 64]] * 400)
    clean = WATER[None, None, 64:96, 64:96].expand(400, -1, -1, -1).contiguous()

    def sd(made: Noise) -> torch.Tensor:
        added = made.patches(clean, where, torch.Generator().manual_seed(1)) - clean
        return added.flatten(1).std(dim=1)

    # The fields are drawn first: what differs is the amplitude alone.
    ratio = sd(noise) / sd(usual)
    assert float(ratio.min()) == pytest.approx(weakest, rel=0.05)
    assert float(ratio.max()) == pytest.approx(strongest, rel=0.05)
    middle = (weakest * strongest) ** 0.5
    assert float(ratio.log().mean().exp()) == pytest.approx(middle, rel=0.1)


def test_low_doses_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(StudioError, match=r"0\.5, is not below the highest, 0\.5"):
        NOISES.make(Choice("low_doses", {"least": 0.5, "most": 0.5}))
