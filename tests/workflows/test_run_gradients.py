"""The gradients of trainings as tables and pictures, and three ways compared from a run folder."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ctstudio.cli import main
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Step, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.gradient_log import read_gradients
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_previews
from ctstudio.learn.train import train
from ctstudio.workflows.gradients import effect_in_run
from ctstudio.workflows.runs import load_history

STEPS = ["1", "4", "8", "12"]
BLOCKS = "3x3 2 tanh, 3x3 2 tanh, 3x3 2 tanh, 1x1 1 linear"


def series() -> Volume:
    hu = np.random.default_rng(0).integers(-100, 100, (3, 32, 40)).astype(np.int16)
    return Volume(hu, np.ones(3), np.zeros(3), "HU", Geometry.axial(3, (3, 0.7, 0.7)))


def recipe(**more: object) -> Recipe:
    made = bundled()["dncnn-gaussian"]
    settings = {
        "title": "Small", "phases.0.steps": 12, "phases.0.model": "residual",
        "phases.0.model.blocks": BLOCKS, "patch_px": 16, "batch": 2, "stopping.seconds": 0,
        "gradient": "dilated", "gradient.proportion": 3.0, "gradient.decay": 0.0,
        "cadence.gradient_norms_every": 4, "device": "cpu",
    }  # fmt: skip
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs that read their gradients, and one that did not."""
    folder = tmp_path_factory.mktemp("runs")
    finish(train(recipe(), [series()], run_folder=folder / "one"))
    finish(
        train(recipe().with_setting("gradient", "manual"), [series()], run_folder=folder / "two")
    )
    made = bundled()["dncnn-gaussian"]
    for key, value in {"phases.0.steps": 2, "phases.0.model.features": 4, "batch": 2}.items():
        made = made.with_setting(key, value)
    finish(train(made, [series()], run_folder=folder / "without"))
    return folder


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def test_a_history_has_them(runs: Path) -> None:
    history = load_history(runs / "one")
    assert history.gradient_step.tolist() == [1, 4, 8, 12]
    kept = list(read_gradients(runs / "one"))
    for name, values in history.gradients.items():
        assert values.tolist() == [event.norms[name] for event in kept]
    assert load_history(runs / "without").gradients == {}


