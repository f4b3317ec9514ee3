"""``ctstudio denoise``: a series in, a denoised one out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import (
    ANY_PATH,
    deidentify_option,
    examples,
    how_many,
    kind_option,
    open_series,
    parse_settings,
    path_argument,
    series_option,
    settings_option,
)
from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from ctstudio.workflows.save import Kind


@click.command(
    "denoise",
    epilog=examples(
        "ctstudio denoise path/to/series --method chest-any-dose --out denoised",
        "ctstudio denoise path/to/series --method tv --set strength=30 --out denoised",
        "ctstudio denoise path/to/series --method run/best.pt --out denoised",
        "ctstudio denoise path/to/series --method tv --as nifti --out denoised",
        "ctstudio denoise path/to/series --method chest-any-dose --set minutes=3 --out denoised",
        "ctstudio denoise path/to/series --method scan-alone --set minutes=5 --out denoised",
    ),
)
@path_argument
@click.option(
    "--method",
    required=True,
    metavar="NAME|CHECKPOINT",
    help="A name from `ctstudio methods` (networks on board, filters, scan-alone), a trained "
    "network (.safetensors, .pt) or a run folder.",
)
@settings_option
@series_option
@click.option("--out", type=ANY_PATH, required=True, help="A new folder for the files.")
@kind_option
@deidentify_option
def command(
    path: Path,
    method: str,
    settings: tuple[str, ...],
    selector: str | None,
    out: Path,
    kind: Kind | None,
    deidentify: bool,
) -> None:
    """Denoise the series in PATH and write it as a new series.

    The source stays as it is. A new DICOM series belongs to the same study and names the method.
    """
    from ctstudio.workflows.deidentify import deidentifier
    from ctstudio.workflows.denoise import denoise_series, method_from, require_free_folder

    require_free_folder(out)
    chosen = method_from(method, parse_settings(settings))
    series = open_series([path], selector)
    cleaner = deidentifier() if deidentify else None
    files = drain(denoise_series(series, chosen, out, kind, deidentify=cleaner))
    click.echo(f"{how_many(files)} written to {out} ({chosen.description})")
