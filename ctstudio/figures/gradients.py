"""The layers' gradients as pictures and tables: over the steps, and three ways side by side."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file
from typing import TYPE_CHECKING, Any

import numpy as np

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.figures.curves import COLOURS, INK, MUTED, History, draw_layers, style_axes
from ctstudio.figures.fonts import BOLD, REGULAR
from ctstudio.resources import resource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STROKES = ("-", (0, (5, 3)), (0, (1, 2)), (0, (5, 2, 1, 2)))
MOST_LABELS = 12
LEAST = 1e-30  # of a gradient that a bar can show


@dataclass(frozen=True)
class Effect:
    """What each layer gets under several gradients, the first layer first.

    Parameters
    ----------
    layers
        Their names.
    norms
        By the name of the gradient, how long that of each layer's weights is.
    cosines
        By the same names, that of the angle to the first of them; not a number where there is none.
    received
        By a name, how long the gradient at each layer's output is.
    title
        What it was measured on.
    note
        What else is to be said, such as why one of the gradients is missing.
    """

    layers: Sequence[str]
    norms: Mapping[str, Sequence[float]]
    cosines: Mapping[str, Sequence[float]]
    received: Mapping[str, Sequence[float]]
    title: str = ""
    note: str = ""


def save_gradients_png(
    histories: Mapping[str, History], path: str | os.PathLike[str], *, dpi: int = 150
) -> None:
    """Draw the layers' gradients of one or several runs, by their names, over the step.

    The colours go from the first layer to the last; several runs differ by their strokes.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    first = next(iter(histories), "")
    title = first if len(histories) == 1 else "Gradients of several trainings"
    with _figure(path, 1, (8.4, 4.2), title, dpi) as (axes,):
        axes.set_title("Length of the gradient of each layer's weights")
        for number, (name, history) in enumerate(histories.items()):
            stroke = STROKES[number % len(STROKES)]
            draw_layers(axes, history, stroke=stroke, labels=MOST_LABELS if name == first else 0)
            if len(histories) > 1:
                axes.plot([], [], color=MUTED, lw=1.3, ls=stroke, label=name)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))


def save_gradients_csv(histories: Mapping[str, History], path: str | os.PathLike[str]) -> None:
    """Write a row a run and step, a column a layer; empty where a run has no such layer.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    layers = list(dict.fromkeys(n for history in histories.values() for n in history.gradients))
    rows = []
    for name, history in histories.items():
        for k, step in enumerate(np.asarray(history.gradient_step).tolist()):
            told = {n: repr(float(v[k])) for n, v in history.gradients.items()}
            rows.append([name, int(step), *(told.get(layer, "") for layer in layers)])
    _write(path, [["run", "step", *layers], *rows])


def save_effect_png(effect: Effect, path: str | os.PathLike[str], *, dpi: int = 150) -> None:
    """Draw the gradients side by side, layer by layer: of the weights, and what layers receive.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    wide = max(6.0, 0.5 + 0.75 * len(effect.layers))
    with _figure(path, 2, (wide, 6.6), effect.title, dpi) as (above, below):
        above.set_title("Length of the gradient of each layer's weights")
        _bars(above, effect.layers, effect.norms)
        below.set_title("Length of the gradient that each layer receives")
        _bars(below, effect.layers, effect.received)
        last = list(effect.cosines)[-1:]
        for name in last:
            words = [f"cos {v:.2f}" if math.isfinite(v) else "" for v in effect.cosines[name]]
            above.set_xticklabels(
                [f"{layer}\n{word}" for layer, word in zip(effect.layers, words, strict=True)]
            )


def save_effect_csv(effect: Effect, path: str | os.PathLike[str]) -> None:
    """Write a row a layer: lengths, cosines and what it receives.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    _write(path, effect_table(effect, repr))


def effect_table(effect: Effect, in_words: Any) -> list[list[str]]:
    """Heading and a row a layer, each number as ``in_words`` makes it."""
    parts = (("gradient", effect.norms), ("cosine", effect.cosines), ("received", effect.received))
    columns = [(f"{kind} {name}", values) for kind, told in parts for name, values in told.items()]
    rows = [["layer", *(heading for heading, _ in columns)]]
    for k, layer in enumerate(effect.layers):
        rows.append([layer, *(in_words(float(values[k])) for _, values in columns)])
    return rows


def _bars(axes: Axes, layers: Sequence[str], told: Mapping[str, Sequence[float]]) -> None:
    """Groups of bars on a logarithmic axis."""
    width = 0.8 / max(len(told), 1)
    values = [v for row in told.values() for v in row if math.isfinite(v) and v > LEAST]
    floor = min(values, default=1.0) / 3
    for number, (name, row) in enumerate(told.items()):
        good = np.array([v if math.isfinite(v) and v > LEAST else floor for v in row])
        places = np.arange(len(row)) + (number - (len(told) - 1) / 2) * width
        colour = COLOURS[number % len(COLOURS)]
        axes.bar(places, good - floor, width, bottom=floor, color=colour, label=name)
    axes.set_yscale("log")
    axes.set_ylim(floor, max(values, default=1.0) * 3)
    axes.set_xticks(range(len(layers)), list(layers))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))


@contextmanager
def _figure(
    path: str | os.PathLike[str], rows: int, size: tuple[float, float], title: str, dpi: int
) -> Iterator[Sequence[Axes]]:
    """Axes one above the other to draw into; then they are written as a PNG."""
    # Agg and Figure alone: pyplot keeps figures alive and may open a window.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    with (
        as_file(resource("fonts", REGULAR)) as regular,
        as_file(resource("fonts", BOLD)) as bold,
        atomic_file(path) as temporary,
    ):
        plain, strong = FontProperties(fname=str(regular)), FontProperties(fname=str(bold))
        figure = Figure(figsize=size, dpi=dpi, layout="constrained")
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title, x=0.01, ha="left", color=INK, fontproperties=strong, size=10)
        grid: list[Axes] = list(figure.subplots(rows, 1, squeeze=False).ravel())
        yield grid
        for axes in grid:
            style_axes(axes, plain, strong)
            if axes.get_xticklabels() and axes.patches:
                axes.set_xlabel("")
        figure.savefig(temporary, format="png", metadata={"Software": f"CT Studio {__version__}"})


def _write(path: str | os.PathLike[str], rows: Sequence[Sequence[object]]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
