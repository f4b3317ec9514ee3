"""``ctstudio mend``: an irregular series in, a regular one out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import (
    ANY_PATH,
    Number,
    examples,
    how_many,
    kind_option,
    open_numbered,
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
    type=Number(min=0, min_open=True),
    metavar="MM",
    help="Distance between the slices for --fix resample; by default the smallest there is.",
)
@series_option
@click.option("-o", "--out", type=ANY_PATH, help="A new folder for the files.")
@kind_option
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

    number, series = open_numbered([path], selector)
    if not fixes:
        click.echo(_diagnosis(number, series))
        return
    if out is None:
        raise click.UsageError("Missing option '--out': a new folder for the files.")
    files = drain(mend_series(series, _chosen(series, fixes), out, kind, spacing_mm=spacing_mm))
    click.echo(f"{how_many(files)} written to {out}")


def _chosen(series: SeriesInfo, fixes: tuple[str, ...]) -> list[Fix]:
    from ctstudio.core.errors import StudioError
    from ctstudio.ct.resample import Fix
    from ctstudio.workflows.mend import everything, oddities, offered

    if ALL not in fixes:
        return [Fix(fix) for fix in fixes]
    found = oddities(series)
    chosen = list(everything(found))
    if not chosen:
        splits = Fix.SPLIT in offered(found)
        raise StudioError(
            "No fix would make one regular stack of the series.",
            hint="Split it: --fix split." if splits else "Leave it as it is, or see `mend PATH`.",
        )
    return [*chosen, *(Fix(fix) for fix in fixes if fix != ALL)]


def _diagnosis(number: int, series: SeriesInfo) -> str:
    from ctstudio.ct.resample import Fix
    from ctstudio.workflows.mend import oddities

    # Its number as --series counts: the number that stands in its header is another one.
    name = f"#{number}  {series.source.description or '(no description)'}"
    found = oddities(series)
    told = {odd.sentence for odd in found}
    others = [f"  {text}" for text in series.warnings if text not in told]
    if not found and not others:
        return f"{name}: nothing is odd about it."
    lines = [f"{name}:", *others]
    for odd in found:
        lines.append(f"  {odd.kind}: {odd.sentence}")
        lines += [f"    --fix {fix}: {fix.help}" for fix in odd.fixes if fix is not Fix.LEAVE]
    if not any(fix is not Fix.LEAVE for odd in found for fix in odd.fixes):
        lines.append("  No fix would change that.")
    return "\n".join(lines)
