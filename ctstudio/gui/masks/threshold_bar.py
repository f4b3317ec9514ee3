"""The colours of probabilities from 0 to 1, with a handle for the threshold."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from ctstudio.figures.colours import sequence
from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr

ENTRIES = 256
LEAST, MOST, STEP = 0.01, 0.99, 0.01
END = 22.0  # px at either end, for the numbers
HANDLE = 5.0


@lru_cache(maxsize=1)
def probability_table() -> NDArray[np.uint8]:
    """The colours of 0 to 1, ``(256, 3)`` uint8: lightness grows evenly, violet to yellow."""
    colours = [QColor(name) for name in sequence(ENTRIES)]
    return np.array([(c.red(), c.green(), c.blue()) for c in colours], np.uint8)


class ThresholdBar(QWidget):
    """A colour bar that is dragged; ``moved`` while it is, ``settled`` when that is over."""

    moved = Signal(float)
    settled = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.value = 0.5
        self.setAccessibleName(tr("Threshold of the probability"))
        self.setToolTip(
            tr("Probability from 0 to 1; drag the handle to move the threshold (white outline)")
        )
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        return QSize(260, 24)

    def set_value(self, value: float) -> None:
        """Show another threshold without telling of it."""
        self.value = min(max(value, LEAST), MOST)
        self.update()

    def _scale(self) -> QRectF:
        return QRectF(END, 3, self.width() - 2 * END - 34, 11)

    def _put(self, x: float) -> None:
        scale = self._scale()
        share = (x - scale.left()) / scale.width()
        self.set_value(round(share / STEP) * STEP)
        self.moved.emit(self.value)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._put(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._put(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.settled.emit(self.value)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if not steps:
            event.ignore()
            return
        self.set_value(self.value + steps * STEP)
        self.moved.emit(self.value)
        self.settled.emit(self.value)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        colours, scale = theme.current(), self._scale()
        gradient = QLinearGradient(scale.topLeft(), scale.topRight())
        table = probability_table()
        for k in range(0, ENTRIES, 15):
            gradient.setColorAt(k / (ENTRIES - 1), QColor(*table[k].tolist()))
        ground = self.isEnabled()
        painter.setOpacity(1.0 if ground else 0.4)
        painter.fillRect(scale, gradient)
        painter.setPen(QColor(colours.muted))
        middle = Qt.AlignmentFlag.AlignVCenter
        row = QRectF(0, scale.top(), END - 6, scale.height())
        painter.drawText(row, Qt.AlignmentFlag.AlignRight | middle, "0")
        painter.drawText(row.translated(scale.right() + 6, 0), middle, "1")
        x = scale.left() + self.value * scale.width()
        painter.setPen(QPen(QColor(colours.text), 1.5))
        painter.drawLine(QPointF(x, scale.top() - 1), QPointF(x, scale.bottom() + 1))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.text))
        foot = scale.bottom() + 1
        painter.drawPolygon(
            QPolygonF(
                [QPointF(x, foot), QPointF(x - HANDLE, foot + 7), QPointF(x + HANDLE, foot + 7)]
            )
        )
        painter.setPen(QColor(colours.text))
        text = QRectF(self.width() - 34, scale.top(), 34, scale.height())
        painter.drawText(text, Qt.AlignmentFlag.AlignRight | middle, f"{self.value:.2f}")
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.end()
