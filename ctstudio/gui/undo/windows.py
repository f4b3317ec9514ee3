"""Windows that were changed: one drag, preset or region is one step back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject

from ctstudio.ct.window import Window
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.undo.deeds import Deed

if TYPE_CHECKING:
    from ctstudio.gui.session import Layer
    from ctstudio.gui.undo.stack import UndoStack
    from ctstudio.gui.viewer.view_grid import ViewGrid

Seen = tuple[tuple["Layer | None", Window], ...]


class WindowUndo(QObject):
    """Watches the panes: what a press of the mouse begins, its release ends.

    Windows are no part of other steps: whoever takes a closed pane back keeps the window that was
    set since.
    """

    def __init__(self, stack: UndoStack, grid: ViewGrid) -> None:
        super().__init__(grid)
        self._stack, self._grid = stack, grid
        self._pressed = False
        self._before: Seen | None = None  # before the change that is under way
        grid.window_changing.connect(self._begin)
        grid.window_changed.connect(self._changed)
        for pane in grid.panes:
            pane.view.viewport().installEventFilter(self)
        stack.settling.append(self.settle)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseButtonPress:
            self._pressed = True
        elif event.type() == QEvent.Type.MouseButtonRelease:
            self._pressed = False
            self.settle()
        return False

    def _begin(self) -> None:
        if self._before is None:
            self._before = self._seen()

    def _changed(self, _window: Window) -> None:
        if not self._pressed:
            self.settle()

    def _seen(self) -> Seen:
        return tuple((pane.layer, pane.view.window) for pane in self._grid.panes)

    def settle(self) -> None:
        """Let what has been changed until now be one step."""
        before, self._before = self._before, None
        if before is None:
            return
        after = self._seen()
        if after != before:
            text = tr("Change the window")
            undo, redo = (lambda: self._show(before)), (lambda: self._show(after))
            self._stack.push(Deed(text, undo, redo, done=True))

    def _show(self, seen: Seen) -> None:
        for pane, (layer, window) in zip(self._grid.panes, seen, strict=True):
            if layer is not None and pane.layer is layer and pane.view.window != window:
                pane.view.set_window(window)
        active = self._grid.active_pane
        if active.layer is not None:
            self._grid.window_changed.emit(active.view.window)
