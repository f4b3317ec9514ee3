"""Asking for what to open: a folder, files, one of those that were open before."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from ctstudio.core.places import cache_folder
from ctstudio.gui.empty_state import EmptyState
from ctstudio.gui.opening import Opener
from ctstudio.gui.settings import Settings
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_title


class Asker(QObject):
    """Hands what is chosen to the opener, and remembers what held series."""

    def __init__(
        self, opener: Opener, settings: Settings, empty: EmptyState, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._opener, self._settings, self._empty = opener, settings, empty
        self._parent = parent
        empty.set_recent(settings.recent)
        empty.open_folder.connect(self.ask_folder)
        empty.open_path.connect(lambda path: opener.open_paths([path]))
        opener.scanned.connect(self._remember)

    def ask_folder(self) -> None:
        """Let the user choose a folder."""
        start = str(self._settings.recent[0]) if self._settings.recent else ""
        title = tr("Open a folder of images")
        path = QFileDialog.getExistingDirectory(self._parent, title, start)
        if path:
            self._opener.open_paths([Path(path)])

    def ask_files(self) -> None:
        """Let the user choose files."""
        paths, _ = QFileDialog.getOpenFileNames(self._parent, tr("Open image files"))
        if paths:
            self._opener.open_paths([Path(p) for p in paths])

    def keep_filled(self, menu: QMenu) -> None:
        """Fill ``menu`` with the recent folders whenever it opens."""
        menu.aboutToShow.connect(lambda: self._fill(menu))

    def _fill(self, menu: QMenu) -> None:
        menu.clear()
        for path in self._settings.recent:
            action = menu.addAction(plain_title(str(path)))
            action.triggered.connect(lambda _=False, path=path: self._opener.open_paths([path]))
        menu.addSeparator()
        menu.addAction(tr("Forget these")).triggered.connect(self._forget)

    def _remember(self, paths: list[Path]) -> None:
        cache = str(cache_folder())
        for path in paths:
            if not str(path).startswith(cache):  # where the demo lies
                self._settings.add_recent(path.absolute())
        self._empty.set_recent(self._settings.recent)

    def _forget(self) -> None:
        self._settings.clear_recent()
        self._empty.set_recent([])
