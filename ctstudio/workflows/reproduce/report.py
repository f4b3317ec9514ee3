"""The report of an experiment, for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import atomic_file
from ctstudio.workflows.reproduce import measure
from ctstudio.workflows.reproduce.data import BLACK_HU
from ctstudio.workflows.reproduce.experiments import FAITHFUL, FORMS
from ctstudio.workflows.reproduce.figures import SLICES_GIF, curves_file, epochs_file, grid_file
from ctstudio.workflows.reproduce.judge import Outcome
from ctstudio.workflows.reproduce.plan import Plan
from ctstudio.workflows.run_settings import differences, flatten, in_words, short_key
from ctstudio.workflows.runs import RunSummary

REPORT, NUMBERS = "report.md", "report.json"

METRICS = {
    "psnr_unit": "PSNR, [0, 1] (dB)",
    "psnr_unit_clipped": "PSNR, [0, 1], clipped (dB)",
    "psnr_unit_stretched": "PSNR, [0, 1], stretched (dB)",
    "psnr": "PSNR, A (dB)",
    "ssim": "SSIM, A",
    "rmse": "RMSE, A (HU)",
}


def collect(
    plan: Plan,
    clean: Sequence[NDArray[np.float32]],
    outcomes: Mapping[str, Outcome],
    runs: Mapping[str, RunSummary],
) -> dict[str, Any]:
    """Everything that is told of an experiment, as plain data."""
    experiment = plan.experiment
    black = [np.full_like(image, BLACK_HU) for image in clean]
    forms: dict[str, Any] = {}
    for form, outcome in outcomes.items():
        run = plan.runs[form]
        forms[form] = {
            "recipe": dict(experiment.recipe_names)[form],
            "steps": runs[form].steps,
            "network_of_step": outcome.model.step,
            "epochs": runs[form].steps / run.epoch_steps if run.epoch_steps else None,
            "slices": run.slices,
            "seconds": runs[form].seconds,
            "noisy": finite(outcome.before),
            "numbers": finite(outcome.numbers),
            "settings": flatten(run.recipe.to_dict()),
        }
    seen = []
    for name in experiment.sights if FAITHFUL in outcomes else ():
        sight = measure.SIGHTS[name]
        shown = outcomes[FAITHFUL].numbers
        seen.append(
            {"words": sight.words, "measure": sight.measure, "rule": sight.rule,
             "value": shown[sight.measure], "seen": sight.holds(shown)}
        )  # fmt: skip
    return {
        "name": experiment.name,
        "title": experiment.title,
        "article": experiment.article,
        "series": plan.data.words,
        "fingerprint": plan.data.fingerprint,
        "hu": plan.data.hu,
        "judged": [z + 1 for z in plan.parts.judged],
        "held_out": bool(plan.parts.held),
        "article_epochs": experiment.epochs,
        "article_slices": experiment.slices,
        "seen": experiment.seen,
        "sights": seen,
        "why": experiment.why,
        "articles_run": FAITHFUL in dict(experiment.recipe_names),
        "black": finite(measure.numbers(clean, black, black, hu=plan.data.hu)),
        "forms": forms,
    }


def finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity."""
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def write(told: Mapping[str, Any], folder: Path) -> Path:
    """Write the numbers, then the report, which so stands for a finished experiment."""
    write_numbers(told, folder)
    with atomic_file(folder / REPORT) as temporary:
        temporary.write_text(as_markdown(told), encoding="utf-8")
    return folder / REPORT


def write_numbers(told: Mapping[str, Any], folder: Path) -> None:
    """Write what is told for programs."""
    with atomic_file(folder / NUMBERS) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def as_markdown(told: Mapping[str, Any]) -> str:
    """The report."""
    forms = told["forms"]
    parts = [f"# {told['title']}", f"J. D. Seo 2018, {told['article']}. Data: {told['series']}."]
    parts += ["## In short", in_short(told), "## What the author saw", told["seen"]]
    if told["sights"]:
        parts.append(_sights(told["sights"]))
    parts += ["## Figures", *_figures(forms)]
    parts += ["## Numbers", _judged(told), _table(METRICS, told), _protocols(told["hu"])]
    parts += ["## Looks", _table(measure.MEASURES, told)]
    if told["articles_run"]:
        parts += ["## Why the faithful run looks as it does", told["why"]]
    else:
        parts += ["## About", told["why"]]
    parts += ["## Runs and settings", _runs(forms), settings_table(forms)]
    parts.append("For research use, not for diagnosis.")
    return "\n\n".join(parts) + "\n"


def in_short(told: Mapping[str, Any]) -> str:
    """What the numbers say, a line for each form, and how much shorter than the article's it is."""
    lines = []
    for form, one in told["forms"].items():
        words = _beside_noisy(one["numbers"]["psnr_unit"], one["noisy"]["psnr_unit"])
        words += f", after {_count(one['steps'], 'step')} in {_lasted(one['seconds'])}."
        if form == FAITHFUL:
            words += _shortened(one, told["article_epochs"], told["article_slices"])
        lines.append(f"- **{FORMS[form]}:** {words}")
    return "\n".join(lines)


