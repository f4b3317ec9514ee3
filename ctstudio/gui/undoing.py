"""Undo and redo: the menu entries follow the session's stack."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction

from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr


class Undoing(QObject):
    """Says in the menu what would be taken back, or done again."""

    def __init__(self, session: Session, actions: dict[str, QAction]) -> None:
        super().__init__(session)
        self._stack = session.undo
        self._actions = actions
        self._stack.canUndoChanged.connect(self._actions["undo"].setEnabled)
        self._stack.canRedoChanged.connect(self._actions["redo"].setEnabled)
        self._stack.undoTextChanged.connect(lambda text: self._name("undo", text))
        self._stack.redoTextChanged.connect(lambda text: self._name("redo", text))
        for name in ("undo", "redo"):
            self._actions[name].setEnabled(False)

    def handlers(self) -> dict[str, Callable[..., object]]:
        """What each action does, by the action's name."""
        return {"undo": self._stack.undo, "redo": self._stack.redo}

    def _name(self, name: str, text: str) -> None:
        title = tr({"undo": "Undo", "redo": "Redo"}[name])
        self._actions[name].setText(f"{title} {text[:1].lower()}{text[1:]}".strip())
