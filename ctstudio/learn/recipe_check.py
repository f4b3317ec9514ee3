"""Whether the parts of a recipe go together: what no single registry can tell."""

from __future__ import annotations

from ctstudio.core.errors import StudioError
from ctstudio.learn.critics import CRITICS
from ctstudio.learn.gradients import GRADIENTS
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models import MODELS
from ctstudio.learn.recipe import ADVERSARY, MAIN, Phase, Recipe
from ctstudio.learn.tasks import TASKS


def learns_classes(recipe: Recipe) -> bool:
    """Whether the network is to tell classes, and not HU."""
    return "labels" in TASKS[recipe.task.name].tags


def refuse_what_cannot_be_trained(recipe: Recipe) -> None:
    """Raise StudioError where a part does not fit the others, naming it."""
    first = recipe.phases[0].model
    for number, phase in enumerate(recipe.phases):
        _refuse_other_roles(phase, number)
        if phase.model != first:
            raise StudioError(
                f"phases.{number} has another model than phases.0.",
                hint="Phases go on with the network of the first; give them the same model.",
            )
        _refuse_other_targets(recipe, number)
        for term in phase.losses:
            LOSSES.make(term.choice)  # a network that it compares by may be missing
        _refuse_half_a_game(recipe, number)
    _refuse_another_size(recipe)
    _refuse_half_a_voxel(recipe)
    _try_the_gradient(recipe)


def _refuse_other_roles(phase: Phase, number: int) -> None:
    for role in phase.models:
        if role not in (MAIN, ADVERSARY):
            raise StudioError(
                f"phases.{number}.models has the role {role!r}, which no training has.",
                hint=f"Roles are {MAIN} and {ADVERSARY}. A teacher is named by the loss 'teacher'.",
            )
        if role not in phase.optimisers:
            where = "optimiser" if role == MAIN else f"optimisers.{role}"
            raise StudioError(
                f"phases.{number} gives the {role} no optimiser, so it would learn nothing.",
                hint=f"Add phases.{number}.{where}.",
            )


def _refuse_half_a_game(recipe: Recipe, number: int) -> None:
    """A game needs both sides, and targets that are true."""
    phase = recipe.phases[number]
    games = [term.choice.name for term in phase.losses if "game" in LOSSES[term.choice.name].tags]
    critic = phase.models.get(ADVERSARY)
    if critic is None and games:
        raise StudioError(
            f"phases.{number} has the loss {games[0]!r} but no {ADVERSARY}.",
            hint=f"Add models.{ADVERSARY} and optimisers.{ADVERSARY}, or leave the loss out.",
        )
    if critic is None:
        return
    if len(games) != 1:
        known = ", ".join(entry.name for entry in LOSSES if "game" in entry.tags)
        raise StudioError(
            f"phases.{number} has a {ADVERSARY} and {len(games)} losses by which it plays.",
            hint=f"Give exactly one of {known}.",
        )
    energy = "energy" in CRITICS[critic.name].tags
    if energy != ("energy" in LOSSES[games[0]].tags):
        fitting = [
            entry.name
            for entry in LOSSES
            if "game" in entry.tags and ("energy" in entry.tags) == energy
        ]
        raise StudioError(
            f"phases.{number}: the {ADVERSARY} {critic.name!r} does not go with {games[0]!r}: "
            f"it gives {'energies' if energy else 'scores'}.",
            hint=f"With it go {', '.join(fitting)}.",
        )
    if TASKS[recipe.task.name].tags & {"reference", "labels"}:
        raise StudioError(
            f"The task {recipe.task.name!r} shows no true images, and a {ADVERSARY} needs them.",
            hint="Choose the task that adds noise to clean images, or that of pairs.",
        )


def _refuse_another_size(recipe: Recipe) -> None:
    side = recipe.phases[0].model.params.get("size_px")
    if side is not None and side != recipe.patch_px:
        raise StudioError(
            f"The network takes images of {side} x {side} px, and the patches have "
            f"{recipe.patch_px} px.",
            hint="Set patch_px, or size_px of the model, so that both are the same.",
        )


def _refuse_half_a_voxel(recipe: Recipe) -> None:
    model, task = MODELS[recipe.phases[0].model.name], TASKS[recipe.task.name]
    if ("voxels" in model.tags) != ("voxels" in task.tags):
        what = "single voxels" if "voxels" in model.tags else "whole images"
        raise StudioError(
            f"The network {model.name!r} tells the classes of {what}, and the task {task.name!r} "
            "does not ask for that.",
            hint="Networks that tell single voxels go with the task on voxels, and only with it.",
        )


def _try_the_gradient(recipe: Recipe) -> None:
    """Go back through the network once: whether a gradient suits it, none of the settings tells."""
    import torch

    from ctstudio.learn.checkpoint import build

    if "chain" in GRADIENTS[recipe.gradient.name].tags:
        image = torch.zeros(1, 1, 16, 16)
        GRADIENTS.make(recipe.gradient)(build(recipe), image, torch.sum)


def _refuse_other_targets(recipe: Recipe, number: int) -> None:
    phase, classes = recipe.phases[number], learns_classes(recipe)
    parts = {f"phases.{number}.model": MODELS[phase.model.name]}
    for place, term in enumerate(phase.losses):
        parts[f"phases.{number}.losses.{place}"] = LOSSES[term.choice.name]
    for where, entry in parts.items():
        if ("labels" in entry.tags) != classes:
            what = "HU" if classes else "classes"
            raise StudioError(
                f"{where} = {entry.name!r} is for {what}, the task {recipe.task.name!r} is not.",
                hint="Networks and losses of classes go with the task on masks, and only with it.",
            )
