"""What the header of the active pane offers, by keys: its layer, and its slab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ctstudio.ct.planes import Projection
from ctstudio.gui.session import Session
from ctstudio.gui.viewer.pane import SLABS, THICKNESSES_MM
from ctstudio.gui.viewer.view_grid import ViewGrid

FIRST_MM = THICKNESSES_MM[1]


class Choosing:
    """Does by keys what the two menus of a pane's header do by mouse."""

    def __init__(self, session: Session, grid: ViewGrid) -> None:
        self._session, self._grid = session, grid
        self._thickness = FIRST_MM  # of the last slab

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {
            "layer_next": lambda: self._layer(1),
            "layer_previous": lambda: self._layer(-1),
            "slab_next": self._next_slab,
            "slab_thicker": lambda: self._thicker(1),
            "slab_thinner": lambda: self._thicker(-1),
        }

    def _layer(self, steps: int) -> None:
        """Another layer of the list in the active pane; after the last comes the first."""
        pane, layers = self._grid.active_pane, self._session.layers
        if not layers:
            return
        at = layers.index(pane.layer) + steps if pane.layer in layers else 0
        chosen = layers[at % len(layers)]
        if chosen is not pane.layer:
            pane.chosen.emit(chosen)

    def _next_slab(self) -> None:
        """From single slices to MIP, MinIP, mean, and back."""
        ways: list[Projection | None] = [None, *SLABS]
        slab = self._grid.active_pane.view.slab
        now = slab[0] if slab is not None else None
        following = ways[(ways.index(now) + 1) % len(ways)]
        self._set((following, self._thickness) if following is not None else None)

    def _thicker(self, steps: int) -> None:
        """The slab thicker or thinner; single slices become a MIP."""
        slab = self._grid.active_pane.view.slab
        if slab is None:
            self._set((next(iter(SLABS)), self._thickness))
            return
        how, thickness = slab
        beyond = [t for t in THICKNESSES_MM if (t - thickness) * steps > 0]
        if beyond:
            self._thickness = min(beyond) if steps > 0 else max(beyond)
            self._set((how, self._thickness))

    def _set(self, slab: tuple[Projection, float] | None) -> None:
        pane = self._grid.active_pane
        if pane.layer is not None and len(pane.layer.stack) > 1:
            pane.slab_chosen.emit(slab)
