"""The residual network of the articles against its formula, and the text that its blocks are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.models import MODELS
from ctstudio.learn.models.residual import Block, read_blocks
from ctstudio.learn.models.residual_net import ResidualNetwork
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_metrics
from ctstudio.learn.train import train


def network(**settings: object) -> ResidualNetwork:
    torch.manual_seed(7)
    module = MODELS.make(Choice("residual", settings))
    assert isinstance(module, ResidualNetwork)
    return module


def volume(slices: int = 6, size: int = 32) -> Volume:
    """A disc of soft tissue in air."""
    y, x = np.mgrid[:size, :size]
    disc = np.hypot(y - size / 2, x - size / 2) < 0.45 * size
    hu = np.where(disc, 40 + 5 * np.arange(slices)[:, None, None], -1000).astype(np.int16)
    ones = np.ones(slices)
    return Volume(hu, ones, 0 * ones, "HU", Geometry.axial(slices, (3, 0.7, 0.7)))


def short(name: str, steps: int, **more: Any) -> Recipe:
    recipe = bundled()[name]
    settings = {
        "phases.0.steps": steps, "stopping.seconds": 0, "device": "cpu", "patch_px": 32,
        "batch": 2, "validation.every_steps": 1000, "cadence.preview_time_share": 0,
    }  # fmt: skip
    for path, value in (settings | more).items():
        recipe = recipe.with_setting(path, value)
    return recipe.checked()


@pytest.mark.parametrize(
    ("function", "joined"),
    [
        ("multiplication", lambda a, x: a * x),
        ("multiplication_addition", lambda a, x: a * x + x),
        ("addition", lambda a, x: a + x),
        ("none", lambda a, x: a),
    ],
)
def test_the_network_is_its_formula(function: str, joined: Any) -> None:
    module = network(
        blocks="5x5 2 sigmoid, 3x3 3 arctan, 1x1 2 relu, 3x3 1 tanh", function=function, bias=True
    ).double()
    hu = np.random.default_rng(1).uniform(-1000, 1500, (9, 14))
    x = (hu + 1000) / 2048
    acts = [lambda z: 1 / (1 + np.exp(-z)), np.arctan, lambda z: np.maximum(z, 0), np.tanh]
    passed = [x]
    for layer, act in zip(module.blocks, acts, strict=True):
        layer.bias.data.uniform_(-0.5, 0.5)
        kernels, constants = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        made = []
        for kernel, constant in zip(kernels, constants, strict=True):
            z = sum(
                correlate2d(image, one, "same") for image, one in zip(passed, kernel, strict=True)
            )
            made.append(joined(act(z + constant), x))
        passed = made
    with torch.no_grad():
        ours = module(torch.from_numpy(hu)[None, None])[0, 0].numpy()
    assert np.allclose(ours, passed[0] * 2048 - 1000, rtol=1e-12, atol=1e-9)


def test_non_monotonic_activations() -> None:
    module = network(blocks="1x1 1 sine, 1x1 1 swish", function="none", black=0, unit=1).double()
    for layer in module.blocks:
        layer.weight.data.fill_(2.0)
    z = 2 * np.sin(2 * np.linspace(-3, 3, 13))
    with torch.no_grad():
        ours = module(torch.linspace(-3, 3, 13, dtype=torch.float64).view(1, 1, 1, -1))
    assert np.allclose(ours.numpy().ravel(), z / (1 + np.exp(-z)), atol=1e-14)


@pytest.mark.parametrize("unit", [2048.0, 1024.0, 8.0])
@pytest.mark.parametrize("black", [-1000.0, 0.0])
def test_whole_hu_come_back_to_the_last_bit(unit: float, black: float) -> None:
    hu = torch.arange(-4096, 32768, dtype=torch.float32)
    module = network(unit=unit, black=black)
    assert torch.equal(module.outside(module.inside(hu)), hu)
    odd = network(unit=1999.3, black=-1000.7)
    assert float((odd.outside(odd.inside(hu.double())) - hu).abs().max()) < 1e-11


def test_the_ranges_of_both_forms() -> None:
    hu = torch.tensor([-1000.0, 1040.0])
    faithful, repaired = (
        checkpoint.build(bundled()[name]) for name in ("residual-2a", "residual-2a-repaired")
    )
    assert isinstance(faithful, ResidualNetwork)
    assert isinstance(repaired, ResidualNetwork)
    assert faithful.inside(hu).tolist() == [0, 255]
    assert 0.9 < float(repaired.inside(hu)[1]) < 2.1
    assert float(repaired.inside(hu)[0]) == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 31)])
def test_any_size(size: tuple[int, int]) -> None:
    assert network()(torch.zeros(2, 1, *size)).shape == (2, 1, *size)


def test_the_blocks_of_a_text() -> None:
    assert read_blocks("13x13 5 sigmoid,1x1  1 relu ") == [
        Block(13, 5, "sigmoid"),
        Block(1, 1, "relu"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["block 1", "''", "3x3 8 tanh"]),
        ("3x3 8 tanh, 3x3 1", ["block 2", "'3x3 1'"]),
        ("3x3 8 tan, 1x1 1 relu", ["'3x3 8 tan'", "arctan"]),
        ("4x4 1 relu", ["'4x4 1 relu'", "odd"]),
        ("3x5 1 relu", ["'3x5 1 relu'"]),
        ("3x3 -1 relu", ["'3x3 -1 relu'"]),
        ("3x3 0 relu", ["'3x3 0 relu'"]),
        ("1x1 1 relu, 3x3 2 relu", ["last block makes 2 channels"]),
    ],
)
def test_mistakes_in_the_text_are_named_when_the_recipe_is_read(text, words) -> None:
    with pytest.raises(StudioError) as caught:
        bundled()["residual-2a"].with_setting("phases.0.model.blocks", text)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"phases.0.model": "dncnn"}, "by hand"),
        ({"phases.0.model.blocks": "1x1 2 tanh, 1x1 3 tanh, 1x1 2 tanh, 1x1 1 tanh"}, "channels"),
    ],
)
def test_a_gradient_that_does_not_suit_is_refused_before_anything_is_written(
    settings, words, tmp_path
) -> None:
    recipe = short("residual-3a-repaired", 1, **settings)
    with pytest.raises(StudioError, match=words):
        finish(train(recipe, [volume()], run_folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_rate_of_one_block_alone() -> None:
    rates = {"blocks.0": 0.0}
    recipe = short("residual-2a-repaired", 3, **{"phases.0.optimiser.rates": rates})
    before = checkpoint.build(recipe).state_dict()
    after = finish(train(recipe, [volume()])).module.state_dict()
    changed = [not torch.equal(before[name], after[name]) for name in before]
    assert changed == [False, True, True, True, True, True]


def test_manual_gradients_train_as_automatic_ones_do() -> None:
    names = ("manual", "automatic")
    modules = [
        finish(train(short("residual-2a-repaired", 15, gradient=name), [volume()])).module
        for name in names
    ]
    first = checkpoint.build(short("residual-2a-repaired", 15)).state_dict()
    manual, automatic = (module.state_dict() for module in modules)
    for name, value in manual.items():
        moved = float((automatic[name] - first[name]).abs().max())
        assert float((value - automatic[name]).abs().max()) < 1e-3 * moved


def weights_after(steps: int, decay: float, **options: Any) -> torch.Tensor:
    # Four slices are learnt from, two patches a step: an epoch has two steps.
    recipe = short(
        "residual-3a-repaired", steps, ema=0,
        **{"gradient.decay": decay, "gradient.proportion": 1.0, "validation.share": 0.34,
           "phases.0.optimiser.schedule": "constant", "validation.every_steps": 0},
    )  # fmt: skip
    model = finish(train(recipe, [volume()], **options))
    return torch.cat([p.flatten() for p in model.module.parameters()])


def test_the_weight_of_what_skips_layers_falls_from_epoch_to_epoch() -> None:
    assert torch.equal(weights_after(2, 0.0), weights_after(2, 50.0))
    assert not torch.equal(weights_after(4, 0.0), weights_after(4, 50.0))


def test_a_repaired_network_gains_within_seconds(tmp_path) -> None:
    recipe = short("residual-2a-repaired", 60, **{"phases.0.optimiser.schedule": "constant"})
    finish(train(recipe, [volume()], run_folder=tmp_path / "run"))
    loss = [float(row["loss"]) for row in read_metrics(tmp_path / "run") if row["loss"]]
    assert np.mean(loss[-10:]) < 0.8 * np.mean(loss[:3])
