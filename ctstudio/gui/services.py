"""What surrounds the images: session files and whatever else the whole window is served by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMenu

from ctstudio.gui.chrome import RECENT_SESSIONS
from ctstudio.gui.sessions.sessions import Sessions

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow


class Services(QObject):
    """Made once the window has its parts."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.sessions = Sessions(window)
        recent = window.menuBar().findChild(QMenu, RECENT_SESSIONS)
        assert isinstance(recent, QMenu)
        self.sessions.keep_filled(recent)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return self.sessions.handlers()

    def end(self) -> None:
        """The window closes as it should."""
        self.sessions.end()
