"""What several commands share: options, opening a series, settings from ``key=value``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo

F = TypeVar("F", bound=Callable[..., Any])


class FilePath(click.Path):
    """A path that the system can be asked about."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A Path; click's own message where it is none."""
        if "\0" in os.fsdecode(value):
            self.fail("A file's name cannot hold the character 0.", param, ctx)
        return super().convert(value, param, ctx)


EXISTING = FilePath(exists=True, path_type=Path)
ANY_PATH = FilePath(path_type=Path)

paths_argument = click.argument("paths", nargs=-1, required=True, type=EXISTING, metavar="PATH...")
path_argument = click.argument("path", type=EXISTING)
series_option = click.option(
    "--series",
    "selector",
    metavar="N|UID",
    help="Which series, where the path holds several: its number in `ctstudio info`, or its UID.",
)
settings_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting; repeatable."
)

kind_option = click.option(
    "--as",
    "kind",
    type=click.Choice(["dicom", "nifti", "tiff", "png"]),
    help="What to write; default what PATH holds, with 16-bit PNG for JPEG and TIFF for arrays.",
)
deidentify_option = click.option(
    "--deidentify",
    is_flag=True,
    help="Leave names, numbers and dates of the patient out of what is written.",
)


class Number(click.FloatRange):
    """A number within limits; unlike its base it refuses nan, which lies in no range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail("nan is no number.", param, ctx)
        return number


def how_many(files: Sequence[object]) -> str:
    """How many files there are, in words: 1 file, 2 files."""
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def examples(*lines: str) -> str:
    """An epilog that keeps its lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """``("strength=20",)`` -> ``{"strength": "20"}``."""
    result = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(
                f"{text!r} is not KEY=VALUE, for example strength=20.", param_hint="--set"
            )
        result[key.strip()] = value.strip()
    return result


def require_matchable(noise: str, settings: Sequence[str]) -> None:
    """Refuse ``--matched`` where it has nothing to measure, or beside what it measures."""
    from ctstudio.workflows.matched_noise import MEASURED, NOISE

    if noise != NOISE:
        raise click.UsageError(f"--matched belongs to --noise {NOISE}.")
    for key in parse_settings(settings):
        if key in MEASURED:
            raise click.UsageError(f"--matched measures {key}: leave out --set {key}.")


def open_series(paths: Sequence[Path], selector: str | None = None) -> SeriesInfo:
    """Scan ``paths`` and choose one series.

    Raises
    ------
    StudioError
        When there is none, or several and no selector.
    """
    return open_numbered(paths, selector)[1]


def open_numbered(paths: Sequence[Path], selector: str | None = None) -> tuple[int, SeriesInfo]:
    """As `open_series`, with the number that ``--series`` counts it as."""
    from ctstudio.workflows.info import choose_series
    from ctstudio.workflows.open import scan

    found = drain(scan(paths), "Looking for series").series
    chosen = choose_series(found, selector)
    return next(n for n, series in enumerate(found, 1) if series is chosen), chosen
