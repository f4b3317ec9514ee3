"""Tumour boxes upon the images: on the slices that they were drawn on, and cut by other planes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QFileDialog

from ctstudio.ct.boxes import Box
from ctstudio.ct.views import SliceStack
from ctstudio.gui import theme
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.linking import same_space
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.view_grid import ViewGrid

COLOUR = "#ff7fa8"


class Boxes(QObject):
    """Reads boxes for the active layer and draws them in every pane of its place."""

    changed = Signal()  # there are more

    def __init__(self, session: Session, grid: ViewGrid) -> None:
        super().__init__(grid)
        self._session, self._grid = session, grid
        self.shown = True
        self._of: list[tuple[Layer, list[Box]]] = []
        for pane in grid.panes:
            pane.view.upon.insert(0, self._paint)
        session.layer_removed.connect(self._removed)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {"boxes": self.set_shown, "open_boxes": self.ask}

    def set_shown(self, on: bool) -> None:
        """Show the boxes, or not."""
        self.shown = on
        self._repaint()

    def ask(self) -> None:
        """Let the user choose files with boxes for the active layer."""
        layer = self._session.active
        if layer is None or layer.root.volume is None:
            self._session.trouble.emit(
                tr("Boxes belong to a series."), tr("Open the series first, then its boxes."), ""
            )
            return
        kinds = tr("Boxes (*.xml)")
        names, _ = QFileDialog.getOpenFileNames(self._grid, tr("Open tumour boxes"), "", kinds)
        if names:
            self.read([Path(name) for name in names], layer.root)

    def read(self, paths: list[Path], layer: Layer) -> None:
        """Read boxes for ``layer`` in the background and draw them upon its slices."""
        volume = layer.volume
        if volume is None:
            return
        from ctstudio.workflows.boxes import read_boxes

        self._session.jobs.start(
            "boxes",
            tr("Reading boxes"),
            lambda: read_boxes(paths, volume),
            succeeded=lambda found: self._read(found, layer),
            failed=self._session.fail,
        )

    def _read(self, found: list[Box], layer: Layer) -> None:
        if layer in self._session.layers:
            self.put(layer, found)
            slices = _slices(layer.stack, found)
            told = tr("{0} boxes shown").format(len(found))
            if slices:
                told = tr("{0} boxes shown, on slices {1} to {2}").format(
                    len(found), slices[0] + 1, slices[-1] + 1
                )
            self._session.message.emit(told, 6000)
            self._go_to_one(found)

    def _go_to_one(self, boxes: list[Box]) -> None:
        """Show the nearest slice with a box where none can be seen yet."""
        grid = self._grid
        view, shown = grid.active_pane.view, [p.view for p in grid.visible_panes if p.layer]
        if view.layer is None or any(self.visible(one) or self.cuts(one) for one in shown):
            return
        if there := _slices(view.stack, boxes):
            grid.go_to(min(there, key=lambda k: abs(k - view.index)))

    def put(self, layer: Layer, boxes: list[Box]) -> None:
        """Draw boxes upon the slices of ``layer`` from now on."""
        self._of.append((layer, boxes))
        self.changed.emit()
        self._repaint()

    def _removed(self, layer: Layer) -> None:
        self._of = [(la, boxes) for la, boxes in self._of if la is not layer]

    def state(self) -> tuple[tuple[Layer, list[Box]], ...]:
        """The boxes that were read, by the layer that they belong to."""
        return tuple(self._of)

    def change(self, old: Any, new: Any) -> None:
        """Go from one `state` to another."""
        self._of = [one for one in self._of if one not in old or one in new]
        self._of += [one for one in new if one not in self._of and one[0] in self._session.layers]
        self._repaint()

    def _repaint(self) -> None:
        for pane in self._grid.visible_panes:
            pane.view.viewport().update()

    def visible(self, view: PictureView) -> list[Box]:
        """The boxes on the slice that ``view`` shows."""
        geometry = view.stack.geometry
        return [box for box in self._in_space(view) if box.lies_on(geometry, view.index)]

    def cuts(self, view: PictureView) -> list[tuple[Box, NDArray[np.float64]]]:
        """The boxes that the slice of ``view``, of another plane, cuts; and where."""
        geometry = view.stack.geometry
        found = ((box, box.cut(geometry, view.index)) for box in self._in_space(view))
        return [(box, ends) for box, ends in found if ends is not None]

    def _in_space(self, view: PictureView) -> list[Box]:
        shown = view.layer
        if not self.shown or shown is None:
            return []
        places = (boxes for layer, boxes in self._of if same_space(layer, shown))
        return [box for boxes in places for box in boxes]

    def _paint(self, view: PictureView, painter: QPainter) -> None:
        if not self._of:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setFont(theme.image_font(12))
        for box in self.visible(view):
            corners = box.corners_mm
            self._draw(view, painter, box.name, np.vstack([corners, corners[:1]]))
        for box, ends in self.cuts(view):
            self._draw(view, painter, box.name, ends)

    def still(self, view: PictureView) -> bool:
        """Whether what is painted is the same upon every slice."""
        return not self._of

    def _draw(
        self, view: PictureView, painter: QPainter, name: str, line_mm: NDArray[np.float64]
    ) -> None:
        geometry = view.stack.geometry
        u, v = line_mm @ geometry.row_direction, line_mm @ geometry.column_direction
        line = QPolygonF([view.to_viewport(QPointF(*at)) for at in zip(u, v, strict=True)])
        for colour, width in ((QColor(0, 0, 0, 160), 3), (QColor(COLOUR), 1)):
            painter.setPen(QPen(colour, width))
            painter.drawPolyline(line)
        overlay.outlined(painter, line.boundingRect().topLeft() + QPointF(0, -5), name, COLOUR)


def _slices(stack: SliceStack, boxes: list[Box]) -> list[int]:
    """The slices of ``stack`` on which one of ``boxes`` lies."""
    geometry = stack.geometry
    return [k for k in range(len(stack)) if any(box.lies_on(geometry, k) for box in boxes)]
