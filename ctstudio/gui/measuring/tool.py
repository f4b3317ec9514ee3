"""Drawing measurements with the mouse, and dragging what is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QPainter, QPolygonF

from ctstudio.ct.measure import Kind, Shape, box
from ctstudio.gui.measuring.drawing import (
    COLOUR,
    SELECTED,
    Grip,
    grip_at,
    outline,
    paint_shape,
    point_under,
    words_for,
)
from ctstudio.gui.measuring.entries import Entry, Measurements, Space
from ctstudio.gui.measuring.labels import Labels
from ctstudio.gui.measuring.numbers import ROUGH_PIXELS
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.slice_view import CLICK_SLOP, SliceView

STROKE_PX = 2.0  # between two points of an outline drawn by hand

MOST_TOLD = 2  # upon a slice; where there are more all but the selected one say less


class MeasureTool(QObject):
    """Takes the left button of the panes: always upon a measurement, elsewhere while it is on.

    Points are set by dragging, or by a click each.
    """

    changed = Signal()  # another kind, or none

    def __init__(self, measurements: Measurements, views: list[SliceView]) -> None:
        super().__init__(measurements)
        self._measurements, self._views = measurements, views
        self.kind: Kind | None = None
        self._points: list[NDArray[np.float64]] = []  # the last one follows the mouse
        self._pending: Entry | None = None  # what the points make so far
        self._grip: Grip | None = None
        self._from: NDArray[np.float64] = np.zeros(3)
        self._moving = False  # a press that moves less is a click
        self._words: dict[tuple[int, int], tuple[object, object, Shape, bool, list[str]]] = {}
        for view in views:
            view.grips.append(self)
            view.upon.append(self.paint)
        measurements.changed.connect(self._redraw)
        measurements.moved.connect(self._redraw_moved)
        measurements.selected.connect(self._redraw)

    def set_kind(self, kind: Kind | None) -> None:
        """Draw such measurements from now on; None: no more."""
        self._forget()
        self._let_go(keep=False)
        if kind == self.kind:
            return
        self.kind = kind
        for view in self._views:
            if kind is not None:
                view.tool = self
                view.set_brush(None)
                view.viewport().setCursor(Qt.CursorShape.CrossCursor)
            elif view.tool is self:
                view.tool = None
            if kind is None:
                view.viewport().unsetCursor()
        self.changed.emit()

    # -- the mouse -------------------------------------------------------------------------------

    def takes(self, view: SliceView, at: QPointF) -> bool:
        """Whether something lies at (u, v) that can be dragged."""
        return self._grip_at(view, at) is not None

    def press(self, view: SliceView, at: QPointF) -> None:
        """The left button goes down at (u, v) mm of ``view``."""
        grip = self._grip_at(view, at) if not self._points else None
        point = point_under(at, view)
        if grip is not None:
            self._measurements.select(grip.entry)
            self._grip, self._from, self._moving = grip, point, False
        elif self.kind is not None:
            self._stay(view)
            if self._points:
                self._points[-1] = point
            else:
                self._points = [point] if self.kind == "freehand" else [point, point]
            self._follow(view)

    def drag(self, view: SliceView, at: QPointF) -> None:
        """The mouse moves with the button down."""
        if not self._stay(view):
            return
        point = point_under(at, view)
        if self._grip is not None:
            before, which, by = self._grip.entry, self._grip.point, point - self._from
            self._moving |= _apart(self._from, point, view) >= CLICK_SLOP
            if self._moving and which is None:
                self._measurements.drag(before, before.shape.moved(by))
            elif self._moving and which is not None:
                to = before.shape.points_mm[which] + by
                self._measurements.drag(before, before.shape.with_point(which, to))
        elif self._points and self.kind == "freehand":
            if _apart(self._points[-1], point, view) >= STROKE_PX:
                self._points.append(point)
                self._follow(view)
        elif self._points:
            self._points[-1] = point
            self._follow(view)

    def release(self, view: SliceView) -> None:
        """The button goes up: a point is set, the last one ends the measurement."""
        if self._grip is not None:
            self._let_go(keep=True)
            return
        if not (self._stay(view) and self._points):
            return
        if self.kind == "freehand":
            self._finish(view) if len(self._points) > 2 else self._forget()
        elif _apart(self._points[-2], self._points[-1], view) >= CLICK_SLOP:
            if len(self._points) == (3 if self.kind == "angle" else 2):
                self._finish(view)
            else:
                self._points.append(self._points[-1])
                self._follow(view)

    def hover(self, view: SliceView, at: QPointF | None) -> None:
        """The mouse moves, no button down: the next point follows it."""
        if at is None:
            return
        if self._points and self._pending is not None and self._pending.shown_in(view):
            self._points[-1] = point_under(at, view)
            self._follow(view)
            return
        grip = self._grip_at(view, at)
        if grip is not None:
            moves = grip.point is None
            shape = Qt.CursorShape.SizeAllCursor if moves else Qt.CursorShape.PointingHandCursor
            view.viewport().setCursor(shape)
        elif self.kind is not None:
            view.viewport().setCursor(Qt.CursorShape.CrossCursor)
        elif view.tool is None:
            view.viewport().unsetCursor()

    def _stay(self, view: SliceView) -> bool:
        """Give up what was begun upon another slice; whether ``view`` shows any."""
        if self._pending is not None and not self._pending.shown_in(view):
            self._forget()
        return view.layer is not None

    def _grip_at(self, view: SliceView, at: QPointF) -> Grip | None:
        entries = self._measurements.visible(view)
        return grip_at(entries, at, view, self.kind is not None) if entries else None

    def _let_go(self, *, keep: bool) -> None:
        if self._grip is not None:
            before, self._grip = self._grip.entry, None
            if not keep:
                self._measurements.drag(before, before.shape)
            self._measurements.drop(before)

    # -- what is being drawn ---------------------------------------------------------------------

    def _follow(self, view: SliceView) -> None:
        """Show what the points make so far."""
        shape = self._shape(view)
        if view.layer is not None:
            space, known = Space.of(view.layer), view.stack.geometry.spacing_known
            self._pending = Entry(0, "", shape, view.shown_plane, space, known)
        self._redraw()

    def _shape(self, view: SliceView) -> Shape:
        assert self.kind is not None
        geometry, points = view.stack.geometry, self._points
        kind: Kind = self.kind
        if kind in ("rectangle", "ellipse"):
            corners = box(
                points[0], points[1], geometry.row_direction, geometry.column_direction
            )  # fmt: skip
            return Shape(kind, corners, geometry.normal)
        if kind in ("angle", "freehand") and len(points) < 3:
            return Shape("distance", np.stack([points[0], points[-1]]), geometry.normal)
        return Shape(kind, np.stack(points), geometry.normal)

    def _finish(self, view: SliceView) -> None:
        shape = self._shape(view)
        self._forget()
        if view.layer is not None:
            self._measurements.add(shape, view.shown_plane, view.layer)

    def _forget(self) -> None:
        self._points, self._pending = [], None
        self._redraw()

    # -- drawing ---------------------------------------------------------------------------------

    def still(self, view: PictureView) -> bool:
        """Whether what is painted is the same upon every slice."""
        return not self._measurements.entries and self._pending is None

    def paint(self, view: PictureView, painter: QPainter) -> None:
        """Draw what there is upon ``view``, whose painter counts in px."""
        selection = self._measurements.selection
        number = selection.number if selection is not None else None
        entries = self._measurements.visible(view)
        pending = self._pending
        if pending is not None and pending.shown_in(view):
            entries = [*entries, pending]
        if not entries:
            return
        lines = [outline(entry.shape, view) for entry in entries]
        bounds = [QPolygonF(line).boundingRect() for line in lines]
        for entry, line in zip(entries, lines, strict=True):
            paint_shape(painter, view, entry.shape, line, entry.number == number)
        regions = [b for e, b in zip(entries, bounds, strict=True) if e.shape.is_region]
        labels = Labels(view.viewport().size(), regions)
        # Words stand above all lines; those that are looked at choose their place first.
        chosen = [entry is pending or entry.number == number for entry in entries]
        for k in sorted(range(len(entries)), key=lambda k: not chosen[k]):
            entry = entries[k]
            if entry is pending and entry.shape.kind != self.kind:
                continue  # the first stretch of an angle says nothing yet
            told = self._told(entry, view)
            short = len(entries) > MOST_TOLD and not chosen[k]
            colour = SELECTED if entry.number == number else COLOUR
            labels.paint(painter, bounds[k], told[:1] if short else told, colour)

    def _told(self, entry: Entry, view: PictureView) -> list[str]:
        """The words beside a measurement; read anew when it or the picture is another.

        While it is drawn or dragged they are an estimate.
        """
        key, rough = (id(view), entry.number), entry.number in (0, self._measurements.dragging)
        known = self._words.get(key)
        beside = view.comparison
        compared = beside.difference_on(view.index) if beside is not None else None
        what = (view.hu, compared, entry.shape, rough)
        if known is None or any(a is not b for a, b in zip(known, what, strict=False)):
            known = (*what, words_for(entry.shape, view, ROUGH_PIXELS if rough else None))
            self._words[key] = known
        return known[-1]

    def _redraw_moved(self, entry: Entry) -> None:
        """Draw the panes that show it, and no others: this happens many times a second."""
        for view in self._views:
            if view.isVisible() and entry.shown_in(view):
                view.viewport().update()

    def _redraw(self, *_: object) -> None:
        there = {0, *(entry.number for entry in self._measurements.entries)}
        for key in [key for key in self._words if key[1] not in there]:
            del self._words[key]
        for view in self._views:
            view.viewport().update()


def _apart(a: NDArray[np.float64], b: NDArray[np.float64], view: PictureView) -> float:
    """How far two patient points of a slice lie apart on ``view``, px."""
    return float(np.linalg.norm(a - b)) * view.framing.scale
