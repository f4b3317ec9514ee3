"""What the noise tools found, drawn: curves, bars, and pictures with one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ctstudio.figures.colour_maps import sequential_table
from ctstudio.figures.marks import bar_ticks, number
from ctstudio.gui import theme
from ctstudio.gui.measuring.plot import colour
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.noise_measures import CURVE_NAMES, Finding, axis_units

LEVELS = (0.5, 0.1)
SHOWN = 98.0  # percent of the pixels: edges, which are no noise, would dim all else
GAP, BAR, LABELS = 8, 12, 44  # px: between pictures, the bar's width, its labels'


class NoisePlot(pg.PlotWidget):
    """One curve, or one bar, a layer."""

    def __init__(self) -> None:
        self._named: tuple[str, str] | None = None  # below, left; in full
        super().__init__(enableMenu=False)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(96)
        self.setAccessibleName(tr("Curves of the noise tool"))
        item = self.plotItem
        item.hideButtons()
        item.showGrid(x=True, y=True, alpha=0.15)
        item.getAxis("left").setWidth(76)
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
            item.getAxis(side).setZValue(-1)  # its lines lie behind bars and curves
        self.curves: list[pg.PlotDataItem] = []
        self.bars = pg.BarGraphItem(x=[], height=[], width=0.6)
        self._levels = [pg.InfiniteLine(level, angle=0) for level in LEVELS]
        self.marks: list[pg.InfiniteLine] = []  # the Nyquist frequencies of the pixels
        self._shown = ""
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
        for line in self._levels:
            line.setPen(pg.mkPen(t.muted, width=1, style=Qt.PenStyle.DashLine))
        for line in self.marks:
            line.setPen(pg.mkPen(t.muted, width=1, style=Qt.PenStyle.DotLine))
            line.label.setColor(QColor(t.muted))
        for k, curve in enumerate(self.curves):
            curve.setPen(pg.mkPen(colour(k), width=1))

    def show_curves(self, name: str, findings: Sequence[Finding]) -> None:
        """Draw the curves called ``name`` of all findings that have one."""
        self._begin(name)
        while len(self.curves) < len(findings):
            curve = self.plotItem.plot(connect="finite")
            curve.setPen(pg.mkPen(colour(len(self.curves)), width=1))
            self.curves.append(curve)
        for k, curve in enumerate(self.curves):
            drawn = findings[k].curves.get(name) if k < len(findings) else None
            curve.setData(*drawn) if drawn is not None else curve.setData([], [])
        having = [f for f in findings if name in f.curves]
        if having:
            texts = zip(CURVE_NAMES[name], axis_units(name, having[0]), strict=True)
            told = ((f"{t[:1].upper()}{t[1:]}", u) for t, u in texts)
            below, left = (f"{tr(t)}{f' ({u})' if u else ''}" for t, u in told)
            self._name(below, left)
        else:
            self._name("", "")
        for line in self._levels:
            there = line.scene() is not None
            if (name == "mtf") != there:
                self.plotItem.addItem(line) if not there else self.plotItem.removeItem(line)
        self._mark({f.numbers["nyquist"] for f in having} if name == "mtf" else set())
        self.plotItem.getAxis("bottom").setTicks(None)
        self.plotItem.enableAutoRange()
        if name == "mtf":
            self.plotItem.setYRange(0.0, 1.1, padding=0)

    def _mark(self, places: set[float]) -> None:
        """Say where the Nyquist frequencies of the pixels lie."""
        for line in self.marks:
            self.plotItem.removeItem(line)
        options = {"position": 0.5, "rotateAxis": (1, 0), "anchors": [(0, 1), (0, 1)]}
        self.marks = [
            pg.InfiniteLine(place, label=tr("Nyquist"), labelOpts=options)
            for place in sorted(places)
        ]
        for line in self.marks:
            self.plotItem.addItem(line)
        if self.marks:
            self.retheme()

    def show_bars(self, key: str, label: str, findings: Sequence[Finding]) -> None:
        """Draw one of the numbers of all findings as bars."""
        self.show_curves("", [])
        self._begin(key)
        having = [(k, f.numbers[key]) for k, f in enumerate(findings) if key in f.numbers]
        having = [(k, value) for k, value in having if math.isfinite(value)]
        if not having:
            return
        places, heights = zip(*having, strict=True)
        shades = [QColor(colour(k)) for k in places]
        self.bars.setOpts(x=list(places), height=list(heights), brushes=shades, pens=shades)
        self.plotItem.addItem(self.bars)
        names = [(k, _short(findings[k].layer)) for k in places]
        self.plotItem.getAxis("bottom").setTicks([names])
        self._name("", label)
        self.plotItem.setXRange(-0.6, len(findings) - 0.4, padding=0)
        self.plotItem.setYRange(0.0, max(*heights, 0.0) * 1.1 or 1.0, padding=0)

    def _begin(self, what: str) -> None:
        if self.bars.scene() is not None:
            self.plotItem.removeItem(self.bars)
        self._shown = what

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        if self._named:
            self._name(*self._named)

    def _name(self, below: str, left: str) -> None:
        """Name the axes; beside a low plot the unit alone, which the table names in full."""
        self._named = below, left
        room = self.height() - self.plotItem.getAxis("bottom").height()
        if self.fontMetrics().horizontalAdvance(left) > room and left.endswith(")"):
            left = left[left.rfind(" (") + 2 : -1]
        for side, text in (("bottom", below), ("left", left)):
            axis = self.plotItem.getAxis(side)
            if axis.labelText != text:
                axis.setLabel(text, color=theme.current().muted)
                axis.resizeEvent()  # it centres its label then alone


def _short(text: str) -> str:
    return text if len(text) <= 19 else f"{text[:4]}...{text[-12:]}"


class NoisePictures(QWidget):
    """Pictures side by side with one scale from 0, and its bar."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Pictures of the noise tool"))
        self.setMouseTracking(True)
        self._findings: list[Finding] = []
        self._images: list[QImage] = []
        self._unit, self._top = "", 1.0

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 96)

    @property
    def top(self) -> float:
        """The value at the upper end of the scale."""
        return self._top

    def show_findings(self, findings: Sequence[Finding], unit: str) -> None:
        """Show the pictures of those that have one; the greatest 2 percent are one colour."""
        self._findings = [f for f in findings if f.picture is not None]
        self._unit = unit
        tops = [float(np.nanpercentile(_of(f), SHOWN)) for f in self._findings if _known(f)]
        self._top = max(max(tops, default=0.0), 1e-9)
        self._images = [_image(_of(f), self._top) for f in self._findings]
        self.update()

    def places(self) -> list[QRectF]:
        """Where each picture lies, px."""
        count = len(self._findings)
        if not count:
            return []
        line = self.fontMetrics().height() + 4
        room = self.width() - LABELS - BAR - GAP
        best: list[QRectF] = []
        for columns in range(1, count + 1):
            rows = -(-count // columns)
            width = room / columns - GAP
            height = self.height() / rows - line - GAP
            if width < 8 or height < 8:
                continue
            found = []
            for k, f in enumerate(self._findings):
                ny, nx = _of(f).shape
                dy, dx = f.spacing
                scale = min(width / (nx * dx), height / (ny * dy))
                size = nx * dx * scale, ny * dy * scale
                left = (k % columns) * (width + GAP)
                top = (k // columns) * (height + line + GAP) + line
                found.append(QRectF(left, top, *size))
            if not best or found[0].width() > best[0].width():
                best = found
        return best

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        t = theme.current()
        rects = self.places()
        if not rects:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        metrics = self.fontMetrics()
        for k, (finding, image, rect) in enumerate(
            zip(self._findings, self._images, rects, strict=True)
        ):
            painter.drawImage(rect, image)
            square = QRectF(rect.left(), rect.top() - metrics.height() + 2, 9, 9)
            painter.fillRect(square, QColor(colour(k)))
            painter.setPen(QColor(t.text))
            elided = metrics.elidedText(
                finding.layer, Qt.TextElideMode.ElideMiddle, round(rect.width()) - 14
            )
            painter.drawText(QPointF(rect.left() + 14, rect.top() - 5), elided)
        self._paint_bar(painter, rects)

    def _paint_bar(self, painter: QPainter, rects: list[QRectF]) -> None:
        t, metrics = theme.current(), self.fontMetrics()
        x = max(rect.right() for rect in rects) + GAP
        top, bottom = rects[0].top(), min(rects[-1].bottom(), self.height() - 8.0)
        if bottom - top < 24:
            return
        ramp = np.ascontiguousarray(sequential_table("ember")[::-1, None, :])
        painter.drawImage(
            QRectF(x, top, BAR, bottom - top),
            QImage(ramp.data, 1, len(ramp), 3, QImage.Format.Format_RGB888).copy(),
        )
        painter.setPen(QPen(QColor(t.muted)))
        painter.drawText(QPointF(x, top - 5), self._unit)
        room = max(int((bottom - top) / (1.4 * metrics.height())), 2)
        for value in bar_ticks(0.0, self._top, room):
            y = bottom - (bottom - top) * value / self._top
            painter.drawLine(QPointF(x + BAR, y), QPointF(x + BAR + 3, y))
            text = number(float(f"{value:.3g}"))
            painter.drawText(QPointF(x + BAR + 6, y + metrics.ascent() / 2 - 1), text)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            told = self.value_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), told, self) if told else QToolTip.hideText()
            return True
        return super().event(event)

    def value_at(self, at: QPointF) -> str:
        """The value of the picture under a place, in words; "" beside them."""
        for finding, rect in zip(self._findings, self.places(), strict=True):
            if rect.contains(at):
                picture = _of(finding)
                ny, nx = picture.shape
                y = min(int((at.y() - rect.top()) / rect.height() * ny), ny - 1)
                x = min(int((at.x() - rect.left()) / rect.width() * nx), nx - 1)
                value = float(picture[y, x])
                return f"{value:.4g} {self._unit}" if math.isfinite(value) else tr("no value")
        return ""


def _of(finding: Finding) -> NDArray[np.float32]:
    assert finding.picture is not None
    return finding.picture


def _known(finding: Finding) -> bool:
    return bool(np.isfinite(_of(finding)).any())


def _image(picture: NDArray[np.float32], top: float) -> QImage:
    scaled = np.nan_to_num(np.clip(picture / top, 0.0, 1.0) * 255.0)
    rgb = np.ascontiguousarray(sequential_table("ember")[np.rint(scaled).astype(np.uint8)])
    height, width, _ = rgb.shape
    return QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
