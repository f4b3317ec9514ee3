"""The log, reports of problems and About, joined to the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from PySide6.QtCore import QObject, Qt, qVersion
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QDockWidget

from ctstudio.gui.settings import Settings
from ctstudio.gui.support.about import AboutDialog
from ctstudio.gui.support.book import LogBook
from ctstudio.gui.support.crashes import CRASH_FILE
from ctstudio.gui.support.log_panel import LogPanel
from ctstudio.gui.support.report_dialog import ReportDialog
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.problem_report import log_text, secrets_of, write_report

if TYPE_CHECKING:
    from ctstudio.ct.volume import Source
    from ctstudio.gui.main_window import MainWindow


class Support(QObject):
    """Made before anything is opened, so that the log tells all of it."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._session = window, window.session
        self._settings: Settings = window.settings
        self._seen: dict[int, Source] = {}
        self.book = LogBook(window.session)
        window.session.series_changed.connect(self._note_sources)
        self.panel = LogPanel(self.book)
        self.dock = QDockWidget(tr("Log"), window)
        self.dock.setObjectName("log_dock")
        self.dock.setWidget(self.panel)
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.dock)
        window.tabifyDockWidget(window.curves_dock, self.dock)
        self.dock.hide()
        self._action: QAction = window.actions_by_name["log"]
        self.dock.visibilityChanged.connect(self._follow)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {"log": self._show_log, "problem": self.ask, "about": self._about}

    def _show_log(self, on: bool) -> None:
        if on == self.dock.isHidden():
            self.dock.setVisible(on)
        if on:
            self.dock.raise_()

    def _follow(self, _on: bool) -> None:
        # Behind another tab it is not visible, and yet not hidden.
        if self._action.isChecked() == self.dock.isHidden():
            self._action.setChecked(not self.dock.isHidden())

    def _about(self) -> None:
        dialog = AboutDialog(self._window)
        dialog.exec()
        dialog.deleteLater()

    # -- reports ---------------------------------------------------------------------------------

    def _note_sources(self) -> None:
        for info in self._session.series:
            self._seen[id(info)] = info.source

    def _sources(self) -> list[Source]:
        layers = [layer.stack.source for layer in self._session.layers]
        return [*self._seen.values(), *layers]

    def ask(self) -> None:
        """Show what would go into a report, and write it."""
        log = log_text(list(self.book.lines), secrets_of(self._sources()))
        dialog = ReportDialog(self._window, self._session, log, self.write)
        dialog.exec()
        dialog.deleteLater()

    def write(self, path: Path, words: str) -> None:
        """Write the archive to ``path``."""
        crash = self._settings.data_folder / CRASH_FILE
        write_report(
            path,
            lines=list(self.book.lines),
            settings=self._settings.everything(),
            sources=self._sources(),
            facts=self._facts(),
            crash=crash.read_text(errors="replace") if crash.is_file() else "",
            words=words,
        )

    def _facts(self) -> dict[str, str]:
        memory = psutil.virtual_memory()
        screens = [
            f"{s.size().width()} x {s.size().height()} at {s.devicePixelRatio():g}"
            for s in QGuiApplication.screens()
        ]
        return {
            "Qt": qVersion(),
            "platform": QGuiApplication.platformName(),
            "screens": ", ".join(screens),
            "window": f"{self._window.width()} x {self._window.height()}",
            "device": self._window.device_badge.device,
            "memory": f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GB free",
            "layers": ", ".join(
                f"{la.kind} {' x '.join(str(n) for n in la.stack.shape)}"
                for la in self._session.layers
            ),
        }

    def end(self) -> None:
        """The window closes."""
        self.book.end()
