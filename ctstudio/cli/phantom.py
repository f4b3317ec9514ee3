"""``ctstudio phantom``: the built-in thorax as a DICOM series, for trainings and other programs."""

from __future__ import annotations

from pathlib import Path

import click

from ctstudio.cli.common import (
    ANY_PATH,
    Number,
    examples,
    how_many,
)
from ctstudio.cli.progress import drain

BODY_MM = 352


@click.command(
    "phantom",
    epilog=examples(
        "ctstudio phantom --out phantom",
        "ctstudio phantom --out thick --slices 24 --field 400 --thickness 5",
        "ctstudio phantom --out another --body 7",
    ),
)
@click.option("-o", "--out", type=ANY_PATH, required=True, help="A new folder for the files.")
@click.option(
    "--slices",
    type=click.IntRange(1, 400),
    default=40,
    show_default=True,
    help="They divide up 200 mm of chest.",
)
@click.option(
    "--size",
    type=click.IntRange(32, 2048),
    default=512,
    show_default=True,
    help="Rows and columns.",
)
@click.option(
    "--field",
    "field_mm",
    type=Number(BODY_MM, 1000),
    metavar="MM",
    help="Width of the field of view; default 384.",
)
@click.option(
    "--thickness",
    "thickness_mm",
    type=Number(0.1, 20),
    metavar="MM",
    help="Thickness of a slice; default 2.5.",
)
@click.option(
    "--body",
    type=click.IntRange(0, 9999),
    default=0,
    metavar="NUMBER",
    help="Another body: width, organs, tissues and masses of its own. Default 0, the phantom.",
)
def command(
    out: Path,
    slices: int,
    size: int,
    field_mm: float | None,
    thickness_mm: float | None,
    body: int,
) -> None:
    """Write the built-in thorax phantom, free of noise, as a DICOM series.

    Every structure in it is a formula, so that its HU are the truth. A network that is to learn
    anatomy and not one drawing learns from bodies of several numbers.
    """
    from ctstudio.ct.phantom import FIELD_OF_VIEW_MM, THICKNESS_MM, phantom
    from ctstudio.dicom.write import write_series
    from ctstudio.workflows.denoise import require_free_folder

    require_free_folder(out)
    volume = drain(
        phantom(
            slices,
            size,
            field_mm=field_mm or FIELD_OF_VIEW_MM,
            thickness_mm=thickness_mm or THICKNESS_MM,
            body=body,
        )
    )
    files = drain(write_series(volume, out, series_number=1))
    click.echo(f"{how_many(files)} written to {out}")
