"""``ctstudio train``: a recipe and images in, a network out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import (
    ANY_PATH,
    examples,
    parse_settings,
    paths_argument,
    series_option,
    settings_option,
)
from ctstudio.cli.progress import drain

if TYPE_CHECKING:
    from ctstudio.core.events import Validation


@click.command(
    "train",
    epilog=examples(
        "ctstudio train dncnn-low-dose path/to/series --run runs/first",
        "ctstudio train dncnn-low-dose path/to/series --run runs/short --set steps=500",
        "ctstudio train mine.toml scan1 scan2 --run runs/mine --set noise=gaussian",
    ),
)
@click.argument("recipe")
@paths_argument
@click.option("--run", "folder", type=ANY_PATH, required=True, help="A new folder for the run.")
@settings_option
@series_option
def command(
    recipe: str,
    paths: tuple[Path, ...],
    folder: Path,
    settings: tuple[str, ...],
    selector: str | None,
) -> None:
    """Train RECIPE (a .toml file, or a name from `ctstudio recipes`) on the series in PATH.

    All series found are used, unless --series chooses one. The run folder receives the recipe,
    the metrics, previews and checkpoints; Ctrl+C saves and ends. Settings are named by their path
    in the recipe (steps, lr and model are short for those of the first phase).
    """
    from ctstudio.core import events
    from ctstudio.dicom.scan import scan
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.info import choose_series
    from ctstudio.workflows.training import as_progress, find_recipe, train_on

    require_free_folder(folder)
    chosen = find_recipe(recipe, parse_settings(settings))
    found = drain(scan(paths), "Looking for series").series
    series = [choose_series(found, selector)] if selector else list(found)

    def tell(event: events.Event) -> str | None:
        return describe_validation(event) if isinstance(event, events.Validation) else None

    work = as_progress(train_on(chosen, series, folder), chosen)
    model = drain(work, "Training", on_event=tell)
    click.echo(f"{model.title}: the run is in {folder}")


def describe_validation(event: Validation) -> str:
    """One line: the metrics with their protocol, and what the noisy input has."""
    units = {"psnr": " dB", "rmse": " HU"}

    def words(metrics: Mapping[str, float]) -> str:
        return ", ".join(
            f"{name.upper()} {value:.4g}{units.get(name, '')}" for name, value in metrics.items()
        )

    line = f"step {event.step}, protocol {event.protocol}: {words(event.metrics)}"
    return f"{line} (noisy: {words(event.baseline)})" if event.baseline else line
