"""How a training begins and ends where something is wrong with its network or its data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Step, Validation, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint, outline
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_metrics
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee


def series() -> Volume:
    hu = np.random.default_rng(0).integers(-100, 100, (4, 32, 32)).astype(np.int16)
    return Volume(hu, np.ones(4), np.zeros(4), "HU", Geometry.axial(4, (3, 0.7, 0.7)))


def recipe(**more: object) -> Recipe:
    made = bundled()["dncnn-gaussian"]
    settings: dict[str, object] = {
        "phases.0.steps": 4,
        "phases.0.model.features": 4,
        "phases.0.model.depth": 3,
        "patch_px": 16,
        "batch": 2,
        "stopping.seconds": 0,
        "validation.every_steps": 2,
        "device": "cpu",
    }
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 TB")


@pytest.mark.parametrize("where", ["build", "begin", "remember", "weights"])
def test_too_little_memory_is_said_wherever_it_runs_out(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint if where == "build" else Trainee, where, fail)
    with pytest.raises(StudioError, match="not enough memory to train this network") as caught:
        finish(train(recipe(), [series()], run_folder=tmp_path / "run"))
    assert "smaller network" in caught.value.hint
    # The first judgement comes after the first steps, which are kept.
    assert (tmp_path / "run").exists() == (where == "weights")


def test_a_network_that_no_memory_holds_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outline, "total_memory", lambda device: 1000)
    monkeypatch.setattr(checkpoint, "build", lambda recipe: pytest.fail("it was built"))
    with pytest.raises(StudioError, match="weights take at least"):
        finish(train(recipe(), [series()], run_folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_an_error_before_the_first_step_is_told_as_it_is(tmp_path: Path) -> None:
    wrong = recipe(**{"phases.0.optimiser.rates": {"zzz": 2.0}})
    with pytest.raises(StudioError, match="no part 'zzz'"):
        finish(train(wrong, [series()], run_folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    finish(train(recipe(), [series()], run_folder=tmp_path / "run"))


def test_an_error_at_the_end_is_not_hidden_by_what_follows_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = train(recipe(), [series()], run_folder=tmp_path / "run")
    next(e for e in work if isinstance(e, Step))
    monkeypatch.setattr(Trainee, "learn", lambda *_: (_ for _ in ()).throw(KeyError("the first")))
    monkeypatch.setattr(Trainee, "state", lambda _: (_ for _ in ()).throw(KeyError("the second")))
    with pytest.raises(KeyError, match="the first"):
        finish(work)


def test_a_start_that_is_refused_leaves_a_folder_as_it_was(tmp_path: Path) -> None:
    wrong = bundled()["unet-masks"]
    before = tmp_path / "empty"
    before.mkdir()
    for folder in (tmp_path / "new", before):
        with pytest.raises(StudioError, match="masks"):
            finish(train(wrong, [series()], run_folder=folder))
    assert not (tmp_path / "new").exists()
    assert list(before.iterdir()) == []
    # What somebody else puts there in the meantime is theirs.
    wrong = recipe(**{"phases.0.optimiser.rates": {"zzz": 2.0}})
    work = train(wrong, [series()], run_folder=tmp_path / "new")
    while not (tmp_path / "new").exists():
        next(work)
    (tmp_path / "new" / "notes.txt").write_text("mine")
    with pytest.raises(StudioError, match="zzz"):
        finish(work)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["notes.txt"]


def test_a_refused_resumption_leaves_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    finish(train(recipe(), [series()], run_folder=folder))
    other = Volume(series().voxels + 1, np.ones(4), np.zeros(4), "HU", series().geometry)
    with pytest.raises(StudioError, match="not the series"):
        finish(train(recipe(), [other], run_folder=folder, resume=True))
    assert checkpoint.load(folder).step > 0


@pytest.mark.parametrize("stopped", [False, True])
def test_weights_that_are_no_numbers_are_never_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """A step whose loss is sound may still break the weights; the last one, for good."""
    whole = Trainee.learn
    spoilt_at = 3 if stopped else 4

    def learn(self: Trainee, *what: Any) -> Any:
        values = whole(self, *what)
        if self.step == spoilt_at:
            for parameter in self.module.parameters():
                parameter.data.fill_(torch.nan)
        return values

    folder = tmp_path / "run"
    monkeypatch.setattr(Trainee, "learn", learn)
    work = train(recipe(), [series()], run_folder=folder)
    events = []
    for event in work:
        events.append(event)
        if stopped and isinstance(event, Step) and event.step == spoilt_at:
            work.close()
    said = [e.text for e in events if isinstance(e, Note)]
    assert any("weights were no numbers at step 4" in text for text in said) != stopped
    judged = [e.metrics["rmse"] for e in events if isinstance(e, Validation)]
    assert np.isfinite(judged).all()
    assert checkpoint.load(folder / "last.pt").step == spoilt_at
    monkeypatch.setattr(Trainee, "learn", whole)
    again = list(train(recipe(), [series()], run_folder=folder, resume=True))
    assert sum(isinstance(e, Step) for e in again) == (1 if stopped else 0)


def test_a_folder_that_goes_away_is_made_again_in_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "mounted" / "run"
    work = train(recipe(), [series()], run_folder=folder)
    next(e for e in work if isinstance(e, Step) and e.step == 3)
    shutil.rmtree(folder.parent)
    finish(work)
    assert checkpoint.load(folder / "last.pt").step == 4
    assert checkpoint.load(folder / "best.pt").step in (2, 4)
    assert [row["step"] for row in read_metrics(folder)][-1] == "4"
    assert Recipe.load(folder / "recipe.toml") == recipe()


def test_a_best_network_that_could_not_be_saved_is_saved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = checkpoint.save

    def save(model: Any, path: Path, **how: Any) -> None:
        if path.name == "best.pt" and not path.with_name("room").exists():
            raise StudioError("The disk is full.")
        whole(model, path, **how)

    monkeypatch.setattr(checkpoint, "save", save)
    folder = tmp_path / "run"
    for event in train(recipe(), [series()], run_folder=folder):
        if isinstance(event, Validation) and event.step == 4:
            assert not (folder / "best.pt").exists()
            (folder / "room").touch()
    rows = {int(r["step"]): float(r["rmse"]) for r in read_metrics(folder) if r["rmse"]}
    assert checkpoint.load(folder / "best.pt").step == min(rows, key=lambda step: rows[step])


def test_a_picture_that_is_no_numbers_is_kept_without_a_murmur(tmp_path: Path) -> None:
    from ctstudio.learn.levels import from_levels, to_levels
    from ctstudio.learn.levels import whole as rounded

    hu = np.array([[np.nan, np.inf, -np.inf, 40.4]])
    np.testing.assert_array_equal(rounded(hu), [[0, 32767, -32768, 40]])
    stored, about = to_levels(hu)
    assert from_levels(stored, about)[0, 3] == 40
