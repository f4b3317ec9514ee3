"""Measurements as they are drawn upon a pane, and which part of them is under the mouse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from ctstudio.ct.measure import Shape, statistics, to_pixels
from ctstudio.figures.panel import Mark
from ctstudio.gui import units
from ctstudio.gui.measuring.entries import Entry
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.linking import patient_point
from ctstudio.gui.viewer.picture_view import PictureView

COLOUR = "#6fd8c0"
SELECTED = "#ff8f5c"
HANDLE = 4.0  # px: half a handle's side
REACH = 7.0  # px: so near is upon it
ELLIPSE_CORNERS = 72


@dataclass(frozen=True)
class Grip:
    """A part of a measurement: a point by its number, or all of it (None)."""

    entry: Entry
    point: int | None


def places(points_mm: NDArray[np.float64], view: PictureView) -> list[QPointF]:
    """Where patient points ``(n, 3)`` lie on the viewport of ``view``, px."""
    geometry, framing, size = view.stack.geometry, view.framing, view.viewport().size()
    u, v = points_mm @ geometry.row_direction, points_mm @ geometry.column_direction
    x = (u - framing.u) * framing.scale + size.width() / 2
    y = (v - framing.v) * framing.scale + size.height() / 2
    return [QPointF(*at) for at in zip(x.tolist(), y.tolist(), strict=True)]


def point_under(plane: QPointF, view: PictureView) -> NDArray[np.float64]:
    """The patient point ``(3,)`` in mm at (u, v) of ``view``."""
    return patient_point(plane, view)


def outline(shape: Shape, view: PictureView) -> list[QPointF]:
    """The line that is drawn, in viewport px; closed for a region."""
    points = _line(shape)
    if shape.is_region:
        points = np.vstack([points, points[:1]])
    return places(points, view)


def marks_of(entries: list[Entry], view: PictureView, index: int) -> tuple[Mark, ...]:
    """``entries`` as marks of a figure of a slice of ``view``, in its pixels."""
    geometry = view.stack.geometry
    return tuple(
        Mark(
            tuple((float(y), float(x)) for y, x in to_pixels(_line(e.shape), geometry, index)),
            tuple(words_for(e.shape, view, at=index)),
            e.shape.is_region,
        )
        for e in entries
    )


def _line(shape: Shape) -> NDArray[np.float64]:
    """The points ``(n, 3)`` mm of the line that is drawn; that of a region is closed from the last
    to the first.
    """
    points = shape.points_mm
    if shape.kind == "ellipse":
        turn = np.linspace(0, 2 * math.pi, ELLIPSE_CORNERS, endpoint=False)
        right, down = (points[1] - points[0]) / 2, (points[3] - points[0]) / 2
        centre = points.mean(axis=0)
        points = centre + np.outer(np.cos(turn), right) + np.outer(np.sin(turn), down)
    return points


def handles(shape: Shape, view: PictureView) -> list[QPointF]:
    """The points that can be dragged, px; an outline drawn by hand has none."""
    return [] if shape.kind == "freehand" else places(shape.points_mm, view)


def grip_at(entries: list[Entry], plane: QPointF, view: PictureView, points: bool) -> Grip | None:
    """What of ``entries`` lies at (u, v) of ``view``; ``points``: handles alone.

    The last of the entries, which is drawn on top, comes first.
    """
    at = view.to_viewport(plane)
    for entry in reversed(entries):
        for number, handle in enumerate(handles(entry.shape, view)):
            if math.hypot(handle.x() - at.x(), handle.y() - at.y()) <= REACH:
                return Grip(entry, number)
    if not points:
        for entry in reversed(entries):
            line = np.array([(p.x(), p.y()) for p in outline(entry.shape, view)])
            if _distance(np.array([at.x(), at.y()]), line) <= REACH:
                return Grip(entry, None)
    return None


def _distance(at: NDArray[np.float64], line: NDArray[np.float64]) -> float:
    """From a place ``(2,)`` to the nearest of the stretches between points ``(n, 2)``, px."""
    ways, there = np.diff(line, axis=0), at - line[:-1]
    squares = np.maximum((ways * ways).sum(axis=1), 1e-12)
    part = ((there * ways).sum(axis=1) / squares).clip(0.0, 1.0)
    off = there - ways * part[:, None]
    return float(np.hypot(off[:, 0], off[:, 1]).min())


def paint_shape(
    painter: QPainter, view: PictureView, shape: Shape, line: list[QPointF], selected: bool
) -> None:
    """Draw a shape, whose outline is ``line``, such that it is seen on black and on white."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    polygon = QPolygonF(line)
    colour = QColor(SELECTED if selected else COLOUR)
    # Lines of one pixel are drawn ten times as fast as broader ones.
    painter.setPen(QPen(QColor(0, 0, 0, 150), 1))
    for dx, dy in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        painter.drawPolyline(polygon.translated(dx, dy))
    dashed = shape.kind == "profile"
    painter.setPen(QPen(colour, 1, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))
    painter.drawPolyline(polygon)
    if shape.kind in ("distance", "profile"):
        _ends(painter, line, colour)
    if selected:
        if shape.kind == "ellipse":
            painter.setPen(QPen(colour, 1, Qt.PenStyle.DotLine))
            painter.drawPolygon(QPolygonF(handles(shape, view)))
        painter.setPen(QPen(QColor(0, 0, 0, 200), 1))
        painter.setBrush(colour)
        for at in handles(shape, view):
            painter.drawRect(QRectF(at.x() - HANDLE, at.y() - HANDLE, 2 * HANDLE, 2 * HANDLE))
        painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _ends(painter: QPainter, line: list[QPointF], colour: QColor) -> None:
    """Short strokes across both ends of a line."""
    way = line[1] - line[0]
    length = math.hypot(way.x(), way.y())
    if length < 1:
        return
    across = QPointF(-way.y(), way.x()) * (5.0 / length)
    painter.setPen(QPen(colour, 1))
    for end in (line[0], line[1]):
        painter.drawLine(end - across, end + across)


def words_for(
    shape: Shape, view: PictureView, most: int | None = None, at: int | None = None
) -> list[str]:
    """What ``shape`` measures upon the slice that ``view`` shows, or upon its slice ``at``.

    With ``most`` regions are estimated from about so many pixels, and say so. Where a difference
    is seen they tell that, behind a Δ.
    """
    if shape.kind in ("distance", "profile"):
        return [units.length(shape.length, known=view.stack.geometry.spacing_known)]
    if shape.kind == "angle":
        return ["" if math.isnan(shape.angle) else f"{shape.angle:.1f}°"]
    geometry, index = view.stack.geometry, view.index if at is None else at
    hu = view.hu if index == view.index else view.stack.slice_hu(index)
    compared = view.comparison.difference_on(index) if view.comparison is not None else None
    sign = "" if compared is None else "Δ "
    hu = hu if compared is None else compared
    found = statistics(shape, hu, geometry, index, most) if hu is not None else None
    if found is None:
        return [tr("no pixel")]
    value = view.stack.unit
    area = f"{units.area(found.area)}  " if found.area_unit == "mm2" else ""
    about = "" if most is None or found.n <= most else "≈ "
    return [
        f"{sign}{about}{found.mean:.1f} ± {found.sd:.1f} {value}".rstrip(),
        tr("{0} to {1} {2}").format(one_digit(found.min), one_digit(found.max), value).rstrip(),
        f"{area}{found.n} px",
    ]


def one_digit(value: float) -> str:
    """A value with one digit after the point, where it needs one."""
    return f"{value:.1f}".removesuffix(".0")
