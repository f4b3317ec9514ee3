"""``ctstudio demo``: the whole journey without a screen."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ctstudio.cli.common import ANY_PATH, EXISTING, examples


@click.command(
    "demo",
    epilog=examples(
        "ctstudio demo --out ctstudio-demo",
        "ctstudio demo --series path/to/series --out ctstudio-demo",
    ),
)
@click.option("--series", type=EXISTING, help="Use this series rather than the built-in phantom.")
@click.option("--out", type=ANY_PATH, required=True, help="A new folder for the pictures.")
def command(series: Path | None, out: Path) -> int:
    """Drive the window through opening, denoising and training, and keep pictures of it.

    It needs no screen.
    """
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from ctstudio.gui.demo import run_demo

    return run_demo(series, out)
