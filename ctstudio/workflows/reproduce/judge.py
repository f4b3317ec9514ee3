"""What the trained networks of an experiment make of the held-out slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Progress, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn.recipe import Recipe
from ctstudio.workflows.reproduce.data import clean_slices
from ctstudio.workflows.reproduce.experiments import FAITHFUL
from ctstudio.workflows.reproduce.measure import numbers
from ctstudio.workflows.reproduce.plan import Plan

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel

Images = list[NDArray[np.float32]]
Answers = list[NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One form's network on the judged slices: ``(y, x)`` HU each, and all numbers.

    ``before`` are the numbers of the noisy input.
    """

    model: TrainedModel
    noisy: Images
    output: Answers
    numbers: Mapping[str, float]
    before: Mapping[str, float]


def judge(plan: Plan, folder: Path) -> Work[tuple[Images, dict[str, Outcome]]]:
    """The clean slices that are judged, and each form's `Outcome`, from its run folder."""
    judged = plan.parts.judged
    clean = yield from clean_slices(plan.data.volume, judged)
    outcomes = {}
    for form, run in plan.runs.items():
        model = load_network(folder / form, form)
        noisy = noisy_slices(run.recipe, plan.data.volume, judged, clean)
        output = yield from answers(model, noisy, "Judging held-out slices")
        hu = plan.data.hu
        after = numbers(clean, noisy, output, hu=hu)
        before = numbers(clean, noisy, noisy, hu=hu)
        outcomes[form] = Outcome(model, noisy, output, after, before)
    return clean, outcomes


def load_network(run: Path, form: str) -> TrainedModel:
    """The network of a run folder: the best one, and of a faithful run the last, since the author
    chose none."""
    from ctstudio.learn import checkpoint

    return checkpoint.load(run / ("last.pt" if form == FAITHFUL else "best.pt"))


def noisy_slices(
    recipe: Recipe, volume: Volume, slices: Sequence[int], clean: Sequence[NDArray[np.float32]]
) -> Images:
    """The slices with the noise that a training's validation gives them."""
    import torch

    from ctstudio.learn.noise import NOISES
    from ctstudio.learn.synthetic import VALIDATION_SEED

    noise = NOISES.make(recipe.noise)
    spacing = volume.geometry.spacing_mm
    result = []
    for z, image in zip(slices, clean, strict=True):
        noisy = noise.slice(torch.from_numpy(image), spacing, seed=VALIDATION_SEED + z)
        result.append(noisy.float().numpy())
    return result


def answers(model: TrainedModel, noisy: Sequence[NDArray[np.float32]], text: str) -> Work[Answers]:
    """The network's output for each slice, ``(y, x)`` HU."""
    from ctstudio.learn import device as devices
    from ctstudio.learn.apply import run_exactly

    device = devices.choose(model.recipe.device).torch
    module = model.module.to(device).eval()
    output = []
    for done, image in enumerate(noisy):
        yield Progress(done, len(noisy), text)
        output.append(run_exactly(module, image, device))
    return output
