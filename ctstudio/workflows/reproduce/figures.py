"""The articles' figures: a grid of pictures, films over epochs and over slices, the cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.ct.window import Window
from ctstudio.workflows.reproduce.data import Data, clean_slices
from ctstudio.workflows.reproduce.experiments import FAITHFUL, FORMS
from ctstudio.workflows.reproduce.judge import Outcome, answers, noisy_slices
from ctstudio.workflows.reproduce.measure import sound, unit_psnrs
from ctstudio.workflows.reproduce.plan import Plan, Run
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from PIL import Image

    from ctstudio.figures.panel import Panel
    from ctstudio.learn.recipe import Recipe

SLICES_GIF = "slices.gif"
SECONDS_PER_FRAME = 0.2
FILM_EPOCHS = 50
FILM_SLICES = 40
FILM_PX = 256

Picture = NDArray[np.floating]


def grid_file(form: str) -> str:
    """The name of a form's grid of pictures."""
    return f"figure-{form}.png"


def epochs_file(form: str) -> str:
    """The name of a form's film over the epochs."""
    return f"epochs-{form}.gif"


def curves_file(form: str) -> str:
    """The name of a form's cost curve."""
    return f"curves-{form}.png"


def draw(
    plan: Plan, clean: Sequence[Picture], outcomes: Mapping[str, Outcome], folder: Path
) -> Work[list[str]]:
    """Write all figures of an experiment into its folder; returns their names."""
    from ctstudio.figures.compose import save_png
    from ctstudio.figures.curves import LABELS, save_curves_png
    from ctstudio.workflows.runs import load_history

    names = []
    middle = len(clean) // 2
    for form, outcome in outcomes.items():
        picture = grid(
            plan, form, clean[middle], outcome.noisy[middle], outcome.output[middle],
            plan.parts.judged[middle],
        )  # fmt: skip
        save_png(picture, folder / grid_file(form), dpi=150)
        run = folder / form
        film = epochs_film(plan.data, plan.runs[form], run, folder / epochs_file(form))
        yield from stage(film, "Drawing the film over the epochs")
        title = f"{plan.experiment.title}: {FORMS[form].lower()}"
        # Greys have no HU to clip: the protocols of these would say something else of them.
        metrics = tuple(LABELS) if plan.data.hu else ()
        curves = folder / curves_file(form)
        save_curves_png(load_history(run), curves, title=title, metrics=metrics)
        names += [grid_file(form), epochs_file(form), curves_file(form)]
    yield from slices_film(plan, outcomes, folder / SLICES_GIF)
    return [*names, SLICES_GIF]


def grid(
    plan: Plan, form: str, clean: Picture, noisy: Picture, output: Picture, index: int
) -> Image.Image:
    """The article's two by two: original, noise, denoised, and an empty place.

    As in the article each has a range of its own, in which a few extreme pixels hide all others;
    the place that the article leaves empty shows that form's output on the scale of the original.
    """
    from ctstudio.figures.compose import compose

    data = plan.data
    rows = [("Original", clean), ("Noise", noisy), ("Denoised", output)]
    panels = []
    for title, image in rows:
        own = form == FAITHFUL or title == "Noise"
        caption = f"slice {index + 1} / {len(data.volume)}"
        if title != "Original":
            caption = f"PSNR {unit_psnrs(clean, sound(image))['psnr_unit']:.1f} dB in [0, 1]"
        panels.append(_panel(data, image, title, caption, image if own else clean))
    if form == FAITHFUL:
        panels[-1] = inside(panels[-1], output, plan.runs[form].recipe)
        panels.append(_panel(data, output, "Denoised, scale of the original", "", clean))
    title = f"{plan.experiment.title}: {FORMS[form].lower()}"
    return compose(panels, columns=2, title=title)


def _panel(data: Data, image: Picture, title: str, caption: str, scale: Picture) -> Panel:
    from ctstudio.figures.panel import Panel

    geometry = data.volume.geometry
    shown = data.shown(sound(image))
    return Panel(
        shown,
        whole_range(data.shown(sound(scale))),
        title,
        caption,
        spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
        unit=data.unit,
        letters=geometry.edge_letters,
    )


