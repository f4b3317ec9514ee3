"""``ctstudio train``: a recipe and images in, a network out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import (
    ANY_PATH,
    EXISTING,
    examples,
    parse_settings,
    series_option,
    settings_option,
)
from ctstudio.cli.progress import Stopped, drain

if TYPE_CHECKING:
    from ctstudio.core.events import Validation
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.ct.volume import Volume


@click.command(
    "train",
    epilog=examples(
        "ctstudio train dncnn-low-dose path/to/series --run runs/first",
        "ctstudio train dncnn-low-dose path/to/series --run runs/short --set steps=500",
        "ctstudio train mine.toml scan1 scan2 --run runs/mine --set noise=gaussian",
        "ctstudio train --resume runs/mine scan1 scan2",
        "ctstudio train --branch runs/mine scan1 scan2 --run runs/slower --set lr=1e-4",
        "ctstudio train dncnn-low-dose low --target full --set task=pairs --run runs/pairs",
        "ctstudio train unet-masks path/to/images-and-masks --run runs/vessels",
        "torchrun --nproc-per-node 2 -m ctstudio train dncnn-low-dose scan1 --folder runs/two",
    ),
)
@click.argument("arguments", nargs=-1, required=True, metavar="[RECIPE] PATH...")
@click.option("--run", "--folder", "folder", type=ANY_PATH, help="A new folder for the run.")
@click.option("--resume", type=EXISTING, metavar="RUN", help="Go on with the run in this folder.")
@click.option(
    "--branch", type=EXISTING, metavar="RUN", help="Begin with the weights and recipe of a run."
)
@click.option(
    "--target",
    "targets",
    type=EXISTING,
    multiple=True,
    metavar="PATH",
    help="Series aligned with those in PATH, for tasks that need pairs; repeatable.",
)
@settings_option
@series_option
def command(
    arguments: tuple[str, ...],
    folder: Path | None,
    resume: Path | None,
    branch: Path | None,
    targets: tuple[Path, ...],
    settings: tuple[str, ...],
    selector: str | None,
) -> None:
    """Train RECIPE (a .toml file, or a name from `ctstudio recipes`) on the series in PATH.

    All series found but label maps are used, unless --series chooses one. Recipes on masks take
    these from --target, or from the same folder by the pictures' names (N.tif and N_mask.tif,
    images/ and masks/, as in DRIVE or CHASE_DB1); each picture is an image of its own then. The
    run folder receives the recipe, the metrics, previews and checkpoints; Ctrl+C judges the network
    once more, saves and ends, and --resume goes on as if nothing had happened. Settings are named
    by their path in the recipe, such as phases.0.model.depth or noise.dose; steps, lr, model (its
    name), optimiser, seconds and dose are short. With --resume or --branch the recipe is the run's.
    """
    from ctstudio.core import events
    from ctstudio.learn.recipe_check import learns_classes
    from ctstudio.learn.torchrun import is_follower
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.info import choose_series
    from ctstudio.workflows.mask_sets import mask_sets, read_mask_set
    from ctstudio.workflows.open import scan
    from ctstudio.workflows.training import as_progress, find_recipe, recipe_of_run, train_on

    follows = is_follower()  # of those that torchrun started, one alone tells
    if resume and (folder or branch or settings):
        raise click.UsageError(
            "--resume goes on in the run's own folder with its own recipe; "
            "use --branch with --run and --set to go another way."
        )
    if resume:
        folder, recipe = resume, recipe_of_run(resume)
    elif folder is None:
        raise click.UsageError("Missing option '--run': a new folder for the run.")
    else:
        if not follows:  # the leader may have made it already
            require_free_folder(folder)
        changed = parse_settings(settings)
        if branch:
            recipe = recipe_of_run(branch if branch.is_dir() else branch.parent, changed)
        else:
            recipe, arguments = find_recipe(arguments[0], changed), arguments[1:]
    paths = [existing(argument) for argument in arguments]
    if not paths:
        raise click.UsageError("Missing argument 'PATH...': the series to train on.")
    found = drain(scan(paths), "Looking for series").series
    images = [info for info in found if info.source.modality != "SEG"]
    series = [choose_series(found, selector)] if selector else images or list(found)
    if not (resume or follows):
        for info in series:
            require_free_folder(folder, info.source)
    wanted = drain(scan(targets), "Looking for targets") if targets else None
    aligned = list(wanted.series) if wanted is not None else []
    masks = wanted.segmentations if wanted is not None and not aligned else ()

    look = events.Look()
    trained = 0

    def tell(event: events.Event) -> str | None:
        return describe_validation(event) if isinstance(event, events.Validation) else None

    def count(step: events.Step) -> None:
        nonlocal trained
        trained = step.step

    def end() -> bool:
        look.end = True
        return trained > 0

    inputs: list[Volume | SeriesInfo] = list(series)
    truths: list[Volume | SeriesInfo] = list(aligned)
    pairs = mask_sets(found) if wanted is None and learns_classes(recipe) else []
    if pairs:
        read = [drain(read_mask_set(some)) for some in pairs]
        inputs = [picture for pictures, _ in read for picture in pictures]
        truths = [mask for _, masks_of in read for mask in masks_of]
    work = train_on(
        recipe,
        inputs,
        folder,
        targets=truths,
        show_held_out=bool(pairs),
        segmentations=masks,
        resume=resume is not None,
        branch_from=branch,
        look=look,
    )
    try:
        model = drain(as_progress(work, recipe, count), "Training", on_event=tell, end=end)
    except Stopped:
        if trained and not follows:
            click.echo(f"Stopped after step {trained}; the network is kept in {folder}.", err=True)
            click.echo(f"Go on with: ctstudio train --resume {folder} PATH...", err=True)
        raise
    if follows:
        return
    from ctstudio.learn import wording

    if not trained:
        click.echo(f"This training had ended before, after step {model.step}: see {folder}")
        click.echo(f"Begin a new one with its weights: --branch {folder} --run NEW", err=True)
        return
    best = f", best after {model.step}" if model.step < trained else ""
    network = wording.network(model.recipe)
    click.echo(f"{network}, {wording.steps(trained)}{best}: the run is in {folder}")


def existing(argument: str) -> Path:
    """A path that exists, or click's own message."""
    path: Path = EXISTING.convert(argument, None, click.get_current_context(silent=True))
    return path


def describe_validation(event: Validation) -> str:
    """One line: the metrics with their protocol, and what the noisy input has."""
    from ctstudio.learn.metrics_log import LABEL_METRICS

    units = {"psnr": " dB", "rmse": " HU"}
    names = {"dice": "Dice", **LABEL_METRICS}

    def words(metrics: Mapping[str, float]) -> str:
        return ", ".join(
            f"{names.get(name, name.upper())} {value:.4g}{units.get(name, '')}"
            for name, value in metrics.items()
        )

    if set(event.metrics) == {"loss"}:
        return f"step {event.step}, held-out patches: loss {event.metrics['loss']:.4g}"
    line = f"step {event.step}, protocol {event.protocol}: {words(event.metrics)}"
    return f"{line} (noisy: {words(event.baseline)})" if event.baseline else line
