"""The parts of a recipe, and how each is read from plain dicts. Loads no torch."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice, Field, Param, Registry, check_value, read_fields

MAIN = "denoiser"
"""The role of the network that is applied in the end."""

ADVERSARY = "discriminator"
"""The role of the network that learns to tell what the other makes from what is true."""

REGISTRY_OF_ROLE = {ADVERSARY: "critic"}
"""The registry that a role's network is chosen from; "model" for every other role."""

ADAM, COSINE = Choice("adam"), Choice("cosine")


@dataclass(frozen=True, kw_only=True)
class ValidationPlan:
    """How the training is judged: which slices are held out, how often they are denoised."""

    share: Annotated[
        float, Param("Share of each series that is held out", 0, 0.5, label="Held-out share")
    ] = 0.15
    slices: Annotated[
        int, Param("Held-out slices that are judged", 1, 64, label="Judged slices")
    ] = 2
    every_steps: Annotated[
        int,
        Param("Steps between judgements; 0 leaves it to the time", 0, 10**9, label="Steps between"),
    ] = 0
    time_share: Annotated[float, Param("Share of the time that it may take", 0, 1)] = 0.04


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """When to stop before the last step; 0 switches each off."""

    seconds: Annotated[
        float, Param("Time for the training; 0 for no limit", 0, 10**8, "s", label="Time limit")
    ] = 0.0
    patience: Annotated[
        int, Param("Stop after so many judgements without an improvement; 0 never stops", 0, 10**6)
    ] = 0
    least_gain: Annotated[
        float,
        Param("Fall of the score (RMSE in HU, or loss) that counts as an improvement", 0, 10**6),
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """How often something is shown or saved."""

    losses_every: Annotated[
        int,
        Param("Steps between readings of the losses on a GPU", 1, 1000, label="Steps a reading"),
    ] = 10
    preview_time_share: Annotated[
        float, Param("Share of the time that previews may take", 0, 1, label="Share of previews")
    ] = 0.04
    preview_every_steps: Annotated[
        int,
        Param("Steps between previews; 0 leaves it to the time", 0, 10**9, label="Steps a preview"),
    ] = 0
    save_every_s: Annotated[
        float, Param("Time between checkpoints", 1, 10**6, "s", label="Save every")
    ] = 60.0
    tensorboard: Annotated[
        bool,
        Param("Write event files for TensorBoard into the run folder too", label="TensorBoard"),
    ] = False
    gradient_norms_every: Annotated[
        int,
        Param("Steps between readings of each layer's gradient; 0 for none", 0, 10**6,
              label="Gradients every"),
    ] = 0  # fmt: skip


@dataclass(frozen=True)
class Loss:
    """One term of the sum that is minimised."""

    choice: Choice
    weight: float = 1.0


@dataclass(frozen=True)
class Optimiser:
    """An optimiser and the course of its learning rate.

    ``rates`` multiplies the learning rate of the parameters whose names begin so, such as
    ``{"decoder": 0.1}``; of several that fit, the longest counts.
    """

    choice: Choice = ADAM
    schedule: Choice = COSINE
    rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """A run of steps with the same networks, losses and optimisers.

    ``models`` and ``optimisers`` go by role, `MAIN` or `ADVERSARY`; a network without an
    optimiser is not trained. ``losses`` are those of the main network; one that is a game has the
    adversary's loss with it.
    """

    steps: int
    models: Mapping[str, Choice]
    losses: tuple[Loss, ...]
    optimisers: Mapping[str, Optimiser]

    @property
    def model(self) -> Choice:
        return self.models[MAIN]

    @property
    def optimiser(self) -> Optimiser:
        return self.optimisers[MAIN]


DEFAULT_PHASE = Phase(20_000, {MAIN: Choice("dncnn")}, (Loss(Choice("mse")),), {MAIN: Optimiser()})


SECTIONS: dict[str, type[Any]] = {
    "validation": ValidationPlan,
    "stopping": Stopping,
    "cadence": Cadence,
}
"""The groups of further plain settings; `read_fields` lists those of one."""


def registries() -> dict[str, Registry[Any]]:
    """Every registry that a recipe chooses from, by kind, for forms and for checking."""
    from ctstudio.learn.critics import CRITICS
    from ctstudio.learn.gradients import GRADIENTS
    from ctstudio.learn.losses import LOSSES
    from ctstudio.learn.models import MODELS
    from ctstudio.learn.noise import NOISES
    from ctstudio.learn.optimisers import OPTIMISERS
    from ctstudio.learn.schedules import SCHEDULES
    from ctstudio.learn.tasks import TASKS

    found: tuple[Registry[Any], ...] = (
        TASKS, NOISES, GRADIENTS, MODELS, CRITICS, LOSSES, OPTIMISERS, SCHEDULES
    )  # fmt: skip
    return {registry.kind: registry for registry in found}


def phase_to_dict(phase: Phase) -> dict[str, Any]:
    models = {role: choice.to_dict() for role, choice in phase.models.items()}
    optimisers = {
        role: {**o.choice.to_dict(), "schedule": o.schedule.to_dict(), "rates": dict(o.rates)}
        for role, o in phase.optimisers.items()
    }
    losses = [
        {"name": term.choice.name, "weight": term.weight, **term.choice.params}
        for term in phase.losses
    ]
    data: dict[str, Any] = {"steps": phase.steps}
    # The main network stands by itself, as in the usual phase, which has no other.
    for single, plural, by_role in (
        ("model", "models", models),
        ("optimiser", "optimisers", optimisers),
    ):
        if MAIN in by_role:
            data[single] = by_role.pop(MAIN)
        if by_role or single not in data:
            data[plural] = by_role
    data["losses"] = losses
    return data


STEPS = Field("steps", int, 20_000, Param("Steps of the phase", 1, 10**9))
RATE = Field("rate", float, 1.0, Param("Factor of the learning rate", 0, 1000))
WEIGHT = Field("weight", float, 1.0, Param("Weight in the sum of losses", 0, 10**9))


def read_phase(data: object, where: str) -> Phase:
    values = as_table(data, where)
    singles, plurals = ("model", "optimiser"), ("models", "optimisers")
    refuse_unknown(values, ["steps", "losses", *singles, *plurals], where)
    parts: dict[str, dict[str, Any]] = {}
    defaults: dict[str, Any] = phase_to_dict(DEFAULT_PHASE)
    for single, plural in zip(singles, plurals, strict=True):
        parts[plural] = as_table(values.get(plural, {}), f"{where}.{plural}")
        if single in values:
            if MAIN in parts[plural]:
                raise StudioError(
                    f"{where} has both {single} and {plural}.{MAIN}.", hint="Keep one."
                )
            parts[plural] = {MAIN: values[single], **parts[plural]}
        elif plural not in values:
            parts[plural] = {MAIN: defaults[single]}
    if MAIN not in parts["models"]:
        raise StudioError(f"{where}.models has no {MAIN!r}.", hint="It is the network applied.")
    refuse_unknown(parts["optimisers"], list(parts["models"]), f"{where}.optimisers")
    losses = as_list(values.get("losses", defaults["losses"]), f"{where}.losses")
    if not losses:
        raise StudioError(f"{where}.losses is empty.", hint="Give at least one loss.")
    return Phase(
        check_value(STEPS, values.get("steps", defaults["steps"]), f"{where}.steps"),
        {
            role: read_choice(c, REGISTRY_OF_ROLE.get(role, "model"), f"{where}.models.{role}")
            for role, c in parts["models"].items()
        },
        tuple(read_loss(term, f"{where}.losses.{i}") for i, term in enumerate(losses)),
        {r: read_optimiser(o, f"{where}.optimisers.{r}") for r, o in parts["optimisers"].items()},
    )


def read_loss(data: object, where: str) -> Loss:
    values = as_table({"name": data} if isinstance(data, str) else data, where)
    weight = check_value(WEIGHT, values.pop("weight", 1.0), f"{where}.weight")
    return Loss(read_choice(values, "loss", where), weight)


def read_optimiser(data: object, where: str) -> Optimiser:
    values = as_table({"name": data} if isinstance(data, str) else data, where)
    schedule = values.pop("schedule", Optimiser().schedule)
    rates = as_table(values.pop("rates", {}), f"{where}.rates")
    return Optimiser(
        read_choice(values, "optimiser", where),
        read_choice(schedule, "schedule", f"{where}.schedule"),
        {k: check_value(RATE, v, f"{where}.rates.{k}") for k, v in rates.items()},
    )


def read_choice(data: object, kind: str, where: str) -> Choice:
    if isinstance(data, str):
        data = {"name": data}
    if not isinstance(data, Choice):
        values = as_table(data, where)
        if not isinstance(values.get("name"), str):
            raise StudioError(
                f"{where} names no {kind}.", hint=f'For example {where}.name = "...".'
            )
        data = Choice.from_dict(values)
    try:
        return registries()[kind].resolve(data)
    except StudioError as error:
        raise StudioError(f"{where}: {error.message}", hint=error.hint) from error


S = TypeVar("S")


def read_section(section: Callable[..., S], data: object, where: str) -> S:
    values = as_table(data, where)
    known = {f.name: f for f in read_fields(section)}
    refuse_unknown(values, list(known), where)
    return section(**{k: check_value(known[k], v, f"{where}.{k}") for k, v in values.items()})


def refuse_unknown(values: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    for key in values:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise StudioError(
                f"{where} has no setting {key!r}.", hint=f"{hint}Allowed: {', '.join(allowed)}."
            )


def as_table(data: object, where: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise StudioError(f"{where} = {data!r} is not allowed.", hint="Give a table of settings.")
    return dict(data)


def as_list(data: object, where: str) -> list[Any]:
    if not isinstance(data, (list, tuple)):
        raise StudioError(f"{where} = {data!r} is not allowed.", hint="Give a list.")
    return list(data)


def as_text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise StudioError(f"{where} = {value!r} is not allowed.", hint="Give a text.")
    return value
