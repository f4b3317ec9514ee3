"""From an experiment and a series to trainings: how many steps, which slices, whose time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ctstudio.ct.volume import Volume
from ctstudio.learn.recipe import Recipe
from ctstudio.workflows.reproduce.data import Data, Split, excerpt, fit, fixed_side, split
from ctstudio.workflows.reproduce.experiments import FAITHFUL, FORMS, Experiment

MINUTES = 15.0


@dataclass(frozen=True)
class Wish:
    """What may be changed about a reproduction.

    ``epochs`` and ``slices`` are those of the faithful form, by default the article's epochs over
    all slices that are not held out; ``minutes`` limits the repaired one; ``device`` is where both
    compute, by default where their recipes say. Of ``forms`` those are trained that an experiment
    has.
    """

    epochs: int | None = None
    slices: int | None = None
    minutes: float = MINUTES
    device: str | None = None
    forms: tuple[str, ...] = tuple(FORMS)

    def of(self, experiment: Experiment) -> set[str]:
        """The forms that are wished for and that the experiment has."""
        return set(self.forms) & set(dict(experiment.recipe_names))


@dataclass(frozen=True, eq=False)
class Run:
    """One training: ``recipe`` on ``volume``; an epoch of the faithful form is ``epoch_steps``.

    ``slices`` is how many it learns from.
    """

    form: str
    recipe: Recipe
    volume: Volume
    slices: int
    epoch_steps: int = 0


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything about a reproduction but its results."""

    experiment: Experiment
    wish: Wish
    data: Data
    parts: Split
    runs: Mapping[str, Run]


def make_plan(experiment: Experiment, data: Data, wish: Wish) -> Plan:
    """Work out the trainings of an experiment on a series.

    Raises
    ------
    StudioError
        When a recipe is missing, or its network does not take such images.
    """
    recipes = experiment.forms()
    data = fit(data, next(iter(recipes.values())))
    recipes = {form: _sized(recipe, data.volume) for form, recipe in recipes.items()}
    if wish.device:
        recipes = {f: r.with_setting("device", wish.device) for f, r in recipes.items()}
    parts = split(len(data.volume), list(recipes.values()))
    runs = {}
    for form, recipe in recipes.items():
        if form not in wish.forms:
            continue  # it has its say in what is held out all the same
        if form == FAITHFUL:
            runs[form] = _faithful(experiment, recipe, data.volume, parts, wish)
        else:
            limited = recipe.with_setting("stopping.seconds", 60 * wish.minutes)
            runs[form] = Run(form, limited, data.volume, len(parts.learn))
    return Plan(experiment, wish, data, parts, runs)


def _faithful(
    experiment: Experiment, recipe: Recipe, volume: Volume, parts: Split, wish: Wish
) -> Run:
    count = min(wish.slices or len(parts.learn), len(parts.learn))
    part, count = excerpt(volume, parts, count, recipe)
    each = epoch_steps(recipe, count, volume.shape[1:])
    recipe = with_steps(recipe, each * (wish.epochs or experiment.epochs))
    recipe = recipe.with_setting("cadence.preview_every_steps", each)
    return Run(FAITHFUL, recipe, part, count, each)


def _sized(recipe: Recipe, volume: Volume) -> Recipe:
    """The recipe for images of this size, where its network takes one size alone."""
    side = fixed_side(volume, recipe)
    if side is None or side == recipe.patch_px:
        return recipe
    phases = range(len(recipe.phases))
    data = recipe.to_dict() | {"patch_px": side}
    for phase in phases:
        data["phases"][phase]["model"]["size_px"] = side
    return Recipe.from_dict(data)


def epoch_steps(recipe: Recipe, slices: int, shape: tuple[int, ...]) -> int:
    """Steps that go once over so many slices of this shape ``(rows, columns)``."""
    patch = min(recipe.patch_px, *shape)
    patches = max(round(shape[0] * shape[1] / patch**2), 1)
    return -(-slices * patches // recipe.batch)


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with so many steps in all, dealt out to its phases as before."""
    total = recipe.total_steps
    phases = [
        replace(phase, steps=max(round(steps * phase.steps / total), 1)) for phase in recipe.phases
    ]
    return replace(recipe, phases=tuple(phases)).checked()
