"""A window from a region: drag a box, and it shows what lies in it best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen

from ctstudio.ct.window import Window
from ctstudio.gui import theme
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.slice_view import SliceView

PERCENTILES = (1.0, 99.0)
LEAST_WIDTH = 10.0
LEAST_PX = 4  # of the screen: less is a click


def window_of(values: NDArray[np.floating]) -> Window | None:
    """From the 1 to the 99 percentile of the values, a tenth wider; None where there are none."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low, high = (float(v) for v in np.percentile(known, PERCENTILES))
    return Window((low + high) / 2, max(1.1 * (high - low), LEAST_WIDTH))


class RegionTool(QObject):
    """Takes the left button of the panes until one box was dragged."""

    ended = Signal()

    def __init__(
        self, views: Callable[[], list[SliceView]], use: Callable[[SliceView, Window], None]
    ) -> None:
        super().__init__()
        self._views, self._use = views, use
        self.on = False
        self._box: tuple[SliceView, QPointF, QPointF] | None = None

    def begin(self) -> None:
        """Wait for a box."""
        self.on = True
        for view in self._views():
            view.tool = self
            view.set_brush(None)
            view.viewport().setCursor(Qt.CursorShape.CrossCursor)

    def end(self) -> None:
        """Give the button back."""
        if not self.on:
            return
        self.on, self._box = False, None
        for view in self._views():
            if view.tool is self:
                view.tool = None
                view.viewport().unsetCursor()
            view.viewport().update()
        self.ended.emit()

    def press(self, view: SliceView, at: QPointF) -> None:
        """The left button goes down at (u, v) mm of ``view``."""
        self._box = (view, at, at)

    def drag(self, view: SliceView, at: QPointF) -> None:
        """The mouse moves with the button down."""
        if self._box is not None and self._box[0] is view:
            self._box = (view, self._box[1], at)
            view.viewport().update()

    def release(self, view: SliceView) -> None:
        """The button goes up: the window is set, and the tool put away."""
        box, self._box = self._box, None
        if box is None or box[0] is not view or view.hu is None:
            return
        start, end = view.to_viewport(box[1]), view.to_viewport(box[2])
        if abs(start.x() - end.x()) + abs(start.y() - end.y()) < LEAST_PX:
            return
        window = window_of(_within(view, QRectF(box[1], box[2]).normalized()))
        self.end()
        if window is not None:
            self._use(view, window)

    def hover(self, view: SliceView, at: QPointF | None) -> None:
        """Nothing lies under the mouse that it takes."""

    def paint(self, view: PictureView, painter: QPainter) -> None:
        """Draw the box upon ``view``, whose painter counts in px."""
        if self._box is None or self._box[0] is not view:
            return
        rect = QRectF(view.to_viewport(self._box[1]), view.to_viewport(self._box[2])).normalized()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(0, 0, 0, 180), 3))
        painter.drawRect(rect)
        painter.setPen(QPen(QColor(theme.current().accent), 1, Qt.PenStyle.DashLine))
        painter.drawRect(rect)


def _within(view: SliceView, box: QRectF) -> NDArray[np.floating]:
    """The values whose pixels' centres lie in a box of (u, v) mm; of a small one the nearest."""
    assert view.hu is not None
    dy, dx = view.stack.geometry.spacing_mm
    rect = view.image_rect()
    rows, columns = view.hu.shape
    parts = []
    for low, high, first, step, count in (
        (box.top(), box.bottom(), rect.top(), dy, rows),
        (box.left(), box.right(), rect.left(), dx, columns),
    ):
        begin = int(np.ceil((low - first) / step - 0.5))
        stop = max(int(np.floor((high - first) / step - 0.5)) + 1, begin + 1)
        parts.append(slice(min(max(begin, 0), count), min(max(stop, 0), count)))
    found: NDArray[np.floating] = view.hu[parts[0], parts[1]]
    return found
