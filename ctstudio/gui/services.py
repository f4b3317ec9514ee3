"""What surrounds the images: session files, commands and keys, preferences, the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from ctstudio.gui.chrome import RECENT_SESSIONS
from ctstudio.gui.composer.composer import Composer
from ctstudio.gui.dialogs import show_shortcuts
from ctstudio.gui.palette.editor import ShortcutEditor
from ctstudio.gui.palette.keymap import Keymap
from ctstudio.gui.palette.palette import CommandPalette
from ctstudio.gui.preferences.preferences import PreferenceKeeper
from ctstudio.gui.sessions.sessions import Sessions
from ctstudio.gui.support.support import Support

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow


class Services(QObject):
    """Made once the window has its parts."""

    def __init__(self, window: MainWindow, presets: list[QAction]) -> None:
        super().__init__(window)
        self._window = window
        self.support = Support(window)
        self.sessions = Sessions(window)
        self.preferences = PreferenceKeeper(window, self.sessions)
        self.composer = Composer(window)
        recent = window.menuBar().findChild(QMenu, RECENT_SESSIONS)
        assert isinstance(recent, QMenu)
        self.sessions.keep_filled(recent)
        named = {f"preset_{number}": action for number, action in enumerate(presets, start=1)}
        actions = window.actions_by_name | named
        self.keymap = Keymap(actions, window.settings, window, window.grid)
        self.palette = CommandPalette(window, window.menuBar())

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {
            **self.sessions.handlers(),
            **self._window.windowing.handlers(),
            **self.preferences.handlers(),
            **self.support.handlers(),
            **self.composer.handlers(),
            "commands": lambda: self.palette.open_over(self._window),
            "edit_shortcuts": self._edit_shortcuts,
            "shortcuts": lambda: show_shortcuts(self._window, self.keymap.actions),
        }

    def _edit_shortcuts(self) -> None:
        dialog = ShortcutEditor(self.keymap, self._window)
        dialog.exec()
        dialog.deleteLater()

    def end(self) -> None:
        """The window closes as it should."""
        self.sessions.end()
        self.preferences.end()
        self.support.end()
