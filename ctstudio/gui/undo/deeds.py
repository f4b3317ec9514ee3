"""What can be taken back and done again."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QUndoCommand


class Deed(QUndoCommand):
    """Something that is done when it is pushed, unless it has been ``done`` already."""

    def __init__(
        self,
        text: str,
        undo: Callable[[], object],
        redo: Callable[[], object],
        *,
        done: bool = False,
    ) -> None:
        super().__init__(text)
        self._undo, self._redo = undo, redo
        self._skip = done

    def undo(self) -> None:
        self._undo()

    def redo(self) -> None:
        if not self._skip:
            self._redo()
        self._skip = False
