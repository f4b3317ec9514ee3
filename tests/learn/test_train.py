"""The training loop on small made-up series."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Preview, Progress, Saved, Step, Validation, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.metrics import evaluate
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint, sampling
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.pace import Budget, Clock
from ctstudio.learn.recipe import Cadence, Recipe, Stopping, ValidationPlan, bundled
from ctstudio.learn.run_folder import (
    RunFolder,
    make_preview,
    newest_reconstruction,
    read_exactly,
    read_metrics,
    read_previews,
)
from ctstudio.learn.synthetic import SyntheticNoise
from ctstudio.learn.train import train


def phantom(slices: int = 6, size: int = 64, seed: int = 0) -> Volume:
    """A disc of soft tissue with a soft pattern in it, in air."""
    y, x = np.mgrid[:size, :size]
    inside = (y - size / 2) ** 2 + (x - size / 2) ** 2 < (0.45 * size) ** 2
    waves = [40 + 60 * np.sin((x + seed) / 9 + z) * np.cos(y / 11) for z in range(slices)]
    hu = np.stack([np.where(inside, wave, -1000) for wave in waves]).astype(np.int16)
    return Volume(
        hu, np.ones(slices), np.zeros(slices), "HU", Geometry.axial(slices, (3, 0.7, 0.7))
    )


def small(steps: int = 30, **changes: Any) -> Recipe:
    recipe = bundled()["dncnn-gaussian"]
    for path, value in {
        "phases.0.steps": steps,
        "phases.0.model.features": 8,
        "phases.0.model.depth": 4,
        "phases.0.optimiser.lr": 5e-3,
        "noise.sd": 40,
        "patch_px": 32,
        "stopping.seconds": 0,
        "validation.every_steps": 15,
        "device": "cpu",
    }.items():
        recipe = recipe.with_setting(path, value)
    return replace(recipe, **changes)


def run(recipe: Recipe, *volumes: Volume, **options: Any) -> tuple[list[Any], Any]:
    events: list[Any] = []
    work = train(recipe, volumes or [phantom()], **options)
    try:
        while True:
            events.append(next(work))
    except StopIteration as stop:
        return events, stop.value


def of(kind: type, events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_a_short_training_lowers_the_loss_and_the_error() -> None:
    events, model = run(small(150))
    steps = of(Step, events)
    assert [s.step for s in steps] == list(range(1, 151))
    first = np.mean([s.losses["loss"] for s in steps[:10]])
    last = np.mean([s.losses["loss"] for s in steps[-10:]])
    assert last < 0.8 * first
    assert steps[-1].lr < 0.01 * max(s.lr for s in steps)
    assert steps[-1].epoch == pytest.approx(150 * 8 * 32**2 / (5 * 64**2))
    judged = of(Validation, events)
    assert judged[-1].step == 150
    assert judged[-1].metrics["psnr"] > judged[-1].baseline["psnr"] + 2
    assert model.metrics["rmse"] == min(v.metrics["rmse"] for v in judged)
    assert model.step in {v.step for v in judged}
    assert not model.module.training


def test_previews_show_the_pinned_slice() -> None:
    events, _ = run(small(10), preview_slice=4)
    shown = of(Preview, events)
    assert shown[0].step == 0
    assert shown[-1].step == 10
    for preview in shown:
        assert list(preview.panels) == ["noisy", "reconstruction", "target", "residual"]
        assert preview.slice == 4
        assert preview.unit == "HU"
        for panel in preview.panels.values():
            assert panel.shape == (64, 64)
            assert panel.dtype == np.float32
            assert not panel.flags.writeable
        panels = preview.panels
        np.testing.assert_array_equal(panels["target"], phantom().slice_hu(4))
        np.testing.assert_array_equal(
            panels["residual"], panels["reconstruction"] - panels["noisy"]
        )
        want = evaluate(panels["reconstruction"], panels["target"], "A")
        assert dict(preview.metrics) == pytest.approx(want)
    np.testing.assert_array_equal(shown[0].panels["noisy"], shown[0].panels["reconstruction"])
    assert np.abs(shown[-1].panels["residual"]).max() > 0


def test_two_runs_agree_bit_for_bit() -> None:
    first, one = run(small(20), phantom(), phantom(seed=5))
    second, two = run(small(20), phantom(), phantom(seed=5))
    assert [s.losses for s in of(Step, first)] == [s.losses for s in of(Step, second)]
    for a, b in zip(one.module.parameters(), two.module.parameters(), strict=True):
        assert torch.equal(a, b)
    other, _ = run(small(20, seed=2), phantom(), phantom(seed=5))
    assert [s.losses for s in of(Step, first)] != [s.losses for s in of(Step, other)]


def test_a_run_leaves_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    events, model = run(small(30), run_folder=folder)
    names = {p.name for p in folder.iterdir()}
    assert names - {".lock"} == {"recipe.toml", "metrics.csv", "previews", "last.pt", "best.pt"}
    assert Recipe.load(folder / "recipe.toml") == small(30)
    rows = read_metrics(folder)
    losses = [float(row["loss"]) for row in rows if row["loss"]]
    assert losses == pytest.approx([s.losses["loss"] for s in of(Step, events)], rel=1e-6)
    judged = [row for row in rows if row["rmse"]]
    assert [int(row["step"]) for row in judged] == [15, 30]
    assert all(row["protocol"] == "A" and float(row["noisy_psnr"]) > 0 for row in judged)
    with (folder / "metrics.csv").open(newline="") as stream:
        assert next(csv.reader(stream))[:5] == ["step", "epoch", "seconds", "lr", "loss"]
    kept = list(read_previews(folder))
    assert [p.step for p in kept] == sorted({p.step for p in of(Preview, events)})
    last = of(Preview, events)[-1]
    for name, panel in kept[-1].panels.items():
        assert np.abs(panel - last.panels[name]).max() <= (1.0 if name == "residual" else 0.5)
    best = checkpoint.load(folder / "best.pt")
    assert best.step == model.step
    assert best.metrics == pytest.approx(dict(model.metrics))
    for a, b in zip(best.module.parameters(), model.module.parameters(), strict=True):
        assert torch.equal(a, b)
    assert {e.path.name for e in of(Saved, events)} == {"last.pt", "best.pt"}
    assert checkpoint.load_training(folder / "last.pt")[1]["rate_factor"] == 1.0


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(StudioError, match="not empty"):
        run(small(1), run_folder=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("at", [1, 7])
def test_cancelling_saves_what_was_learnt(tmp_path: Path, at: int) -> None:
    work = train(small(1000), [phantom()], run_folder=tmp_path / "run")
    for event in work:
        if isinstance(event, Step) and event.step == at:
            break
    work.close()
    model = checkpoint.load(tmp_path / "run" / "last.pt")
    assert model.step == at
    assert len(read_metrics(tmp_path / "run")) >= at


def test_cancelling_during_the_preparation_is_quiet(tmp_path: Path) -> None:
    work = train(small(5), [phantom()], run_folder=tmp_path / "run")
    for event in work:
        if isinstance(event, Progress):
            break
    work.close()
    assert not (tmp_path / "run").exists()


def test_time_ends_the_training_and_the_rate_with_it() -> None:
    recipe = small(10**6, stopping=Stopping(seconds=1.5))
    recipe = replace(recipe, validation=ValidationPlan(time_share=0.05))
    events, _ = run(recipe)
    steps = of(Step, events)
    assert 1.0 < steps[-1].seconds < 4
    assert steps[-1].lr < 0.1 * max(s.lr for s in steps)
    assert of(Validation, events)[-1].step == steps[-1].step


def test_patience_ends_the_training() -> None:
    recipe = small(1000, stopping=Stopping(patience=2))
    recipe = recipe.with_setting("phases.0.optimiser", "sgd")
    recipe = recipe.with_setting("phases.0.optimiser.lr", 1e-8)
    recipe = recipe.with_setting("validation.every_steps", 2)
    # Steps so small that the output soon stays the same to the last bit.
    events, _ = run(recipe)
    assert of(Step, events)[-1].step < 100


def test_a_loss_that_is_not_a_number_rolls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {"count": 0}
    honest = LOSSES["mse"].call

    def sometimes() -> Any:
        loss = honest()

        def broken(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            calls["count"] += 1
            return loss(prediction, target) * (float("nan") if calls["count"] == 60 else 1.0)

        return broken

    entry = replace(LOSSES["mse"], call=sometimes)
    monkeypatch.setitem(LOSSES._entries, "mse", entry)
    recipe = small(80).with_setting("phases.0.losses.0", "mse")
    recipe = recipe.with_setting("phases.0.optimiser.schedule", "constant")
    events, model = run(recipe)
    notes = [n.text for n in of(Note, events) if "not a number" in n.text]
    assert len(notes) == 1
    assert "half the learning rate" in notes[0]
    steps = of(Step, events)
    assert [s.step for s in steps][-1] == 80
    assert steps[-1].lr == pytest.approx(steps[0].lr / 2)
    assert all(torch.isfinite(p).all() for p in model.module.parameters())


def test_hopeless_training_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    def hopeless() -> Any:
        return lambda prediction, target: (prediction - target).mean() * float("nan")

    monkeypatch.setitem(LOSSES._entries, "mse", replace(LOSSES["mse"], call=hopeless))
    events, model = run(small(100).with_setting("phases.0.losses.0", "mse"))
    notes = [n.text for n in of(Note, events) if "not a number" in n.text]
    assert len(notes) == 4
    assert "stops" in notes[-1]
    assert all(torch.isfinite(p).all() for p in model.module.parameters())


def test_several_losses_and_phases() -> None:
    recipe = small(10)
    phase = recipe.phases[0]
    two = replace(phase, steps=5, losses=(*phase.losses, *phase.losses))
    events, _ = run(replace(recipe, phases=(phase, two)))
    steps = of(Step, events)
    assert steps[-1].step == 15
    assert set(steps[0].losses) == {"mse", "loss"}
    last = steps[-1].losses
    assert last["loss"] == pytest.approx(last["mse"] + last["mse 2"])


def test_what_cannot_be_trained_yet_is_said() -> None:
    recipe = small(5)
    other = replace(recipe.phases[0], models={"denoiser": Choice("dncnn", {"depth": 9})})
    with pytest.raises(StudioError, match=r"phases\.1 has another model"):
        run(replace(recipe, phases=(recipe.phases[0], other)))


def test_series_of_one_slice() -> None:
    events, _ = run(small(3), phantom(slices=1))
    assert any("one slice" in n.text for n in of(Note, events))
    assert of(Validation, events)


def test_single_slices_of_several_scans_hold_whole_scans_out() -> None:
    events, _ = run(small(3), *(phantom(1, 48 + 8 * k, k) for k in range(3)))
    assert not any("one slice" in n.text for n in of(Note, events))
    assert of(Validation, events)


def test_patches_larger_than_the_image_are_cut_with_a_note() -> None:
    events, _ = run(small(3, patch_px=256), phantom(size=40))
    assert any("40 px instead of 256" in n.text for n in of(Note, events))


def test_nothing_to_train_on() -> None:
    with pytest.raises(StudioError, match="no series"):
        finish(train(small(3), []))
    with pytest.raises(StudioError, match="no slice 6"):
        finish(train(small(3), [phantom()], preview_slice=6))


def test_air_alone_can_be_trained_on() -> None:
    air = replace(phantom(), voxels=np.full((3, 32, 32), -1000, np.int16), slope=np.ones(3),
                  intercept=np.zeros(3), geometry=Geometry.axial(3))  # fmt: skip
    events, _ = run(small(3), air)
    assert len(of(Step, events)) == 3


def test_targets_are_the_series_and_follow_the_same_turn() -> None:
    volume = phantom()
    task = SyntheticNoise()
    recipe = small(1).with_setting("noise.sd", 0.1)
    finish(task.prepare(recipe, [volume], None, torch.device("cpu")))
    generator = torch.Generator().manual_seed(4)
    for _ in range(20):
        batch = task.draw(generator, 1)[0]
        noisy, clean = batch.inputs, batch.targets
        assert noisy.shape == clean.shape == (8, 1, 32, 32)
        assert float((noisy - clean).abs().max()) < 1
    held = [pair.index for pair in task.validation]
    assert held == [2]


@pytest.mark.parametrize("count", range(1, 60))
def test_held_out_slices_are_a_block_apart_from_the_rest(count: int) -> None:
    learn, held = sampling.split(count, 0.15)
    assert learn
    assert not set(learn) & set(held)
    if count > 1:
        assert held == list(range(held[0], held[-1] + 1))
    if count >= 8:
        assert min(abs(a - b) for a in learn for b in held) == 2


def test_the_eight_turns_differ() -> None:
    patch = torch.arange(4.0).reshape(1, 1, 2, 2)
    seen = {tuple(sampling.turn(patch, k).flatten().tolist()) for k in range(8)}
    assert len(seen) == 8


def test_the_clock_stands_while_an_event_is_out() -> None:
    import time

    clock = Clock()

    def work() -> Any:
        clock.start()
        yield Progress(0, 1)
        return clock.seconds

    driven = clock.drive(work())
    next(driven)
    time.sleep(0.2)
    with pytest.raises(StopIteration) as stop:
        next(driven)
    assert stop.value.value < 0.1


def test_a_budget_keeps_its_share() -> None:
    budget, now, turns = Budget(0.05, 0.0), 0.0, 0
    while now < 100:
        now += 0.1
        if budget.due(now):
            budget.spent(now, now + 0.5)
            now += 0.5
            turns += 1
    assert 9 <= turns <= 11
    assert not Budget(0.0).due(1e9)


def test_previews_and_validations_do_not_change_the_training() -> None:
    quiet = small(20, cadence=Cadence(preview_time_share=0.0))
    busy = small(20, cadence=Cadence(preview_time_share=1.0))
    busy = busy.with_setting("validation.every_steps", 3)
    first, second = run(quiet)[0], run(busy)[0]
    assert [s.losses for s in of(Step, first)] == [s.losses for s in of(Step, second)]


def test_previews_by_steps_are_all_kept(tmp_path: Path) -> None:
    recipe = small(12, cadence=Cadence(preview_every_steps=3))
    _, model = run(recipe, run_folder=tmp_path / "run")
    assert model.step == 12
    shown = list(read_previews(tmp_path / "run"))
    assert [p.step for p in shown] == [0, 3, 6, 9, 12]


@pytest.mark.parametrize(("low", "high"), [(-1000.0, -999.0), (-1e7, 3e9), (-900.0, 500.0)])
def test_previews_keep_what_whole_numbers_would_lose(
    tmp_path: Path, low: float, high: float
) -> None:
    folder = RunFolder(tmp_path / "run", small(1), ["loss"])
    picture = np.linspace(low, high, 64, dtype=np.float32).reshape(8, 8)
    still = np.zeros((8, 8), np.float32)
    folder.add_preview(make_preview(0, 0, still, picture, None, {}), 0.0)
    folder.close()
    kept = next(read_previews(tmp_path / "run")).panels["reconstruction"]
    fine = (high - low) / 65535
    # float32 itself is coarser than the levels beside -1000.
    least = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    allowed = 0.5 if low == -900.0 else 0.5 * fine + 2 * least
    assert np.abs(kept.astype(np.float64) - picture).max() <= allowed
    exact = read_exactly(tmp_path / "run", 0)
    np.testing.assert_array_equal(exact.astype(np.float32), kept)
    if low != -900.0:
        assert np.abs(exact - picture).max() <= 0.5001 * fine
    newest, labels = newest_reconstruction(tmp_path / "run")
    np.testing.assert_array_equal(newest, kept)
    assert not labels


def test_greys_are_told_that_the_articles_noise_is_not_theirs() -> None:
    """The noise of 0.3 of the maximum counts from -1000 HU, and a grey value of 0 lies above it."""
    recipe = small(1).with_setting("noise.name", "article_gaussian")
    told = {}
    for unit, noise in (("", recipe), ("HU", recipe), ("", small(1))):
        work = train(noise, [replace(phantom(3), unit=unit)])
        texts = [event.text for event in work if isinstance(event, Note)]
        told[unit, noise.noise.name] = any("more than in the articles" in text for text in texts)
    assert told == {
        ("", "article_gaussian"): True,
        ("HU", "article_gaussian"): False,
        ("", "gaussian"): False,
    }
