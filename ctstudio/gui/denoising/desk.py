"""Joins the Denoise panel with the window: its actions, and the regions that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ctstudio.ct.measure import Shape
from ctstudio.gui.session import Layer
from ctstudio.workflows import scan_alone

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow

TAB = 0


def join(window: MainWindow) -> dict[str, Callable[..., Any]]:
    """Let the panel find regions; returns what each action does, by the action's name."""
    panel = window.denoise_panel
    measurements = window.measuring.measurements

    def drawn(source: Layer) -> Shape | None:
        """The region that is selected, else the one drawn last in the space of ``source``."""
        chosen = measurements.selection
        for entry in (*([chosen] if chosen is not None else []), *reversed(measurements.entries)):
            if entry.shape.is_region and entry.space.holds(source):
                return entry.shape
        return None

    def in_view(then: Callable[[], object]) -> Callable[[], None]:
        def act() -> None:
            window.panel_dock.show()
            window.tabs.setCurrentIndex(TAB)
            then()

        return act

    panel.where.region_drawn = drawn
    return {
        "scan_alone": in_view(lambda: panel.choose(scan_alone.NAME)),
        "keep_region": in_view(panel.where.keep),
        "uncertainty": in_view(panel.show_uncertainty),
    }
