"""What goes wrong while a training runs: a full disk, parts of the network that are not there."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core import atomic
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Detail, Look, Note, Preview, Saved, Step, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import NotSaved, read_metrics
from ctstudio.learn.steering import parameter_groups
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee


def series(side: int = 48) -> Volume:
    hu = np.random.default_rng(0).integers(-100, 100, (6, side, side)).astype(np.int16)
    return Volume(hu, np.ones(6), np.zeros(6), "HU", Geometry.axial(6, (3, 0.7, 0.7)))


def recipe(**more: object) -> Recipe:
    made = bundled()["dncnn-gaussian"]
    settings: dict[str, object] = {
        "phases.0.steps": 20,
        "phases.0.model.features": 4,
        "phases.0.model.depth": 3,
        "patch_px": 16,
        "batch": 2,
        "stopping.seconds": 0,
        "validation.every_steps": 5,
        "device": "cpu",
    }
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """New files cannot be made."""

    def mkstemp(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic.tempfile, "mkstemp", mkstemp)
        yield


def test_a_disk_that_is_full_for_a_while_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    notes: list[str] = []
    work = train(recipe(), [series()], run_folder=run)
    steps = 0
    next(e for e in work if isinstance(e, Step))
    with full_disk(monkeypatch):
        for event in work:
            notes += [event.text] if isinstance(event, Note) else []
            steps += isinstance(event, Step)
            if steps == 11:
                break
    assert not (run / "best.pt").exists()
    full = [text for text in notes if "the disk is full" in text]
    assert len(full) <= 2, "the same is said once a file, not at every step"
    assert full
    assert "goes on" in full[0]
    finish(work)
    assert checkpoint.load(run / "last.pt").step == 20
    assert [int(row["step"]) for row in read_metrics(run) if not row["protocol"]] == [*range(1, 21)]


def test_rows_that_could_not_be_written_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    work = train(recipe(), [series()], run_folder=run)
    for event in work:
        if isinstance(event, Step) and event.step == 3:
            break
    kept = run / "kept.csv"
    (run / "metrics.csv").rename(kept)
    (run / "metrics.csv").symlink_to("/dev/full")
    for event in work:
        if isinstance(event, Step) and event.step == 9:
            break
    (run / "metrics.csv").unlink()
    kept.rename(run / "metrics.csv")
    finish(work)
    assert [int(row["step"]) for row in read_metrics(run) if not row["protocol"]] == [*range(1, 21)]


@pytest.mark.parametrize("stopped", [True, False])
def test_a_network_that_cannot_be_saved_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    work = train(recipe(), [series()], run_folder=tmp_path / "run")
    for event in work:
        if isinstance(event, Step) and event.step == 12:
            break
    with full_disk(monkeypatch), pytest.raises(NotSaved, match="the disk is full") as caught:
        work.close() if stopped else finish(work)
    model = caught.value.model
    assert model.step == (10 if stopped else model.step)
    assert torch.isfinite(model.module(torch.zeros(1, 1, 16, 16))).all()


def test_a_regions_live_picture_is_that_of_the_whole_slice() -> None:
    look = Look((40, 70, 30, 50))
    whole: Preview | None = None
    details: list[Detail] = []
    steady = {
        "phases.0.steps": 300,
        "phases.0.optimiser.lr": 1e-8,
        "ema": 0,
        "cadence.preview_time_share": 1,
    }
    for event in train(recipe(**steady), [series(160)], look=look):
        if isinstance(event, Preview):
            whole = event
        elif isinstance(event, Detail):
            details.append(event)
    assert whole is not None
    assert details
    assert (details[0].top, details[0].left) == (40, 70)
    expected = whole.panels["reconstruction"][40:70, 70:120]
    np.testing.assert_allclose(details[0].reconstruction, expected, atol=0.01)


def test_a_region_may_lie_partly_outside_the_slice() -> None:
    look = Look((-20, 40, 500, 500))
    share = {"phases.0.steps": 300, "cadence.preview_time_share": 1}
    details = [e for e in train(recipe(**share), [series()], look=look) if isinstance(e, Detail)]
    assert details[0].reconstruction.shape == (48, 8)


def test_each_part_of_a_network_learns_at_its_own_rate() -> None:
    held = {"phases.0.optimiser.rates": {"start": 0.0}, "gradient_noise": 0.0}
    names = [name for name, _ in Trainee(recipe(), torch.device("cpu")).module.named_parameters()]
    first = names[0].split(".")[0]
    held["phases.0.optimiser.rates"] = {names[0]: 0.0}
    made = recipe(**held)
    before = checkpoint.build(made).state_dict()
    after = finish(train(made, [series()])).module.state_dict()
    assert torch.equal(before[names[0]], after[names[0]])
    assert not torch.equal(before[names[-1]], after[names[-1]])
    with pytest.raises(StudioError, match="'decoder'") as caught:
        finish(train(recipe(**{"phases.0.optimiser.rates": {"decoder": 0.1}}), [series()]))
    assert first in caught.value.hint


def test_the_longest_name_decides_the_rate() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    groups = parameter_groups(module, {"0": 0.5, "0.bias": 2.0})
    factors = {id(p): group["factor"] for group in groups for p in group["params"]}
    assert [factors[id(p)] for p in module.parameters()] == [0.5, 2.0, 1.0, 1.0]


def test_a_rate_is_set_by_its_path() -> None:
    made = recipe().with_setting("phases.0.optimiser.rates.layers", 0.25)
    assert made.phases[0].optimiser.rates == {"layers": 0.25}
    assert Recipe.from_toml(made.to_toml()) == made
    with pytest.raises(StudioError, match=r"rates\.layers"):
        made.with_setting("phases.0.optimiser.rates.layers", "fast")


def test_tensorboard_files_hold_the_losses_and_metrics(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event

    run = tmp_path / "run"
    finish(train(recipe(**{"cadence.tensorboard": True}), [series()], run_folder=run))
    [file] = (run / "tensorboard").iterdir()
    found: dict[str, list[tuple[int, float]]] = {}
    content = file.read_bytes()
    # A record: length (8 bytes), its checksum (4), the event, its checksum (4).
    while content:
        length = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    rows = [row for row in read_metrics(run) if not row["protocol"]]
    expected = [(int(row["step"]), float(row["loss"])) for row in rows]
    assert [step for step, _ in found["loss/loss"]] == [step for step, _ in expected]
    np.testing.assert_allclose(
        [v for _, v in found["loss/loss"]], [v for _, v in expected], rtol=1e-5
    )
    assert "protocol_A/psnr" in found


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: Any, *_: Any, **__: Any) -> None:
        raise RuntimeError("no working C++ compiler found\nand more")

    monkeypatch.setattr(torch.nn.Module, "compile", fail)
    events = list(train(recipe(compile=True), [series()]))
    said = [e.text for e in events if isinstance(e, Note)]
    assert any("could not be compiled: no working C++ compiler found" in text for text in said)
    assert sum(isinstance(e, Step) for e in events) == 20
    assert not any(isinstance(e, Saved) for e in events)


def test_a_compiled_network_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tracing without generating code needs no compiler on the machine.
    original = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: original(self, backend="aot_eager")
    )
    plain = finish(train(recipe(), [series()])).module.state_dict()
    compiled = finish(train(recipe(compile=True), [series()])).module.state_dict()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-6)
