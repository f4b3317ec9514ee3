"""The report of an experiment on masks, for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctstudio.core.atomic import atomic_file
from ctstudio.workflows.reproduce import segment_measure as measure
from ctstudio.workflows.reproduce.experiment import FAITHFUL, FORMS
from ctstudio.workflows.reproduce.figures import SLICES_GIF, curves_file, epochs_file, grid_file
from ctstudio.workflows.reproduce.report import (
    REPORT,
    finite,
    number,
    settings_table,
    table,
    write_numbers,
)
from ctstudio.workflows.reproduce.segment_data import MaskData
from ctstudio.workflows.reproduce.segment_experiments import Segmentation
from ctstudio.workflows.reproduce.segment_judge import Told
from ctstudio.workflows.reproduce.segment_plan import MaskRun
from ctstudio.workflows.run_settings import flatten
from ctstudio.workflows.runs import RunSummary

if TYPE_CHECKING:
    from ctstudio.learn.recipe import Recipe

KIND = "segmentation"
CLEARLY, HARDLY = 0.05, 0.01
"""By how much Dice and AUC must lie above the mean mask's to be called so, and below which they
are called alike."""


def collect(
    experiment: Segmentation,
    data: MaskData,
    runs: Mapping[str, MaskRun],
    outcomes: Mapping[str, Told],
    rival: Mapping[str, float],
    done: Mapping[str, RunSummary],
) -> dict[str, Any]:
    """Everything that is told of an experiment, as plain data."""
    learnt, held = data.split
    forms = {
        form: {
            "recipe": dict(experiment.recipe_names)[form],
            "steps": done[form].steps,
            "network_of_step": told.model.step,
            "epochs": done[form].steps / runs[form].epoch_steps if runs[form].epoch_steps else None,
            "slices": runs[form].slices,
            "seconds": done[form].seconds,
            "every": told.every,
            "numbers": finite(told.numbers),
            "settings": _settings(runs[form].recipe),
        }
        for form, told in outcomes.items()
    }
    shown = outcomes[FAITHFUL].numbers if FAITHFUL in outcomes else {}
    return {
        "kind": KIND,
        "name": experiment.name,
        "title": experiment.title,
        "article": experiment.article,
        "series": data.words,
        "fingerprint": data.fingerprint,
        "unit_of_length": "mm" if data.images[0].geometry.spacing_known else "px",
        "learnt": len(learnt),
        "held_out": len(held),
        "article_epochs": experiment.epochs,
        "seen": experiment.seen,
        "sights": [
            {"words": sight.words, "measure": sight.measure, "rule": sight.rule,
             "value": finite(shown)[sight.measure], "seen": sight.holds(shown)}
            for sight in (measure.SIGHTS[name] for name in experiment.sights if shown)
        ],
        "why": experiment.why,
        "mean_mask": finite(rival),
        "true_sameness": measure.sameness([data.truth(where) for where in held]),
        "forms": forms,
    }  # fmt: skip


def _settings(recipe: Recipe) -> dict[str, object]:
    """The settings by their paths, without those of a noise, which masks are not learnt with."""
    settings = flatten(recipe.to_dict())
    return {key: value for key, value in settings.items() if key.split(".")[0] != "noise"}


def write(told: Mapping[str, Any], folder: Path) -> Path:
    """Write the numbers, then the report, which so stands for a finished experiment."""
    write_numbers(told, folder)
    with atomic_file(folder / REPORT) as temporary:
        temporary.write_text(as_markdown(told), encoding="utf-8")
    return folder / REPORT


def as_markdown(told: Mapping[str, Any]) -> str:
    """The report."""
    forms = told["forms"]
    parts = [f"# {told['title']}", f"J. D. Seo 2018, {told['article']}. Data: {told['series']}."]
    parts += ["## In short", in_short(told), "## What the author saw", told["seen"]]
    if told["sights"]:
        parts.append(_sights(told))
    parts += ["## Figures", *_figures(forms)]
    parts += ["## Numbers", _judged(told), _metrics(told), measure.PROTOCOL]
    parts += ["## Looks", _looks(told)]
    explains = FAITHFUL in forms
    parts += ["## Why the faithful run looks as it does" if explains else "## About", told["why"]]
    parts += ["## Runs and settings", _runs(forms), settings_table(forms)]
    return "\n\n".join([*parts, "For research use, not for diagnosis."]) + "\n"


def in_short(told: Mapping[str, Any]) -> str:
    """What the numbers say, a line for each form."""
    lines = []
    for form, one in told["forms"].items():
        values = one["numbers"]
        words = f"Dice {number(values['dice'])}, AUC {number(values['auc'])}"
        if told["mean_mask"]:
            words += f", {_against(values, told['mean_mask'])}"
        looks = [
            sight.words
            for sight in (measure.SIGHTS["black masks"], measure.SIGHTS["same mask"])
            if values.get(sight.measure) is not None and sight.holds(values)
        ]
        words += f"; {' and '.join(looks)}." if looks else "."
        wanted, epochs = told.get("article_epochs"), one["epochs"]
        if form == FAITHFUL and wanted and epochs and epochs < wanted:
            words += (
                f" It ran for {epochs:g} of the article's {wanted} epochs, so what comes late may "
                "be missing."
            )
        lines.append(f"- **{FORMS[form]}:** {words}")
    return "\n".join(lines)


def _against(values: Mapping[str, float | None], rival: Mapping[str, float | None]) -> str:
    """How a network compares with the mean mask, by Dice and AUC."""
    gains = {
        label: float(mine) - float(other)
        for name, label in (("dice", "Dice"), ("auc", "AUC"))
        if (mine := values[name]) is not None and (other := rival[name]) is not None
    }
    if not gains:
        return "which nothing can be compared with"
    beside = f"({number(rival['dice'])}, {number(rival['auc'])})"
    better = [label for label, gain in gains.items() if gain > HARDLY]
    worse = [label for label, gain in gains.items() if gain < -HARDLY]
    if better and worse:
        how = f"above the mean mask in {better[0]}, below it in {worse[0]}"
    elif better:
        clear = all(gain >= CLEARLY for gain in gains.values())
        how = f"{'clearly ' if clear else 'a little '}above the mean mask"
    elif worse:
        how = "below the mean mask"
    else:
        how = "no better than the mean mask"
    return f"{how} {beside}"


def _sights(told: Mapping[str, Any]) -> str:
    rows = [
        (s["words"], _look(told, s["measure"]), s["rule"], number(s["value"]),
         "yes" if s["seen"] else "no")
        for s in told["sights"]
    ]  # fmt: skip
    return table(("Seen by the author", "Measured as", "Counts if", "Here", "Seen here"), rows)


def _look(told: Mapping[str, Any], name: str) -> str:
    return measure.LOOKS[name].format(told["true_sameness"])


def _figures(forms: Mapping[str, Any]) -> list[str]:
    order = "Original, true mask, generated mask, and either mask over the original"
    parts = []
    for form in forms:
        parts += [
            f"### {FORMS[form]}",
            f"![{order}]({grid_file(form)})",
            f"{order}, of a held-out image.",
            f"![The same over the training]({epochs_file(form)})",
            "Beside each film lies the same as MP4.",
            f"![Cost]({curves_file(form)})",
        ]
    return [*parts, "### Over the slices", f"![Over the slices]({SLICES_GIF})"]


def _judged(told: Mapping[str, Any]) -> str:
    text = (
        f"Judged on {told['held_out']} held-out images, which no form has learnt from; learnt from "
        f"{told['learnt']}."
    )
    if told["mean_mask"]:
        text += (
            " The mean mask is that of the images that were learnt from, smoothed as suits these "
            "best and given to every held-out image alike: who has not more than it tells no image "
            "from another."
        )
    for form, one in told["forms"].items():
        if one["every"] > 1:
            text += (
                f" {FORMS[form]}, the network was asked for one pixel in {one['every']} x "
                f"{one['every']}, which stands for those around it."
            )
    return text


def _columns(told: Mapping[str, Any]) -> tuple[list[str], list[Mapping[str, Any]]]:
    forms = told["forms"]
    head, columns = [FORMS[form] for form in forms], [one["numbers"] for one in forms.values()]
    if told["mean_mask"]:
        head, columns = ["Mean mask", *head], [told["mean_mask"], *columns]
    return head, columns


def _metrics(told: Mapping[str, Any]) -> str:
    head, columns = _columns(told)
    unit = told["unit_of_length"]
    rows = [
        (label.format(unit), *(number(one.get(name)) for one in columns))
        for name, label in measure.METRICS.items()
    ]
    return table(("", *head), rows)


def _looks(told: Mapping[str, Any]) -> str:
    head, columns = _columns(told)
    rows = [
        (_look(told, name).capitalize(), *(number(one.get(name)) for one in columns))
        for name in measure.LOOKS
    ]
    return table(("", *head), rows)


def _runs(forms: Mapping[str, Any]) -> str:
    rows = [
        (FORMS[form], told["recipe"], str(told["slices"]), f"{told['steps']:,}",
         number(told["epochs"]) if told["epochs"] else "-", f"{told['seconds'] / 60:.1f}", form)
        for form, told in forms.items()
    ]  # fmt: skip
    head = ("Form", "Recipe", "Images learnt from", "Steps", "Epochs", "Minutes", "Run folder")
    return table(head, rows)


def summary(told: Mapping[str, Any]) -> Sequence[str]:
    """A row of the gallery: Dice and AUC of the mean mask and of each form."""
    cells = []
    for one in (told["mean_mask"], *(told["forms"].get(form, {}) for form in FORMS)):
        values = one.get("numbers", one)
        cells += [number(values.get("dice")), number(values.get("auc"))]
    return cells