def _beside_noisy(after: float | None, before: float | None) -> str:
    words = f"PSNR {number(after)} dB in [0, 1]"
    if after is None or before is None:
        return words
    gain = round(after - before, 1)
    if not gain:
        return f"{words}, as the noisy input has"
    how = "more" if gain > 0 else "less"
    return f"{words}, {abs(gain):.1f} dB {how} than the noisy input ({number(before)} dB)"


def _shortened(one: Mapping[str, Any], epochs: int, slices: int) -> str:
    """How much less it has learnt than the article's run; nothing where it has not."""
    parts = []
    if one["epochs"] and one["epochs"] < epochs:
        parts.append(f"for {one['epochs']:g} of the article's {_count(epochs, 'epoch')}")
    if one["slices"] < slices:
        parts.append(f"on {_count(one['slices'], 'slice')} where the article had {slices}")
    if not parts:
        return ""
    return f" It ran {', '.join(parts)}: what takes longer to show may be missing."


def _lasted(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} minutes"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sights(sights: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (s["words"], measure.MEASURES[s["measure"]], s["rule"], number(s["value"]),
         "yes" if s["seen"] else "no")
        for s in sights
    ]  # fmt: skip
    return table(("Seen by the author", "Measured as", "Counts if", "Here", "Seen here"), rows)


def _figures(forms: Mapping[str, Any]) -> list[str]:
    parts = []
    for form in forms:
        words = FORMS[form]
        scale = "original and denoised on the scale of the original"
        if form == FAITHFUL:
            scale = (
                "each from its own least to its largest value, and denoised once more on the "
                "scale of the original"
            )
        parts += [
            f"### {words}",
            f"![Original, noise, denoised]({grid_file(form)})",
            f"Original, noise, denoised; {scale}.",
            f"![First epochs beside the last]({epochs_file(form)})",
            f"![Cost]({curves_file(form)})",
        ]  # fmt: skip
    parts += ["### Over the slices", f"![Over the slices]({SLICES_GIF})"]
    return parts


def _judged(told: Mapping[str, Any]) -> str:
    which = ", ".join(map(str, told["judged"]))
    if not told["held_out"]:
        return f"Judged on slice {which}, which was learnt from too: there is no other."
    noun = "slice" if len(told["judged"]) == 1 else "slices"
    return f"Judged on {noun} {which}, which no form has learnt from."


def _table(names: Mapping[str, str], told: Mapping[str, Any]) -> str:
    forms = told["forms"]
    first = next(iter(forms.values()))["noisy"]
    columns = [told["black"], first, *(form["numbers"] for form in forms.values())]
    rows = []
    for key, label in names.items():
        # What is kept of another form may be of a version that did not measure this yet.
        if all(key in column for column in columns):
            values = [column[key] for column in columns]
            rows.append((label[:1].upper() + label[1:], *map(number, values)))
    return table(("", "All black", "Noisy input", *(FORMS[form] for form in forms)), rows)


def _protocols(hu: bool) -> str:
    lines = [
        measure.UNIT_PROTOCOL + ".",
        f"Clipped: {measure.CLIPPED}.",
        f"Stretched: {measure.STRETCHED}.",
    ]
    if hu:
        lines.append(measure.HU_PROTOCOL + ".")
    return "\n".join(f"- {line}" for line in lines)


def _runs(forms: Mapping[str, Any]) -> str:
    rows = [
        (FORMS[form], told["recipe"], str(told["slices"]), f"{told['steps']:,}",
         number(told["epochs"]) if told["epochs"] else "-", f"{told['seconds'] / 60:.1f}", form)
        for form, told in forms.items()
    ]  # fmt: skip
    head = ("Form", "Recipe", "Slices learnt from", "Steps", "Epochs", "Minutes", "Run folder")
    return table(head, rows)


def settings_table(forms: Mapping[str, Any]) -> str:
    """The settings in which two forms differ; of one form all."""
    if len(forms) < 2:
        settings = next(iter(forms.values()))["settings"]
        single = [(short_key(k), in_words(v)) for k, v in settings.items() if k != "title"]
        return table(("Setting", "Value"), single)
    first, second = forms.values()
    changed = differences(first["settings"], second["settings"])
    rows = [(short_key(key), in_words(a), in_words(b)) for key, (a, b) in changed.items()]
    text = "The settings in which the two differ; all others stand in each `recipe.toml`."
    return f"{text}\n\n{table(('Setting', *(FORMS[form] for form in forms)), rows)}"


def number(value: float | None) -> str:
    """Four digits; "-" where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}", 1 if value < 0 else 0)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or " "