def test_they_are_written_as_a_table(runs: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "g.csv"
    pair = ["--gradients", "one", "--gradients", "two"]
    assert main.run(["runs", str(runs), *pair, "--out", str(out)]) == 0
    head, *rows = rows_of(out)
    assert head == ["run", "step", *(f"block {k}" for k in range(1, 5))]
    assert [row[:2] for row in rows] == [[n, s] for n in ("one", "two") for s in STEPS]
    kept = [event for name in ("one", "two") for event in read_gradients(runs / name)]
    for row, event in zip(rows, kept, strict=True):
        assert [float(cell) for cell in row[2:]] == list(event.norms.values())
    capsys.readouterr()
    assert main.run(["runs", str(runs), "--gradients", "one"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["one", "step", "1", "step", "12"]
    first, last = kept[0].norms["block 3"], kept[3].norms["block 3"]
    assert lines[3].split() == ["block", "3", f"{first:.3g}", f"{last:.3g}"]


@pytest.mark.parametrize("which", ["--gradients", "--dilation"])
def test_they_are_drawn(runs: Path, tmp_path: Path, which: str) -> None:
    out = tmp_path / "g.png"
    assert main.run(["runs", str(runs), which, "one", "-o", str(out)]) == 0
    picture = np.asarray(Image.open(out).convert("RGB")).astype(int)
    # Something coloured stands on white.
    assert (picture.max(2) - picture.min(2) > 60).sum() > 500
    assert (picture[0, 0] == 255).all()


def test_the_comparison_is_that_of_the_last_weights_on_the_previews_slice(runs: Path) -> None:
    effect = finish(effect_in_run(runs / "one"))
    assert list(effect.layers) == [f"block {k}" for k in range(1, 5)]
    assert effect.note == "P = 3, D = 0, sum, epoch 2"  # 12 steps of 512 of 2560 pixels
    model, state = checkpoint.load_training(runs / "one" / "last.pt")
    model.module.load_state_dict(state["weights"])
    module = model.module.train().requires_grad_(True)
    preview = next(read_previews(runs / "one", step=0))
    noisy, clean = (torch.from_numpy(preview.panels[n].copy()) for n in ("noisy", "target"))
    loss = (((module(noisy[None, None]) - clean) / 100) ** 2).mean()  # the mse of the recipes
    loss.backward()
    expected = [float(p.grad.norm()) for p in module.parameters()]
    assert list(effect.norms) == ["automatic", "manual", "dilated"]
    assert effect.norms["automatic"] == pytest.approx(expected, rel=1e-4)
    assert effect.norms["manual"] == pytest.approx(expected, rel=1e-4)
    assert effect.cosines["manual"] == pytest.approx([1] * 4, abs=1e-5)
    # The last two blocks receive nothing that skipped a layer.
    assert effect.norms["dilated"][2:] == pytest.approx(expected[2:], rel=1e-4)
    assert effect.received["of which skipped layers"][2:] == [0, 0]
    assert min(effect.received["of which skipped layers"][:2]) > 0
    none = finish(effect_in_run(runs / "one", dilated=Choice("dilated", {"proportion": 0.0})))
    assert none.norms["dilated"] == pytest.approx(expected, rel=1e-4)


def test_an_adversary_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    made = bundled()["adversarial-vanilla"]
    changed = {
        "phases.0.steps": 2, "phases.0.model.blocks": BLOCKS, "patch_px": 32, "batch": 2,
        "phases.0.models.discriminator.hidden": 4, "stopping.seconds": 0, "device": "cpu",
    }  # fmt: skip
    for path, value in changed.items():
        made = made.with_setting(path, value)
    finish(train(made, [series()], run_folder=tmp_path / "run"))
    effect = finish(effect_in_run(tmp_path / "run"))
    assert effect.note.endswith("without the adversary")
    assert all(norm > 0 for norm in effect.norms["automatic"])


def test_the_comparison_as_a_table(runs: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "e.csv"
    assert main.run(["runs", str(runs), "--dilation", "one", "--out", str(out)]) == 0
    head, *rows = rows_of(out)
    effect = finish(effect_in_run(runs / "one"))
    assert head[:4] == ["layer", "gradient automatic", "gradient manual", "gradient dilated"]
    assert [float(row[3]) for row in rows] == pytest.approx(effect.norms["dilated"])
    capsys.readouterr()
    assert main.run(["runs", str(runs), "--dilation", "two"]) == 0
    assert "block 4" in capsys.readouterr().out


def test_what_cannot_be_shown_is_said(runs: Path, tmp_path: Path, capsys: Any) -> None:
    assert main.run(["runs", str(runs), "--gradients", "without"]) == 1
    assert "gradient_norms_every" in capsys.readouterr().err
    assert main.run(["runs", str(runs), "--dilation", "without"]) == 1
    assert "cannot be compared" in capsys.readouterr().err
    assert main.run(["runs", str(runs), "--gradients", "one", "--json"]) == 2
    assert main.run(["runs", str(runs), "--out", "x.png"]) == 2
    assert main.run(["runs", str(runs), "--gradients", "one", "--out", "x.gif"]) == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StudioError, match="no checkpoint yet"):
        finish(effect_in_run(empty))


def test_a_running_training_is_asked_for_a_checkpoint(tmp_path: Path) -> None:
    from ctstudio.core.events import Look
    from ctstudio.learn.checkpoint import load

    look = Look()
    long = recipe(**{"phases.0.steps": 10_000, "cadence.save_every_s": 1000})
    work = train(long, [series()], run_folder=tmp_path / "run", look=look)
    next(event for event in work if isinstance(event, Step))
    assert load(tmp_path / "run" / "last.pt").step == 0

    def ask() -> None:
        look.save = True

    comparing = effect_in_run(tmp_path / "run", ask_to_save=ask)
    while True:  # as two threads do it, in turns
        try:
            event = next(comparing)
        except StopIteration as stop:
            effect = stop.value
            break
        if isinstance(event, Progress) and look.save:
            next(event for event in work if isinstance(event, Step))
    work.close()
    assert effect.title == "Small, step 1"  # the last that there was when it was asked for
    assert not look.save
    assert all(math.isfinite(value) for value in effect.norms["dilated"])


def test_json_stays_json(runs: Path, capsys: Any) -> None:
    assert main.run(["runs", str(runs), "--json"]) == 0
    assert {run["name"] for run in json.loads(capsys.readouterr().out)} == {"one", "two", "without"}
