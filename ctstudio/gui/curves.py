"""Live curves: loss, and the validation metrics beside what the noisy input scores.

One item a curve, `setData` on growing arrays, pen width 1: nothing is ever cleared and replotted.
"""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from ctstudio.figures.curves import smoothed
from ctstudio.gui import theme
from ctstudio.gui.run_log import RunLog

REDRAW_MS = 800
SMOOTHING = 25
METRICS = (("psnr", "PSNR", "dB"), ("ssim", "SSIM", ""), ("rmse", "RMSE", "HU"))
RAW, SMOOTH, VALUE, BASE = "#3d6f8c", "#4aa8e0", "#5cc48d", "#b9a05a"


class LogAxis(pg.AxisItem):
    """Labels 1, 2 and 5 of each power of ten: every one of nine would not fit."""

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        texts = []
        for value in values:
            number = 10.0 ** float(value)
            first = f"{number:e}"[0]
            texts.append(f"{number:.3g}" if first in "125" else "")
        return texts


class CurvesView(QWidget):
    """Small multiples of one run: loss | PSNR | SSIM | RMSE, over the training step."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curves")
        self._history: RunLog | None = None
        self._dirty = False
        self._drawn = -1  # validations on screen
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(8)
        self.plots: dict[str, pg.PlotWidget] = {}
        self._titles: dict[str, str] = {}
        self._curves: dict[str, pg.PlotDataItem] = {}
        self._readout: dict[str, pg.InfiniteLine] = {}
        loss = self._plot("loss", "Loss (log)")
        loss.setLogMode(y=True)
        self._curves["loss"] = loss.plot(pen=pg.mkPen(RAW, width=1))
        self._curves["smooth"] = loss.plot(pen=pg.mkPen(SMOOTH, width=1))
        for key, name, unit in METRICS:
            plot = self._plot(
                key, f"{name} ({unit}), protocol A" if unit else f"{name}, protocol A"
            )
            self._curves[key] = plot.plot(pen=pg.mkPen(VALUE, width=1))
            dashed = pg.mkPen(BASE, width=1, style=pg.QtCore.Qt.PenStyle.DashLine)
            self._curves[f"{key} noisy"] = plot.plot(pen=dashed)
        for curve in self._curves.values():
            curve.setClipToView(True)
            curve.setDownsampling(auto=True, method="peak")
        self.retheme()
        self._timer = QTimer(self)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self._redraw)

    def _plot(self, key: str, title: str) -> pg.PlotWidget:
        axes = {"left": LogAxis("left")} if key == "loss" else None
        plot = pg.PlotWidget(axisItems=axes, enableMenu=False)
        plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        plot.hideButtons()
        plot.setMouseEnabled(x=True, y=True)
        plot.showGrid(x=True, y=True, alpha=0.15)
        plot.setAccessibleName(f"Curve of {title}")
        plot.getAxis("left").setWidth(44)
        plot.getAxis("bottom").enableAutoSIPrefix(False)
        plot.getAxis("left").enableAutoSIPrefix(False)
        line = pg.InfiniteLine(angle=90, movable=False)
        line.setVisible(False)
        plot.addItem(line, ignoreBounds=True)
        self._readout[key] = line
        plot.scene().sigMouseMoved.connect(lambda at, key=key: self._hover(key, at))
        self._row.addWidget(plot, 1)
        self.plots[key] = plot
        self._titles[key] = title
        return plot

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        t = theme.current()
        for key, plot in self.plots.items():
            plot.setBackground(t.base)
            plot.setTitle(self._titles[key], color=t.text, size="9pt")
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setTextPen(QColor(t.muted))
                axis.setPen(QColor(t.line))
            self._readout[key].setPen(pg.mkPen(t.muted, width=1))

    def show_history(self, history: RunLog | None) -> None:
        """Show a run; it may go on growing, call `update_now` or `touch` when it did."""
        self._history = history
        self._drawn = -1
        self.update_now()

    def touch(self, _run: object = None) -> None:
        """The history has grown; redraw soon, at most a few times a second."""
        self._dirty = True
        if not self._timer.isActive():
            self._timer.start()

    def update_now(self) -> None:
        self._dirty = True
        self._redraw()

    def _redraw(self) -> None:
        if not self._dirty:
            self._timer.stop()
            return
        self._dirty = False
        history = self._history
        if history is None or not len(history.step):
            for curve in self._curves.values():
                curve.setData([], [])
            self._drawn = 0
            return
        step = np.asarray(history.step, float)
        total = np.asarray(history.total_loss, float)
        self._curves["loss"].setData(step, np.maximum(total, 1e-12))
        self._curves["smooth"].setData(step, np.maximum(smoothed(total, SMOOTHING), 1e-12))
        if len(history.validation_step) != self._drawn:
            # Seldom: these three plots are not painted anew with every step.
            self._drawn = len(history.validation_step)
            at = np.asarray(history.validation_step, float)
            for key, _, _ in METRICS:
                values = np.asarray(history.metrics.get(key, []), float)
                self._curves[key].setData(at[: len(values)], values)
                base = history.baseline.get(key)
                ends = [at[0], at[-1]] if base is not None else []
                self._curves[f"{key} noisy"].setData(ends, [base] * len(ends))

    def _hover(self, key: str, at: object) -> None:
        plot, history = self.plots[key], self._history
        line = self._readout[key]
        inside = plot.plotItem.vb.sceneBoundingRect().contains(at)
        if history is None or not len(history.step) or not inside:
            line.setVisible(False)
            plot.setToolTip("")
            return
        x = plot.plotItem.vb.mapSceneToView(at).x()
        steps = history.step if key == "loss" else history.validation_step
        values = history.total_loss if key == "loss" else history.metrics.get(key, [])
        if not len(values):
            return
        k = int(np.argmin(np.abs(np.asarray(steps[: len(values)], float) - x)))
        line.setVisible(True)
        line.setPos(steps[k])
        plot.setToolTip(f"step {steps[k]}: {values[k]:.5g}")
