"""From an experiment on masks to its trainings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ctstudio.ct.surfaces import surface
from ctstudio.learn.recipe import Recipe
from ctstudio.workflows.reproduce.experiment import FAITHFUL
from ctstudio.workflows.reproduce.plan import Wish, epoch_steps, with_steps
from ctstudio.workflows.reproduce.segment_data import MaskData
from ctstudio.workflows.reproduce.segment_experiments import Segmentation

LEAST_THICK_PX, MOST_SHRUNK = 8, 8
FEWER_OF_ONE = 0.3
"""Of a single label so much of the voxels' balance: with all of it, too much is found."""
BLACK_HU, WIDTH_HU = -1000, 2000
"""What networks that count from black take for 0 and 1 where the values are HU."""


@dataclass(frozen=True, eq=False)
class MaskRun:
    """One training; an epoch of the faithful form is ``epoch_steps``."""

    form: str
    recipe: Recipe
    data: MaskData
    epoch_steps: int = 0

    @property
    def slices(self) -> int:
        """How many slices or pictures it learns from."""
        return len(self.data.split[0])


def plan_runs(experiment: Segmentation, data: MaskData, wish: Wish) -> Mapping[str, MaskRun]:
    """The trainings of an experiment, by form.

    Raises
    ------
    StudioError
        When a recipe is missing, or has no such settings.
    """
    runs = {}
    for form, recipe in experiment.forms().items():
        if form not in wish.forms:
            continue
        mine = data.limited(wish.slices) if form == FAITHFUL and wish.slices else data
        recipe = fitted(recipe, mine)
        if wish.device:
            recipe = recipe.with_setting("device", wish.device)
        if form == FAITHFUL:
            shape = mine.images[0].shape[1:]
            each = epoch_steps(recipe, len(mine.split[0]), shape)
            recipe = with_steps(recipe, each * (wish.epochs or experiment.epochs))
            recipe = recipe.with_setting("validation.every_steps", 10 * each)
            recipe = recipe.with_setting("cadence.preview_every_steps", each)
            runs[form] = MaskRun(form, recipe, mine, each)
        else:
            recipe = _reduced(recipe, mine)
            recipe = recipe.with_setting("stopping.seconds", 60 * wish.minutes)
            runs[form] = MaskRun(form, recipe, mine)
    return runs


def _reduced(recipe: Recipe, data: MaskData) -> Recipe:
    """The recipe with its network at a lower resolution, as far as the masks allow.

    With patches that have the same number of pixels then as the recipe's have.
    """
    before = recipe.phases[0].model.params.get("shrink")
    if before is None:
        return recipe
    by = int(np.clip(thickness_px(data) // LEAST_THICK_PX, 1, MOST_SHRUNK))
    largest = max(max(volume.shape[1:]) for volume in data.images)
    patch = min(recipe.patch_px * by // before, largest)
    recipe = recipe.with_setting("patch_px", patch)
    return recipe.with_setting("phases.0.model.shrink", by)


def thickness_px(data: MaskData) -> float:
    """How thick what is learnt is: twice its area over the pixels along its edge; 1 for lines."""
    area = edge = 0
    for where in data.split[0]:
        inside = data.truth(where) > 0
        area += int(np.count_nonzero(inside))
        edge += len(surface(inside))
    return 2 * area / edge if edge else 1.0


def fitted(recipe: Recipe, data: MaskData) -> Recipe:
    """The recipe for these labels and this kind of values.

    Of greys the network's 0 and 1 are set by their mean and spread, of HU they stay the recipe's.
    """
    recipe = recipe.with_setting("validation.share", data.share)
    if "balance" in recipe.task.params and len(data.labels) == 1:
        recipe = recipe.with_setting("task.balance", FEWER_OF_ONE)
    for number, phase in enumerate(recipe.phases):
        at = f"phases.{number}.model"
        settings = phase.model.params
        if settings.get("classes", 1) > 1:
            highest = max((label.number for label in data.labels), default=1)
            recipe = recipe.with_setting(f"{at}.classes", highest + 1)
        if "black" in settings and data.hu:
            recipe = recipe.with_setting(f"{at}.black", BLACK_HU)
            recipe = recipe.with_setting(f"{at}.width", WIDTH_HU)
        if "centre" in settings and not data.hu:
            greys = np.concatenate([data.image(where)[::4, ::4].ravel() for where in data.split[0]])
            recipe = recipe.with_setting(f"{at}.centre", float(np.rint(greys.mean())))
            recipe = recipe.with_setting(f"{at}.width", float(max(np.rint(greys.std()), 1)))
    return recipe
