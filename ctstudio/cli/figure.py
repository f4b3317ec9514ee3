"""``ctstudio figure``: a picture or a GIF."""

from __future__ import annotations

from pathlib import Path

import click

from ctstudio.cli.common import (
    ANY_PATH,
    examples,
    open_series,
    path_argument,
    series_option,
)
from ctstudio.cli.progress import drain
from ctstudio.core.errors import StudioError


@click.command(
    "figure",
    epilog=examples(
        "ctstudio figure path/to/series --out slice.png",
        "ctstudio figure path/to/series --slice 20 --method tv --window lung --out tv.png",
        "ctstudio figure path/to/series --method tv --method run/best.pt --out both.png",
        "ctstudio figure path/to/series --method tv --window 400/40 --out tv.gif",
    ),
)
@path_argument
@click.option(
    "--slice", "number", type=click.IntRange(min=1), help="Which slice, from 1 (PNG only)."
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME|CHECKPOINT",
    help="A name from `ctstudio methods`, a checkpoint or a run folder; repeatable.",
)
@click.option(
    "--window",
    metavar="NAME|W/C",
    help="Lung, Mediastinum, Abdomen, Bone, Brain, Liver, Angio, or width/centre in HU.",
)
@series_option
@click.option("--out", type=ANY_PATH, required=True, help="FILE.png, or FILE.gif over all slices.")
def command(
    path: Path,
    number: int | None,
    methods: tuple[str, ...],
    window: str | None,
    selector: str | None,
    out: Path,
) -> None:
    """Draw the series in PATH: original | denoised | residual, with scale bar and letters.

    No patient data enter the picture.
    """
    suffix = out.suffix.lower()
    if suffix not in (".png", ".gif"):
        raise click.BadParameter("give a name that ends in .png or .gif.", param_hint="--out")
    if suffix == ".gif" and number is not None:
        raise click.BadParameter("a GIF shows all slices.", param_hint="--slice")
    if not out.absolute().parent.is_dir():
        raise StudioError(
            f"Cannot write {out}: its folder does not exist.", hint="Make the folder first."
        )
    from ctstudio.figures.compose import save_png
    from ctstudio.workflows.denoise import method_from
    from ctstudio.workflows.figure import parse_window, series_gif, series_picture

    shown = parse_window(window) if window else None
    chosen = [method_from(method) for method in methods]
    series = open_series([path], selector)
    if suffix == ".gif":
        drain(series_gif(series, chosen, out, window=shown))
    else:
        index = None if number is None else number - 1
        save_png(drain(series_picture(series, chosen, index=index, window=shown)), out)
    click.echo(f"{out} written")
