"""The task on pairs of aligned series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.pairs import Pairs, shift_px
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.train import train


def volume(hu: NDArray[np.float32]) -> Volume:
    count = len(hu)
    stored = np.rint(hu).astype(np.int16)
    return Volume(
        stored, np.ones(count), np.zeros(count), "HU", Geometry.axial(count, (3, 0.7, 0.7))
    )


def picture(seed: int = 0, slices: int = 8, size: int = 64) -> NDArray[np.float32]:
    """Blurred noise, going round at its borders as the air around a patient does."""
    drawn = np.random.default_rng(seed).normal(size=(slices, size, size))
    smooth = ndimage.gaussian_filter(drawn, (0, 3, 3), mode="wrap")
    return (smooth / smooth.std() * 80).astype(np.float32)


def noisy(hu: NDArray[np.float32], sd: float = 30) -> NDArray[np.float32]:
    return hu + np.random.default_rng(9).normal(0, sd, hu.shape).astype(np.float32)


def recipe(steps: int = 120) -> Recipe:
    made = bundled()["dncnn-gaussian"]
    for path, value in {
        "task": "pairs", "phases.0.steps": steps, "phases.0.model.features": 8,
        "phases.0.model.depth": 4, "phases.0.optimiser.lr": 5e-3, "patch_px": 32,
        "stopping.seconds": 0, "device": "cpu", "validation.every_steps": 60,
    }.items():  # fmt: skip
        made = made.with_setting(path, value)
    return made


def prepared(one: Volume, other: Volume) -> Pairs:
    task = Pairs()
    finish(task.prepare(recipe(), [one], None, torch.device("cpu"), targets=[other]))
    return task


def test_a_network_learns_the_targets() -> None:
    clean = picture()
    model = finish(train(recipe(), [volume(noisy(clean))], targets=[volume(clean)]))
    assert model.metrics["rmse"] < 0.8 * model.metrics["noisy_rmse"]
    # The noisy input's figure is that of the pair itself: 30 HU of noise.
    assert model.metrics["noisy_rmse"] == pytest.approx(30, rel=0.05)


def test_patches_are_the_same_place_of_both() -> None:
    clean = picture()
    task = prepared(volume(clean), volume(clean + 7))
    generator = torch.Generator().manual_seed(3)
    for _ in range(30):
        batch = task.draw(generator, 1)[0]
        assert float((batch.targets - batch.inputs - 7).abs().max()) <= 1


def test_held_out_slices_are_never_learnt_from() -> None:
    # Every slice has its own grey, so a patch tells which slice it comes from.
    flat = np.stack([np.full((64, 64), 10.0 * z, np.float32) for z in range(12)])
    task = prepared(volume(flat), volume(flat))
    held = {pair.index for pair in task.validation}
    generator = torch.Generator().manual_seed(3)
    seen = set()
    for _ in range(60):
        seen |= {round(float(p.mean()) / 10) for p in task.draw(generator, 1)[0].inputs}
    assert len(seen) >= 8
    assert held
    assert all(abs(z - other) > 1 for z in held for other in seen)


@pytest.mark.parametrize("shift", [(0, 2), (-1, 0), (1.5, 1.5)])
def test_a_shift_is_measured_and_refused(shift: tuple[float, float]) -> None:
    clean = picture()
    moved = np.stack([ndimage.shift(plane, shift, order=3, mode="grid-wrap") for plane in clean])
    assert shift_px(clean[0], moved[0]) == pytest.approx(np.hypot(*shift), abs=0.2)
    with pytest.raises(StudioError, match=r"not aligned: slice \d is shifted by \d\.\d px"):
        prepared(volume(noisy(clean)), volume(moved))


def test_noise_is_not_taken_for_a_shift() -> None:
    clean = picture()
    prepared(volume(noisy(clean, 60)), volume(clean))


def test_what_is_no_pair_is_refused() -> None:
    one = volume(picture())
    with pytest.raises(StudioError, match="do not make pairs: 1 and 0"):
        finish(Pairs().prepare(recipe(), [one], None, torch.device("cpu")))
    with pytest.raises(StudioError, match="different sizes: 8 x 64 x 64 and 7 x 64 x 64"):
        prepared(one, volume(picture(slices=7)))
    higher = replace(one, geometry=Geometry.axial(8, (3.5, 0.7, 0.7)))
    with pytest.raises(StudioError, match=r"3\.5 mm apart|lie up to \d"):
        prepared(one, higher)
    with pytest.raises(StudioError, match="pixels differ"):
        prepared(one, replace(one, geometry=Geometry.axial(8, (3, 0.8, 0.8))))


def test_two_kernels_of_one_scan_are_a_pair_and_a_shifted_copy_is_not(test_data: Path) -> None:
    from ctstudio.dicom.read import read
    from ctstudio.dicom.scan import scan

    def opened(name: str) -> Volume:
        return finish(read(finish(scan([test_data / name])).series[0]))

    smooth = opened("lungdx_A0002_B40f_smooth")
    folders = sorted(p.name for p in test_data.glob("lungdx_A0002_B*"))
    for name in folders:
        prepared(smooth, opened(name))
    shifted = replace(smooth, voxels=np.roll(smooth.voxels, 3, axis=2))
    with pytest.raises(StudioError, match=r"shifted by 3\.0 px"):
        prepared(smooth, shifted)
