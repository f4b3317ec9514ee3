"""Undo and redo: the menu entries follow the session's stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.undo.memories import (
    ComparisonMemory,
    DisplayMemory,
    LayerMemory,
    MaskMemory,
    PanelMemory,
    PaneMemory,
)
from ctstudio.gui.undo.windows import WindowUndo

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow


class Undoing(QObject):
    """Says in the menu what would be taken back, or done again."""

    def __init__(self, window: MainWindow) -> None:
        session, grid = window.session, window.grid
        super().__init__(session)
        self._session = session
        self._stack = session.undo
        self._actions = window.actions_by_name
        control = window.view_control
        self._stack.memories = [
            LayerMemory(session),
            MaskMemory(window.masks),
            window.measuring.measurements,
            control.boxes,
            PaneMemory(session, grid),
            DisplayMemory(grid),
            ComparisonMemory(session, grid, control.comparing),
            PanelMemory(session, window.train_panel, window.compare_panel),
        ]
        self._windows = WindowUndo(self._stack, grid)
        self._stack.canUndoChanged.connect(self._actions["undo"].setEnabled)
        self._stack.canRedoChanged.connect(self._actions["redo"].setEnabled)
        self._stack.undoTextChanged.connect(lambda text: self._name("undo", text))
        self._stack.redoTextChanged.connect(lambda text: self._name("redo", text))
        self._stack.let_go.connect(self._tell)
        for name in ("undo", "redo"):
            self._actions[name].setEnabled(False)

    def handlers(self) -> dict[str, Callable[..., object]]:
        """What each action does, by the action's name."""
        return {"undo": self._stack.undo, "redo": self._stack.redo}

    def _name(self, name: str, text: str) -> None:
        title, text = tr({"undo": "Undo", "redo": "Redo"}[name]), tr(text)
        self._actions[name].setText(f"{title} {text[:1].lower()}{text[1:]}".strip())

    def _tell(self) -> None:
        self._session.message.emit(
            tr("That was too long ago: its layers were let go to free memory."), 8000
        )
