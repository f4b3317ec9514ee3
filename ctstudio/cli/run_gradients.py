"""What ``ctstudio runs --gradients`` and ``--dilation`` print or write."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.progress import drain
from ctstudio.core.errors import StudioError

if TYPE_CHECKING:
    from ctstudio.workflows.runs import RunSummary


def show(runs: Sequence[RunSummary], out: Path | None) -> None:
    """How long the layers' gradients were: at the first and the last reading, or as a file.

    Raises
    ------
    StudioError
        For a run that read none.
    """
    from ctstudio.workflows.gradients import save_gradients
    from ctstudio.workflows.runs import load_history

    histories = {run.name: load_history(run.folder) for run in runs}
    for name, history in histories.items():
        if not len(history.gradient_step):
            raise StudioError(
                f"The run {name} has not read its gradients.",
                hint="Train with --set cadence.gradient_norms_every=20.",
            )
    if out is not None:
        save_gradients(histories, out)
        click.echo(f"{out} written")
        return
    for name, history in histories.items():
        first, last = (int(history.gradient_step[k]) for k in (0, -1))
        rows = [[name, f"step {first}", f"step {last}"]]
        rows += [[n, _number(v[0]), _number(v[-1])] for n, v in history.gradients.items()]
        click.echo(_table(rows))


def compare(run: RunSummary, out: Path | None) -> None:
    """The three gradients of a run's network, as a table or a file."""
    from ctstudio.figures.gradients import effect_table
    from ctstudio.workflows.gradients import effect_in_run, save_effect

    effect = drain(effect_in_run(run.folder), "Comparing gradients")
    if out is None:
        click.echo(f"{effect.title} ({effect.note})")
        click.echo(_table(effect_table(effect, _number)))
        return
    save_effect(effect, out)
    click.echo(f"{out} written")


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
