"""Which plane and slab a pane shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer

from ctstudio.ct.oblique import Oblique
from ctstudio.ct.planes import PLANES, Plane, Projection, stored_plane
from ctstudio.gui.viewer.linking import framing_in, joined, matching_slice
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.places import Framing
from ctstudio.gui.viewer.plane_lines import as_oblique

if TYPE_CHECKING:
    from ctstudio.gui.viewer.view_grid import ViewGrid

CUT_MS = 100  # between two repaints of a cut through slices that are still arriving


class Cutting(QObject):
    """Turns panes to other planes of their layers."""

    def __init__(self, grid: ViewGrid) -> None:
        super().__init__(grid)
        self._grid = grid
        self._stale = QTimer(self)
        self._stale.setSingleShot(True)
        self._stale.setInterval(CUT_MS)
        self._stale.timeout.connect(self._refresh)

    def refresh_soon(self) -> None:
        """Draw cuts again before long: slices that they go through have arrived."""
        if not self._stale.isActive():
            self._stale.start()

    def _refresh(self) -> None:
        for pane in self._grid.visible_panes:
            if pane.view.cut:
                pane.view.refresh()

    def set_plane(self, pane: Pane, plane: Plane) -> None:
        """Show the pane's layer in another plane: where it was left, or through the middle."""
        view = pane.view
        if view.layer is None or view.shown_plane == plane:
            return
        point = view.centre_mm
        view.left_at[view.shown_plane] = view.index
        twin = next(
            (p.view for p in self._grid.neighbours(pane) if p.view.shown_plane == plane), None
        )
        view.plane = None if plane == stored_plane(view.layer.stack.geometry) else plane
        view.show_slice(view.left_at.get(plane, view.stack.geometry.nearest_slice(point)))
        view.set_crosshair(None)
        if twin is not None and self._grid.links.scroll:
            view.show_slice(matching_slice(twin, view.stack))
        view.fit()
        links = self._grid.links
        if twin is not None and (links.zoom or links.pan) and not twin.fitted:
            there = framing_in(view.stack.geometry, twin, twin.framing)
            view.set_framing(joined(links, view.framing, there))
        self._seen_otherwise(pane)

    def set_oblique(self, pane: Pane) -> None:
        """Show the plane that the pane shows as one that can be turned; see `turn`."""
        view = pane.view
        if view.layer is None or len(view.layer.stack) < 2:
            return
        if not isinstance(view.shown_plane, Oblique):
            self.turn(pane, as_oblique(view, view.centre_mm))

    def turn(self, pane: Pane, plane: Oblique) -> None:
        """Show ``plane`` in ``pane``, and in those that show the same one and scroll with it.

        The slice goes through the plane's centre, which stays where it is on the screen.
        """
        before = pane.view.shown_plane
        panes = [pane]
        if self._grid.links.scroll and isinstance(before, Oblique):
            panes += [p for p in self._grid.linked(pane) if p.view.shown_plane == before]
        for one in panes:
            view = one.view
            if view.layer is None or len(view.layer.stack) < 2:
                continue
            if not isinstance(view.shown_plane, Oblique):
                view.left_at[view.shown_plane] = view.index
            framing, fitted = view.framing, view.fitted
            old = view.stack.geometry
            centre = np.array(plane.centre_mm)
            across = framing.u - float(centre @ old.row_direction)
            down = framing.v - float(centre @ old.column_direction)
            view.plane = plane
            new = view.stack.geometry
            view.show_slice(new.nearest_slice(centre))
            view.set_crosshair(None)
            if fitted:
                view.fit()
            else:
                u, v = float(centre @ new.row_direction), float(centre @ new.column_direction)
                view.set_framing(Framing(u + across, v + down, framing.scale))
            one.refresh_header()
        self._grid.sync()
        self._grid.reprobe()
        self._grid.moved.emit(pane)

    def set_slab(self, pane: Pane, slab: tuple[Projection, float] | None) -> None:
        """Show single slices, or a projection ``(how, mm)`` of several, in ``pane``."""
        if pane.view.layer is not None and pane.view.slab != slab:
            pane.view.slab = slab
            pane.view.refresh()
            self._seen_otherwise(pane)

    def _seen_otherwise(self, pane: Pane) -> None:
        pane.refresh_header()
        self._grid.sync()
        self._grid.reprobe()
        self._grid.show_links()
        self._grid.moved.emit(pane)

    def show_planes(self) -> None:
        """The active layer in three panes: axial, coronal, sagittal."""
        layer = self._grid.active_pane.layer
        if layer is None or len(layer.stack) < 2:
            return
        window, point = self._grid.active_pane.view.window, self._grid.active_pane.view.centre_mm
        self._grid.set_layout("1x3")
        self._grid.arrange_now()
        panes = self._grid.visible_panes
        for pane, plane in zip(panes, PLANES, strict=True):
            if pane.layer is not layer:
                self._grid.show_in(pane, layer)
            self.set_plane(pane, plane)
            pane.view.show_slice(pane.view.stack.geometry.nearest_slice(point))
            pane.view.set_window(window)
            pane.view.fit()
        self._grid.activate(panes[0])
