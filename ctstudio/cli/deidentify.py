"""``ctstudio deidentify``: series in, the same series without the patient out."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import (
    ANY_PATH,
    examples,
    how_many,
    open_series,
    paths_argument,
    series_option,
)
from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctstudio.ct.series import ScanResult, SeriesInfo

_NAMED = 3


@click.command(
    "deidentify",
    epilog=examples(
        "ctstudio deidentify path/to/series -o given-away",
        "ctstudio deidentify path/to/study -o given-away      several series, a folder each",
        "ctstudio deidentify path/to/study -o given-away --shift-dates --patient 'Case 7'",
    ),
)
@paths_argument
@series_option
@click.option("-o", "--out", type=ANY_PATH, required=True, help="A new folder for the files.")
@click.option(
    "--shift-dates",
    is_flag=True,
    help="Shift dates by one number of days for each patient rather than remove them.",
)
@click.option("--patient", default="", metavar="NAME", help="Name and identifier to write.")
@click.option(
    "--key",
    default="",
    envvar="CTSTUDIO_DEIDENTIFY_KEY",
    metavar="WORDS",
    help="A secret: with the same one, another run gives the same identifiers and shifts. "
    "Also from the variable CTSTUDIO_DEIDENTIFY_KEY.",
)
def command(
    paths: tuple[Path, ...],
    selector: str | None,
    out: Path,
    shift_dates: bool,
    patient: str,
    key: str,
) -> None:
    """Copy the DICOM series in PATH without what tells of the patient.

    After the Basic Application Level Confidentiality Profile of DICOM PS3.15: names, numbers and
    dates go, private elements and overlays go, and UIDs are replaced. Pixels stay: text that is
    drawn into them stays too, and is warned of. The source stays as it is.
    """
    from ctstudio.workflows.deidentify import deidentifier, deidentify_series
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.open import scan

    require_free_folder(out)
    labels: tuple[Path, ...] = ()
    if selector is not None:
        series = [open_series(paths, selector)]
    else:
        found = drain(scan(paths), "Looking for series")
        labels = found.segmentations
        series = [info for info in found.series if info.source.format == "DICOM"]
        series = series or list(found.series)
        _tell_of_the_rest(found, series)
    cleaner = deidentifier(key=key, shift_dates=shift_dates, patient=patient)
    files = drain(deidentify_series(series, out, cleaner, segmentations=labels))
    click.echo(
        f"{how_many(files)} of {len(series)} series written to {out}, "
        "de-identified (PS3.15 basic profile)"
    )


def _tell_of_the_rest(found: ScanResult, series: Sequence[SeriesInfo]) -> None:
    """Say which files are not copied, and why, so that nobody misses them later."""
    reasons: dict[str, list[Path]] = defaultdict(list)
    for skipped in found.skipped:
        reasons[skipped.reason].append(skipped.path)
    for info in found.series:
        if info not in series:
            reasons[f"{info.source.format} files have no DICOM header"] += info.source.files
    for reason, paths in reasons.items():
        named = ", ".join(str(path) for path in paths[:_NAMED])
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        click.echo(f"Left out: {named}{more}: {reason}", err=True)
