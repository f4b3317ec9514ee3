"""Going on with a training: the same as if it had never been interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Preview, Saved, Step, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_metrics, read_previews
from ctstudio.learn.synthetic import SyntheticNoise
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee
from ctstudio.learn.watch import RUNAWAY, Watch

STEPS = 60


def series(seed: int = 0) -> Volume:
    """Six slices of a soft pattern."""
    hu = np.random.default_rng(seed).integers(-100, 100, (6, 48, 48)).astype(np.int16)
    return Volume(hu, np.ones(6), np.zeros(6), "HU", Geometry.axial(6, (3, 0.7, 0.7)))


def recipe(**more: object) -> Recipe:
    made = bundled()["dncnn-gaussian"]
    settings = {
        "phases.0.steps": STEPS,
        "phases.0.model.features": 4,
        "phases.0.model.depth": 3,
        "noise.sd": 40,
        "patch_px": 16,
        "batch": 2,
        "stopping.seconds": 0,
        "validation.every_steps": 7,
        "gradient_noise": 1e-6,  # draws at random within a step, too
        "device": "cpu",
    }
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


def events_of(work: Any, until: int | None = None) -> list[Any]:
    """The events up to a step, after which the training is closed as by a user's stop."""
    seen = []
    for event in work:
        seen.append(event)
        if until is not None and isinstance(event, Step) and event.step == until:
            work.close()
    return seen


def losses(folder: Path) -> dict[int, str]:
    return {int(r["step"]): r["loss"] for r in read_metrics(folder) if r["loss"]}


def judged(folder: Path) -> dict[int, str]:
    return {int(r["step"]): r["rmse"] for r in read_metrics(folder) if r["rmse"]}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    finish(train(recipe(), [series()], run_folder=folder))
    return folder


def same_run(folder: Path, reference: Path) -> None:
    assert losses(folder) == losses(reference)
    assert judged(folder) == judged(reference)
    for name in ("last.pt", "best.pt"):
        one, other = checkpoint.load(folder / name), checkpoint.load(reference / name)
        assert one.step == other.step
        assert dict(one.metrics) == dict(other.metrics)
        for key, value in one.module.state_dict().items():
            assert torch.equal(value, other.module.state_dict()[key])


@pytest.mark.parametrize("stop", [1, 14, 33])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, unbroken: Path, stop: int) -> None:
    folder = tmp_path / "run"
    events_of(train(recipe(), [series()], run_folder=folder), until=stop)
    again = events_of(train(recipe(), [series()], run_folder=folder, resume=True))
    assert [e.step for e in again if isinstance(e, Step)] == list(range(stop + 1, STEPS + 1))
    same_run(folder, unbroken)
    steps = [p.step for p in read_previews(folder)]
    assert steps == sorted(set(steps))


def test_stopped_again_and_again(tmp_path: Path, unbroken: Path) -> None:
    folder = tmp_path / "run"
    for number, stop in enumerate((9, 10, 31, 59)):
        events_of(train(recipe(), [series()], run_folder=folder, resume=number > 0), until=stop)
    finish(train(recipe(), [series()], run_folder=folder, resume=True))
    same_run(folder, unbroken)


