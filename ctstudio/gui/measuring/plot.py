"""The profile of all layers, or the histogram of a region in all of them, in one plot."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QSizePolicy

from ctstudio.ct.measure import histogram
from ctstudio.gui import theme
from ctstudio.gui.measuring.entries import Entry
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.measurements import Reading

COLOURS = {
    "dark": ("#4aa8e0", "#f2a541", "#5fcf8e", "#e274b0", "#d2cc55", "#a596f2", "#e6e8ea"),
    "light": ("#0b6fb0", "#b4540a", "#137a47", "#a3246b", "#6f6800", "#5a3fc0", "#1b1f23"),
}


def colour(number: int) -> str:
    """The colour of a layer's curve, and of the square beside its name."""
    colours = COLOURS[theme.current().name]
    return colours[number % len(colours)]


def square(shade: str) -> QIcon:
    """A small square of a colour, before a layer's name."""
    picture = QPixmap(10, 10)
    picture.fill(QColor(shade))
    return QIcon(picture)


class MeasurePlot(pg.PlotWidget):
    """One curve a layer, in the order of the readings; `columns` is what is drawn, for a file."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(96)
        self.setAccessibleName(tr("Profile or histogram of the measurement"))
        item = self.plotItem
        item.hideButtons()
        item.showGrid(x=True, y=True, alpha=0.15)
        item.getAxis("left").setWidth(56)
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        self.curves: list[pg.PlotDataItem] = []
        self.columns: list[tuple[str, NDArray[np.float64]]] = []
        self._entry: int | None = None
        self.retheme()

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        t = theme.current()
        self.setBackground(t.base)
        for side in ("left", "bottom"):
            axis = self.plotItem.getAxis(side)
            axis.setTextPen(QColor(t.muted))
            axis.setPen(QColor(t.line))
            axis.setLabel(axis.labelText, color=t.muted)
        for number, curve in enumerate(self.curves):
            curve.setPen(pg.mkPen(colour(number), width=1))

    def show_entry(self, entry: Entry, readings: list[Reading], at_mm: NDArray[np.float64]) -> None:
        """Draw what ``entry`` says of the layers; lengths and angles have nothing to draw."""
        lines: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self.columns = []
        units = list(dict.fromkeys(reading.unit for reading in readings if reading.unit))
        values = ", ".join(units) or tr("Value")
        if entry.shape.kind == "profile":
            lines = [(at_mm, reading.samples) for reading in readings]
            self._name(tr("Distance ({0})").format(entry.length_unit), values)
            self.columns = [
                (f"distance ({entry.length_unit})", at_mm),
                *((f"{reading.layer} ({reading.unit})", reading.samples) for reading in readings),
            ]
        elif entry.shape.is_region:
            edges, numbers = histogram([reading.samples for reading in readings])
            counts = [
                # Of a region that is being dragged the samples are few of its pixels.
                np.asarray(c * (r.statistics.n / max(len(r.samples), 1) if r.statistics else 1.0))
                for r, c in zip(readings, numbers, strict=True)
            ]
            stairs = np.repeat(edges, 2)
            lines = [(stairs, np.concatenate([[0.0], np.repeat(c, 2), [0.0]])) for c in counts]
            self._name(values, tr("Pixels"))
            self.columns = [
                ("from", edges[:-1]),
                ("to", edges[1:]),
                *((f"{r.layer} (pixels)", c) for r, c in zip(readings, counts, strict=True)),
            ]
        while len(self.curves) < len(lines):
            curve = self.plotItem.plot(connect="finite")
            curve.setClipToView(True)
            curve.setDownsampling(auto=True, method="peak")
            curve.setPen(pg.mkPen(colour(len(self.curves)), width=1))
            self.curves.append(curve)
        for curve, (x, y) in zip(self.curves, lines, strict=False):
            curve.setData(x, y)
        for curve in self.curves[len(lines) :]:
            curve.setData([], [])
        if entry.number != self._entry:
            self._entry = entry.number
            self.plotItem.enableAutoRange()

    def _name(self, below: str, left: str) -> None:
        for side, text in (("bottom", below), ("left", left)):
            axis = self.plotItem.getAxis(side)
            if axis.labelText != text:
                axis.setLabel(text, color=theme.current().muted)
