"""What is painted upon the picture of a pane: words, marks, and a frame where it is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QRegion

from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer import overlay

if TYPE_CHECKING:
    from ctstudio.gui.viewer.picture_view import PictureView


def still(view: PictureView) -> bool:
    """Whether nothing that is painted upon ``view`` depends on the slice but the corner's words.

    Whoever paints there says so by a method of this name; of others it is not known.
    """
    if view.banner:
        return False
    for paint in view.upon:
        says = getattr(getattr(paint, "__self__", None), "still", None)
        if says is None or not says(view):
            return False
    return True


def of_slice(picture: QRectF, size: QSize) -> QRegion:
    """What of a viewport another slice changes: its picture's place, and its number's; px."""
    changed = QRegion(picture.toAlignedRect().adjusted(-1, -1, 1, 1))
    return changed.united(overlay.slice_words(size.width(), size.height()))


def paint_upon(
    view: PictureView,
    painter: QPainter,
    crosshair: QPointF | None,
    brush: tuple[QPointF, float] | None,
) -> None:
    """Draw it; ``crosshair`` is a place (u, v), ``brush`` one with a radius in mm."""
    viewport = QRectF(view.viewport().rect())
    if view.layer is None:
        painter.setFont(theme.image_font(12))
        painter.setPen(QColor(theme.ON_IMAGE_MUTED))
        hint = tr("Drag a series, a layer or a folder here, or click a series")
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(viewport, flags, hint)
    else:
        seen = crosshair if view.show_crosshair else None
        state = overlay.describe(
            view.layer,
            view.stack,
            view.index,
            view.window,
            view.framing.scale,
            patient=view.show_patient,
            crosshair=view.to_viewport(seen) if seen is not None else None,
            drafted=view.drafted,
        )
        state.show_info = view.show_info
        state.show_scale = view.show_scale
        state.show_letters = view.show_letters
        overlay.paint(painter, viewport, state)
        for paint in view.upon:
            paint(view, painter)
        if brush is not None:
            at, radius = brush
            overlay.circle(painter, view.to_viewport(at), radius * view.framing.scale)
        if view.banner:
            painter.setFont(theme.image_font(12))
            width = painter.fontMetrics().horizontalAdvance(view.banner)
            place = QPointF((viewport.width() - width) / 2, 44)
            overlay.outlined(painter, place, view.banner, "#4aa8e0")
    if view.active:
        painter.setPen(QPen(QColor(theme.current().accent), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(viewport.adjusted(1, 1, -1, -1))
