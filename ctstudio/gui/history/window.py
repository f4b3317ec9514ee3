"""The window "History of trainings"."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.errors import StudioError
from ctstudio.gui import theme
from ctstudio.gui.forms.buttons import clearable
from ctstudio.gui.history.comparison import Comparison, ElidedLabel, RunDetails, full_name
from ctstudio.gui.history.model import RunsFilter, RunsModel, note_on
from ctstudio.gui.history.reader import Reader
from ctstudio.gui.history.table import RunsTable
from ctstudio.gui.session import Session
from ctstudio.gui.status import Banner
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.runs import RunSummary

FOLLOW_MS = 3000  # a running training's row is read again that often
SHARE = 0.98  # of the main window
HINT = "Select a training to see its pictures and curves, or two to compare them (Ctrl + click)."


class HistoryWindow(QDialog):
    """All trainings in a folder; what is done with one is a signal."""

    continue_requested = Signal(object)  # Path
    branch_requested = Signal(object)  # Path
    opened = Signal(object, object)  # RunSummary, TrainedModel
    train_requested = Signal()  # there is nothing yet: show where one begins

    def __init__(self, session: Session, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("History of trainings"))
        self.setWindowFlags(Qt.WindowType.Window)
        self.engine = False  # whether torch is loaded, so that recipes can be put into the form
        self._session = session
        self._folder = folder
        self._placed = False
        self._want: list[Path] = []  # what the comparison shows, or is about to
        self.model = RunsModel(self)
        self.rows = RunsFilter(self.model, self)
        self.table = RunsTable(self.rows)
        self.comparison = Comparison()
        self.reader = Reader(session, folder, self)
        self._follow = QTimer(self)
        self._follow.setSingleShot(True)
        self._follow.setInterval(FOLLOW_MS)
        self._follow.timeout.connect(self._refresh_seen)
        self._build()
        self._connect()

    # -- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.banner = Banner()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(tr("Filter by name, state or setting"))
        self.filter.setAccessibleName(tr("Filter"))
        clearable(self.filter)
        self.filter.setToolTip(tr('Words that a row must have, such as "gaussian finished"'))
        self.filter.setMaximumWidth(400)
        self._count = QLabel()
        self._count.setProperty("role", "muted")
        self._note = QLabel()
        self._note.setProperty("role", "muted")
        self.refresh_button = QToolButton()
        self.refresh_button.setIcon(theme.icon("mdi6.refresh"))
        self.refresh_button.setAutoRaise(True)
        self.refresh_button.setToolTip(tr("Read the folder again (F5)"))
        self.refresh_button.setAccessibleName(tr("Refresh"))
        where = ElidedLabel()
        where.setProperty("role", "muted")
        where.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        where.show_text(str(self._folder))
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.filter, 2)
        top.addWidget(self._count)
        top.addWidget(where, 3)
        top.addWidget(self.refresh_button)
        right = QStackedWidget()
        hint = QLabel(tr(HINT))
        hint.setProperty("role", "muted")
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        hint.setWordWrap(True)
        right.addWidget(hint)
        right.addWidget(self.comparison)
        self._right = right
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(8)
        column.addLayout(top)
        column.addWidget(self.table, 1)
        column.addWidget(self._note)
        column.addLayout(self._buttons())
        self._parts = QSplitter()
        self._parts.setChildrenCollapsible(False)
        self._parts.addWidget(left)
        self._parts.addWidget(right)
        self._parts.setStretchFactor(0, 3)
        self._parts.setStretchFactor(1, 2)
        right.setMinimumWidth(400)
        self._pages = QStackedWidget()
        self._pages.addWidget(QWidget())  # until the folder was read
        self._pages.addWidget(self._nothing_yet())
        self._pages.addWidget(self._parts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(self.banner)
        layout.addWidget(self._pages, 1)

    def _buttons(self) -> QHBoxLayout:
        self.open_button = QPushButton(tr("Open in Denoise"))
        self.open_button.setProperty("role", "primary")
        self.continue_button = QPushButton(tr("Continue"))
        self.branch_button = QPushButton(tr("Begin with its weights"))
        self.folder_button = QPushButton(tr("Show folder"))
        self.trash_button = QPushButton(tr("Delete ..."))
        self._said = ElidedLabel()
        self._said.setProperty("role", "muted")
        row = QHBoxLayout()
        row.setSpacing(8)
        for button in (self.open_button, self.continue_button, self.branch_button):
            row.addWidget(button)
        row.addWidget(self._said, 1)
        row.addWidget(self.folder_button)
        row.addWidget(self.trash_button)
        for button in (self.continue_button, self.branch_button, self.folder_button,
                       self.trash_button, self.open_button):  # fmt: skip
            button.setAutoDefault(False)
        return row

    def _nothing_yet(self) -> QWidget:
        page = QWidget()
        icon = QLabel()
        icon.setPixmap(theme.icon("mdi6.school-outline", "accent").pixmap(64, 64))
        title = QLabel(tr("No trainings yet"))
        title.setProperty("role", "title")
        text = QLabel(
            tr(
                "Open a series, choose a recipe in the Train panel and start.\nEvery "
                "training is kept here with its recipe, curves, pictures and networks."
            )
        )
        text.setProperty("role", "muted")
        self.train_button = QPushButton(tr("Show the Train panel"))
        self.train_button.setProperty("role", "primary")
        layout = QVBoxLayout(page)
        layout.setSpacing(12)
        layout.addStretch(2)
        for label in (icon, title, text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addSpacing(8)
        layout.addWidget(self.train_button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(3)
        return page

    def _connect(self) -> None:
        session, reader = self._session, self.reader
        reader.scanned.connect(self._show_runs)
        reader.pictured.connect(self.model.set_pictures)
        reader.detailed.connect(self._show_details)
        reader.earlier.connect(self.comparison.show_earlier)
        self.comparison.earlier_wanted.connect(reader.read_earlier)
        reader.loaded.connect(self.opened)
        reader.binned.connect(self._binned)
        reader.failed.connect(self._failed)
        self.model.picture_wanted.connect(reader.want_picture)
        self.table.picked.connect(self._picked)
        self.table.opened.connect(self._open)
        self.table.unwanted.connect(self._ask_trash)
        self.filter.textChanged.connect(self._filter)
        self.refresh_button.clicked.connect(self.refresh)
        for button, slot in (
            (self.open_button, self._open),
            (self.continue_button, self._continue),
            (self.branch_button, self._branch),
            (self.folder_button, self._show_folder),
            (self.trash_button, self._ask_trash),
            (self.train_button, self.train_requested.emit),
        ):
            button.clicked.connect(slot)
        QShortcut(QKeySequence("F5"), self, self.refresh)
        session.run_changed.connect(self._run_changed)
        for signal in (session.layer_added, session.layer_removed, session.layer_changed):
            signal.connect(self._enable)
        self._enable()

    # -- the list --------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        if not self._placed:
            self._placed = True
            parent = self.parentWidget()
            size = parent.size() if parent is not None else self.sizeHint()
            self.resize(round(size.width() * SHARE), round(size.height() * SHARE))
            width = self.width()
            self._parts.setSizes([width * 18 // 25, width * 7 // 25])
        super().showEvent(event)
        self.table.setFocus()
        self.refresh()

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        self.comparison.retheme()
        self.table.mark()

    def refresh(self) -> None:
        """Read the folder again."""
        self.reader.scan()

    def _run_changed(self, _run: object) -> None:
        """The training in the window went on: soon, and not too often, look at what it wrote."""
        if self.isVisible() and not self._follow.isActive():
            self._follow.start()

    def _refresh_seen(self) -> None:
        if self.isVisible():
            self.refresh()

    def _show_runs(self, runs: list[RunSummary]) -> None:
        if runs == self.model.runs and self._pages.currentIndex():
            self._enable()
            return
        before = self.table.picked_runs()
        self.model.set_runs(runs)
        self._pages.setCurrentIndex(2 if runs else 1)
        self.table.pick([run.folder for run in before])
        if before != self.table.picked_runs():
            self._want = []  # what is selected has grown
        self.table.show_metrics(name for run in runs for name in run.best)
        self._note.setText(note_on(runs))
        self._note.setVisible(bool(self._note.text()))
        self._filter(self.filter.text())
        self.table.announce()

    def _filter(self, text: str) -> None:
        self.rows.set_text(text)
        shown, all_of_them = self.rows.rowCount(), len(self.model.runs)
        if text.strip():
            words = tr("{0} of {1} trainings").format(shown, all_of_them)
        else:
            one = all_of_them == 1
            words = tr("1 training") if one else tr("{0} trainings").format(all_of_them)
        self._count.setText(words)

    def _picked(self) -> None:
        runs = self.table.picked_runs()
        self.model.set_reference(runs[0] if len(runs) == 1 else None)
        self._enable()
        if len(runs) not in (1, 2):
            self._want = []
            self._right.setCurrentIndex(0)
        elif [run.folder for run in runs] != self._want:
            self.say("")
            self._want = [run.folder for run in runs]
            self.reader.read_details(runs)

    def _show_details(self, details: list[RunDetails]) -> None:
        if [entry.run.folder for entry in details] == self._want:
            most = self.model.other_settings(None) if len(self.model.runs) > 1 else {}
            self.comparison.show_details(details, most)
            self._right.setCurrentIndex(1)

    # -- what can be done ------------------------------------------------------------------------

    def _enable(self, *_: object) -> None:
        runs = self.table.picked_runs()
        one = runs[0] if len(runs) == 1 else None
        ready = any(layer.complete and layer.is_scan for layer in self._session.layers)
        busy = self._session.jobs["train"] is not None
        network = one is not None and one.network is not None
        alone = tr("Select one training")
        without = alone if one is None else tr("It left no network behind")
        _offer(self.open_button, "" if network else without, tr("Its network becomes a method"))
        why = (
            alone if one is None
            else tr("It is running") if one.state == "running"
            else tr("It is finished") if one.state == "finished"
            else tr("There is nothing whole to go on from") if not one.can_continue
            else tr("The learning engine is being loaded") if not self.engine
            else tr("Another training is running; stop it first") if busy
            else tr("Open the series that it learnt from first") if not ready
            else ""
        )  # fmt: skip
        tip = tr("Go on where it was stopped, as if it had not been")
        _offer(self.continue_button, why, tip)
        loading = "" if self.engine else tr("The learning engine is being loaded")
        why = without if not network else tr("Another training is running") if busy else loading
        _offer(self.branch_button, why, tr("Its recipe goes to the Train panel; start there"))
        _offer(self.folder_button, "" if one else alone, tr("Show it in the file manager"))
        running = any(run.state == "running" for run in runs)
        why = tr("A running training stays") if running else ""
        why = why if runs else tr("Select a training")
        _offer(self.trash_button, why, tr("Move to the bin (Del)"))

    def say(self, text: str) -> None:
        """Tell what was done."""
        self._said.show_text(text)

    def set_engine_ready(self) -> None:
        """The learning engine is loaded."""
        self.engine = True
        self._enable()

    def _one(self, button: QPushButton) -> RunSummary | None:
        """The selected run, where the button that stands for a deed allows it."""
        runs = self.table.picked_runs()
        return runs[0] if len(runs) == 1 and button.isEnabled() else None

    def _open(self) -> None:
        run = self._one(self.open_button)
        if run is not None:
            self.reader.load(run)

    def _continue(self) -> None:
        run = self._one(self.continue_button)
        if run is not None:
            self.continue_requested.emit(run.folder)

    def _branch(self) -> None:
        run = self._one(self.branch_button)
        if run is not None:
            self.branch_requested.emit(run.folder)

    def _show_folder(self) -> None:
        run = self._one(self.folder_button)
        if run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.folder)))

    def _ask_trash(self) -> None:
        runs = self.table.picked_runs()
        if not self.trash_button.isEnabled():
            return
        what = full_name(runs[0]) if len(runs) == 1 else tr("{0} trainings").format(len(runs))
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(tr("Delete"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(tr("Move {0} to the bin?").format(what))
        box.setInformativeText(tr("Recipe, curves, pictures and networks go with it."))
        yes = QMessageBox.StandardButton.Yes
        box.setStandardButtons(yes | QMessageBox.StandardButton.Cancel)
        box.button(yes).setText(tr("Move to the bin"))
        agreed = box.exec() == yes.value
        box.deleteLater()
        if agreed:
            self.reader.trash(runs)

    def _binned(self, problems: list[str]) -> None:
        if problems:
            self.banner.show_trouble("\n".join(problems), "")
        self.refresh()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, StudioError):
            self.banner.show_trouble(error.message, error.hint)
        else:
            self._session.report(error)


def _offer(button: QPushButton, why_not: str, tip: str) -> None:
    button.setEnabled(not why_not)
    button.setToolTip(why_not or tip)
