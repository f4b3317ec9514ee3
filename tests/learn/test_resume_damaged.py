"""Runs that were damaged on disk: refused with a way out, and nothing of them is lost."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Step, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_metrics, read_previews
from ctstudio.learn.train import train

State = dict[str, Any]
Harm = Callable[[State], object]


def series() -> Volume:
    hu = np.random.default_rng(0).integers(-100, 100, (4, 32, 32)).astype(np.int16)
    return Volume(hu, np.ones(4), np.zeros(4), "HU", Geometry.axial(4, (3, 0.7, 0.7)))


def recipe(**more: object) -> Recipe:
    made = bundled()["dncnn-gaussian"]
    settings: dict[str, object] = {
        "phases.0.steps": 8,
        "phases.0.model.features": 4,
        "phases.0.model.depth": 3,
        "phases.0.optimiser.schedule": "plateau",
        "patch_px": 16,
        "batch": 2,
        "stopping.seconds": 0,
        "validation.every_steps": 2,
        "device": "cpu",
    }
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight steps that was stopped after four; its figures go two steps further."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    work = train(recipe(), [series()], run_folder=folder)
    for event in work:
        if isinstance(event, Step) and event.step == 4:
            work.close()
    text = (folder / "metrics.csv").read_text()
    row = next(line for line in text.splitlines() if line.startswith("4,"))
    (folder / "metrics.csv").write_text(text + row.replace("4,", "5,", 1) + "\n")
    return folder


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stopped, tmp_path / "run")


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def resume(folder: Path) -> list[Any]:
    return list(train(recipe(), [series()], run_folder=folder, resume=True))


def put(*path: str, value: Any) -> Harm:
    def harm(data: State) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return harm


def of_optimiser(change: Callable[[torch.Tensor], Any]) -> Harm:
    def harm(data: State) -> None:
        for kept in data["training"]["optimiser"]["state"].values():
            kept["exp_avg"] = change(kept["exp_avg"])

    return harm


EMPTY = ["optimiser", "draws", "place", "judge"]
PARTS = ["weights", "optimiser", "schedule", "scaler", "draws", "rate_factor", "place", "judge"]
HARMS: dict[str, Harm] = {
    **{f"no {k}": (lambda d, k=k: d["training"].pop(k)) for k in (*PARTS, "watch")},
    **{f"int {k}": put("training", k, value=3) for k in (*PARTS, "watch") if k != "scaler"},
    **{f"empty {k}": put("training", k, value={}) for k in EMPTY},
    **{
        f"place.{k} {v}": put("training", "place", k, value=v)
        for k, v in [
            ("phase", 7), ("phase", -1), ("phase", "x"), ("first_step", 10**9), ("first_step", -1),
            ("epoch", math.nan), ("seconds", math.inf), ("seconds", -1e9), ("first_s", "x"),
            ("batches", -3), ("batches", 10**40), ("shrunk", 10**12), ("shrunk", 60),
            ("preview_slice", "a"), ("preview_slice", -1), ("zzz", 1),
        ]
    },
    **{
        f"judge.{k}": put("training", "judge", k, value=v)
        for k, v in [
            ("best_weights", {"a": torch.zeros(1)}), ("best_metrics", [1]), ("judged_step", "x"),
            ("judged_step", 10**9), ("baseline", 3), ("best_score", math.nan),
            ("metrics", {"a": "b"}),
        ]
    },
    "watch.mean": put("training", "watch", "mean", value=math.nan),
    "rate": put("training", "rate_factor", value=math.nan),
    "draws": put("training", "draws", value=torch.zeros(3, dtype=torch.uint8)),
    "groups": lambda d: d["training"]["optimiser"]["param_groups"].append({}),
    "moments of another network": of_optimiser(lambda m: torch.zeros(2)),
    "moments that are no numbers": of_optimiser(lambda m: m / 0),
    "weights that are no numbers": lambda d: d["training"]["weights"].update(
        {k: v / 0 for k, v in d["training"]["weights"].items()}
    ),
    "step": put("step", value=10**9),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMS)
def test_a_damaged_state_is_refused_and_branching_is_the_way_out(
    name: str, run: Path, tmp_path: Path
) -> None:
    data = torch.load(run / "last.pt", weights_only=True)
    HARMS[name](data)
    torch.save(data, run / "last.pt")
    before = content(run)
    with pytest.raises(StudioError, match=r"last\.pt is damaged") as caught:
        resume(run)
    assert "--branch" in caught.value.hint
    assert caught.value.details
    assert content(run) == before
    short = recipe(**{"phases.0.steps": 1})
    finish(train(short, [series()], run_folder=tmp_path / "new", branch_from=run))
    assert checkpoint.load(tmp_path / "new" / "last.pt").step == 1


def test_settings_of_the_optimiser_are_the_recipes(run: Path) -> None:
    data = torch.load(run / "last.pt", weights_only=True)
    data["training"]["optimiser"]["param_groups"][0] |= {"betas": "x", "eps": math.nan, "lr": "y"}
    torch.save(data, run / "last.pt")
    assert [e.step for e in resume(run) if isinstance(e, Step)] == [5, 6, 7, 8]


def test_a_run_that_lost_its_checkpoint_does_not_begin_anew(run: Path, tmp_path: Path) -> None:
    (run / "last.pt").unlink()
    before = content(run)
    with pytest.raises(StudioError, match=r"last\.pt is gone") as caught:
        resume(run)
    assert "--branch" in caught.value.hint
    assert content(run) == before
    best = checkpoint.load(run / "best.pt").module.state_dict()
    frozen = recipe(**{"phases.0.steps": 1, "phases.0.optimiser.lr": 1e-9, "ema": 0.0})
    model = finish(train(frozen, [series()], run_folder=tmp_path / "new", branch_from=run))
    for name, value in model.module.state_dict().items():
        torch.testing.assert_close(value, best[name], atol=1e-6, rtol=0)
    (run / "best.pt").unlink()
    with pytest.raises(StudioError, match=r"last\.pt is gone") as caught:  # its figures are left
        resume(run)
    with pytest.raises(StudioError, match="holds no checkpoint"):
        finish(train(recipe(), [series()], branch_from=run))


def test_a_branch_of_a_broken_checkpoint_begins_with_the_best(run: Path) -> None:
    (run / "last.pt").write_bytes(b"PK\3\4 half")
    said = [e.text for e in train(recipe(), [series()], branch_from=run) if isinstance(e, Note)]
    assert any("last.pt" in text and "best.pt instead" in text for text in said)
    (run / "best.pt").write_bytes(b"")
    with pytest.raises(StudioError, match=r"best\.pt"):
        finish(train(recipe(), [series()], branch_from=run))


def test_a_run_is_never_without_a_checkpoint(tmp_path: Path) -> None:
    """One that is killed before its first minute is over begins at its first step."""
    folder = tmp_path / "run"
    work = train(recipe(), [series()], run_folder=folder)
    next(e for e in work if isinstance(e, Step) and e.step == 3)
    assert checkpoint.load(folder / "last.pt").step == 0
    killed = shutil.copytree(folder, tmp_path / "killed")
    finish(work)
    assert [e.step for e in resume(killed) if isinstance(e, Step)] == [*range(1, 9)]
    one, other = (
        [(r["step"], r["loss"], r["rmse"]) for r in read_metrics(f)] for f in (folder, killed)
    )
    assert one == other


@pytest.mark.parametrize("harm", [b"step,epoch,a\nx\n", b"\xff", b"step,epoch,a\n1,0,x\n"])
def test_damaged_gradients_are_named_before_anything_is_forgotten(run: Path, harm: bytes) -> None:
    (run / "gradients.csv").write_bytes(harm)
    before = content(run)
    with pytest.raises(StudioError, match=r"gradients\.csv is damaged") as caught:
        resume(run)
    assert "another name" in caught.value.hint
    assert content(run) == before
    (run / "gradients.csv").rename(run / "old.csv")
    assert [e.step for e in resume(run) if isinstance(e, Step)] == [5, 6, 7, 8]


def test_damaged_figures_and_pictures_do_not_keep_a_run_from_going_on(run: Path) -> None:
    file = run / "metrics.csv"
    damaged = file.read_bytes() + b'"open\n'
    file.write_bytes(damaged)
    shutil.rmtree(run / "previews")
    said = [e.text for e in resume(run) if isinstance(e, Note)]
    assert any("metrics.csv is damaged" in text for text in said)
    assert (run / "metrics-damaged.csv").read_bytes() == damaged
    assert {int(row["step"]) for row in read_metrics(run)} == {*range(1, 9)}
    assert [picture.step for picture in read_previews(run)][-1] == 8
