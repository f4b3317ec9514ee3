"""What a pane compares, apart from the pane: drawn slice by slice, for pictures and films."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QRegion, QTransform

from ctstudio.ct.views import SliceStack
from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_index
from ctstudio.gui.comparing.modes import Mode
from ctstudio.gui.comparing.second import on_pixels, slice_beside
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.picture import Picture
from ctstudio.gui.viewer.places import slice_rect


@dataclass(frozen=True, eq=False)
class Beside:
    """A second layer as a pane shows it with its own.

    Parameters
    ----------
    stack
        The second layer's slices as the pane sees them.
    value
        What is set of the mode, as `modes.Values` has it.
    window, table
        Of the second layer's greys.
    line_mm
        Of a swipe: where its line stands in the plane, along or down.
    second_in_turn
        Of a flicker: whether the second layer is seen now.
    """

    layer: Layer
    stack: SliceStack
    mode: Mode
    value: float
    window: Window
    table: NDArray[np.uint8] | None
    line_mm: float
    second_in_turn: bool

    def difference(
        self, shown: SliceStack, index: int, hu: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """Second minus first on the pixels of slice ``index`` of ``shown``, 0 where unknown."""
        found = slice_beside(self.stack, shown, index)
        if found is None:
            return None
        rect = slice_rect(shown.geometry, shown.shape, index)
        return np.nan_to_num(on_pixels(found[1], found[2], hu.shape, rect) - hu, nan=0.0)

    def colours(
        self,
        shown: SliceStack,
        index: int,
        grey: NDArray[np.uint8],
        table: NDArray[np.uint8] | None,
    ) -> NDArray[np.uint8] | None:
        """Both layers as the pane paints them, ``(y, x, 3)`` uint8, a px for each pixel.

        Parameters
        ----------
        shown, index
            The first layer's slices, and which of them.
        grey, table
            Its greys ``(y, x)`` and their colours.

        Returns
        -------
        numpy.ndarray or None
            None where the second layer has no slice.
        """
        found = slice_beside(self.stack, shown, index)
        if found is None:
            return None
        own, other = Picture(), Picture()
        rect, (rows, columns) = slice_rect(shown.geometry, shown.shape, index), grey.shape
        own.show_greys(grey, table, rect)
        other.show_greys(greys(found[1], self.window, signed=self.layer.signed), self.table,
                         found[2])  # fmt: skip
        if self.mode == "flicker":
            other.visible = self.second_in_turn
            own.visible = not self.second_in_turn
        other.opacity = self.value / 100 if self.mode == "blend" else 1.0
        other.clip = lambda: self._clip(rect, QSize(columns, rows))
        image = QImage(columns, rows, QImage.Format.Format_RGB32)
        image.fill(Qt.GlobalColor.black)
        plane = QTransform.fromScale(columns / rect.width(), rows / rect.height())
        plane = plane.translate(-rect.left(), -rect.top())
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        own.paint(painter, plane)
        other.paint(painter, plane)
        painter.end()
        seen = np.frombuffer(image.constBits(), np.uint8).reshape(rows, columns, 4)
        return np.ascontiguousarray(seen[..., 2::-1])  # blue comes first

    def line_px(self, rect: QRectF, size: QSize) -> int:
        """Of a swipe: the column, or the row, where the second layer begins."""
        if self.mode == "swipe":
            return round((self.line_mm - rect.left()) / rect.width() * size.width())
        return round((self.line_mm - rect.top()) / rect.height() * size.height())

    def _clip(self, rect: QRectF, size: QSize) -> QRegion | None:
        """Where the second layer is seen, px."""
        whole = QRegion(0, 0, size.width(), size.height())
        if self.mode == "swipe":
            return whole.translated(max(self.line_px(rect, size), 0), 0)
        if self.mode == "swipe_down":
            return whole.translated(0, max(self.line_px(rect, size), 0))
        if self.mode == "checkerboard":
            sides = (self.value * size.width() / rect.width(),
                     self.value * size.height() / rect.height())  # fmt: skip
            return squares(QRectF(0, 0, size.width(), size.height()), sides, size)
        return None


def greys(hu: NDArray[np.float32], window: Window, *, signed: bool) -> NDArray[np.uint8]:
    """The display values ``(y, x)`` of a slice; of a difference the rows of its colours."""
    return diverging_index(hu, window.width_hu / 2) if signed else window.to_uint8(hu)


def squares(place: QRectF, sides: tuple[float, float], size: QSize) -> QRegion:
    """Every other square of a checkerboard that begins at the corner of a slice, px.

    Parameters
    ----------
    place
        Where the slice lies.
    sides
        How wide and how high a square is.
    size
        Of all that can be seen.
    """
    across, down = QRegion(), QRegion()
    for k in _cells(place.left(), place.right(), sides[0], size.width()):
        if k % 2:
            left, right = (round(place.left() + n * sides[0]) for n in (k, k + 1))
            across |= QRegion(left, 0, right - left, size.height())
    for k in _cells(place.top(), place.bottom(), sides[1], size.height()):
        if k % 2:
            top, bottom = (round(place.top() + n * sides[1]) for n in (k, k + 1))
            down |= QRegion(0, top, size.width(), bottom - top)
    return across ^ down  # stripes of either way, but not where both are


def _cells(first: float, last: float, side: float, end: int) -> range:
    """The squares of which something lies in view, counted from the slice's corner."""
    if side <= 0:
        return range(0)
    low, high = max(first, 0.0), min(last, float(end))
    return range(math.floor((low - first) / side), max(math.ceil((high - first) / side), 0))
