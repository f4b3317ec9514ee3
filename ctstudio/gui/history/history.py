"""Joins the history of trainings with the Train and Denoise panels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ctstudio.gui.history.window import HistoryWindow
from ctstudio.gui.panels.train import TrainPanel
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.runs import RunSummary

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel


class History(QObject):
    """Makes the window when it is first asked for, and does what it asks for."""

    train_shown = Signal()  # the Train panel is to be seen
    use_requested = Signal(object)  # TrainedModel: show it in Denoise

    def __init__(self, session: Session, panel: TrainPanel, folder: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._panel, self._folder, self._parent = session, panel, folder, parent
        self._engine = False
        self._opened: dict[tuple[Path, tuple[tuple[int, int], ...]], TrainedModel] = {}
        self.window: HistoryWindow | None = None

    def show(self) -> None:
        """Show the window, in front."""
        if self.window is None:
            window = self.window = HistoryWindow(self._session, self._folder, self._parent)
            window.continue_requested.connect(self._continue)
            window.branch_requested.connect(self._branch)
            window.train_requested.connect(self._show_train)
            window.opened.connect(self._use)
            if self._engine:
                window.set_engine_ready()
        self.window.show()
        self.window.activateWindow()

    def engine_ready(self) -> None:
        """The learning engine is loaded."""
        self._engine = True
        if self.window is not None:
            self.window.set_engine_ready()

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        if self.window is not None:
            self.window.retheme()

    def _show_train(self) -> None:
        """The window stands before its parent: it has to make room."""
        if self.window is not None:
            self.window.hide()
        self.train_shown.emit()
        self._parent.activateWindow()

    def _continue(self, folder: Path) -> None:
        self._panel.continue_run(folder)
        self._show_train()

    def _branch(self, folder: Path) -> None:
        self._panel.branch_run(folder)
        self._show_train()

    def _use(self, run: RunSummary, model: TrainedModel) -> None:
        """The same network is not listed twice, however often it is opened."""
        from ctstudio.learn.recipe_check import learns_classes

        known = self._opened.setdefault((run.folder, run.stamp), model)
        if learns_classes(known.recipe):
            if self.window is not None:
                self.window.say(tr("{0}: now in Segment").format(known.title))
            self.use_requested.emit(known)
            return
        if known in self._session.models:
            self._session.models.remove(known)  # the newest stands first in Denoise
        self._session.models.append(known)
        self._session.methods_changed.emit()
        if self.window is not None:
            self.window.say(tr("{0}: now a method in Denoise").format(known.title))
        self.use_requested.emit(known)
