"""``ctstudio info``: what is in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from ctstudio.cli.common import examples, paths_argument
from ctstudio.cli.progress import drain


@click.command(
    "info",
    epilog=examples("ctstudio info path/to/folder", "ctstudio info path/to/folder --json"),
)
@paths_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--patient", is_flag=True, help="Also show patient name, id, study and date.")
def command(paths: tuple[Path, ...], as_json: bool, patient: bool) -> None:
    """List the series in PATH (folders, files): size, spacing, coding, warnings.

    Only headers are read. Patient data stay out unless asked for.
    """
    import json

    from ctstudio.workflows.info import as_data, as_text, report
    from ctstudio.workflows.open import scan

    result = drain(scan(paths), "Looking for series")
    reports = report(result.series, patient=patient)
    if as_json:
        click.echo(json.dumps(as_data(reports, result), indent=2))
    else:
        click.echo(as_text(reports, result))
