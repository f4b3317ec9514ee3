"""The settings of trainings' recipes by their path, and in what they differ. Loads no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ctstudio.learn.recipe import TEXTS
from ctstudio.learn.tasks import TASKS


def flatten(settings: object, start: str = "") -> dict[str, object]:
    """Nested tables and lists as one, by path: ``{"phases.0.steps": 400}``."""
    if isinstance(settings, Mapping):
        items: Iterable[tuple[str, object]] = settings.items()
    elif isinstance(settings, list):
        items = ((str(number), value) for number, value in enumerate(settings))
    else:
        return {start: settings}
    flat: dict[str, object] = {}
    for key, value in items:
        flat |= flatten(value, f"{start}.{key}".strip("."))
    return flat


def usual(runs: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The value of each setting that most of the runs have; of equals that of the first."""
    keys = dict.fromkeys(key for run in runs for key in run)
    most = {key: Counter(run.get(key) for run in runs).most_common(1)[0][0] for key in keys}
    return {key: value for key, value in most.items() if value is not None}


def differences(
    own: Mapping[str, object], other: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """The settings whose values differ, as (own, other's); None where a recipe has none.

    The title and the description are no settings. The noise is compared where both tasks make use
    of one; a recipe has its settings in any case.
    """
    keys = dict.fromkeys([*own, *other])
    noisy = _makes_noise(own) and _makes_noise(other)
    pairs = {
        key: (own.get(key), other.get(key))
        for key in keys
        if key not in TEXTS and (noisy or not key.startswith("noise."))
    }
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _makes_noise(settings: Mapping[str, object]) -> bool:
    task = settings.get("task.name")
    return task not in TASKS or "noise" in TASKS[str(task)].tags


def brief(changed: Mapping[str, tuple[object, object]]) -> list[tuple[str, str]]:
    """The own values of `differences` in few words: ``[("model", "red_cnn"), ("batch", "4")]``.

    Another network (loss, noise ...) has other settings altogether: its name says enough.
    """
    swapped = [key.removesuffix("name") for key in changed if key.endswith(".name")]
    told = []
    for key, (own, _) in changed.items():
        if key.endswith(".name") or not any(key.startswith(start) for start in swapped):
            told.append((short_key(key), in_words(own)))
    return told


def short_key(key: str) -> str:
    """A setting's path without what goes without saying: "phases.0.optimiser.lr" -> "lr"."""
    key = key.removeprefix("phases.0.").removesuffix(".name").replace("losses.0", "loss")
    return key.removeprefix("optimiser.")


def in_words(value: object) -> str:
    """A setting's value as it stands in a recipe; "-" where there is none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
