"""What the trained networks of an experiment on masks make of what was held out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctstudio.core.events import Progress, Work
from ctstudio.learn.metrics_log import number, read_metrics
from ctstudio.workflows.reproduce import segment_measure as measure
from ctstudio.workflows.reproduce.judge import load_network
from ctstudio.workflows.reproduce.segment_data import MaskData
from ctstudio.workflows.reproduce.segment_measure import Answers
from ctstudio.workflows.reproduce.segment_plan import MaskRun
from ctstudio.workflows.stages import within

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel

MOST_OPERATIONS = 4e11
"""Multiplications that may be spent on all held-out slices: half a minute on two cores."""

CUT_BY = 4
"""Images that were learnt from, by which it is decided what is likely enough."""


@dataclass(frozen=True, eq=False)
class Told:
    """One form's network on the held-out slices. ``every``: asked for one pixel in so many along
    rows and columns, which then stands for those around it."""

    model: TrainedModel
    answers: Answers
    numbers: Mapping[str, float]
    every: int


def judge_masks(
    data: MaskData, runs: Mapping[str, MaskRun], folder: Path
) -> Work[tuple[dict[str, Told], dict[str, float]]]:
    """Each form's `Told` from its run folder, and the numbers of the training set's mean mask,
    which are empty where it has none."""
    from ctstudio.learn.sampling import spread

    learnt, held = data.split
    truths = [data.truth(where) for where in held]
    spacings = [_spacing(data, where) for where in held]
    outcomes = {}
    for form, run in runs.items():
        model = load_network(folder / form, form)
        answers, every = yield from answer(model, data, held)
        told = measure.numbers(answers, truths, spacings)
        told["cost"] = cost_ratio(folder / form)
        some = [run.data.split[0][k] for k in spread(range(run.slices), CUT_BY)]
        before, _ = yield from answer(model, run.data, some)
        cut = measure.best_cut(before.inside, [run.data.truth(where) for where in some])
        told["dice_cut"] = measure.dice_at(answers, truths, cut)
        outcomes[form] = Told(model, answers, told, every)
        assert run.form == form
    mean = measure.mean_mask([data.truth(where) for where in learnt], len(held))
    if mean is None or len(data.labels) > 1:
        return outcomes, {}
    rival = measure.numbers(mean, truths, spacings)
    return outcomes, rival | {"dice_cut": rival["dice"]}


def answer(
    model: TrainedModel, data: MaskData, where: Sequence[tuple[int, int]]
) -> Work[tuple[Answers, int]]:
    """What a network says of some slices, and on which grid it was asked."""
    from ctstudio.learn import device as devices
    from ctstudio.learn.context import context_of, slab
    from ctstudio.learn.sampling import region
    from ctstudio.learn.segment import operations, telling

    device = devices.choose(model.recipe.device).torch
    module = model.module.to(device).eval()
    name = model.recipe.task.params.get("region", "everywhere")
    count = context_of(module).slices
    slabs = (slab(data.images[k], z, count) for k, z in where)
    asked = sum(math.prod(hu.shape[-2:]) * operations(module, hu) for hu in slabs)
    every = max(1, math.ceil(math.sqrt(asked / MOST_OPERATIONS)))
    found, inside = [], []
    for done, (k, z) in enumerate(where):
        now = Progress(done, len(where), "Judging held-out slices")
        yield now
        hu = slab(data.images[k], z, count)
        middle = data.image((k, z))
        work = telling(module, hu, device, region=region(name, middle), every=every)
        told = yield from within(work, now)
        found.append(told.classes)
        inside.append(told.inside)
    return Answers(found, inside), every


def cost_ratio(folder: Path) -> float:
    """The mean loss of the last tenth of a training's steps over that of the first tenth."""
    losses = [number(row["loss"]) for row in read_metrics(folder) if row.get("lr")]
    tenth = max(len(losses) // 10, 1)
    first, last = float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))
    return last / first if first else math.nan


def _spacing(data: MaskData, where: tuple[int, int]) -> tuple[float, float]:
    geometry = data.images[where[0]].geometry
    return geometry.spacing_mm if geometry.spacing_known else (1.0, 1.0)