def test_global_random_numbers_do_not_disturb_a_training(unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for _ in train(recipe(), [series()], run_folder=folder):
        torch.rand(3)
    same_run(folder, unbroken)


KILLED = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {here!r})
    from test_resume import recipe, series
    from ctstudio.core.events import Step
    from ctstudio.learn.train import train
    folder = Path({folder!r})
    made = recipe(**{{"cadence.save_every_s": 1}})
    resume = folder.exists()
    for event in train(made, [series()], run_folder=folder, resume=resume):
        if isinstance(event, Step):
            time.sleep(0.05)
            print(event.step, flush=True)
    """
)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.timeout(120)
def test_killed_runs_go_on_bit_for_bit(tmp_path: Path, unbroken: Path) -> None:
    folder = tmp_path / "run"
    code = KILLED.format(here=str(Path(__file__).parent), folder=str(folder))
    seen = []
    for steps in (17, 25):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert process.stdout is not None
        for _ in range(steps):
            seen.append(int(process.stdout.readline()))
        process.kill()
        process.wait()
        process.stdout.close()
    assert min(seen[17:]) <= max(seen) < STEPS
    made = recipe(**{"cadence.save_every_s": 1})
    finish(train(made, [series()], run_folder=folder, resume=True))
    assert losses(folder) == losses(unbroken)
    assert judged(folder) == judged(unbroken)
    one, other = checkpoint.load(folder / "best.pt"), checkpoint.load(unbroken / "best.pt")
    assert all(
        torch.equal(v, other.module.state_dict()[k]) for k, v in one.module.state_dict().items()
    )
    assert not list(folder.rglob(".tmp-*"))


def test_a_run_cut_off_before_its_first_checkpoint(tmp_path: Path, unbroken: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    recipe().save(folder / "recipe.toml")
    finish(train(recipe(), [series()], run_folder=folder, resume=True))
    same_run(folder, unbroken)


def test_a_half_written_last_row_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    finish(train(recipe(**{"phases.0.steps": 5}), [series()], run_folder=folder))
    before = read_metrics(folder)
    with (folder / "metrics.csv").open("a") as stream:
        stream.write("6,0.1")
    assert read_metrics(folder) == before


def test_a_resumed_run_goes_on_showing_its_slice(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    events_of(train(recipe(), [series()], run_folder=folder, preview_slice=4), until=5)
    again = events_of(train(recipe(), [series()], run_folder=folder, preview_slice=1, resume=True))
    assert {e.slice for e in again if isinstance(e, Preview)} == {4}


def test_what_cannot_be_resumed(tmp_path: Path, unbroken: Path) -> None:
    with pytest.raises(StudioError, match="no run to resume"):
        finish(train(recipe(), [series()], run_folder=tmp_path / "none", resume=True))
    with pytest.raises(StudioError, match="another recipe"):
        finish(train(recipe(seed=2), [series()], run_folder=unbroken, resume=True))
    with pytest.raises(StudioError, match="not the series"):
        finish(train(recipe(), [series(1)], run_folder=unbroken, resume=True))
    bare = tmp_path / "bare"
    bare.mkdir()
    recipe().save(bare / "recipe.toml")
    checkpoint.save(checkpoint.load(unbroken / "last.pt"), bare / "last.pt")
    with pytest.raises(StudioError, match="not the state of its training"):
        finish(train(recipe(), [series()], run_folder=bare, resume=True))


def test_a_run_in_use_by_another_process_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = KILLED.format(here=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        with pytest.raises(StudioError, match="another training is running there"):
            finish(
                train(
                    recipe(**{"cadence.save_every_s": 1}),
                    [series()],
                    run_folder=folder,
                    resume=True,
                )
            )
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_branch_begins_with_the_weights_of_its_parent(tmp_path: Path, unbroken: Path) -> None:
    folder = tmp_path / "branch"
    other = recipe(**{"phases.0.optimiser.lr": 1e-8, "phases.0.steps": 1, "gradient_noise": 0.0})
    model = finish(train(other, [series()], run_folder=folder, branch_from=unbroken))
    parent, state = checkpoint.load_training(unbroken / "last.pt")
    assert len(losses(folder)) == 1
    for key, value in model.module.state_dict().items():
        # One tiny step from either of the parent's weights, the present and the averaged ones.
        low = torch.minimum(parent.module.state_dict()[key], state["weights"][key])
        high = torch.maximum(parent.module.state_dict()[key], state["weights"][key])
        assert bool(((value >= low - 1e-6) & (value <= high + 1e-6)).all())
    with pytest.raises(StudioError, match="another network"):
        finish(train(recipe(**{"phases.0.model.features": 8}), [series()], branch_from=unbroken))


def test_out_of_memory_halves_the_batch_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Trainee.learn

    def learn(self: Trainee, batch: Any, epoch: int) -> Any:
        if len(batch.inputs) > 1 or batch.inputs.shape[-1] > 16:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: tried 1 TB")
        return whole(self, batch, epoch)

    monkeypatch.setattr(Trainee, "learn", learn)
    events = events_of(train(recipe(batch=4, patch_px=32), [series()]))
    notes = [e.text for e in events if isinstance(e, Note) and "not enough memory" in e.text]
    assert [n.split("halving ")[1] for n in notes] == [
        "the batch to 2.", "the batch to 1.", "the patches to 16 px.",
    ]  # fmt: skip
    assert len([e for e in events if isinstance(e, Step)]) == STEPS


def test_too_little_memory_for_anything_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(self: Trainee, batch: Any, epoch: int) -> Any:
        raise MemoryError

    monkeypatch.setattr(Trainee, "learn", learn)
    with pytest.raises(StudioError, match="not enough memory to train this network"):
        finish(train(recipe(), [series()]))


def test_other_errors_of_a_step_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(self: Trainee, batch: Any, epoch: int) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Trainee, "learn", learn)
    with pytest.raises(RuntimeError, match="shapes"):
        finish(train(recipe(), [series()]))


def test_a_loss_that_runs_away_is_noticed_and_a_noisy_one_is_not() -> None:
    watch = Watch()
    noise = np.random.default_rng(0).lognormal(0, 1, 500)
    assert not any(watch.complaint({"loss": float(value)}) for value in noise)
    said = [watch.complaint({"loss": float(4 * RUNAWAY)}) for _ in range(200)]
    assert any("its lowest" in text for text in said)
    fresh = Watch()
    assert "not a number" in fresh.complaint({"loss": float("inf")})
    assert [fresh.went_back() for _ in range(4)] == [False, False, False, True]
    other = Watch()
    other.restore(watch.state())
    assert other.state() == watch.state()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_short_number_formats_learn_and_resume(tmp_path: Path, precision: str) -> None:
    made = recipe(precision=precision, **{"phases.0.steps": 8})
    finish(train(made, [series()], run_folder=tmp_path / "whole"))
    events_of(train(made, [series()], run_folder=tmp_path / "cut"), until=3)
    finish(train(made, [series()], run_folder=tmp_path / "cut", resume=True))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert all(np.isfinite(float(value)) for value in losses(tmp_path / "cut").values())


def test_rows_are_on_disk_before_the_checkpoint_that_follows_them(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    work = train(recipe(**{"cadence.save_every_s": 1}), [series()], run_folder=folder)
    for event in work:
        if isinstance(event, Step):
            time.sleep(0.02)
        if isinstance(event, Saved) and event.path.name == "last.pt":
            assert max(losses(folder)) == event.step
            break
    work.close()


def test_shrinking_ends_at_the_least() -> None:
    task = SyntheticNoise()
    made = replace(recipe(), batch=1, patch_px=20)
    finish(task.prepare(made, [series()], None, torch.device("cpu")))
    assert task.shrink() == ""


@pytest.mark.parametrize("name", ["residual-3a", "residual-4"])
def test_squares_beyond_single_precision_are_sound(tmp_path: Path, name: str) -> None:
    """A layer whose squared gradient is infinite stands still under Adam, as in the articles' cases
    3 and 4: no reason to go back, nor to learn at half the rate after a stop."""
    article = bundled()[name]
    for path, value in {"phases.0.steps": 8, "patch_px": 48, "batch": 2, "device": "cpu"}.items():
        article = article.with_setting(path, value)
    bright = replace(series(), intercept=np.full(6, 3000.0))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    seen = events_of(train(article, [bright], run_folder=whole))
    events_of(train(article, [bright], run_folder=parts), until=4)
    finish(train(article, [bright], run_folder=parts, resume=True))
    state = torch.load(parts / "last.pt", weights_only=False)["training"]["optimiser"]["state"]
    assert any(torch.isinf(value).any() for kept in state.values() for value in kept.values())
    assert not [event for event in seen if isinstance(event, Note) and "going back" in event.text]
    assert losses(parts) == losses(whole)
    assert {row["lr"] for row in read_metrics(parts) if row["lr"]} == {"1e-09"}
