"""Where the planes of the other panes cut a pane: lines that move and turn these planes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from ctstudio.ct.oblique import Oblique
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.undo.stack import UndoStack
from ctstudio.gui.viewer.linked_panes import LinkedPanes
from ctstudio.gui.viewer.linking import parallel, patient_point
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.slice_view import SliceView

COLOURS = (
    "#f2c14e", "#5ad1b0", "#e58bd0", "#7fb4ff", "#ff9b6a", "#b5e06a", "#c7a6ff", "#6fd6ee",
    "#f08a8a",
)  # fmt: skip
"""Of the panes in their order; told apart on grey images."""

REACH = 6.0  # px: so near is upon a line
HANDLE_REACH = 10.0
HANDLE_AT = 0.36  # of the pane's shorter side, from the centre of turning
HANDLE = 5.0
GAP = 10.0  # px about the centre that stays free


@dataclass(frozen=True)
class Line:
    """The plane of ``pane`` as it cuts another one: px of the viewport."""

    pane: Pane
    centre: QPointF  # about which it turns
    way: QPointF  # unit vector along it

    def handles(self, size: float) -> tuple[QPointF, QPointF]:
        """Where it is gripped to turn it, in a viewport whose shorter side is ``size``."""
        away = self.way * (HANDLE_AT * size)
        return self.centre - away, self.centre + away

    def distance(self, at: QPointF) -> float:
        """How far a point lies from it, px."""
        off = at - self.centre
        return abs(off.x() * self.way.y() - off.y() * self.way.x())


class PlaneLines(QObject):
    """Draws the lines upon all panes and takes the mouse that is upon one.

    Dragged in the middle a line moves its plane, by a handle it turns it: the pane then shows an
    oblique plane.
    """

    def __init__(
        self, grid: LinkedPanes, turn: Callable[[Pane, Oblique], None], undo: UndoStack
    ) -> None:
        super().__init__(grid)
        self._grid = grid
        self._undo = undo
        self._turn = turn
        self.shown = True
        self._held: tuple[Pane, bool] | None = None  # whose plane, and whether it is turned
        self._centre: NDArray[np.float64] = np.zeros(3)
        self._angle = 0.0
        self._crossed: set[PictureView] = set()  # by lines of others, when they were painted
        self._first: Oblique | None = None
        for pane in grid.panes:
            pane.view.grips.append(self)
            pane.view.upon.append(self.paint)
        grid.moved.connect(self._moved)

    def set_shown(self, on: bool) -> None:
        """Show the lines, or not."""
        self.shown = on
        for pane in self._grid.visible_panes:
            pane.view.viewport().update()

    def _moved(self, pane: Pane) -> None:
        """Another slice or plane of ``pane``: its line in other planes is another."""
        if not self.shown or pane.layer is None:
            return
        for other in self._grid.neighbours(pane):
            if not parallel(other.view.stack, pane.view.stack):
                other.view.viewport().update()

    # -- lines -----------------------------------------------------------------------------------

    def lines(self, view: PictureView) -> list[Line]:
        """The planes of other panes that cut the one that ``view`` shows."""
        panes = self._grid.visible_panes
        own = next((pane for pane in panes if pane.view is view), None)
        if own is None or own.layer is None or not self.shown or len(panes) < 2:
            return []
        found: list[Line] = []
        for pane in self._grid.neighbours(own):
            if parallel(pane.view.stack, view.stack):
                continue
            line = _line(pane, view)
            if line is not None and not any(_same(line, known) for known in found):
                found.append(line)
        return found

    def still(self, view: PictureView) -> bool:
        """Whether what is painted is the same upon every slice."""
        return view not in self._crossed

    def paint(self, view: PictureView, painter: QPainter) -> None:
        """Draw the lines upon ``view``, whose painter counts in px."""
        lines = self.lines(view)
        if not lines:
            self._crossed.discard(view)
            return
        self._crossed.add(view)
        size = QRectF(view.viewport().rect())
        shorter = min(size.width(), size.height())
        reach = size.width() + size.height()
        own = next(pane for pane in self._grid.panes if pane.view is view)
        painter.fillRect(QRectF(2, 2, size.width() - 4, 2), self._colour(own))
        for line in lines:
            colour = self._colour(line.pane)
            colour.setAlpha(200)
            painter.setPen(QPen(colour, 1))
            for sign in (-1, 1):
                start = line.centre + line.way * (sign * GAP)
                painter.drawLine(start, line.centre + line.way * (sign * reach))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            painter.setBrush(QColor(0, 0, 0, 120))
            for handle in line.handles(shorter):
                painter.drawEllipse(handle, HANDLE, HANDLE)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _colour(self, pane: Pane) -> QColor:
        """Of its line in the others, and of its own upper edge."""
        return QColor(COLOURS[self._grid.panes.index(pane) % len(COLOURS)])

    def _under(self, view: PictureView, plane: QPointF) -> tuple[Line, bool] | None:
        """The line at (u, v), and whether one of its handles is there."""
        at = view.to_viewport(plane)
        size = view.viewport().size()
        shorter = min(size.width(), size.height())
        lines = self.lines(view)
        for line in lines:
            if any(_apart(at, handle) <= HANDLE_REACH for handle in line.handles(shorter)):
                return line, True
        near = [line for line in lines if line.distance(at) <= REACH]
        return (min(near, key=lambda line: line.distance(at)), False) if near else None

    # -- the mouse -------------------------------------------------------------------------------

    def takes(self, view: SliceView, at: QPointF) -> bool:
        """Whether a line is at (u, v)."""
        return self._under(view, at) is not None

    def press(self, view: SliceView, at: QPointF) -> None:
        """The left button goes down upon a line."""
        found = self._under(view, at)
        if found is None:
            return
        line, turned = found
        self._held = (line.pane, turned)
        self._centre = patient_point(view.to_plane(line.centre), view)
        self._angle = self._angle_at(view, at)
        self._first = as_oblique(line.pane.view, self._centre)

    def drag(self, view: SliceView, at: QPointF) -> None:
        """The line follows the mouse: its plane moves, or turns about its centre."""
        if self._held is None or self._first is None:
            return
        pane, turned = self._held
        if turned:
            self._undo.begin(tr("Turn the plane"))
            by = math.degrees(self._angle_at(view, at) - self._angle)
            self._turn(pane, self._first.turned(view.stack.geometry.normal, by))
        else:
            point = patient_point(at, view)
            self._grid.set_slice(pane, pane.view.stack.geometry.nearest_slice(point))

    def release(self, view: SliceView) -> None:
        """The button goes up: the plane stays."""
        self._held = None
        self._undo.end()

    def hover(self, view: SliceView, at: QPointF | None) -> None:
        """The mouse is over a line."""
        found = self._under(view, at) if at is not None else None
        if found is None:
            return
        line, turned = found
        if turned:
            shape = Qt.CursorShape.PointingHandCursor
        elif abs(line.way.x()) > abs(line.way.y()):
            shape = Qt.CursorShape.SizeVerCursor
        else:
            shape = Qt.CursorShape.SizeHorCursor
        view.viewport().setCursor(shape)

    def _angle_at(self, view: SliceView, at: QPointF) -> float:
        geometry = view.stack.geometry
        u = float(self._centre @ geometry.row_direction)
        v = float(self._centre @ geometry.column_direction)
        return math.atan2(at.y() - v, at.x() - u)


def as_oblique(view: PictureView, centre_mm: NDArray[np.float64]) -> Oblique:
    """The plane that ``view`` shows, as one that turns about ``centre_mm``."""
    shown = view.shown_plane
    if isinstance(shown, Oblique):
        return shown.through(centre_mm)
    geometry = view.stack.geometry
    (a, b, c), (d, e, f) = geometry.row_direction.tolist(), geometry.column_direction.tolist()
    return Oblique((0.0, 0.0, 0.0), (a, b, c), (d, e, f), shown).through(centre_mm)


def turning_point(view: PictureView) -> NDArray[np.float64]:
    """The patient point ``(3,)`` about which the plane of ``view`` is turned by keys.

    It stays the same while one turns, and follows from slice to slice.
    """
    shown = view.shown_plane
    if not isinstance(shown, Oblique):
        return view.centre_mm
    geometry, centre = view.stack.geometry, np.array(shown.centre_mm)
    away = float(geometry.offsets_mm[view.index]) - float(centre @ geometry.normal)
    point: NDArray[np.float64] = centre + away * geometry.normal
    return point


def _line(pane: Pane, view: PictureView) -> Line | None:
    """How the slice that ``pane`` shows cuts that of ``view``."""
    own, other = view.stack.geometry, pane.view.stack.geometry
    across = other.normal
    a, b = float(own.row_direction @ across), float(own.column_direction @ across)
    length = math.hypot(a, b)
    if length < 1e-6:
        return None
    depth = float(own.offsets_mm[view.index])
    away = float(other.offsets_mm[pane.view.index]) - depth * float(own.normal @ across)
    # Points (u, v) of the line have a u + b v = away; it turns about the plane's own centre, or
    # about the point nearest to the middle of what is seen.
    if isinstance(pane.view.shown_plane, Oblique):
        centre = np.array(pane.view.shown_plane.centre_mm)
        u, v = float(centre @ own.row_direction), float(centre @ own.column_direction)
    else:
        rect = view.image_rect()
        u = min(max(view.framing.u, rect.left()), rect.right())
        v = min(max(view.framing.v, rect.top()), rect.bottom())
    off = (a * u + b * v - away) / length**2
    middle = view.to_viewport(QPointF(u - off * a, v - off * b))
    return Line(pane, middle, QPointF(-b / length, a / length))


def _same(a: Line, b: Line) -> bool:
    """Whether two lines cannot be told apart: of panes that show one plane of several layers."""
    straight = abs(a.way.x() * b.way.y() - a.way.y() * b.way.x()) < 1e-3
    return straight and a.distance(b.centre) < 1.0


def _apart(a: QPointF, b: QPointF) -> float:
    return math.hypot(a.x() - b.x(), a.y() - b.y())
