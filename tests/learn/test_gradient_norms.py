"""The lengths of the layers' gradients: which layers, when, how long, and what is kept of them."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ctstudio.core.errors import StudioError
from ctstudio.core.events import GradientNorms, Step, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.gradient_log import FILE, GradientLog, read_gradients
from ctstudio.learn.gradients.norms import NormReader, layers_of
from ctstudio.learn.models import MODELS
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.train import train

BLOCKS = "3x3 2 tanh, 3x3 2 sigmoid, 1x1 1 linear"
STEPS = 25


def series() -> Volume:
    hu = np.random.default_rng(0).integers(-100, 100, (3, 32, 32)).astype(np.int16)
    return Volume(hu, np.ones(3), np.zeros(3), "HU", Geometry.axial(3, (3, 0.7, 0.7)))


def recipe(**more: object) -> Recipe:
    made = bundled()["dncnn-gaussian"]
    settings = {
        "phases.0.steps": STEPS, "phases.0.model": "residual", "phases.0.model.blocks": BLOCKS,
        "patch_px": 16, "batch": 2, "stopping.seconds": 0, "validation.every_steps": 1000,
        "cadence.preview_time_share": 0,
        "cadence.gradient_norms_every": 5, "device": "cpu",
    }  # fmt: skip
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


def told(work: Any, until: int | None = None) -> list[GradientNorms]:
    """What a training tells of its gradients, up to a step after which it is stopped."""
    seen = []
    for event in work:
        if isinstance(event, GradientNorms):
            seen.append(event)
        if isinstance(event, Step) and event.step == until:
            work.close()
    return seen


@pytest.mark.parametrize(
    ("model", "params", "names"),
    [
        ("residual", {"blocks": BLOCKS}, ["block 1", "block 2", "block 3"]),
        # Activations and normalisations stand between them and are not counted.
        ("dncnn", {"depth": 3, "norm": "batch"}, ["body 1", "body 2", "body 3"]),
        ("autoencoder", {"size_px": 16, "latent": 3},
         [*(f"encoder {n}" for n in ("conv1", "conv2", "conv3", "full")),
          *(f"decoder {n}" for n in ("full", "conv1", "conv2", "conv3"))]),
        ("unet", {"depth": 1, "features": 8},
         ["down 1 1", "down 1 2", "down 2 1", "down 2 2", "up 1", "join 1 1", "join 1 2", "head"]),
    ],
)  # fmt: skip
def test_layers_have_names_in_the_order_of_the_network(model, params, names) -> None:
    module = MODELS.make(Choice(model, params))
    layers = layers_of(module)
    assert list(layers) == names
    weights = [p for p in module.parameters() if p.dim() > 1]
    assert [id(p) for found in layers.values() for p in found] == list(map(id, weights))


def test_layers_of_one_name_are_told_apart_and_what_learns_not_is_none() -> None:
    module = nn.ModuleDict({"a_b": nn.Linear(2, 2), "a b": nn.Linear(2, 2)})
    assert list(layers_of(module)) == ["a_b", "a b"]
    module["a_b"].requires_grad_(False)
    assert list(layers_of(module)) == ["a b"]
    cell = nn.GRUCell(2, 3)
    (owned,) = layers_of(nn.ModuleList([cell])).values()
    assert len(owned) == 2  # both of its matrices are one layer's


def test_norms_are_those_of_numpy_and_read_at_the_cadence() -> None:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    reader = NormReader(module, 3)
    expected = {}
    for step in range(1, 8):
        module.zero_grad()
        module(torch.randn(5, 3)).square().sum().backward()
        reader.take(step, step / 2)
        expected[step] = [np.linalg.norm(module[k].weight.grad.numpy()) for k in (0, 2)]
    found = reader.read()
    assert [(event.step, event.epoch) for event in found] == [(1, 0.5), (3, 1.5), (6, 3.0)]
    for event in found:
        assert list(event.norms) == ["layer 1", "layer 2"]
        assert list(event.norms.values()) == pytest.approx(expected[event.step], rel=1e-6)
    assert reader.read() == []


def test_what_single_precision_cannot_square_has_a_norm() -> None:
    module = nn.Linear(4, 4)
    reader = NormReader(module, 1)
    for value in (1e30, 1e-30):
        module.weight.grad = torch.full((4, 4), value)
        reader.take(1, 0)
    module.weight.grad = None
    reader.take(2, 0)
    norms = [next(iter(event.norms.values())) for event in reader.read()]
    assert norms == pytest.approx([4e30, 4e-30, 0.0], rel=1e-6)


def test_nothing_is_done_where_nobody_asks(tmp_path: Path) -> None:
    quiet = recipe(**{"cadence.gradient_norms_every": 0})
    assert told(train(quiet, [series()], run_folder=tmp_path / "run")) == []
    assert not (tmp_path / "run" / FILE).exists()
    assert list(read_gradients(tmp_path / "run")) == []
    assert bundled()["dncnn-low-dose"].cadence.gradient_norms_every == 0


@pytest.mark.parametrize("gradient", ["automatic", "manual", "dilated"])
def test_a_training_tells_them_and_keeps_them(tmp_path: Path, gradient: str) -> None:
    asked = recipe(gradient=gradient, clip_norm=1e-4)
    events = told(train(asked, [series()], run_folder=tmp_path / "run"))
    assert [event.step for event in events] == [1, *range(5, STEPS + 1, 5)]
    # Before they were cut to the longest that is allowed.
    assert all(max(event.norms.values()) > 1e-3 for event in events)
    with (tmp_path / "run" / FILE).open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["step", "epoch", "block 1", "block 2", "block 3"]
    for row, event in zip(rows[1:], events, strict=True):
        numbers = [float(cell) for cell in row]
        assert numbers == pytest.approx([event.step, event.epoch, *event.norms.values()], rel=1e-4)


def test_the_training_is_the_same_whether_they_are_read_or_not(tmp_path: Path) -> None:
    models = [
        finish(train(recipe(**{"cadence.gradient_norms_every": every}), [series()]))
        for every in (0, 1)
    ]
    for one, other in zip(*(m.module.state_dict().values() for m in models), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("stop", [3, 10, 22])
def test_a_resumed_run_has_the_rows_of_an_unbroken_one(tmp_path: Path, stop: int) -> None:
    finish(train(recipe(), [series()], run_folder=tmp_path / "whole"))
    folder = tmp_path / "broken"
    told(train(recipe(), [series()], run_folder=folder), until=stop)
    with (folder / FILE).open("a") as stream:
        stream.write("23,1,1,1,1\r\n25,1,2")  # written after the last checkpoint, and cut off
    finish(train(recipe(), [series()], run_folder=folder, resume=True))
    assert (folder / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()


def test_a_run_without_rows_yet_is_resumed(tmp_path: Path) -> None:
    log = GradientLog(tmp_path)
    log.add([GradientNorms(8, 0.5, {"a": 1.0})])
    log.write()
    log.forget_after(5)
    assert list(read_gradients(tmp_path)) == []
    log.add([GradientNorms(6, 0.5, {"a": math.inf}), GradientNorms(7, 0.5, {"a": 0.25})])
    log.write()
    assert [(e.step, e.norms["a"]) for e in read_gradients(tmp_path)] == [(6, math.inf), (7, 0.25)]


def test_rows_wait_while_the_folder_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    log = GradientLog(folder)
    log.add([GradientNorms(1, 0.0, {"a, the first": 1.5})])
    with pytest.raises(StudioError, match="does not exist"):
        log.write()
    folder.mkdir()
    log.write()
    assert list(read_gradients(folder)) == [GradientNorms(1, 0.0, {"a, the first": 1.5})]


@pytest.mark.parametrize("text", ["a,b\n", "step,epoch,x\n1,0.5,y\n", "step,epoch,x\n1,0.5\n"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StudioError, match="is damaged"):
        list(read_gradients(tmp_path))
