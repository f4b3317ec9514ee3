"""Training curves as a picture and as a table."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.figures.colours import sequence
from ctstudio.figures.fonts import BOLD, REGULAR
from ctstudio.resources import resource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which people with colour blindness tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LABELS = {"psnr": "PSNR (dB)", "ssim": "SSIM", "rmse": "RMSE (HU)"}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
INK, MUTED, GRID = "#202020", "#606060", "#DDDDDD"


def _empty() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class History:
    """What a training run logged.

    Parameters
    ----------
    step, lr
        ``(n,)``: step numbers and the learning rate at each.
    losses
        By name, ``(n,)`` each.
    validation_step
        ``(m,)``.
    validation
        "psnr" (dB), "ssim", "rmse" (HU), ``(m,)`` each, under ``protocol``.
    baseline
        The same metrics of the noisy input.
    gradient_step
        ``(k,)``.
    gradients
        How long the gradient of each layer's weights was, ``(k,)`` each, the first layer first.
    """

    step: NDArray[Any] = field(default_factory=_empty)
    losses: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    lr: NDArray[Any] = field(default_factory=_empty)
    validation_step: NDArray[Any] = field(default_factory=_empty)
    validation: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    protocol: str = "A"
    gradient_step: NDArray[Any] = field(default_factory=_empty)
    gradients: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def smoothed(values: NDArray[Any], window: int) -> NDArray[np.float64]:
    """Centred moving average over ``window`` values that are finite; shorter at the ends."""
    data = np.asarray(values, np.float64)
    good = np.isfinite(data)
    sums = np.concatenate([[0.0], np.cumsum(np.where(good, data, 0.0))])
    counts = np.concatenate([[0], np.cumsum(good)])
    index = np.arange(len(data))
    start, stop = np.maximum(index - window // 2, 0), np.minimum(index + window // 2 + 1, len(data))
    number = counts[stop] - counts[start]
    result: NDArray[np.float64] = np.where(
        number > 0, (sums[stop] - sums[start]) / np.maximum(number, 1), np.nan
    )
    return result


def save_curves_png(
    history: History,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    dpi: int = 150,
    metrics: Sequence[str] = tuple(LABELS),
) -> None:
    """Draw loss, validation metrics and learning rate into one PNG, and gradients where read.

    Of the ``metrics`` those are drawn that were logged.

    The loss has a logarithmic axis, each curve with its moving average; the noisy input's metrics
    stand as dashed lines. The layers' gradients go from dark to light.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    # Agg and Figure alone: pyplot keeps figures alive and may open a window.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    metrics = [name for name in metrics if name in history.validation]
    count = 2 + len(metrics) + bool(history.gradients)
    columns = min(count, 3)
    rows = -(-count // columns)
    with (
        as_file(resource("fonts", REGULAR)) as regular,
        as_file(resource("fonts", BOLD)) as bold,
        atomic_file(path) as temporary,
    ):
        plain, strong = FontProperties(fname=str(regular)), FontProperties(fname=str(bold))
        figure = Figure(
            figsize=(4.2 * columns, 3.0 * rows + (0.3 if title else 0.0)),
            dpi=dpi,
            layout="constrained",
        )
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title, x=0.01, ha="left", color=INK, fontproperties=strong, size=12)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        _draw_losses(grid[0], history)
        for axes, name in zip(grid[1:], metrics, strict=False):
            _draw_metric(axes, history, name)
        _draw_rate(grid[1 + len(metrics)], history)
        if history.gradients:
            grid[count - 1].set_title("Length of the gradient, by layer")
            draw_layers(grid[count - 1], history)
            if grid[count - 1].get_legend_handles_labels()[
                0
            ]:  # none where no gradient has a length
                grid[count - 1].legend(frameon=False)
        for axes in grid[count:]:
            axes.set_visible(False)
        every = (history.step, history.validation_step, history.gradient_step)
        steps = np.concatenate([np.ravel(part) for part in every])
        for axes in grid[:count]:
            style_axes(axes, plain, strong)
            if len(steps) and np.ptp(steps) > 0:
                room = 0.02 * float(np.ptp(steps))
                axes.set_xlim(float(steps.min()) - room, float(steps.max()) + room)
            if not axes.lines:
                axes.set(xticks=[], yticks=[])
                axes.text(
                    0.5, 0.5, "nothing logged yet", transform=axes.transAxes, ha="center",
                    va="center", color=MUTED, fontproperties=plain, size=9,
                )  # fmt: skip
        figure.savefig(temporary, format="png", metadata={"Software": f"CT Studio {__version__}"})


