"""Patches on another device are not waited for: torch's "meta" device has no values to wait for."""

from __future__ import annotations

import pytest
import torch

from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.learn.noise import NOISES, LowDose, Noise
from ctstudio.learn.projection import FanBeam, ParallelBeam
from ctstudio.learn.projection.polar import PolarGrid

SPACING = (1.0, 1.0)
SHAPE = (48, 56)
WHERE = torch.tensor([[1, 3, 4], [0, 5, 6], [1, 0, 20]])


def stack() -> torch.Tensor:
    water = torch.full((2, *SHAPE), -1000.0)
    water[:, 12:36, 14:40] = 20.0
    return water


def cut(images: torch.Tensor) -> torch.Tensor:
    return torch.stack([images[z, y : y + 32, x : x + 32] for z, y, x in WHERE.tolist()])[:, None]


@pytest.mark.parametrize("name", ["gaussian", "article_gaussian", "multiplicative", "low_dose"])
def test_patches_read_nothing_back(name: str) -> None:
    noise: Noise = NOISES.make(Choice(name, {"views": 90} if name == "low_dose" else {}))
    finish(noise.prepare(stack(), SPACING, slices=[0, 1], seed=1))
    if isinstance(noise, LowDose):
        assert noise._bank is not None
        noise._bank.fields = noise._bank.fields.to("meta")
    got = noise.patches(cut(stack()).to("meta"), WHERE, torch.Generator().manual_seed(1))
    assert got.shape == (3, 1, 32, 32)
    assert got.device.type == "meta"


@pytest.mark.parametrize("beam", [ParallelBeam(*SHAPE, SPACING, 60), FanBeam(*SHAPE, SPACING, 120)])
def test_projections_stay_where_they_are(
    beam: ParallelBeam | FanBeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sparse(self: PolarGrid, vectors: torch.Tensor, *, transposed: bool) -> torch.Tensor:
        # torch has no sparse product without values; its own device is tested with the grid.
        return vectors.new_empty((len(vectors), self.matrix.shape[1 if transposed else 0]))

    monkeypatch.setattr(PolarGrid, "_apply", sparse)
    lines = beam.project(stack().to("meta"))
    assert lines.shape == (2, beam.views, beam.detectors)
    picture = beam.reconstruct(lines)
    assert picture.shape == (2, *SHAPE)
    assert lines.device.type == picture.device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("gaussian", {}),
        ("article_gaussian", {}),
        ("multiplicative", {}),
        ("low_dose", {"views": 90}),
        ("low_dose", {"views": 90, "beam": "fan"}),
    ],
)
def test_a_cuda_device_draws_the_same(name: str, settings: dict[str, object]) -> None:
    results = []
    for device in ("cpu", "cuda"):
        noise: Noise = NOISES.make(Choice(name, settings))
        images = stack().to(device)
        finish(noise.prepare(images.to(torch.int16), SPACING, slices=[0, 1], seed=1))
        torch.cuda.set_sync_debug_mode("error" if device == "cuda" else "default")
        try:
            got = noise.patches(cut(images), WHERE, torch.Generator().manual_seed(1))
        finally:
            torch.cuda.set_sync_debug_mode("default")
        results.append(got.cpu())
    assert torch.allclose(*results, atol=0.5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_poisson_counts_on_a_cuda_device_wait_for_nothing() -> None:
    noise: Noise = NOISES.make(Choice("poisson_gaussian", {"electronic": 0.0}))
    clean = torch.zeros((64, 1, 64, 64), device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        one, again = (
            noise.patches(clean, WHERE, torch.Generator().manual_seed(1)) for _ in range(2)
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(one, again)
    assert float(one.std()) == pytest.approx(25.0, rel=0.02)
