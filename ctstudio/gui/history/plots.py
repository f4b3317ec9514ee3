"""The curves of two runs over one another."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from ctstudio.ct.metrics import PROTOCOLS
from ctstudio.figures.colours import sequence
from ctstudio.figures.curves import History, smoothed
from ctstudio.gui import theme
from ctstudio.gui.history.model import protocol_text
from ctstudio.gui.translation.catalogue import tr

TITLES = {
    "loss": "Loss (log)",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "rmse": "RMSE (HU)",
    "dice": "Dice",
    "gradients": "Length of the gradient, first to last layer (log)",
}
LOG = ("loss", "gradients")
FEW = 30  # so many points are marked
SMOOTHING = 40  # so many averages along a curve
COLOURS = {"dark": ("#4aa8e0", "#e8a04a"), "light": ("#0b6fb0", "#b4540a")}


def colour(number: int) -> str:
    """The colour of the first (0) or second (1) run, for words, curves and marks."""
    return COLOURS[theme.current().name][number]


class LogAxis(pg.AxisItem):
    """Labels 1, 2 and 5 of each power of ten, or every digit where less than one is in view."""

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        shown = "125" if self.range[1] - self.range[0] > 1 else "123456789"
        numbers = [10.0 ** float(value) for value in values]
        return [f"{n:.3g}" if f"{n:.6e}"[0] in shown else "" for n in numbers]


class Plots(QWidget):
    """Loss, PSNR, SSIM and RMSE over the step; the dashed lines are those of the noisy input.

    The loss on held-out patches, where it is known, is dotted. Where a run has read the gradients
    of its layers these stand beside them, in colours from the first to the last layer; those of
    the second run are dashed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._histories: list[History | None] = []
        self.plots: dict[str, pg.PlotWidget] = {}
        self.curves: dict[tuple[str, int], pg.PlotDataItem] = {}
        self.held_out: dict[int, pg.PlotDataItem] = {}  # the loss of what is held out
        self._noisy: dict[tuple[str, int], pg.InfiniteLine] = {}
        self.layers: list[pg.PlotDataItem] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(8)
        for key in TITLES:
            self._plot(key)
        self._lay_out()
        self.retheme()

    def _lay_out(self) -> None:
        """Two in a row; only what the runs have."""
        read = [h for h in self._histories if h is not None]
        known = {key for h in read for key in h.validation} - {"loss"}
        shown = ["loss", *(key for key in TITLES if key in known)]
        shown += ["gradients"] * any(h.gradients for h in read)
        for key, plot in self.plots.items():
            self._grid.removeWidget(plot)
            plot.setVisible(key in shown)
        for place, key in enumerate(shown):
            self._grid.addWidget(self.plots[key], place // 2, place % 2)

    def _plot(self, key: str) -> None:
        axes = {"left": LogAxis("left")} if key in LOG else None
        plot = pg.PlotWidget(self, axisItems=axes, enableMenu=False)
        plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        plot.setMinimumHeight(96)
        plot.hideButtons()
        plot.showGrid(x=True, y=True, alpha=0.15)
        plot.setLogMode(y=key in LOG)
        plot.getAxis("left").setWidth(48)
        plot.getAxis("bottom").setTickDensity(0.6)
        for side in ("left", "bottom"):
            plot.getAxis(side).enableAutoSIPrefix(False)
        self.plots[key] = plot
        for number in (1, 0) if key != "gradients" else ():  # the first lies on top
            curve = plot.plot(connect="finite")
            curve.setClipToView(True)
            curve.setDownsampling(auto=True, method="peak")
            self.curves[key, number] = curve
            if key == "loss":
                self.held_out[number] = plot.plot(connect="finite", symbol="o")
            else:
                line = pg.InfiniteLine(angle=0, movable=False)
                line.setVisible(False)
                plot.addItem(line)
                self._noisy[key, number] = line

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        t = theme.current()
        for key, plot in self.plots.items():
            plot.setBackground(t.base)
            for side in ("left", "bottom"):
                plot.getAxis(side).setTextPen(QColor(t.muted))
                plot.getAxis(side).setPen(QColor(t.line))
            for number in (0, 1) if key != "gradients" else ():
                curve = self.curves[key, number]
                curve.setPen(pg.mkPen(colour(number), width=1))
                curve.setSymbolPen(None)
                curve.setSymbolBrush(colour(number))
                curve.setSymbolSize(4)
        for number, curve in self.held_out.items():
            curve.setPen(pg.mkPen(colour(number), width=1, style=Qt.PenStyle.DotLine))
            curve.setSymbolPen(None)
            curve.setSymbolBrush(colour(number))
            curve.setSymbolSize(5)
        for (_, number), line in self._noisy.items():
            line.setPen(pg.mkPen(colour(number), width=1, style=Qt.PenStyle.DashLine))
        self._name()
        self._draw_layers()

    def _draw_layers(self) -> None:
        plot = self.plots["gradients"]
        for item in self.layers:
            plot.removeItem(item)
        self.layers = []
        for number, history in enumerate(self._histories):
            if history is None:
                continue
            colours = sequence(len(history.gradients), theme.current() is theme.DARK)
            style = Qt.PenStyle.DashLine if number else Qt.PenStyle.SolidLine
            for values, shade in zip(history.gradients.values(), colours, strict=True):
                norms = np.where(values > 0, values, np.nan)
                pen = pg.mkPen(shade, width=1, style=style)
                item = plot.plot(history.gradient_step, norms, pen=pen, connect="finite")
                self.layers.append(item)

    def _name(self) -> None:
        """The protocols stand with the metrics; what is longer than a name is in the tooltip."""
        for key, plot in self.plots.items():
            title, by = (
                tr(TITLES[key]),
                {h.protocol for h in self._histories if h and key in h.validation},
            )
            if key == "loss" and by:
                title += tr(", held-out dotted")
            elif by:
                plot.setToolTip(tr(" and ").join(sorted(map(protocol_text, by))))
                if by <= set(PROTOCOLS):
                    title += f", {plot.toolTip()}"
            plot.setAccessibleName(tr("Curves of {0}").format(title))
            plot.setTitle(title, color=theme.current().text, size="9pt")

    def show_histories(self, histories: list[History | None]) -> None:
        """Show the curves of one or two runs; None leaves out those of one."""
        self._histories = histories
        self._lay_out()
        self._name()
        for number in (0, 1):
            history = histories[number] if number < len(histories) else None
            for key in [key for key in TITLES if key != "gradients"]:
                x, y = _points(history, key)
                few = key != "loss" and len(x) <= FEW
                self.curves[key, number].setData(x, y, symbol="o" if few else None)
                line = self._noisy.get((key, number))
                if line is not None:
                    level = history.baseline.get(key) if history else None
                    line.setVisible(level is not None)
                    line.setValue(level or 0.0)
            self.held_out[number].setData(*_held_out(history))
        self._draw_layers()
        known = [h for h in histories if h is not None]
        ends = [int(s[-1]) for h in known for s in (h.step, h.validation_step) if len(s)]
        for plot in self.plots.values():
            plot.setXRange(0, max(ends, default=1), padding=0.02)
            plot.enableAutoRange(axis="y")


def _points(history: History | None, key: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nothing = np.empty(0)
    if history is None:
        return nothing, nothing
    if key == "loss":
        total = next(iter(history.losses.values()), nothing)
        values = smoothed(total, max(len(total) // SMOOTHING, 1))
        # A logarithmic axis has no place for zero and below.
        return np.asarray(history.step, float), np.where(values > 0, values, np.nan)
    return _judged(history, key)


def _held_out(
    history: History | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The loss of what was held out, where that is what a training is judged by."""
    if history is None:
        return np.empty(0), np.empty(0)
    steps, values = _judged(history, "loss")
    return steps, np.where(values > 0, values, np.nan)


def _judged(history: History, key: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = np.asarray(history.validation.get(key, np.empty(0)), float)
    return np.asarray(history.validation_step[: len(values)], float), values
