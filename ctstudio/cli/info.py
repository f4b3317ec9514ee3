"""``ctstudio info``: what is in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import examples, paths_argument
from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.workflows.info import SeriesReport


@click.command(
    "info",
    epilog=examples(
        "ctstudio info path/to/folder",
        "ctstudio info path/to/folder --full        what it is, and what is odd about it",
        "ctstudio info path/to/folder --json --values",
    ),
)
@paths_argument
@click.option("--full", is_flag=True, help="A report on each series, in sentences and numbers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--values", is_flag=True, help="Read the pixels too: the range of values.")
@click.option("--patient", is_flag=True, help="Also show patient name, id, study and date.")
def command(paths: tuple[Path, ...], full: bool, as_json: bool, values: bool, patient: bool) -> int:
    """List the series in PATH (folders, files): size, spacing, coding, warnings.

    Only headers are read, but with --values, which ends with 1 where a series cannot be read.
    Patient data stay out unless asked for. The keys of --json are described in the README.
    """
    import json

    from ctstudio.workflows.info import as_data, as_text, left_out_lines, report
    from ctstudio.workflows.open import scan
    from ctstudio.workflows.series_report import as_report

    result = drain(scan(paths), "Looking for series")
    reports = report(result.series, patient=patient)
    unread = 0
    if values:
        reports, unread = _measured(result.series, reports)
    if as_json:
        click.echo(json.dumps(as_data(reports, result), indent=2))
    elif full:
        click.echo("\n".join(as_report(entry) for entry in reports), nl=False)
        for line in left_out_lines(result):
            click.echo(line)
    else:
        click.echo(as_text(reports, result))
    return 1 if unread else 0


def _measured(
    series: Sequence[SeriesInfo], reports: Sequence[SeriesReport]
) -> tuple[list[SeriesReport], int]:
    """The reports with the range of values, and how many series cannot be read.

    Of these, and of slices that cannot be decoded, the reports warn.
    """
    from ctstudio.cli.main import report_error
    from ctstudio.core.errors import StudioError
    from ctstudio.workflows.info import measure
    from ctstudio.workflows.open import read

    measured = []
    unread = 0
    for info, entry in zip(series, reports, strict=True):
        try:
            volume = drain(read(info), f"Reading {info.title}")
        except StudioError as error:
            report_error(error)
            unread += 1
            lost = f"The pixels cannot be read: {error.message}"
            measured.append(replace(entry, warnings=(*entry.warnings, lost)))
            continue
        told = entry.warnings
        if missing := info.slices - len(volume):
            lost = f"{missing} of {info.slices} slices cannot be decoded: they count for nothing."
            told = (*told, lost)
        measured.append(replace(entry, values=drain(measure(volume)), warnings=told))
    return measured, unread
