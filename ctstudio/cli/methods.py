"""``ctstudio methods``: the denoisers and their settings."""

from __future__ import annotations

import click

from ctstudio.core.registry import Field


def describe_field(field: Field) -> str:
    """One setting in a line: name, default, range, unit, help."""
    default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
    unit = f" {field.param.unit}" if field.param.unit else ""
    if field.choices:
        allowed = " (" + ", ".join(map(str, field.choices)) + ")"
    elif field.param.low is not None and field.param.high is not None:
        allowed = f" ({field.param.low:g} to {field.param.high:g})"
    else:
        allowed = ""
    text = f"  {field.param.help}" if field.param.help else ""
    return f"{field.name}={default}{unit}{allowed}{text}"


@click.command("methods")
def command() -> None:
    """List the denoising methods with their settings, defaults and ranges."""
    from ctstudio.classical.denoisers import DENOISERS
    from ctstudio.learn.on_board import networks
    from ctstudio.workflows.scan_alone import ScanAlone

    for entry in DENOISERS:
        told = entry.help.startswith(entry.title)
        click.echo(f"{entry.name}: {entry.help if told else f'{entry.title}. {entry.help}'}")
        for field in entry.fields:
            click.echo(f"    {describe_field(field)}")
    alone = ScanAlone()
    click.echo(f"{alone.name}: {alone.title}. A network learns from it, with no other data.")
    click.echo(f"    minutes={alone.minutes:g}  Time for all of it; also as {alone.name}-15")
    for network in networks():
        click.echo(f"{network.name}: on board, {network.card.title}")
        if network.card.neighbours == 1:
            click.echo(f"    minutes=0  Learns from the scan first; also as {network.name}-5")
    click.echo("A trained network: give its file (.safetensors, .pt) or run folder as the method.")
