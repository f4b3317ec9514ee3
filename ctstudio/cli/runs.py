"""``ctstudio runs``: the history of trainings."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctstudio.cli.common import ANY_PATH, examples
from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from ctstudio.workflows.runs import RunSummary

HEAD = ("Run", "Title", "State", "Begun", "Steps", "Time")
METRICS = {
    "psnr": "PSNR dB",
    "ssim": "SSIM",
    "rmse": "RMSE HU",
    "dice": "Dice",
    "iou": "IoU",
    "auc": "AUC",
    "hd95_mm": "HD95 mm",
    "loss": "Held-out loss",
}
LEFT = 4  # so many columns of words, then numbers


@click.command(
    "runs",
    epilog=examples(
        "ctstudio runs",
        "ctstudio runs path/to/runs --json",
        "ctstudio runs path/to/runs --diff first second",
        "ctstudio runs path/to/runs --trash first",
        "ctstudio runs path/to/runs --gradients first --gradients second --out layers.png",
        "ctstudio runs path/to/runs --dilation first --out effect.png",
    ),
)
@click.argument("folder", required=False, type=ANY_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option(
    "--diff", "pair", nargs=2, metavar="A B", help="The settings in which two runs differ."
)
@click.option(
    "--trash", "unwanted", multiple=True, metavar="RUN", help="Move a run to the bin; repeatable."
)
@click.option(
    "--gradients",
    "shown",
    multiple=True,
    metavar="RUN",
    help="How long the gradient of each layer was; repeatable, to lay runs over one another.",
)
@click.option(
    "--dilation",
    "compared",
    metavar="RUN",
    help="The automatic, manual and dilated gradient of a run's network, layer by layer.",
)
@click.option(
    "--out", "-o", type=ANY_PATH, help="FILE.png or FILE.csv for --gradients and --dilation."
)
def command(
    folder: Path | None,
    as_json: bool,
    pair: tuple[str, str] | None,
    unwanted: tuple[str, ...],
    shown: tuple[str, ...],
    compared: str | None,
    out: Path | None,
) -> None:
    """List the trainings in FOLDER (default: those made in the window), the newest first.

    Metrics are those of the best network on the held-out slices. Below a run stand the settings
    in which its recipe differs from what most of the others have.
    """
    import json

    from ctstudio.workflows.runs import default_folder, scan_runs, trash

    if unwanted and (pair or as_json):
        raise click.UsageError("--trash goes with neither --diff nor --json.")
    if (shown or compared) and (pair or as_json or unwanted or (shown and compared)):
        raise click.UsageError("--gradients and --dilation go with --out alone.")
    if out is not None and (not (shown or compared) or out.suffix.lower() not in (".png", ".csv")):
        raise click.UsageError("--out FILE.png or FILE.csv goes with --gradients or --dilation.")
    place = default_folder() if folder is None else folder
    if folder is not None and not folder.exists():
        raise click.BadParameter(f"{folder} does not exist.", param_hint="FOLDER")
    runs = drain(scan_runs(place), "Reading trainings")
    if shown:
        from ctstudio.cli import run_gradients

        run_gradients.show([find(runs, name) for name in shown], out)
    elif compared:
        from ctstudio.cli import run_gradients

        run_gradients.compare(find(runs, compared), out)
    elif unwanted:
        for run in [find(runs, name) for name in unwanted]:
            trash(run.folder)
            click.echo(f"{run.folder} is in the bin.")
    elif pair:
        first, second = (find(runs, name) for name in pair)
        click.echo(
            json.dumps(changes(first, second), indent=2)
            if as_json
            else describe_changes(first, second)
        )
    elif as_json:
        click.echo(json.dumps([as_data(run) for run in runs], indent=2))
    elif runs:
        click.echo(as_text(runs))
    else:
        click.echo(f"There are no trainings in {place}. `ctstudio train` makes one.")


def find(runs: Sequence[RunSummary], name: str) -> RunSummary:
    """The run of that folder's name; raises StudioError where there is none."""
    import difflib

    from ctstudio.core.errors import StudioError

    for run in runs:
        if name in (run.name, str(run.folder)):
            return run
    near = difflib.get_close_matches(name, [run.name for run in runs], n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "See `ctstudio runs`."
    raise StudioError(f"There is no run {name!r}.", hint=hint)


def as_data(run: RunSummary) -> dict[str, Any]:
    """One run as plain data, ready for JSON."""
    return {
        "name": run.name,
        "folder": str(run.folder),
        "title": run.title,
        "state": run.state,
        "reason": run.reason,
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(run.begun)),
        "steps": run.steps,
        "total_steps": run.total_steps,
        "seconds": run.seconds,
        "protocol": run.protocol,
        "best": finite(run.best),
        "best_step": run.best_step,
        "noisy": finite(run.baseline),
        "bytes": run.size_bytes,
        "network": str(run.network) if run.network else None,
        "can_continue": run.can_continue,
        "settings": dict(run.settings),
    }


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity, which the PSNR of equal images is."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def as_text(runs: Sequence[RunSummary]) -> str:
    """A table with one line a run, and under it what is special about it."""
    from ctstudio.workflows.info import shorten
    from ctstudio.workflows.run_settings import brief, differences, usual

    measured = [name for name in METRICS if any(name in run.best for run in runs)]
    head = (*HEAD, *(METRICS[name] for name in measured), "Size")
    rows = [
        (
            shorten(run.name, 32),
            shorten(run.title, 32) or "-",
            run.state,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(run.begun)),
            str(run.steps),
            str(timedelta(seconds=round(run.seconds))),
            *(metric(run.best, name) for name in measured),
            f"{run.size_bytes / 1e6:.1f} MB",
        )
        for run in runs
    ]
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if k < LEFT else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    most = usual([run.settings for run in runs if run.settings])
    lines = [line(head)]
    for run, row in zip(runs, rows, strict=True):
        lines.append(line(row))
        if run.reason:
            lines.append(f"    {run.reason}")
        told = brief(differences(run.settings, most)) if run.settings else []
        if told:
            lines.append("    " + ", ".join(f"{key} = {value}" for key, value in told))
    return "\n".join([*lines, *(f"{name}{text}" for name, text in noisy(runs).items())])


