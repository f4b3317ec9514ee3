"""``ctstudio gui``: the window."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ctstudio.cli.common import EXISTING, examples
from ctstudio.core.errors import StudioError


def require_screen() -> None:
    """Qt ends the process where it finds no screen; say it in words instead.

    Raises
    ------
    StudioError
        On Linux without X11 and Wayland, unless Qt was told to do without.
    """
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in names):
        raise StudioError(
            "There is no screen to open the window on (DISPLAY is not set).",
            hint="Use the commands that need none (ctstudio demo, info, denoise, train, figure), "
            "or set QT_QPA_PLATFORM=offscreen.",
        )


@click.command(
    "gui",
    epilog=examples("ctstudio", "ctstudio path/to/series", "ctstudio gui --demo"),
)
@click.argument("paths", nargs=-1, type=EXISTING, metavar="[PATH]...")
@click.option("--demo", is_flag=True, help="Open the built-in phantom.")
def command(paths: tuple[Path, ...], demo: bool) -> int:
    """Open the window, with the series found in PATH (folder or file)."""
    require_screen()
    from ctstudio.gui.app import run

    return run(list(paths), demo)
