"""The buttons of a training: start, pause, stop, go on, and what to do with the network."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, SignalInstance
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr


class RunControls(QWidget):
    """Buttons that the Train panel connects; what a run allows is shown, the rest hidden."""

    continue_picked = Signal(object)  # Path of an earlier run
    branch_picked = Signal(object)  # Path
    branch_dropped = Signal()

    def __init__(self, runs_folder: Path) -> None:
        super().__init__()
        self._runs_folder = runs_folder
        # The form above gives way where there is little room, never the buttons.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._parent_row())
        self.start = QPushButton(tr("Start training"))
        self.start.setProperty("role", "primary")
        self.pause = QPushButton(tr("Pause"))
        self.pause.setToolTip(tr("Wait; nothing is lost"))
        self.stop = QPushButton(tr("Stop"))
        self.stop.setToolTip(tr("Stop and keep the network as it is"))
        self.more = QToolButton()
        self.more.setIcon(theme.icon("mdi6.dots-vertical"))
        self.more.setAutoRaise(True)
        self.more.setToolTip(tr("Go on from an earlier training"))
        self.more.setAccessibleName(tr("Earlier trainings"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        menu.addAction(tr("Continue an earlier training ...")).triggered.connect(
            lambda: self._ask("Continue a training", self.continue_picked)
        )
        menu.addAction(tr("Begin with the weights of a training ...")).triggered.connect(
            lambda: self._ask("Begin with the weights of a training", self.branch_picked)
        )
        self.more.setMenu(menu)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.start, 2)
        row.addWidget(self.pause, 1)
        row.addWidget(self.stop, 1)
        self.go_on = QPushButton(tr("Continue"))
        self.go_on.setToolTip(tr("Go on where the training was stopped, as if it had not been"))
        self.go_on.setVisible(False)
        row.addWidget(self.go_on, 2)
        row.addWidget(self.more)
        layout.addLayout(row)
        self.use = QPushButton(tr("Use in Denoise"))
        self.save = QPushButton(tr("Save network ..."))
        self.save.setToolTip(
            tr("Keep the network as a file that Denoise can open again, with a card for others")
        )
        after = QHBoxLayout()
        after.setSpacing(8)
        for button in (self.use, self.save):
            button.setVisible(False)
            after.addWidget(button, 1)
        layout.addLayout(after)

    def _parent_row(self) -> QWidget:
        self._parent_label = QLabel()
        self._parent_label.setTextFormat(Qt.TextFormat.PlainText)
        self._parent_label.setProperty("role", "muted")
        self._parent_label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        drop = QToolButton()
        drop.setIcon(theme.icon("mdi6.close"))
        drop.setAutoRaise(True)
        drop.setToolTip(tr("Begin with random weights instead"))
        drop.setAccessibleName(tr("Begin with random weights"))
        drop.clicked.connect(lambda: self.branch_dropped.emit())
        self._parent_row_widget = QWidget()
        row = QHBoxLayout(self._parent_row_widget)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._parent_label, 1)
        row.addWidget(drop)
        self._parent_row_widget.setVisible(False)
        return self._parent_row_widget

    def _ask(self, title: str, picked: SignalInstance) -> None:
        folder = QFileDialog.getExistingDirectory(self, title, str(self._runs_folder))
        if folder:
            picked.emit(Path(folder))

    def show_parent(self, name: str) -> None:
        """Say whose weights the next training begins with; "" for nobody's."""
        self._parent_label.setText(tr("Weights of {0}").format(name))
        self._parent_label.setToolTip(self._parent_label.text())
        self._parent_row_widget.setVisible(bool(name))

    def set_running(self, running: bool, *, can_start: bool) -> None:
        """Enable what makes sense."""
        self.start.setEnabled(can_start and not running)
        self.go_on.setEnabled(can_start and not running)
        self.more.setEnabled(can_start and not running)
        self.pause.setEnabled(running)
        self.stop.setEnabled(running)

    def show_result(self, state: str | None, *, denoises: bool = True) -> None:
        """Offer what can be done with the network of a run that ended; None while there is none."""
        self.use.setText(tr("Use in Denoise") if denoises else tr("Use in Segment"))
        self.use.setVisible(state is not None)
        self.save.setVisible(state is not None)
        # A stopped training can go on: that takes the place of what a running one offers.
        for button in (self.pause, self.stop):
            button.setVisible(state != "stopped")
        self.go_on.setVisible(state == "stopped")