def noisy(runs: Sequence[RunSummary]) -> dict[str, str]:
    """By protocol, how the noisy input of its runs scored."""
    told: dict[str, list[str]] = {}
    for run in runs:
        if "dice" in run.best:
            told.setdefault(f"Dice: {run.protocol}", []).append("")
        elif run.best.keys() - {"loss"}:
            words = [f"{name.upper()} {metric(run.baseline, name)}" for name in run.baseline]
            told.setdefault(f"Protocol {run.protocol}", []).append(", ".join(words))
    return {
        name: f"; the noisy input had {texts[0]}." if len({*texts}) == 1 and texts[0] else "."
        for name, texts in told.items()
    }


def metric(values: Mapping[str, float], name: str) -> str:
    """A metric with the digits that mean something; "-" where there is none."""
    if name not in values:
        return "-"
    if name == "loss":
        return f"{values[name]:.4g}"
    return f"{values[name]:.4f}" if name in ("ssim", "dice") else f"{values[name]:.2f}"


def changes(first: RunSummary, second: RunSummary) -> dict[str, list[object]]:
    """The settings in which two runs differ, each with the value of the first and the second."""
    from ctstudio.workflows.run_settings import differences

    return {k: list(pair) for k, pair in differences(first.settings, second.settings).items()}


def describe_changes(first: RunSummary, second: RunSummary) -> str:
    """`changes` as a table."""
    from ctstudio.workflows.run_settings import in_words

    rows = [("Setting", first.name, second.name)]
    rows += [(key, in_words(a), in_words(b)) for key, (a, b) in changes(first, second).items()]
    if len(rows) == 1:
        return f"The recipes of {first.name} and {second.name} are the same."
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
