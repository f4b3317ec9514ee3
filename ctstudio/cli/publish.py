"""``ctstudio publish``: a training in, a network with its card out."""

from __future__ import annotations

from pathlib import Path

import click

from ctstudio.cli.common import ANY_PATH, EXISTING, examples


@click.command(
    "publish",
    epilog=examples(
        "ctstudio publish runs/first --out first.safetensors",
        'ctstudio publish runs/first/last.pt --out last.safetensors --data "TCIA Phantom FDA" '
        '--licence "CC BY 3.0" --author "A. Physicist"',
    ),
)
@click.argument("source", type=EXISTING, metavar="RUN_OR_CHECKPOINT")
@click.option("--out", type=ANY_PATH, required=True, help="The new file, NAME.safetensors.")
@click.option("--data", default="", help="What the network was trained on.")
@click.option("--licence", default="", help="The licence of these data.")
@click.option("--author", default="", help="Who trained it.")
@click.option("--note", default="", help="What else has to be known of it, for its card.")
@click.option("--force", is_flag=True, help="Replace the files where they exist.")
def command(
    source: Path, out: Path, data: str, licence: str, author: str, note: str, force: bool
) -> None:
    """Write a trained network as one file that others can apply, with a card beside it.

    RUN_OR_CHECKPOINT is the folder of a training, of which the best network is taken, or a
    checkpoint. NAME.md says in words what the network is. Neither names a patient or a path.
    """
    from ctstudio.learn import checkpoint
    from ctstudio.learn.publish import Credits, publish, require_free

    if not force:
        require_free(out)
    model = checkpoint.load(source)
    file, card = publish(model, out, credits=Credits(data, licence, author, note), force=force)
    click.echo(f"{file}: {model.method}")
    click.echo(f"{card}: its card")
    missing = [name for name, text in (("--data", data), ("--licence", licence)) if not text]
    if missing:
        click.echo(f"The card leaves open what {' and '.join(missing)} would say.", err=True)
