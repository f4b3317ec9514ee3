"""Trainings on noisy series alone: their figures, going on with them, and awkward series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Preview, Step, Validation, Work, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.apply import denoise_slice
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_metrics
from ctstudio.learn.train import train

METHODS = ("recorrupted", "noise2void", "neighbor2neighbor", "neighbouring-slices")
SD = 30.0


def volume(hu: NDArray[np.float32]) -> Volume:
    count = len(hu)
    stored = np.rint(hu).astype(np.int16)
    geometry = Geometry.axial(count, (3, 0.7, 0.7))
    return Volume(stored, np.ones(count), np.zeros(count), "HU", geometry)


def clean(slices: int = 14, size: int = 64) -> NDArray[np.float32]:
    """A pattern that changes slowly along z."""
    drawn = np.random.default_rng(3).normal(size=(slices, size, size))
    smooth = ndimage.gaussian_filter(drawn, (4, 5, 5), mode="wrap")
    scaled: NDArray[np.float32] = (40 + smooth / smooth.std() * 60).astype(np.float32)
    return scaled


def noisy(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    drawn = np.random.default_rng(9).normal(0, SD, hu.shape)
    return np.asarray(hu + drawn, np.float32)


def recipe(method: str, **more: object) -> Recipe:
    """The method's own recipe, made short, on white noise of which the strength is known."""
    made = bundled()[f"dncnn-{method}"].with_setting("noise", "gaussian")
    settings = {
        "noise.sd": SD, "phases.0.model.features": 8, "phases.0.model.depth": 4, "patch_px": 32,
        "phases.0.steps": 8, "stopping.seconds": 0, "device": "cpu", "phases.0.optimiser.lr": 5e-3,
    }  # fmt: skip
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made


def stopped_after(work: Work[TrainedModel], step: int) -> None:
    for event in work:
        if isinstance(event, Step) and event.step == step:
            work.close()


def losses(folder: Path) -> dict[str, str]:
    """Of the steps; a validation, which comes when its time has come, tells a loss of its own."""
    rows = read_metrics(folder)
    return {row["step"]: row["loss"] for row in rows if row["loss"] and not row["protocol"]}


@pytest.mark.parametrize("method", METHODS)
def test_a_network_learns_from_noise_alone_and_shifts_no_grey(method: str) -> None:
    """White noise, slow changes along z: here each of them has to do well."""
    image = clean()
    more: dict[str, object] = {"phases.0.steps": 250, "validation.every_steps": 50}
    if method == "noise2void":
        more |= {"task.direction": "none", "task.hidden": 0.1}
    short = recipe(method, **more)
    model = finish(train(short, [volume(noisy(image))], targets=[volume(image)]))
    assert model.metrics["noisy_rmse"] == pytest.approx(SD, rel=0.05)
    assert model.metrics["rmse"] < 0.65 * SD
    for level in (-40.0, 40.0, 120.0):
        flat = noisy(np.full((1, 128, 128), level, np.float32))[0]
        seen = denoise_slice(flat, model)[8:-8, 8:-8]
        assert float(seen.mean()) == pytest.approx(float(flat[8:-8, 8:-8].mean()), abs=5)


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_is_the_unbroken_one(method: str, tmp_path: Path) -> None:
    series = [volume(noisy(clean()))]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    first = finish(train(recipe(method), series, run_folder=whole))
    stopped_after(train(recipe(method), series, run_folder=broken), 4)
    assert set(losses(broken)) == {"1", "2", "3", "4"}
    second = finish(train(recipe(method), series, run_folder=broken, resume=True))
    assert losses(broken) == losses(whole)
    assert len(losses(whole)) == 8
    for name, value in first.module.state_dict().items():
        assert np.array_equal(value.numpy(), second.module.state_dict()[name].numpy())


@pytest.mark.parametrize("method", METHODS)
def test_without_a_clean_series_it_is_judged_by_its_held_out_loss(method: str) -> None:
    series = volume(noisy(clean()))
    events = list(train(recipe(method), [series]))
    judged = [event for event in events if isinstance(event, Validation)]
    assert judged
    assert all(set(event.metrics) == {"loss"} for event in judged)
    assert all(0 < event.metrics["loss"] < np.inf for event in judged)
    pictures = [event for event in events if isinstance(event, Preview)]
    assert set(pictures[-1].panels) == {"noisy", "reconstruction", "residual"}
    shown = pictures[-1].panels["noisy"]
    assert np.array_equal(shown, series.slice_hu(pictures[-1].slice))


@pytest.mark.parametrize("method", METHODS[:3])
def test_one_slice_is_enough_but_is_owned_up_to(method: str) -> None:
    notes: list[str] = []
    for event in train(recipe(method), [volume(noisy(clean())[:1])]):
        if isinstance(event, Note):
            notes.append(event.text)
    assert any("one slice" in note for note in notes)


def test_too_few_slices_have_no_neighbours() -> None:
    for slices in (1, 2, 3):
        with pytest.raises(StudioError, match="neighbour"):
            finish(train(recipe("neighbouring-slices"), [volume(noisy(clean(slices)))]))


@pytest.mark.parametrize("method", METHODS)
def test_images_without_anything_in_them_and_small_ones_are_learnt_from(method: str) -> None:
    flat = np.full((12, 24, 24), 40, np.float32)
    model = finish(train(recipe(method), [volume(flat)]))
    assert np.isfinite(model.metrics["loss"])
    seen = denoise_slice(flat[0], model)
    assert bool(np.isfinite(seen).all())


@pytest.mark.parametrize("method", METHODS)
def test_a_series_to_judge_by_must_be_aligned(method: str) -> None:
    image = clean()
    with pytest.raises(StudioError, match="different sizes"):
        finish(train(recipe(method), [volume(noisy(image))], targets=[volume(image[:9])]))
