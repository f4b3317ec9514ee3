"""The bar beside an image that says which colour stands for which value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage, QPainter

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
    painter.setFont(theme.image_font(11))
    metrics = painter.fontMetrics()
    ticks = bar_ticks(lower, upper, max(height // (2 * metrics.height()), 2))
    texts = [number(float(f"{value:.6g}")) for value in ticks]
    left = right - WIDTH
    rect = QRectF(left, top, WIDTH, height)
    colours = np.ascontiguousarray(table[::-1, None, :])
    image = QImage(colours.data, 1, len(colours), 3, QImage.Format.Format_RGB888).copy()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
    painter.drawImage(rect, image)
    painter.setPen(QColor(0, 0, 0, 200))
    painter.drawRect(rect.adjusted(-1, -1, 0, 0))
    for value, text in zip(ticks, texts, strict=True):
        y = top + height * (upper - value) / (upper - lower)
        wide = metrics.horizontalAdvance(text)
        overlay.outlined(painter, QPointF(left - 5 - wide, y + metrics.ascent() / 2 - 1), text)
    unit = view.stack.unit
    if unit:
        wide = metrics.horizontalAdvance(unit)
        overlay.outlined(painter, QPointF(right - wide, top - 8), unit)
