"""What is opened or picked from a list: which pane shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt

from ctstudio.gui.session import Layer

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow


class Showing(QObject):
    """Puts layers where they are expected: into an empty pane, else into the active one."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._grid = window, window.grid
        window.opener.opened.connect(self.opened)
        window.opener.demo_opened.connect(self._demo)
        window.series_panel.show_requested.connect(self.show)

    def opened(self, layer: Layer) -> None:
        """A series was asked for: an empty pane beside the others waits for one."""
        grid = self._grid
        panes = grid.visible_panes
        if grid.layout_name != "1" and not any(pane.layer for pane in panes):
            grid.set_layout("1")
            panes = grid.visible_panes
        empty = [pane for pane in panes if pane.layer is None]
        shown = [pane for pane in panes if pane.layer is layer]
        pane = next(iter([*shown, *empty]), grid.active_pane)
        if not shown:
            grid.show_in(pane, layer)
        grid.activate(pane)
        pane.view.setFocus()

    def show(self, layer: Layer) -> None:
        """A layer was picked: the active pane shows it, and has the keys from now on."""
        grid = self._grid
        grid.show_in(grid.active_pane, layer)
        grid.activate(grid.active_pane)
        grid.active_pane.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def _demo(self, _twin: Layer, truth: Layer) -> None:
        """The phantom's truth is known: learn from it, and judge by it."""
        self._window.train_panel.select_source(truth)
        self._window.compare_panel.set_reference(truth)
