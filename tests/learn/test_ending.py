"""A training that is asked to end: judged once more, and gone on with as if it had not been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctstudio.core.events import Look, Preview, Step, Validation, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_metrics
from ctstudio.learn.train import train

STEPS = 30


def series() -> Volume:
    draw = np.random.default_rng(0)
    hu = np.rint(draw.normal(0, 200, (8, 48, 48))).astype(np.int16)
    return Volume(hu, np.ones(8), np.zeros(8), "HU", Geometry.axial(8))


def recipe() -> Recipe:
    made = bundled()["dncnn-gaussian"]
    settings = {
        "phases.0.steps": STEPS, "phases.0.model.depth": 2, "phases.0.model.features": 4,
        "patch_px": 16, "batch": 2, "stopping.seconds": 0, "validation.every_steps": 12,
        "phases.0.optimiser.schedule": "plateau", "device": "cpu",
    }  # fmt: skip
    for key, value in settings.items():
        made = made.with_setting(key, value)
    return made


def ended_at(step: int, folder: Path) -> tuple[Any, list[Any]]:
    look, events = Look(), []
    work = train(recipe(), [series()], run_folder=folder, look=look)
    while True:
        try:
            event = next(work)
        except StopIteration as stop:
            return stop.value, events
        events.append(event)
        if isinstance(event, Step) and event.step == step:
            look.end = True


def test_it_is_judged_and_shown_at_the_end(tmp_path: Path) -> None:
    model, events = ended_at(17, tmp_path / "run")
    assert max(e.step for e in events if isinstance(e, Step)) == 17
    assert [e.step for e in events if isinstance(e, Validation)][-1] == 17
    assert [e.step for e in events if isinstance(e, Preview)][-1] == 17
    assert checkpoint.load(tmp_path / "run" / "last.pt").step == 17
    best = checkpoint.load(tmp_path / "run" / "best.pt")
    assert model.step == best.step
    scores = {int(r["step"]): float(r["rmse"]) for r in read_metrics(tmp_path / "run") if r["rmse"]}
    assert best.step == min(scores, key=scores.__getitem__)


def test_going_on_is_as_if_it_had_not_ended(tmp_path: Path) -> None:
    finish(train(recipe(), [series()], run_folder=tmp_path / "whole"))
    ended_at(17, tmp_path / "cut")
    finish(train(recipe(), [series()], run_folder=tmp_path / "cut", resume=True))
    whole, cut = (
        checkpoint.load(tmp_path / name / "last.pt").module.state_dict()
        for name in ("whole", "cut")
    )
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    losses = [
        {r["step"]: r["loss"] for r in read_metrics(tmp_path / name) if r["loss"]}
        for name in ("whole", "cut")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == STEPS
