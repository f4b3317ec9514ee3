"""A recipe in words, for captions, headers and cards. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctstudio.core.registry import Choice, Entry, Field
from ctstudio.learn.critics import CRITICS
from ctstudio.learn.models import MODELS
from ctstudio.learn.noise import NOISES
from ctstudio.learn.recipe import ADVERSARY, Recipe
from ctstudio.learn.tasks import TASKS

NAMES = {"gaussian": "Gaussian", "poisson": "Poisson"}
"""Words that keep their capital letter."""

SAID_AS = {"low_doses": "low_dose"}
"""Noises whose name is no English before "noise"."""

DOSES = {1.0: "the full dose", 0.5: "half of the dose", 0.25: "a quarter of the dose",
         0.2: "a fifth of the dose", 0.1: "a tenth of the dose", 0.05: "a twentieth of the dose",
}  # fmt: skip


def trained(recipe: Recipe, step: int) -> str:
    """What a network is, for example "DnCNN trained for 400 steps on low-dose noise (a quarter
    of the dose), with the recipe "First try"". It names no patient and no file."""
    text = f"{network(recipe)} trained for {steps(step)} {material(recipe)}{opponent(recipe)}"
    return f'{text}, with the recipe "{recipe.title}"' if recipe.title else text


def steps(count: int) -> str:
    """ "1 step", "12,000 steps"."""
    return f"{number(count)} step{'' if count == 1 else 's'}"


def network(recipe: Recipe) -> str:
    """The title of the network that is applied in the end."""
    return MODELS[recipe.phases[-1].model.name].title


def material(recipe: Recipe) -> str:
    """What it learns from: "on low-dose noise (...)", "on pairs of series", "without clean
    images (...)"."""
    entry = TASKS[recipe.task.name]
    if recipe.task.name == "synthetic":
        return f"on {noise(recipe.noise)}"
    if "targets" in entry.tags:
        return f"on {_uncapitalised(entry.title)}{_settings(entry, recipe.task.params, 0)}"
    text = f"without clean images, by {entry.title}{_settings(entry, recipe.task.params, 0)}"
    return f"{text} with {noise(recipe.noise)}" if "noise" in entry.tags else text


def opponent(recipe: Recipe) -> str:
    """ " against an adversary (all-convolutional)", or nothing where there is none."""
    critic = recipe.phases[-1].models.get(ADVERSARY)
    return f" against an adversary ({_uncapitalised(CRITICS[critic.name].title)})" if critic else ""


def noise(choice: Choice) -> str:
    """A noise with its first setting, and with those that are not the usual ones."""
    name = SAID_AS.get(choice.name, choice.name)
    words = "-".join(NAMES.get(word, word) for word in name.split("_"))
    return f"{words} noise{_settings(NOISES[choice.name], choice.params, 1)}"


def number(value: float) -> str:
    """A number without powers of ten: "12,000", "0.0001", "0.25"."""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 1:
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    digits = f"{value:.3e}"
    places = 3 - int(digits.partition("e")[2])
    return f"{value:.{places}f}".rstrip("0")


def setting(field: Field, value: Any) -> str:
    """One setting: "SD 25 HU", "kernel ramp", "not already noisy", "a quarter of the dose"."""
    label = _uncapitalised(field.label)
    if isinstance(value, bool):
        return label if value else f"not {label}"
    if isinstance(value, (int, float)):
        if field.name == "dose":
            return DOSES.get(value, f"{number(100 * value)} % of the dose")
        return f"{label} {number(value)} {field.param.unit}".strip()
    return f"{label} {str(value).replace('_', ' ')}"


def _settings(entry: Entry, params: Mapping[str, Any], always: int) -> str:
    """The first ``always`` settings, and those that differ from their defaults, in brackets."""
    told = [
        setting(field, params[field.name])
        for place, field in enumerate(entry.fields)
        if field.name in params and (place < always or params[field.name] != field.default)
    ]
    return f" ({', '.join(told)})" if told else ""


def _uncapitalised(text: str) -> str:
    """Without the capital of a sentence, which abbreviations keep."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
