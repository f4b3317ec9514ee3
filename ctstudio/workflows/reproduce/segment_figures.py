"""The article's figures of masks: five panels, films of them over epochs and slices, the cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Work
from ctstudio.ct.window import Window, automatic
from ctstudio.workflows.reproduce.experiment import FORMS
from ctstudio.workflows.reproduce.figures import (
    FILM_EPOCHS,
    FILM_SLICES,
    SECONDS_PER_FRAME,
    SLICES_GIF,
    curves_file,
    epochs_file,
    grid_file,
    whole_range,
)
from ctstudio.workflows.reproduce.segment_data import MaskData
from ctstudio.workflows.reproduce.segment_judge import Told, answer
from ctstudio.workflows.reproduce.segment_plan import MaskRun
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from PIL import Image

    from ctstudio.figures.five_panels import Segmented
    from ctstudio.figures.panel import Panel

FIGURE_PX, FILM_PX = 320, 200


def draw_masks(
    title: str,
    data: MaskData,
    runs: Mapping[str, MaskRun],
    outcomes: Mapping[str, Told],
    folder: Path,
) -> Work[None]:
    """Write all figures of an experiment into its folder."""
    from ctstudio.ct.overlap import dice
    from ctstudio.figures.compose import compose, save_png
    from ctstudio.figures.curves import save_curves_png
    from ctstudio.figures.five_panels import Segmented
    from ctstudio.workflows.runs import load_history

    _, held = data.split
    middle = len(held) // 2
    for form, told in outcomes.items():
        where = held[middle]
        found, inside = told.answers.found[middle], told.answers.inside[middle]
        shown = Segmented(data.image(where), data.truth(where), found, inside)
        score = f"Dice {dice([found], [data.truth(where)]):.3f}"
        panels = _panels(data, where, shown, score)
        words = f"{title}: {FORMS[form].lower()}"
        picture = compose(panels, columns=5, height_px=FIGURE_PX, title=words, colour_bar=False)
        save_png(picture, folder / grid_file(form), dpi=150)
        film = epochs_film(data, runs[form], folder / form, folder / epochs_file(form))
        yield from stage(film, "Drawing the film over the epochs")
        save_curves_png(load_history(folder / form), folder / curves_file(form), title=words)
    best = list(outcomes)[-1]
    yield from slices_film(data, outcomes[best], folder / SLICES_GIF)


def _panels(data: MaskData, where: tuple[int, int], shown: Segmented, score: str) -> list[Panel]:
    from ctstudio.figures.five_panels import five_panels

    geometry = data.images[where[0]].geometry
    several = len(data.images) > 1
    number, count = (where[0], len(data.images)) if several else (where[1], len(data.images[0]))
    what: dict[str, Any] = {}
    if geometry.spacing_known:
        what["spacing_mm"] = geometry.spacing_mm
    return five_panels(
        shown,
        _window(data, shown),
        labels=data.labels,
        caption=f"{'picture' if several else 'slice'} {number + 1} / {count}, held out",
        score=score,
        unit=data.unit,
        letters=geometry.edge_letters,
        **what,
    )


def _window(data: MaskData, shown: Segmented) -> Window:
    return automatic(shown.image) if data.hu else whole_range(shown.image)


def epochs_film(data: MaskData, run: MaskRun, folder: Path, path: Path) -> Work[Path]:
    """Five panels over the course of a training, on a held-out slice, from its previews.

    As a GIF at ``path``, and as MP4 beside it.
    """
    from ctstudio.figures.five_panels import Segmented
    from ctstudio.learn.run_folder import preview_steps, read_previews
    from ctstudio.learn.sampling import spread

    steps = spread(preview_steps(folder), FILM_EPOCHS)

    def frames() -> Iterator[Image.Image]:
        for step in steps:
            for preview in read_previews(folder, step=step):
                seen = preview.panels
                shown = Segmented(
                    seen["noisy"], seen["target"], seen["reconstruction"], preview.inside
                )
                when = f"epoch {step // run.epoch_steps}" if run.epoch_steps else f"step {step:,}"
                yield _frame(data, shown, when)

    return (yield from _save(frames, path, SECONDS_PER_FRAME, len(steps)))


def _frame(data: MaskData, shown: Segmented, caption: str) -> Image.Image:
    from ctstudio.figures.compose import compose
    from ctstudio.figures.five_panels import five_panels

    window = _window(data, shown)
    panels = five_panels(shown, window, labels=data.labels, caption=caption, unit=data.unit)
    return compose(panels, columns=5, height_px=FILM_PX, scale_bar=False, colour_bar=False)


def _save(
    frames: Callable[[], Iterator[Image.Image]], path: Path, seconds: float, count: int
) -> Work[Path]:
    """A GIF, and the same as MP4 where there is an encoder for it."""
    from ctstudio.figures.animation import save_gif
    from ctstudio.figures.video import save_video

    yield from save_gif(frames(), path, seconds_per_frame=seconds, total=count)
    try:
        yield from save_video(
            frames(), path.with_suffix(".mp4"), seconds_per_frame=seconds, total=count
        )
    except (ImportError, StudioError) as error:
        yield Note(f"There is no MP4 of {path.name}: {error}")
    return path


def slices_film(data: MaskData, told: Told, path: Path) -> Work[Path]:
    """Five panels over the slices, or over the pictures that were held out."""
    from ctstudio.figures.five_panels import Segmented
    from ctstudio.learn.sampling import spread

    _, held = data.split
    if len(data.images) == 1:
        slices = spread(range(len(data.images[0])), FILM_SLICES)
        where = [(0, z) for z in slices]
        work = stage(answer(told.model, data, where), "Telling the slices of the film")
        answers, _ = yield from work
    else:
        # Pictures of other sizes than the first make no film with it.
        same = [k for k, at in enumerate(held) if data.image(at).shape == data.image(held[0]).shape]
        where = [held[k] for k in same]
        found, inside = ([of[k] for k in same] for of in (told.answers.found, told.answers.inside))
        answers = type(told.answers)(found, inside)

    def frames() -> Iterator[Image.Image]:
        for at, labels, likely in zip(where, answers.found, answers.inside, strict=True):
            likely = np.asarray(likely, np.float32)
            shown = Segmented(data.image(at), data.truth(at), labels, likely)
            several = len(data.images) > 1
            number = at[0] if several else at[1]
            seen = "held out" if at in held else "learnt from"
            caption = f"{'picture' if several else 'slice'} {number + 1}, {seen}"
            yield _frame(data, shown, caption)

    film = _save(frames, path, 2 * SECONDS_PER_FRAME, len(where))
    return (yield from stage(film, "Drawing the film over the slices"))
