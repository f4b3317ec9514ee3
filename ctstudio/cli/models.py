"""``ctstudio models``: the networks on board, and how a training becomes one of them."""

from __future__ import annotations

from pathlib import Path

import click

from ctstudio.cli.common import ANY_PATH, EXISTING, examples
from ctstudio.cli.progress import drain


@click.command(
    "models",
    epilog=examples(
        "ctstudio models",
        "ctstudio models --from runs/first --name mine path/to/series",
        'ctstudio models --from runs/first --name mine path/a path/b --data "LungPET-CT-Dx" '
        '--licence "CC BY 4.0"',
    ),
)
@click.argument("paths", nargs=-1, type=EXISTING, metavar="[SERIES]...")
@click.option("--from", "run", type=EXISTING, help="The folder of a training, or a checkpoint.")
@click.option(
    "--began-with",
    type=EXISTING,
    multiple=True,
    metavar="RUN",
    help="A run whose weights that training began with (train --branch); repeatable, the first "
    "of several first.",
)
@click.option("--name", default="", help="What the network is to be called.")
@click.option("--folder", type=ANY_PATH, help="Where to put it; default your own networks.")
@click.option("--data", default="", help="What the network was trained on, and whose work it is.")
@click.option("--licence", default="", help="The licence of these data.")
@click.option("--author", default="", help="Who trained it.")
@click.option("--note", default="", help="What else has to be known of it, for its cards.")
@click.option("--force", is_flag=True, help="Replace a network of that name.")
def command(
    paths: tuple[Path, ...],
    run: Path | None,
    began_with: tuple[Path, ...],
    name: str,
    folder: Path | None,
    data: str,
    licence: str,
    author: str,
    note: str,
    force: bool,
) -> None:
    """List the networks on board, or with --from put the network of a training there.

    SERIES are the folders that it was trained on: the card tells their kernels, pixels, slices and
    noise, so that the window can say when a scan is of another kind. Nothing in it names a patient
    or a path. The network stands in Denoise from the next start on.
    """
    if run is None:
        if began_with:
            raise click.UsageError("--began-with belongs to --from.")
        _list()
        return
    if not name:
        raise click.UsageError("Give the network a name: --name NAME.")
    from ctstudio.learn.on_board import own
    from ctstudio.learn.publish import Credits
    from ctstudio.workflows.on_board import put_on_board
    from ctstudio.workflows.open import scan

    series = drain(scan(paths), "Looking for series").series if paths else ()
    place = folder or own()
    who = Credits(data, licence, author, note)
    file = drain(put_on_board(run, name, series, place, who, force=force, began_with=began_with))
    click.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB, cards beside it (.md, .json)")
    missing = [flag for flag, text in (("--data", data), ("--licence", licence)) if not text]
    missing += [] if paths else ["SERIES"]
    if missing:
        click.echo(f"The card leaves open what {', '.join(missing)} would say.", err=True)


def _list() -> None:
    from ctstudio.learn.on_board import look

    found, troubles = look()
    for network in found:
        card = network.card
        click.echo(f"{network.name}: {card.title}")
        click.echo(f"    {card.network}, {card.parameters:,} weights, {card.steps:,} steps")
        if card.noise_hu is not None:
            click.echo(f"    for noise of {card.noise_hu} HU in soft tissue")
        if card.licence:
            click.echo(f"    trained on data under {card.licence}")
    if not found:
        click.echo("No network is on board.")
    for trouble in troubles:
        click.echo(trouble.message, err=True)
