"""``ctstudio simulate``: a series in, what it would be at a lower dose out."""

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
    require_matchable,
    series_option,
    settings_option,
)
from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from ctstudio.workflows.save import Kind


@click.command(
    "simulate",
    epilog=examples(
        "ctstudio simulate path/to/series --dose 0.25 --matched --out quarter",
        "ctstudio simulate phantom --dose 0.1 --set already_noisy=false --out tenth",
        "ctstudio simulate path/to/series --noise gaussian --set sd=30 --out noisy",
    ),
)
@path_argument
@click.option(
    "--dose", metavar="SHARE", help="Of the dose it was made with; the same as --set dose=SHARE."
)
@click.option("--noise", default="low_dose", show_default=True, help="The noise to simulate.")
@settings_option
@click.option(
    "--matched",
    is_flag=True,
    help="Measure kernel and photons from the scan's own noise, so that --dose is a share of the "
    "dose it was made with.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    metavar="NUMBER",
    default=1,
    show_default=True,
    help="Another number is another draw of the noise.",
)
@series_option
@click.option("--out", type=ANY_PATH, required=True, help="A new folder for the files.")
@kind_option
@deidentify_option
def command(
    path: Path,
    dose: str | None,
    noise: str,
    settings: tuple[str, ...],
    matched: bool,
    seed: int,
    selector: str | None,
    out: Path,
    kind: Kind | None,
    deidentify: bool,
) -> None:
    """Add the noise of a lower dose to the series in PATH and write it as a new series.

    The source stays as it is. Without --matched the dose is that of a scanner with 200,000 photons
    for every ray in air. The same --seed gives the same noise.
    """
    from ctstudio.learn.noise import NOISES
    from ctstudio.workflows.deidentify import deidentifier
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.simulate import simulate_series

    wanted = parse_settings(settings)
    if dose is not None:
        if "dose" in wanted:
            raise click.UsageError("Give --dose or --set dose, not both.")
        wanted["dose"] = dose
    if matched:
        require_matchable(noise, settings)
    require_free_folder(out)
    chosen = NOISES.read(noise, wanted)
    series = open_series([path], selector)
    cleaner = deidentifier() if deidentify else None
    files = drain(
        simulate_series(series, chosen, out, kind, matched=matched, seed=seed, deidentify=cleaner)
    )
    click.echo(f"{how_many(files)} written to {out}")
