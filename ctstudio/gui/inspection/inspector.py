"""Joins what tells of a series (its header, its report, its oddities) with the window."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from ctstudio.gui.inspection.tags_window import TagsWindow
from ctstudio.gui.session import Layer, Session


class Inspector(QObject):
    """Makes each window when it is first asked for, and tells it what is on the screen."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._parent = session, parent
        self._at: tuple[Layer, int] | None = None
        self.tags: TagsWindow | None = None

    def handlers(self) -> dict[str, Callable[[], object]]:
        """What each action does, by the action's name."""
        return {"tags": self.show_tags}

    def slice_shown(self, layer: Layer, index: int) -> None:
        """Another slice is on the screen."""
        self._at = (layer, index)
        if self.tags is not None:
            self.tags.slice_shown(layer, index)

    def show_tags(self) -> None:
        """Show the header of the file behind the slice on the screen."""
        if self.tags is None:
            self.tags = TagsWindow(self._session, self._parent)
            if self._at is not None and self._at[0] in self._session.layers:
                self.tags.slice_shown(*self._at)
        _front(self.tags)
        self.tags.search.setFocus()


def _front(window: QWidget) -> None:
    window.show()
    window.activateWindow()
