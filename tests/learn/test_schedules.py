"""Schedules against closed forms and torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from ctstudio.core.registry import Choice
from ctstudio.learn import checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.schedules import SCHEDULES
from ctstudio.learn.trainee import Trainee


def test_schedules_agree_with_closed_forms() -> None:
    shares = np.linspace(0, 1, 11)

    def values(name: str, **settings: float) -> list[float]:
        schedule = SCHEDULES.make(Choice(name, settings))
        return [schedule(float(share)) for share in shares]

    assert values("constant") == [1.0] * 11
    cosine = 0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * shares))
    assert values("cosine", warmup=0, floor=0.1) == pytest.approx(cosine)
    assert values("linear", floor=0.2) == pytest.approx(1 - 0.8 * shares)
    assert values("exponential", end=0.01) == pytest.approx(0.01**shares)
    drops = [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125]
    assert values("steps", drops=3, factor=0.5) == pytest.approx(drops)
    warm = values("cosine", warmup=0.2)
    assert warm[:3] == pytest.approx([0.01, 0.5, 1.0])
    assert warm[-1] == pytest.approx(0)
    assert SCHEDULES.make(Choice("linear"))(7.0) == pytest.approx(0)


def torch_optimiser(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)


@pytest.mark.parametrize(("shape", "torchs"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_is_that_of_torch(shape: str, torchs: str) -> None:
    steps, lr, share = 41, 0.3, 0.25
    optimiser = torch_optimiser(lr)
    scheduler = OneCycleLR(
        optimiser, lr, steps, pct_start=share, anneal_strategy=torchs, div_factor=20,
        final_div_factor=500,
    )  # fmt: skip
    theirs = []
    for _ in range(steps):
        theirs.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if len(theirs) < steps:
            scheduler.step()
    # torch counts whole steps: its rate is highest at this one of the steps 0 to 40.
    rise = (share * steps - 1) / (steps - 1)
    settings = {"rise": rise, "start": 1 / 20, "end": 1 / 20 / 500, "shape": shape}
    schedule = SCHEDULES.make(Choice("one_cycle", settings))
    ours = [lr * schedule(step / (steps - 1)) for step in range(steps)]
    assert ours == pytest.approx(theirs, rel=1e-9)
    assert max(ours) > 0.95 * lr
    assert schedule(rise) == pytest.approx(1)
    assert schedule(-1) == schedule(0) == pytest.approx(1 / 20)
    assert schedule(2) == schedule(1) == pytest.approx(1 / 10_000)


SCORES = [9.0, 8.0, 8.1, 7.99, 7.6, 7.6, 7.7, np.nan, 7.6, 7.5, 7.4, 6.0, *[6.0] * 25, 5.9, 5.0]
"""Falls, stands still, is not a number, falls, stands still for long, and falls again."""


@pytest.mark.parametrize("patience", [0, 2, 5])
@pytest.mark.parametrize("gain", [0.0, 1e-4, 0.02])
def test_plateau_is_that_of_torch(patience: int, gain: float) -> None:
    optimiser = torch_optimiser(0.2)
    scheduler = ReduceLROnPlateau(
        optimiser, factor=0.3, patience=patience, threshold=gain, min_lr=0.2 * 0.01
    )
    settings = {"factor": 0.3, "patience": patience, "least_gain": gain, "floor": 0.01}
    schedule = SCHEDULES.make(Choice("plateau", settings))
    assert schedule(0.0) == 1
    path = []
    for score in SCORES:
        scheduler.step(score)
        schedule.observe(score)
        path.append(schedule(0.5))
        assert path[-1] * 0.2 == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
    assert path == sorted(path, reverse=True)
    assert path[-1] == 0.01


def test_plateau_warms_up_and_goes_on_where_it_was() -> None:
    choice = Choice("plateau", {"patience": 1, "warmup": 0.2})
    whole = SCHEDULES.make(choice)
    assert [whole(s) for s in (0, 0.1, 0.2)] == pytest.approx([0.01, 0.5, 1])
    for score in SCORES[:8]:
        whole.observe(score)
    second = SCHEDULES.make(choice)
    second.restore(whole.state())
    for score in SCORES[8:]:
        whole.observe(score)
        second.observe(score)
        assert second(0.7) == whole(0.7)
    assert whole(0.7) == 0.5 ** round(-np.log2(whole(0.7))) < 0.01


def test_a_resumed_training_keeps_what_the_plateau_has_seen(tmp_path) -> None:
    data = Recipe().to_dict()
    data["phases"][0]["model"] = {"name": "dncnn", "depth": 2, "features": 1}
    data["phases"][0]["optimiser"] = {
        "name": "adam", "lr": 0.01, "schedule": {"name": "plateau", "patience": 0}
    }  # fmt: skip
    recipe = Recipe.from_dict(data)

    def begun() -> Trainee:
        trainee = Trainee(recipe, torch.device("cpu"))
        trainee.begin(recipe.phases[0])
        return trainee

    trainee = begun()
    trainee.judged(10.0)
    assert trainee.set_rate(0.1) == pytest.approx(0.01)
    trainee.judged(10.0)
    assert trainee.set_rate(0.2) == pytest.approx(0.005)
    model = TrainedModel(recipe, trainee.average, 0)
    checkpoint.save(model, tmp_path / "last.pt", training=trainee.state())
    resumed = begun()
    assert resumed.set_rate(0.2) == pytest.approx(0.01)
    resumed.restore(*checkpoint.load_training(tmp_path / "last.pt"))
    assert resumed.set_rate(0.2) == pytest.approx(0.005)
    resumed.judged(9.9995)  # not enough of a gain over the 10 before
    assert resumed.set_rate(0.3) == pytest.approx(0.0025)
