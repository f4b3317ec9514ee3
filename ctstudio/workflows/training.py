"""From a recipe's name and a few series to a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Preview, Progress, Step, Work
from ctstudio.ct.volume import Volume
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.learn.recipe import Recipe
    from ctstudio.learn.run_folder import NotSaved

PLACE = ("positions_mm", "row_direction", "column_direction", "spacing_mm")
SAME_MM = 1e-3
SHORT_KEYS = {
    "steps": "phases.0.steps",
    "model": "phases.0.model",
    "optimiser": "phases.0.optimiser",
    "lr": "phases.0.optimiser.lr",
    "seconds": "stopping.seconds",
    "dose": "noise.dose",
    "photons": "noise.photons",
}
"""Settings that are asked for so often that they go by a short name."""


def find_recipe(name_or_path: str | Path, settings: Mapping[str, object] | None = None) -> Recipe:
    """A recipe file, or a bundled recipe by name, with some settings changed.

    ``settings`` go by their path in the recipe ("phases.0.optimiser.lr", "noise") or by a short
    key; texts are read as TOML values.

    Raises
    ------
    StudioError
        When there is no such recipe or setting, or a value is not allowed.
    """
    import difflib

    from ctstudio.learn.recipe import Recipe, bundled

    text = str(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() == ".toml" or path.is_file():
        recipe = Recipe.load(path)
    else:
        known = bundled()
        if text not in known:
            near = difflib.get_close_matches(text, known, n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise StudioError(
                f"There is no recipe {text!r}.",
                hint=f"{meant}Give a .toml file or one of: {', '.join(known)}.",
            )
        recipe = known[text]
    for key, value in (settings or {}).items():
        recipe = recipe.with_setting(SHORT_KEYS.get(key, key), value)
    return recipe


def recipe_of_run(folder: Path, settings: Mapping[str, object] | None = None) -> Recipe:
    """The recipe in a run folder, with some settings changed (for a branch).

    Raises
    ------
    StudioError
        When the folder is not that of a training.
    """
    path = Path(folder) / "recipe.toml"
    if not path.is_file():
        raise StudioError(
            f"{folder} is not the folder of a training: it has no recipe.toml.",
            hint="Choose the folder that was given to --run.",
            path=folder,
        )
    return find_recipe(path, settings)


def train_on(
    recipe: Recipe,
    series: Sequence[Volume | SeriesInfo],
    run_folder: Path | None,
    *,
    targets: Sequence[Volume | SeriesInfo] = (),
    segmentations: Sequence[Path] = (),
    **how: Any,
) -> Work[TrainedModel]:
    """Read every series that is not a volume yet, then train on all of them.

    Masks that lie otherwise than their series, such as NIfTI on DICOM, are brought onto its slices
    by their place in the patient. DICOM ``segmentations`` are targets too, each of the series that
    it was made on. ``how`` holds the other settings of `ctstudio.learn.train.train`.

    Raises
    ------
    StudioError
        When a series cannot be read, has no segmentation where there are some or more than one,
        or the run folder cannot be written.
    """
    from ctstudio.learn.recipe_check import learns_classes
    from ctstudio.learn.train import train
    from ctstudio.workflows.masks import onto
    from ctstudio.workflows.open import read

    volumes: list[Volume] = []
    for item in (*series, *targets):
        if isinstance(item, Volume):
            volumes.append(item)
        else:
            volumes.append((yield from stage(read(item), f"Reading {item.title}")))
    if segmentations:
        for volume in volumes[: len(series)]:
            volumes.append((yield from _mask_of(volume, segmentations)))
    if learns_classes(recipe):
        for place, volume in enumerate(volumes[: len(series)], len(series)):
            if place < len(volumes) and not _same_grid(volumes[place], volume):
                name = volumes[place].source.description or f"Mask {place - len(series) + 1}"
                work = onto(volumes[place], volume, name)
                volumes[place] = yield from stage(work, "Fitting the masks")
    return (
        yield from train(
            recipe,
            volumes[: len(series)],
            targets=volumes[len(series) :],
            run_folder=run_folder,
            **how,
        )
    )


def _same_grid(one: Volume, other: Volume) -> bool:
    """Whether two volumes have their voxels in the same places, or say nothing to the contrary."""
    here, there = one.geometry, other.geometry
    if one.shape != other.shape:
        return False
    if not (here.orientation_known and there.orientation_known):
        return True
    pairs = [(getattr(here, part), getattr(there, part)) for part in PLACE]
    return all(np.allclose(a, b, atol=SAME_MM) for a, b in pairs)


def _mask_of(volume: Volume, segmentations: Sequence[Path]) -> Work[Volume]:
    """The one segmentation that was made on the series of ``volume``."""
    from ctstudio.workflows.open import read_labels

    found = yield from stage(read_labels(segmentations, volume), "Reading labels")
    if len(found) != 1:
        name = volume.source.description or "The series"
        count = "no segmentation" if not found else f"{len(found)} segmentations"
        raise StudioError(
            f"{name} has {count} among the targets; one is needed to learn from.",
            hint="Give one segmentation of each series.",
        )
    return found[0][1]


def saved_elsewhere(error: NotSaved) -> StudioError:
    """Save the network of a training whose folder cannot be written to where that is possible.

    Returns
    -------
    StudioError
        What happened and where the network is: among the user's data, or with temporary files.
    """
    import tempfile
    import time

    from ctstudio.learn import checkpoint
    from ctstudio.workflows.runs import default_folder

    name = f"{Path(error.path or 'network').name}-{time.strftime('%Y%m%d-%H%M%S')}.pt"
    for place in (default_folder().parent / "rescued", Path(tempfile.gettempdir())):
        try:
            place.mkdir(parents=True, exist_ok=True)
            checkpoint.save(error.model, place / name)
        except (OSError, StudioError):
            continue
        return StudioError(
            f"{error.message} It is in {place / name} instead.",
            hint="Move it from there to where you want it.",
            path=place / name,
        )
    return error


def as_progress(
    work: Work[TrainedModel], recipe: Recipe, on_step: Callable[[Step], None] | None = None
) -> Work[TrainedModel]:
    """Replace a training's steps by ``Progress`` over all of it, for a bar with the time left.

    Where the recipe limits the time, the progress counts seconds. Previews are dropped, and so is
    the progress of validations in between, for which a bar has no place. ``on_step`` is told each
    step.

    Raises
    ------
    StudioError
        Where the network could not be written in the end, with the place where it is instead.
    """
    from ctstudio.learn.run_folder import NotSaved

    latest: Progress | None = None
    budget = recipe.stopping.seconds
    try:
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                model: TrainedModel = stop.value
                return model
            except NotSaved as error:
                raise saved_elsewhere(error) from error
            if isinstance(event, Step):
                if on_step is not None:
                    on_step(event)
                loss = next(iter(event.losses.values()), float("nan"))
                text = f"Training, loss {loss:.4g}"
                if budget:
                    latest = Progress(min(int(event.seconds), int(budget)), int(budget), text)
                else:
                    latest = Progress(event.step, recipe.total_steps, text)
                yield latest
            elif isinstance(event, Progress):
                yield latest or event
            elif not isinstance(event, Preview):
                yield event
    finally:
        try:
            work.close()
        except NotSaved as error:
            raise saved_elsewhere(error) from error
