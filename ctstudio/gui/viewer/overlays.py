"""What stands upon the images, switched on and off: one bar, a key for each, one for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QAction, QColor, QFontMetricsF, QPainter, QPen

from ctstudio.figures.marks import nice_length
from ctstudio.gui import theme
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.view_grid import ViewGrid

HIDDEN_TOGETHER = (
    "info", "scale", "letters", "crosshair", "grid", "plane_lines", "masks", "boxes", "metrics",
    "measurements", "colour_bar",
)  # fmt: skip
WIDEST_CELL = 100.0  # px of the grid: its lines lie at least half as far apart
LINES_ABOVE = 4  # rows of text in the corner that the metrics stand below


class Overlays(QObject):
    """Switches what the panes draw themselves, and hides all there is at once."""

    def __init__(self, session: Session, grid: ViewGrid, actions: dict[str, QAction]) -> None:
        super().__init__(grid)
        self._session, self._grid, self._actions = session, grid, actions
        self._hidden: list[QAction] = []  # what was on when all was hidden
        self.grid_shown = False
        self.metrics_shown = False
        for pane in grid.panes:
            pane.view.upon.insert(0, self._paint)  # below what is measured
        session.metrics_changed.connect(self._repaint)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {
            "info": lambda on: self._switch("show_info", on),
            "scale": lambda on: self._switch("show_scale", on),
            "letters": lambda on: self._switch("show_letters", on),
            "crosshair": lambda on: self._switch("show_crosshair", on),
            "patient": self._show_patient,
            "grid": self._show_grid,
            "metrics": self._show_metrics,
            "hide_all": self._hide_all,
        }

    def _switch(self, name: str, on: bool) -> None:
        for pane in self._grid.panes:
            setattr(pane.view, name, on)
        self._repaint()

    def _show_patient(self, on: bool) -> None:
        self._switch("show_patient", on)
        self._session.set_show_patient(on)

    def _show_grid(self, on: bool) -> None:
        self.grid_shown = on
        self._repaint()

    def _show_metrics(self, on: bool) -> None:
        self.metrics_shown = on
        self._session.metrics_wanted.emit(on)
        self._repaint()

    def _hide_all(self, on: bool) -> None:
        """Nothing but the images; and back to what was on."""
        if on:
            named = (self._actions.get(name) for name in HIDDEN_TOGETHER)
            self._hidden = [action for action in named if action is not None and action.isChecked()]
            for action in self._hidden:
                action.setChecked(False)
        else:
            for action in self._hidden:
                action.setChecked(True)
            self._hidden = []

    @property
    def hidden(self) -> list[QAction]:
        """What is off only as long as all is hidden."""
        return list(self._hidden)

    def _repaint(self) -> None:
        for pane in self._grid.visible_panes:
            pane.view.viewport().update()

    # -- drawing ---------------------------------------------------------------------------------

    def _paint(self, view: PictureView, painter: QPainter) -> None:
        if self.grid_shown:
            self._paint_grid(view, painter)
        if self.metrics_shown:
            self._paint_metrics(view, painter)

    def still(self, view: PictureView) -> bool:
        """Whether what is painted is the same upon every slice."""
        return not self.metrics_shown

    def _paint_grid(self, view: PictureView, painter: QPainter) -> None:
        """Lines at round distances from the patient's origin, and how far apart they are."""
        scale, size = view.framing.scale, view.viewport().size()
        step = nice_length(WIDEST_CELL / scale)
        if step <= 0:
            return
        corner = view.to_plane(QPointF(0, 0))
        far = view.to_plane(QPointF(size.width(), size.height()))
        painter.setPen(QPen(QColor(255, 255, 255, 56), 1))
        for k in range(math.ceil(corner.x() / step), math.floor(far.x() / step) + 1):
            x = view.to_viewport(QPointF(k * step, 0)).x()
            painter.drawLine(QPointF(x, 0), QPointF(x, size.height()))
        for k in range(math.ceil(corner.y() / step), math.floor(far.y() / step) + 1):
            y = view.to_viewport(QPointF(0, k * step)).y()
            painter.drawLine(QPointF(0, y), QPointF(size.width(), y))
        unit = "mm" if view.stack.geometry.spacing_known else "px"
        font = theme.image_font(11)
        painter.setFont(font)
        words = tr("grid {0} {1}").format(f"{step:g}", unit)
        x = (size.width() - QFontMetricsF(font).horizontalAdvance(words)) / 2
        overlay.outlined(painter, QPointF(x, size.height() - 54), words, theme.ON_IMAGE_MUTED)

    def _paint_metrics(self, view: PictureView, painter: QPainter) -> None:
        """The slice's metrics with their protocol and reference, below the upper left corner."""
        words = self._session.metrics_of(view.layer) if view.layer is not None else ""
        if not words:
            return
        values, _, protocol = words.partition(" (")
        size = QRectF(view.viewport().rect())
        font = theme.image_font(12)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        small = size.width() < 480 or size.height() < 360
        # Two layers that are compared have their names above.
        above = 2 if small and view.comparison is None else LINES_ABOVE
        y = overlay.MARGIN + metrics.ascent() + above * metrics.height()
        for line in (*values.split(", "), said(protocol.rstrip(")"))):
            text = metrics.elidedText(
                line, Qt.TextElideMode.ElideRight, size.width() - 2 * overlay.MARGIN
            )
            overlay.outlined(painter, QPointF(overlay.MARGIN, y), text)
            y += metrics.height()
