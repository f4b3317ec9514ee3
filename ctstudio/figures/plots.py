"""Plots of several layers in one picture: lines, bars, and pictures with one scale of values."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.figures.colour_maps import sequential_table
from ctstudio.figures.compose import DISCLAIMER
from ctstudio.figures.curves import COLOURS, INK, MUTED, style_axes
from ctstudio.figures.fonts import BOLD, REGULAR
from ctstudio.resources import resource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 60  # characters of a name in a legend


@dataclass(frozen=True, eq=False)
class Lines:
    """Named curves ``(n,)`` over ``(n,)``; ``levels`` are drawn across as thin lines, ``marks``
    upwards, with their names.
    """

    title: str
    x_label: str
    y_label: str
    curves: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]]
    levels: tuple[float, ...] = ()
    marks: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, eq=False)
class Bars:
    """A bar a name."""

    title: str
    label: str
    bars: Sequence[tuple[str, float]]


@dataclass(frozen=True, eq=False)
class Picture:
    """Values ``(y, x)`` from 0 to ``top`` in a map of colours; ``spacing`` says how wide pixels
    are to how high.
    """

    title: str
    values: NDArray[np.floating]
    spacing: tuple[float, float]
    top: float
    unit: str


Part = Lines | Bars | Picture


def save_plots_png(
    path: str | os.PathLike[str],
    parts: Sequence[Part],
    *,
    title: str = "",
    footer: str = "",
    dpi: int = 150,
) -> None:
    """Draw ``parts`` side by side, three in a row at most, into one PNG on white.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    columns = min(max(len(parts), 1), 3)
    rows = math.ceil(max(len(parts), 1) / columns)
    with (
        as_file(resource("fonts", REGULAR)) as regular,
        as_file(resource("fonts", BOLD)) as bold,
        atomic_file(path) as temporary,
    ):
        plain, strong = FontProperties(fname=str(regular)), FontProperties(fname=str(bold))
        figure = Figure(
            figsize=(5.4 * columns, 3.8 * rows + 0.6), dpi=dpi, layout="constrained"
        )  # fmt: skip
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontproperties=strong, size=12)
        note = f"{footer}   {DISCLAIMER}" if footer else DISCLAIMER
        figure.supxlabel(note, x=0.01, ha="left", color=MUTED, fontproperties=plain, size=8)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, part in zip(grid, parts, strict=False):
            if isinstance(part, Lines):
                _lines(axes, part, plain, strong)
            elif isinstance(part, Bars):
                _bars(axes, part, plain, strong)
            else:
                _picture(axes, part, plain, strong)
        for axes in grid[len(parts) :]:
            axes.set_visible(False)
        figure.savefig(temporary, format="png", metadata={"Software": f"CT Studio {__version__}"})


def _short(text: str) -> str:
    name, colon, rest = text.partition(": ")
    kept = name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
    return f"{kept}\n{rest}" if colon and rest else kept


def _lines(axes: Axes, part: Lines, plain: Any, strong: Any) -> None:
    axes.set_title(part.title)
    for level in part.levels:
        axes.axhline(level, color=MUTED, lw=0.8, ls=(0, (4, 3)))
    for name, place in part.marks:
        axes.axvline(place, color=MUTED, lw=0.8, ls=(0, (1, 2)))
        axes.annotate(
            name, (place, 0.52), (-3, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", rotation=90, ha="right", va="bottom", color=MUTED,
            fontproperties=plain, size=8,
        )  # fmt: skip
    for number, (name, x, y) in enumerate(part.curves):
        axes.plot(x, y, color=COLOURS[number % len(COLOURS)], lw=1.5, label=_short(name))
    if part.curves:
        axes.legend(frameon=False)
    style_axes(axes, plain, strong)
    axes.set_xlabel(part.x_label, color=MUTED, fontproperties=plain, size=9)
    axes.set_ylabel(part.y_label, color=MUTED, fontproperties=plain, size=9)
    if all(np.nanmin(y) >= 0 for _, _, y in part.curves):
        axes.set_ylim(bottom=0)


def _bars(axes: Axes, part: Bars, plain: Any, strong: Any) -> None:
    axes.set_title(part.title)
    names = [_short(name) for name, _ in part.bars]
    numbers = [value for _, value in part.bars]
    places = range(len(names))
    drawn = axes.barh(list(places), numbers, height=0.6, color=COLOURS[0])
    for number, bar in enumerate(drawn):
        bar.set_color(COLOURS[number % len(COLOURS)])
        axes.annotate(
            f"{numbers[number]:.2f}", (max(numbers[number], 0.0), number), (4, 0),
            textcoords="offset points", va="center", color=INK, fontproperties=plain, size=9,
        )  # fmt: skip
    axes.set_yticks(list(places), names)
    axes.invert_yaxis()
    style_axes(axes, plain, strong)
    axes.grid(False, axis="y")
    axes.margins(x=0.12)
    axes.set_xlabel(part.label, color=MUTED, fontproperties=plain, size=9)


def _picture(axes: Axes, part: Picture, plain: Any, strong: Any) -> None:
    from matplotlib.colors import ListedColormap

    axes.set_title(_short(part.title.replace("\n", ": ", 1)))
    colours = ListedColormap(sequential_table("ember") / 255.0)
    height, width = part.values.shape
    dy, dx = part.spacing
    shown = axes.imshow(
        part.values, cmap=colours, vmin=0.0, vmax=max(part.top, 1e-12), aspect=dy / dx,
        interpolation="nearest", extent=(0, width, height, 0),
    )  # fmt: skip
    style_axes(axes, plain, strong)
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("")
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.85, label=part.unit)
    bar.ax.tick_params(colors=MUTED, labelsize=8)
    bar.ax.yaxis.label.set_color(MUTED)
    bar.outline.set_edgecolor(MUTED)
    for label in (*bar.ax.get_yticklabels(), bar.ax.yaxis.label):
        label.set_fontproperties(plain)
        label.set_fontsize(8.5)
