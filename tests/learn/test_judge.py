"""Which weights of a training are kept as the best."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

from ctstudio.core.events import finish
from ctstudio.learn import judge as judging
from ctstudio.learn.judge import Judge
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.tasks import Task
from ctstudio.learn.trainee import Trainee


@dataclass
class Learner:
    """What a judge asks of a trainee; its one weight is the number of its step."""

    recipe: Recipe
    step: int = 0
    average: None = None
    device = torch.device("cpu")

    def weights(self) -> dict[str, Tensor]:
        return {"weight": torch.tensor(float(self.step))}


def judged(monkeypatch: pytest.MonkeyPatch, *scores: tuple[float, float]) -> Judge:
    """A judge that saw networks of these Dice coefficients and AUCs, one after the other."""
    image = torch.zeros(2, 2)
    held_out = SimpleNamespace(target=image, shown=image, region=None, judged_every=1)
    task = cast(Task, SimpleNamespace(validation=[held_out]))
    learner = Learner(bundled()["lai-single-repaired"])
    judge = Judge(task, labels=True)
    for dice, auc in scores:
        learner.step += 1
        found = {"dice": dice, "auc": auc}
        monkeypatch.setattr(judging, "agreement", lambda pairs, told, found=found: found)
        monkeypatch.setattr(judging, "telling", lambda *of, **how: iter(()))
        finish(judge.judge(cast(Trainee, learner)))
    return judge


def test_of_classes_the_dice_coefficient_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judged(monkeypatch, (0.2, 0.7), (0.6, 0.8), (0.5, 0.9))
    assert judge.best_step == 2
    assert judge.best_weights["weight"] == 2
    assert judge.best_metrics["auc"] == 0.8
    assert judge.lost_patience(1)


def test_networks_that_tell_nothing_yet_are_told_apart_by_their_auc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = judged(monkeypatch, (0, 0.52), (0, 0.72), (0, 0.69))
    assert judge.best_step == 2
    assert judge.best_metrics["auc"] == 0.72
    assert judge.lost_patience(1)
    assert not judge.lost_patience(2)


def test_a_network_that_orders_the_pixels_better_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not judged(monkeypatch, (0, 0.52), (0, 0.72)).lost_patience(1)
