"""Where the words of measurements stand: beside their shapes, and beside one another."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from ctstudio.gui import theme
from ctstudio.gui.viewer import overlay

FONT_PX = 12
GAP = 8.0  # px between a shape and its words
PAD = 3.0  # px around the words
EDGE = 4.0  # px to the edge of the pane
GROUND = 190  # how dark it is behind the words: they are read on white, too
STEPS = 12  # so many heights of a line words give way, up or down


class Labels:
    """The words upon one pane: each is placed where those before it leave room."""

    def __init__(self, size: QSize, shapes: list[QRectF]) -> None:
        """``size`` of the pane; ``shapes``: what the measured regions take of it, px."""
        self._room = QRectF(0, 0, size.width(), size.height()).adjusted(EDGE, EDGE, -EDGE, -EDGE)
        self._shapes = shapes
        self.taken: list[QRectF] = []

    def place(self, bounds: QRectF, width: float, height: float, line: float) -> QRectF:
        """The nearest free rectangle beside ``bounds``; where all is full, the freest one.

        ``line`` is the height of a line of words, by which they give way.
        """
        best, least = QRectF(), float("inf")
        for rect in self._places(bounds, width, height, line):
            covered = sum(_area(rect & other) for other in self.taken) * 4
            covered += sum(_area(rect & shape) for shape in self._shapes)
            if covered < least:
                best, least = rect, covered
            if covered == 0:
                break
        self.taken.append(best)
        return best

    def _places(self, bounds: QRectF, width: float, height: float, line: float) -> Iterator[QRectF]:
        """Right of it, left of it, below, above; then the same, a little up and down."""
        right, left = bounds.right() + GAP, bounds.left() - GAP - width
        middle = bounds.center().y() - height / 2
        centred = bounds.center().x() - width / 2
        sides = [x for x in (right, left) if self._fits_across(x, width)]
        for x in sides or [self._room.right() - width]:
            yield self._kept(QRectF(x, middle, width, height))
        for y in (bounds.bottom() + GAP, bounds.top() - GAP - height):
            yield self._kept(QRectF(centred, y, width, height))
        for step in range(1, STEPS + 1):
            for way in (1, -1):
                for x in sides or [self._room.right() - width]:
                    yield self._kept(QRectF(x, middle + way * step * line, width, height))

    def _fits_across(self, x: float, width: float) -> bool:
        return x >= self._room.left() and x + width <= self._room.right()

    def _kept(self, rect: QRectF) -> QRectF:
        """``rect``, moved into the pane."""
        x = max(min(rect.x(), self._room.right() - rect.width()), self._room.left())
        y = max(min(rect.y(), self._room.bottom() - rect.height()), self._room.top())
        return QRectF(x, y, rect.width(), rect.height())

    def paint(self, painter: QPainter, bounds: QRectF, words: list[str], colour: str) -> None:
        """Write ``words`` beside ``bounds``, on a dark ground that lines do not cross."""
        if not any(words):
            return
        font = theme.image_font(FONT_PX)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        width = max(metrics.horizontalAdvance(text) for text in words) + 2 * PAD
        line = metrics.height()
        rect = self.place(bounds, width, line * len(words) + PAD, line)
        if not rect.intersects(bounds.adjusted(-2 * GAP, -2 * GAP, 2 * GAP, 2 * GAP)):
            painter.setPen(QPen(QColor(colour), 1, Qt.PenStyle.DotLine))
            near = QPointF(rect.left() if rect.left() > bounds.right() else rect.center().x(), 0)
            near.setY(rect.center().y())
            painter.drawLine(_nearest(bounds, near), near)
        painter.fillRect(rect, QColor(0, 0, 0, GROUND))
        for row, text in enumerate(words):
            baseline = QPointF(rect.x() + PAD, rect.y() + PAD / 2 + metrics.ascent() + row * line)
            overlay.outlined(painter, baseline, text, colour)


def _nearest(bounds: QRectF, at: QPointF) -> QPointF:
    """The point of a rectangle that lies nearest to ``at``."""
    x = max(min(at.x(), bounds.right()), bounds.left())
    y = max(min(at.y(), bounds.bottom()), bounds.top())
    return QPointF(x, y)


def _area(rect: QRectF) -> float:
    return rect.width() * rect.height() if rect.isValid() else 0.0
