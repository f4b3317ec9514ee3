"""``ctstudio mend``: an irregular series in, a regular one out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import (
    ANY_PATH,
    examples,
    open_series,
    path_argument,
    series_option,
)
from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from ctstudio.ct.resample import Fix
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.workflows.save import Kind

ALL = "all"
FIXES = ("shear", "resample", "square", "split", ALL)


@click.command(
    "mend",
    epilog=examples(
        "ctstudio mend path/to/series                            what is odd, and what helps?",
        "ctstudio mend path/to/series --fix shear --out upright",
        "ctstudio mend path/to/series --fix all --out regular",
        "ctstudio mend path/to/series --fix resample --spacing 1 --out thin",
        "ctstudio mend path/to/series --fix split --out parts",
    ),
)
@path_argument
@click.option(
    "--fix",
    "fixes",
    multiple=True,
    type=click.Choice(FIXES),
    help="shear: the gantry tilt away; resample: to equal distances; square: to square pixels; "
    "split: into regular stacks; all: whatever makes one regular stack. Repeatable.",
)
@click.option(
    "--spacing",
    "spacing_mm",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MM",
    help="Distance between the slices for --fix resample; by default the smallest there is.",
)
@series_option
@click.option("-o", "--out", type=ANY_PATH, help="A new folder for the files.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["dicom", "nifti", "tiff", "png"]),
    help="What to write; default what PATH holds, with 16-bit PNG for JPEG and TIFF for arrays.",
)
def command(
    path: Path,
    fixes: tuple[str, ...],
    spacing_mm: float | None,
    selector: str | None,
    out: Path | None,
    kind: Kind | None,
) -> None:
    """Mend what is odd about the series in PATH, and write it as a new series.

    Without --fix it says what is odd, and what can be done about it. The source stays as it is; a
    new DICOM series belongs to the same study and says what was done.
    """
    from ctstudio.workflows.mend import mend_series

    series = open_series([path], selector)
    if not fixes:
        click.echo(_diagnosis(series))
        return
    if out is None:
        raise click.UsageError("Missing option '--out': a new folder for the files.")
    files = drain(mend_series(series, _chosen(series, fixes), out, kind, spacing_mm=spacing_mm))
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    click.echo(f"{count} written to {out}")


def _chosen(series: SeriesInfo, fixes: tuple[str, ...]) -> list[Fix]:
    from ctstudio.core.errors import StudioError
    from ctstudio.ct.resample import Fix
    from ctstudio.workflows.mend import everything, oddities

    if ALL not in fixes:
        return [Fix(fix) for fix in fixes]
    chosen = list(everything(oddities(series)))
    if not chosen:
        raise StudioError("Nothing is odd about the series that a fix would mend.")
    return [*chosen, *(Fix(fix) for fix in fixes if fix != ALL)]


def _diagnosis(series: SeriesInfo) -> str:
    from ctstudio.ct.resample import Fix
    from ctstudio.workflows.mend import oddities

    found = oddities(series)
    told = {odd.sentence for odd in found}
    others = [f"  {text}" for text in series.warnings if text not in told]
    if not found and not others:
        return f"{series.title}: nothing is odd about it."
    lines = [f"{series.title}:", *others]
    for odd in found:
        lines.append(f"  {odd.kind}: {odd.sentence}")
        lines += [f"    --fix {fix}: {fix.help}" for fix in odd.fixes if fix is not Fix.LEAVE]
    return "\n".join(lines)
