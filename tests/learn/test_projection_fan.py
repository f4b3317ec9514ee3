"""The fan beam against closed forms in its own geometry, and its noise against theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ctstudio.learn.projection import FanBeam, ParallelBeam, apodisation


def pixels(beam: FanBeam) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y in mm of the pixels."""
    y, x = np.mgrid[: beam.rows, : beam.columns].astype(float)
    dy, dx = beam.spacing_mm
    return (x - beam.columns // 2) * dx, (y - beam.rows // 2) * dy


def rays(beam: FanBeam) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sources ``(views, 1, 2)`` and unit directions ``(views, detectors, 2)`` of all rays."""
    beta = 2 * np.pi * np.arange(beam.views) / beam.views
    source = beam.source_mm * np.stack([-np.sin(beta), np.cos(beta)], axis=-1)
    towards = -source / beam.source_mm
    cos, sin = np.cos(beam.angles_rad), np.sin(beam.angles_rad)
    x, y = towards[:, :1], towards[:, 1:]
    return source[:, None], np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)


def chords(beam: FanBeam, centre: tuple[float, float], a: float, b: float) -> NDArray[np.float64]:
    """How much of each ray lies in an ellipse, by the roots of a quadratic."""
    start, direction = rays(beam)
    p, d = (start - centre) / [a, b], direction / [a, b]
    dd, pd, pp = (d * d).sum(-1), (p * d).sum(-1), (p * p).sum(-1)
    return np.asarray(2 * np.sqrt(np.maximum(pd**2 - dd * (pp - 1), 0)) / dd)


def test_lines_through_a_blob() -> None:
    # The narrow circle opens the fan to 25 degrees.
    beam = FanBeam(120, 140, (0.9, 0.7), views=480, source_mm=200.0)
    x, y = pixels(beam)
    sd, where = 3.0, np.array([20.0, -14.0])
    image = np.exp(-((x - where[0]) ** 2 + (y - where[1]) ** 2) / (2 * sd**2))
    got = beam.project(torch.from_numpy(image.astype(np.float32))[None])[0].numpy()
    start, direction = rays(beam)
    from_source = where - start
    off = from_source[..., 0] * direction[..., 1] - from_source[..., 1] * direction[..., 0]
    truth = math.sqrt(2 * math.pi) * sd * np.exp(-(off**2) / (2 * sd**2))
    assert got.shape == truth.shape
    assert np.abs(got - truth).max() < 0.003 * truth.max()


@pytest.mark.parametrize(("a", "b"), [(50.0, 50.0), (55.0, 30.0)])
def test_lines_through_an_ellipse(a: float, b: float) -> None:
    beam = FanBeam(160, 160, (1.0, 1.0), views=480, source_mm=250.0)
    centre = (8.0, -5.0)
    fine = (np.arange(8) - 3.5) / 8
    x, y = pixels(beam)
    image = np.zeros_like(x)
    for dy in fine:  # each pixel's share inside
        for dx in fine:
            u, v = (x + dx - centre[0]) / a, (y + dy - centre[1]) / b
            image += (u * u + v * v <= 1) / 64
    got = beam.project(torch.from_numpy(image.astype(np.float32))[None])[0].numpy()
    truth = chords(beam, centre, a, b)
    # A pixel blurs the edge, where a chord's slope is infinite; so rays that graze are left out.
    inner = chords(beam, centre, a - 3, b - 3) > 0
    assert np.abs(got - truth)[inner].max() < 0.01 * truth.max()
    assert np.abs(got - truth).mean() < 0.002 * truth.max()


def test_projecting_and_reconstructing_is_the_identity() -> None:
    beam = FanBeam(128, 144, (1.0, 0.8), views=720, source_mm=200.0)
    x, y = pixels(beam)
    image = sum(
        k * np.exp(-((x - 12 * k) ** 2 + (y + 9 * k) ** 2) / (2 * (3 + k) ** 2)) for k in (1, 2, 3)
    )
    truth = torch.from_numpy(image.astype(np.float32))[None]
    got = beam.reconstruct(beam.project(truth), "ram-lak")
    assert float((got - truth).abs().max()) < 0.01


def test_a_far_source_has_parallel_rays() -> None:
    fan = FanBeam(64, 64, (1.0, 1.0), views=240, source_mm=1e7)
    parallel = ParallelBeam(64, 64, (1.0, 1.0), views=120)
    x, y = pixels(fan)
    image = torch.from_numpy(np.exp(-((x - 9) ** 2 + (y + 5) ** 2) / 18).astype(np.float32))[None]
    assert fan.detectors == parallel.detectors
    ours, theirs = fan.project(image)[0], parallel.project(image)[0]
    assert torch.allclose(ours[:120], theirs, atol=2e-4 * float(theirs.max()))
    assert torch.allclose(fan.rebin(ours[None])[0], theirs, atol=2e-4 * float(theirs.max()))


@pytest.mark.parametrize("kernel", ["ram-lak", "hann"])
def test_variance_of_the_reconstruction(kernel: str) -> None:
    """At the centre pi^2 var(p) / (12 views pitch^2), as for half as many parallel views that
    are each the mean of two readings. Further out a reading stands for cos(gamma) of the pitch,
    which thins the noise of its direction out.
    """
    beam = FanBeam(128, 128, (1.0, 1.0), views=360, source_mm=110.0)
    draw = torch.Generator().manual_seed(3)
    count = 200
    noise = torch.randn((count, beam.views, beam.detectors), generator=draw)
    fields = beam.reconstruct(noise, kernel)  # type: ignore[arg-type]
    u = torch.linspace(0, 1, 10001)
    share = float((3 * u**2 * apodisation(kernel, u) ** 2).mean())  # type: ignore[arg-type]
    middle = math.pi**2 / (12 * beam.views) * share
    assert float(fields[:, 56:73, 56:73].var()) == pytest.approx(middle, rel=0.04)
    x, y = pixels(beam)
    radius = np.hypot(x, y)
    theta = np.linspace(0, np.pi, 720, endpoint=False)
    for r in (40.0, 62.0):
        ring = torch.from_numpy(np.abs(radius - r) < 1)
        thinning = np.sqrt(1 - (r * np.cos(theta) / beam.source_mm) ** 2).mean()
        got = float((fields[:, ring] ** 2).mean())
        assert got == pytest.approx(middle * thinning, rel=0.04)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="too near"):
        FanBeam(128, 128, (1.0, 1.0), source_mm=95.0)
    with pytest.raises(ValueError, match="even"):
        FanBeam(64, 64, (1.0, 1.0), views=41)
    with pytest.raises(ValueError, match="sinograms must be"):
        FanBeam(64, 64, (1.0, 1.0), views=40).rebin(torch.zeros(1, 40, 64))
