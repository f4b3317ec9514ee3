"""The preferences joined to the window: the dialog, and what follows from a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from ctstudio.gui import theme, units
from ctstudio.gui.preferences import cache, values
from ctstudio.gui.preferences.dialog import PreferencesDialog
from ctstudio.gui.preferences.values import Preferences
from ctstudio.gui.sessions.sessions import Sessions
from ctstudio.gui.translation.catalogue import tr

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow


class PreferenceKeeper(QObject):
    """Opens the dialog and lets each change act."""

    def __init__(self, window: MainWindow, sessions: Sessions) -> None:
        super().__init__(window)
        self._window, self._sessions = window, sessions
        self.values = Preferences(window.settings)
        sessions.autosave.wanted = self.values.flag(values.AUTOSAVE)
        if not self.values.flag(values.PATIENT):
            window.actions_by_name["patient"].setChecked(False)
            window.view_control.handlers()["patient"](False)  # nothing is connected yet
        QApplication.styleHints().colorSchemeChanged.connect(self._system_changed)
        self._prune()

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {"preferences": self.ask}

    def ask(self) -> None:
        """Show the dialog."""
        dialog = self.make_dialog()
        dialog.exec()
        dialog.deleteLater()

    def make_dialog(self) -> PreferencesDialog:
        """The dialog, joined to what follows from its changes."""
        settings = self._window.settings
        dialog = PreferencesDialog(
            self._window, self.values, settings.cache_folder, self._window.runs_folder
        )
        dialog.changed.connect(self._changed)
        dialog.clear_requested.connect(self._clear)
        return dialog

    def _changed(self, key: str) -> None:
        preferences = self.values
        if key == values.THEME:
            self._use_theme()
        elif key == values.TEXT:
            theme.set_text_size(preferences.number(key))
            self._window.paint(theme.current())
        elif key == values.UNITS:
            units.choose(preferences.text(key))
            self._window.measuring.panel.read()
            for pane in self._window.grid.panes:
                pane.view.viewport().update()
        elif key == values.THREADS:
            preferences.use_threads()
        elif key == values.MEMORY:
            preferences.limit_memory()
        elif key == values.ENCODER:
            preferences.use_encoder()
        elif key == values.AUTOSAVE:
            self._sessions.autosave.set_wanted(preferences.flag(key))
        elif key == values.CACHE_LIMIT:
            self._prune()
        # Language, folders and what is shown at the start count from the next start.

    def _use_theme(self) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            chosen = self.values.text(values.THEME)
            wanted = self.values.theme(app)
            self._window.actions_by_name["theme"].setChecked(wanted is theme.LIGHT)
            self.values.set(values.THEME, chosen)  # the action has noted what it is now

    def _system_changed(self, _scheme: object) -> None:
        if self.values.text(values.THEME) == values.SYSTEM:
            self._use_theme()

    def _clear(self) -> None:
        freed = cache.clear(self._window.settings.cache_folder, self._sessions.store)
        text = tr("{0} MB freed").format(round(freed / 2**20))
        self._window.session.message.emit(text, 8000)

    def _prune(self) -> None:
        gigabytes = self.values.number(values.CACHE_LIMIT)
        if gigabytes:
            folder = self._window.settings.cache_folder
            cache.prune(folder, gigabytes * 2**30, self._sessions.store)

    def end(self) -> None:
        """The window closes."""
        QApplication.styleHints().colorSchemeChanged.disconnect(self._system_changed)