def inside(panel: Panel, hu: Picture, recipe: Recipe) -> Panel:
    """A panel in the numbers that the network itself counts in, which the author's program shows.

    Values from 0 to 1 would otherwise stand as -1000 to -999 HU.
    """
    settings = recipe.phases[-1].model.params
    scale = settings.get("width") or settings.get("unit")
    if not scale or "black" not in settings:
        return panel
    values = ((sound(hu) - settings["black"]) / scale).astype(np.float32)
    return replace(panel, image=values, window=whole_range(values), unit="network")


def whole_range(values: NDArray[np.floating]) -> Window:
    """From the least to the largest value, however near, as a plotting program shows a picture."""
    low, high = float(values.min()), float(values.max())
    return Window((low + high) / 2, max(high - low, 1e-6))


def epochs_film(data: Data, run: Run, folder: Path, path: Path) -> Work[Path]:
    """The first fifty epochs beside the last fifty, from the previews of a run.

    Of a run without epochs to count, its previews stand for them.
    """
    from ctstudio.figures.animation import save_gif
    from ctstudio.learn.run_folder import preview_steps

    steps = [step for step in preview_steps(folder) if step > 0] or preview_steps(folder)
    early, late = film_halves(steps)

    def frames() -> Iterator[Image.Image]:
        from ctstudio.figures.compose import compose

        for pair in zip(early, late, strict=True):
            panels = [_preview_panel(data, run, folder, step) for step in pair]
            yield compose(panels, columns=2, height_px=FILM_PX, scale_bar=False, colour_bar=False)

    return save_gif(frames(), path, seconds_per_frame=SECONDS_PER_FRAME, total=len(early))


def film_halves(steps: Sequence[int]) -> tuple[list[int], list[int]]:
    """The first steps and the last ones, as many, at most `FILM_EPOCHS` each."""
    half = min(-(-len(steps) // 2), FILM_EPOCHS)
    return list(steps[:half]), list(steps[-half:])


def _preview_panel(data: Data, run: Run, folder: Path, step: int) -> Panel:
    from ctstudio.learn.run_folder import read_exactly, read_previews

    title = f"Epoch {step // run.epoch_steps}" if run.epoch_steps else f"Step {step:,}"
    if run.form == FAITHFUL:
        image = read_exactly(folder, step)
        return inside(_panel(data, image, title, "", image), image, run.recipe)
    preview = next(read_previews(folder, step=step), None)
    if preview is None:
        raise StudioError(
            f"The pictures in {folder} lack the images that stay the same.",
            hint="Run the experiment again in a new folder.",
            path=folder,
        )
    panels = preview.panels
    shown = panels["reconstruction"]
    return _panel(data, shown, title, "", panels.get("target", shown))


def slices_film(plan: Plan, outcomes: Mapping[str, Outcome], path: Path) -> Work[Path]:
    """A film over the slices: original, noise, and what each form makes of it."""
    from ctstudio.figures.animation import save_gif
    from ctstudio.figures.compose import compose
    from ctstudio.learn.sampling import spread

    data = plan.data
    slices = spread(range(len(data.volume)), FILM_SLICES)
    clean = yield from clean_slices(data.volume, slices)
    first = next(iter(plan.runs.values())).recipe
    noisy = noisy_slices(first, data.volume, slices, clean)
    outputs = {}
    for form, outcome in outcomes.items():
        text = f"Denoising the slices ({FORMS[form].lower()})"
        outputs[form] = yield from answers(outcome.model, noisy, text)

    def frames() -> Iterator[Image.Image]:
        for k, z in enumerate(slices):
            truth = clean[k]
            panels = [
                _panel(data, truth, "Original", f"slice {z + 1} / {len(data.volume)}", truth),
                _panel(data, noisy[k], "Noise", "", noisy[k]),
            ]
            for form, images in outputs.items():
                scale = images[k] if form == FAITHFUL else truth
                panel = _panel(data, images[k], FORMS[form], "", scale)
                own = form == FAITHFUL
                panels.append(inside(panel, images[k], plan.runs[form].recipe) if own else panel)
            yield compose(panels, columns=2, height_px=FILM_PX, scale_bar=False, colour_bar=False)

    film = save_gif(frames(), path, seconds_per_frame=SECONDS_PER_FRAME, total=len(slices))
    return (yield from stage(film, "Drawing the film over the slices"))
