"""The bar beside an image that says which colour stands for which value."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QFontMetrics, QImage, QPainter

from ctstudio.figures.colours import diverging_table
from ctstudio.figures.marks import bar_ticks, number
from ctstudio.gui import theme
from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.picture_view import PictureView

WIDTH, MARGIN, SHARE = 10, 30, 0.5  # px, px from the right edge, of the pane's height
SMALLEST = 240  # px: smaller panes have no room for it


def bar_of(view: PictureView) -> tuple[NDArray[np.uint8], float, float] | None:
    """The colours ``(n, 3)`` from the lowest value up and the values at both ends.

    None where greys are shown as they are.
    """
    if view.layer is None:
        return None
    compared = view.comparison.limit if view.comparison is not None else None
    if compared is not None:
        return diverging_table(), -compared, compared
    if view.layer.signed:
        limit = view.window.width_hu / 2
        return diverging_table(), -limit, limit
    table = view.display.table
    return (table, view.window.lower, view.window.upper) if table is not None else None


def paint(view: PictureView, painter: QPainter) -> None:
    """Draw it at the right edge of ``view``, whose painter counts in px."""
    found, size = bar_of(view), view.viewport().size()
    if found is None or min(size.width(), size.height()) < SMALLEST:
        return
    table, lower, upper = found
    height = round(size.height() * SHARE)
    right, top = size.width() - MARGIN, (size.height() - height) // 2
    font = theme.image_font(11)
    painter.setFont(font)
    left = right - WIDTH
    painter.save()
    # Within one rectangle lines are blended at once, elsewhere by threads that are waited for.
    painter.setClipRect(left - 1, top - 1, WIDTH + 2, height + 2)
    painter.drawImage(QPointF(left - 1, top - 1), _image(table.tobytes(), height))
    painter.restore()
    for y, text, wide, ascent in _ticks(lower, upper, height):
        place = QPointF(left - 5 - wide, top + y + ascent / 2 - 1)
        overlay.outlined(painter, place, text)
    unit = view.stack.unit
    if unit:
        wide = painter.fontMetrics().horizontalAdvance(unit)
        overlay.outlined(painter, QPointF(right - wide, top - 8), unit)


@lru_cache(maxsize=64)
def _ticks(lower: float, upper: float, height: int) -> tuple[tuple[float, str, int, int], ...]:
    """The numbers beside a bar ``height`` px tall: px from its top, text, its width and ascent."""
    metrics = QFontMetrics(theme.image_font(11))
    ticks = bar_ticks(lower, upper, max(height // (2 * metrics.height()), 2))
    texts = [number(float(f"{value:.4g}")) for value in ticks]
    return tuple(
        (height * (upper - value) / (upper - lower), text, metrics.horizontalAdvance(text),
         metrics.ascent())
        for value, text in zip(ticks, texts, strict=True)
    )  # fmt: skip


@lru_cache(maxsize=16)
def _image(table: bytes, height: int) -> QImage:
    """The bar in a dark frame for the colours ``(n, 3)`` uint8 from the lowest value up."""
    colours = np.frombuffer(table, np.uint8).reshape(-1, 3)[::-1]
    row = np.arange(height) * len(colours) // height
    bar = np.zeros((height + 2, WIDTH + 2, 4), np.uint8)
    bar[..., 3] = 200  # of the frame
    bar[1:-1, 1:-1, :3] = colours[row][:, None]
    bar[1:-1, 1:-1, 3] = 255
    size = (WIDTH + 2, height + 2)
    image = QImage(bar.tobytes(), *size, 4 * size[0], QImage.Format.Format_RGBA8888)
    return image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