def _draw_losses(axes: Axes, history: History) -> None:
    axes.set_title("Loss")
    window = max(len(history.step) // 40, 1)
    for index, (name, values) in enumerate(history.losses.items()):
        colour = COLOURS[index % len(COLOURS)]
        # A logarithmic axis has no place for zero and below.
        positive = np.where(np.asarray(values, float) > 0, np.asarray(values, float), np.nan)
        if not np.isfinite(positive).any():
            continue
        keep = slice(None, None, max(len(positive) // 4000, 1))
        if window > 1:
            axes.plot(history.step[keep], positive[keep], color=colour, lw=0.6, alpha=0.3)
        line = smoothed(positive, window)
        marker = "o" if len(positive) == 1 else ""
        axes.plot(history.step[keep], line[keep], color=colour, lw=1.6, label=name, marker=marker)
    if axes.lines:
        axes.set_yscale("log")
    if len(history.losses) > 1:
        axes.legend(frameon=False)


def _draw_metric(axes: Axes, history: History, name: str) -> None:
    axes.set_title(f"{LABELS[name]}, protocol {history.protocol}")
    values = np.asarray(history.validation[name], float)
    shown = np.where(np.isfinite(values), values, np.nan)
    marker = "o" if len(shown) <= 30 else ""
    axes.plot(
        history.validation_step, shown, color=COLOURS[0], lw=1.6, marker=marker, ms=3.5,
        label="validation",
    )  # fmt: skip
    if np.isfinite(history.baseline.get(name, np.nan)):
        axes.axhline(
            history.baseline[name], color=MUTED, lw=1.2, ls=(0, (4, 3)), label="noisy input"
        )
        axes.legend(frameon=False, loc="best")


def _draw_rate(axes: Axes, history: History) -> None:
    axes.set_title("Learning rate")
    rates = np.asarray(history.lr, float)
    if not len(rates):
        return
    finite = rates[np.isfinite(rates)]
    # A cosine that ends at nothing is a curve on a linear axis and a cliff on a logarithmic one.
    if len(finite) and finite.max() > 20 * finite.min() > 0.002 * finite.max():
        axes.plot(history.step, rates, color=COLOURS[1], lw=1.6)
        axes.set_yscale("log")
        return
    largest = float(finite.max()) if len(finite) else 0.0
    power = math.floor(math.log10(largest) + 1e-9) if largest > 0 else 0
    if power:
        axes.set_title(f"Learning rate (10{str(power).translate(SUPERSCRIPTS)})")
    marker = "o" if len(rates) == 1 else ""
    axes.plot(history.step, rates / 10.0**power, color=COLOURS[1], lw=1.6, marker=marker)
    axes.set_ylim(bottom=0.0, top=1.1 * largest / 10.0**power or 1.0)


def draw_layers(axes: Axes, history: History, *, stroke: Any = "-", labels: int = 2) -> None:
    """A line a layer on a logarithmic axis, from dark to light.

    Of more layers than ``labels`` only the first and the last are named; with 0 none is.
    """
    layers = list(history.gradients)
    for number, (name, norms) in enumerate(history.gradients.items()):
        values = np.asarray(norms, float)
        values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        told = labels and (len(layers) <= labels or name in (layers[0], layers[-1]))
        colour = sequence(len(layers), dark=False)[number]
        if np.isfinite(values).any():
            axes.plot(
                history.gradient_step, values, color=colour, lw=1.3, ls=stroke,
                marker="o" if len(values) == 1 else "", ms=3.5, label=name if told else None,
            )  # fmt: skip
    if axes.lines:
        axes.set_yscale("log")


def style_axes(axes: Axes, plain: Any, strong: Any) -> None:
    """The bundled typeface, thin grey rules, no box."""
    axes.set_xlabel("Step", color=MUTED, fontproperties=plain, size=9)
    axes.set_title(axes.get_title(), loc="left", color=INK, fontproperties=strong, size=10)
    axes.title.set_text("")
    axes.grid(True, color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=8.5, width=0.6, which="both")
    axes.margins(x=0.02)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontproperties(plain)
        label.set_fontsize(8.5)
    for offset in (axes.xaxis.get_offset_text(), axes.yaxis.get_offset_text()):
        offset.set_fontproperties(plain)
        offset.set_fontsize(8.5)
    legend = axes.get_legend()
    for text in legend.get_texts() if legend else ():
        text.set_fontproperties(plain)
        text.set_fontsize(8.5)
        text.set_color(INK)


def save_curves_csv(history: History, path: str | os.PathLike[str]) -> None:
    """Write one row a step: losses and learning rate, validation metrics where there are any.

    Empty cells are what was not logged at that step. Numbers keep all their digits. The noisy
    input's metrics repeat on the validation rows. Of gradients there is a column a layer.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    metrics = list(history.validation)
    noisy = [name for name in metrics if name in history.baseline]
    protocol = f"protocol {history.protocol}"
    heading = ["step", "learning rate", *(f"loss {name}" for name in history.losses)]
    heading += [f"validation {LABELS.get(name, name)}, {protocol}" for name in metrics]
    heading += [f"noisy input {LABELS.get(name, name)}, {protocol}" for name in noisy]
    judged = len(heading) - 1
    heading += [f"gradient {name}" for name in history.gradients]
    rows: dict[int, list[str]] = {}
    for index, step in enumerate(np.asarray(history.step).tolist()):
        values = [history.lr[index], *(values[index] for values in history.losses.values())]
        rows[int(step)] = [repr(float(value)) for value in values]
    blank = [""] * (1 + len(history.losses))
    for index, step in enumerate(np.asarray(history.validation_step).tolist()):
        values = [history.validation[name][index] for name in metrics]
        values += [history.baseline[name] for name in noisy]
        cells = [repr(float(value)) for value in values]
        rows[int(step)] = rows.get(int(step), blank)[: len(blank)] + cells
    for index, step in enumerate(np.asarray(history.gradient_step).tolist()):
        row = rows.get(int(step), blank)
        row = row + [""] * (judged - len(row))
        norms = [repr(float(values[index])) for values in history.gradients.values()]
        rows[int(step)] = row + norms
    full = len(heading) - 1
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        for step in sorted(rows):
            writer.writerow([step, *rows[step], *[""] * (full - len(rows[step]))])
