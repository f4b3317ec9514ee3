"""Series and slices in tiles: events, cancel, padding, and networks that do not denoise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, SliceReady, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import apply, checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import Recipe

SETTINGS = {"depth": 3, "features": 4, "unshuffle": 2, "high_pass_px": 0}


@pytest.fixture
def model() -> TrainedModel:
    recipe = Recipe(device="cpu").checked().to_dict()
    recipe["phases"][0]["model"] = {"name": "dncnn", **SETTINGS}
    checked = Recipe.from_dict(recipe)
    module = checkpoint.build(checked)
    torch.nn.init.normal_(module.body[-1].weight, std=0.05)
    return TrainedModel(checked, module.eval(), 5)


def series(shape: tuple[int, int, int]) -> Volume:
    hu = np.random.default_rng(1).normal(40, 30, shape).astype(np.float32)
    return Volume.from_hu(hu, Geometry.axial(shape[0]))


def test_a_series_in_tiles(model: TrainedModel) -> None:
    volume = series((3, 71, 90))
    whole = finish(apply.denoise(volume, model))
    assert np.abs(whole.hu() - volume.hu()).max() > 1
    events = list(apply.denoise(volume, model, first=1, budget_bytes=0))
    assert isinstance(events[0], Partial)
    assert isinstance(events[0].value, Volume)
    np.testing.assert_allclose(events[0].value.hu(), whole.hu(), rtol=0, atol=0.01)
    assert [e.index for e in events if isinstance(e, SliceReady)] == [1, 0, 2]
    progress = [e for e in events if isinstance(e, Progress)]
    total = progress[0].total
    assert total % 3 == 0
    assert total // 3 > 4
    assert [(e.done, e.total) for e in progress] == [(k + 1, total) for k in range(total)]
    # The last tile of a slice is told after the slice.
    assert isinstance(events[-2], SliceReady)
    assert not any(isinstance(e, Note) for e in events)


def test_one_progress_for_each_whole_slice(model: TrainedModel) -> None:
    events = list(apply.denoise(series((4, 20, 30)), model))
    progress = [e for e in events if isinstance(e, Progress)]
    assert [(e.done, e.total) for e in progress] == [(k, 4) for k in (1, 2, 3, 4)]


def test_cancelled_between_tiles(model: TrainedModel) -> None:
    volume = series((2, 71, 90))
    work = apply.denoise(volume, model, budget_bytes=0)
    partial = next(work)
    assert isinstance(partial, Partial)
    calls = []
    model.module.register_forward_hook(lambda *_: calls.append(1))
    # The first Progress comes after the first tile.
    assert isinstance(next(work), Progress)
    before = len(calls)
    work.close()
    assert len(calls) == before
    assert isinstance(partial.value, Volume)
    assert not partial.value.hu().any()


def test_padding_in_tiles(model: TrainedModel) -> None:
    hu = series((1, 71, 90)).slice_hu(0).copy()
    hu[:40] = -3024
    hu[50, 60:70] = np.nan
    hu[60, 5] = np.inf
    before = hu.copy()
    out = apply.denoise_slice(hu, model, budget_bytes=0)
    np.testing.assert_array_equal(hu, before)
    odd = ~(np.isfinite(hu) & (hu > -1500))
    np.testing.assert_array_equal(out[odd], hu[odd])
    assert np.isfinite(out[~odd]).all()
    np.testing.assert_allclose(out, apply.denoise_slice(hu, model), rtol=0, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (3, 7), (45, 131)])
def test_odd_sizes_in_tiles(model: TrainedModel, shape: tuple[int, int]) -> None:
    hu = series((1, *shape)).slice_hu(0)
    out = apply.denoise_slice(hu, model, budget_bytes=0)
    assert out.shape == shape
    np.testing.assert_allclose(out, apply.denoise_slice(hu, model), rtol=0, atol=0.01)


def test_a_network_that_tells_classes_does_not_denoise(model: TrainedModel) -> None:
    recipe = model.recipe.to_dict()
    recipe["phases"][0]["model"] = {"name": "unet", "depth": 1, "features": 1}
    recipe["phases"][0]["losses"] = [{"name": "mse"}]
    network = torch.nn.Identity()
    other = TrainedModel(Recipe.from_dict(recipe), network, 5)
    assert other.recipe.phases[-1].model == Choice(
        "unet",
        {"classes": 2, "depth": 1, "features": 1, "norm": "group", "centre": 0.0, "width": 500.0},
    )
    with pytest.raises(StudioError, match="tells classes"):
        apply.denoise_slice(np.zeros((4, 4), np.float32), other)
    with pytest.raises(StudioError, match="tells classes"):
        finish(apply.denoise(series((1, 4, 4)), other))


def test_a_sigmoid_above_black_keeps_its_digits() -> None:
    """Rounded to float32 it is what `run` gives; before that it resolves far smaller steps."""
    from ctstudio.learn.apply import run, run_exactly
    from ctstudio.learn.models import MODELS

    settings = {"size_px": 32, "width": 1.0, "conv_sd": 0.001}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = MODELS.make(Choice("autoencoder", settings)).eval()
    hu = np.random.default_rng(3).uniform(-1000, 800, (32, 32)).astype(np.float32)
    device = torch.device("cpu")
    exact = run_exactly(module, hu, device)
    np.testing.assert_array_equal(exact.astype(np.float32), run(module, hu, device))
    assert module.black == -1000
    assert len(np.unique(exact.astype(np.float32))) < 300  # of 1024 pixels
    assert len(np.unique(exact)) > 1000
