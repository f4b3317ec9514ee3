"""Start the window: show it first, load the heavy parts behind it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

if sys.platform == "win32":
    # torch's DLLs clash with Qt's unless they come first.
    import torch  # noqa: F401

from PySide6.QtCore import (
    QCoreApplication,
    QMessageLogContext,
    QTimer,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication, QWidget

from ctstudio import __version__
from ctstudio.core.cores import keep_one_for_the_window
from ctstudio.gui import theme
from ctstudio.gui.collector import GuiCollector
from ctstudio.gui.main_window import MainWindow
from ctstudio.gui.preferences.values import Preferences
from ctstudio.gui.segmentations import Segmentations
from ctstudio.gui.settings import Settings
from ctstudio.gui.status import NO_ENGINE
from ctstudio.gui.support.crashes import watched
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.widgets import WidgetTranslator, translate
from ctstudio.gui.warm_up import Engine, warm_up


def make_application() -> QApplication:
    """The one QApplication, named and themed."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        app = existing
    else:
        qInstallMessageHandler(_tell)
        app = QApplication(sys.argv[:1])
    keep_one_for_the_window()
    QCoreApplication.setApplicationName("CT Studio")
    QCoreApplication.setApplicationVersion(__version__)
    QCoreApplication.setOrganizationName("ctstudio")
    app.setDesktopFileName("ctstudio")
    return app


def _tell(kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
    """Qt's messages go to stderr, but for one that says nothing a person could use."""
    if "propagateSizeHints" not in text and kind != QtMsgType.QtDebugMsg:
        print(text, file=sys.stderr)


FRAME = 8, 36  # px that a window's frame and title take at least
SWITCH_S = 0.001  # until a busy worker lets the window's thread go on, where Python decides


class Program:
    """The window with everything around it: collector, settings, segmentations, engine."""

    def __init__(self, settings: Settings | None = None, runs_folder: Path | None = None) -> None:
        self.app = make_application()
        sys.setswitchinterval(SWITCH_S)
        self.settings = settings or Settings()
        preferences = Preferences(self.settings)
        preferences.prepare(self.app)
        theme.apply(self.app, preferences.theme(self.app))
        self.collector = GuiCollector()
        self.window = MainWindow(self.settings, runs_folder or preferences.runs_folder)
        translate(self.window)
        self.translator = WidgetTranslator(self.app, self.window)
        self.segmentations = Segmentations(self.window.session, self.window.opener)
        self.engine: Engine | None = None

    def load_engine(self) -> None:
        """Load torch in the background; the panels fill when it is there."""
        if self.window.session.closing:  # closed before it was time to
            return
        self.window.session.jobs.start(
            "warm-up",
            tr("Loading the learning engine"),
            warm_up,
            succeeded=self._engine_loaded,
            failed=self._engine_failed,
        )

    def _engine_loaded(self, engine: Engine) -> None:
        self.engine = engine
        self.collector.settle()
        self.window.engine_ready(engine.device, engine.reason)

    def _engine_failed(self, error: Exception) -> None:
        self.window.device_badge.show_device(NO_ENGINE, str(error))
        self.window.session.report(error)


def run(paths: Sequence[Path], demo: bool = False) -> int:
    """Open the window and stay until it is closed; returns the exit status."""
    program = Program()
    window = program.window
    show_where_there_is_room(window)
    if demo:
        QTimer.singleShot(0, window.open_demo)
    if paths:
        QTimer.singleShot(0, lambda: window.open_paths([Path(p) for p in paths]))
    if not os.environ.get("CTSTUDIO_EXIT_WHEN_SHOWN"):
        QTimer.singleShot(50, program.load_engine)
        QTimer.singleShot(0, window.services.sessions.ask_about_crash)
    # Closing saves the work. Python handles signals only between instructions: give it some.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.close())
    heartbeat = QTimer()
    heartbeat.timeout.connect(lambda: None)
    heartbeat.start(250)
    if os.environ.get("CTSTUDIO_EXIT_WHEN_SHOWN"):  # for the measurement of the start
        watch = QTimer(window)
        watch.timeout.connect(lambda: _quit_when_exposed(program))
        watch.start(5)
    sys.excepthook = lambda _kind, error, _trace: window.session.report(error)
    with watched(program.settings.data_folder):
        status = program.app.exec()
    sys.excepthook = sys.__excepthook__
    program.collector.stop()
    return status


def show_where_there_is_room(window: QWidget) -> None:
    """Show a window; over the whole screen where it would hang over the screen's edges."""
    room, wanted = window.screen().availableGeometry(), window.size()
    if wanted.width() + FRAME[0] > room.width() or wanted.height() + FRAME[1] > room.height():
        window.showMaximized()
    else:
        window.show()


def _quit_when_exposed(program: Program) -> None:
    handle = program.window.windowHandle()
    if handle is not None and handle.isExposed():
        program.window.close()  # waits for what runs
