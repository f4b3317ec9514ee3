"""The log in a dock: filter by level and words, copy, clear."""

from __future__ import annotations

import time

from PySide6.QtCore import QSortFilterProxyModel, Qt
from PySide6.QtGui import (
    QColor,
    QFontDatabase,
    QGuiApplication,
    QKeySequence,
    QShortcut,
    QStandardItem,
    QStandardItemModel,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui import theme
from ctstudio.gui.forms.buttons import clearable
from ctstudio.gui.support.book import LEVELS, MOST, LogBook
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.problem_report import LogLine

LEVEL_ROLE = Qt.ItemDataRole.UserRole


class LogPanel(QWidget):
    """Shows the entries of a `LogBook`, the newest at the end."""

    def __init__(self, book: LogBook) -> None:
        super().__init__()
        self._book = book
        self.level = QComboBox()
        self.level.setAccessibleName(tr("Least level"))
        self.level.setToolTip(tr("Entries of this level and graver ones"))
        for level, title in zip(
            LEVELS, (tr("Everything"), tr("Information"), tr("Warnings"), tr("Errors")), strict=True
        ):
            self.level.addItem(title, level)
        self.level.setCurrentIndex(1)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search the log"))
        self.search.setAccessibleName(tr("Search the log"))
        clearable(self.search)
        self.copy_button = QPushButton(tr("Copy"))
        self.copy_button.setToolTip(tr("Copy the selected entries, or all that are shown"))
        self.copy_button.clicked.connect(self.copy)
        self.clear_button = QPushButton(tr("Clear"))
        self.clear_button.setToolTip(tr("Forget what was logged so far"))
        self.clear_button.clicked.connect(self._clear)
        self.model = QStandardItemModel(0, 4, self)
        self.shown = _Filter(self)
        self.shown.setSourceModel(self.model)
        self.table = QTableView()
        self.table.setAccessibleName(tr("Log"))
        self.table.setModel(self.shown)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        header = self.table.horizontalHeader()
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self._name_columns()
        for column, width in enumerate((76, 92, 140)):
            self.table.setColumnWidth(column, width)
        keys = QShortcut(QKeySequence.StandardKey.Copy, self.table)
        keys.setContext(Qt.ShortcutContext.WidgetShortcut)
        keys.activated.connect(self.copy)
        self.level.currentIndexChanged.connect(self._filter)
        self.search.textChanged.connect(self._filter)
        row = QHBoxLayout()
        row.addWidget(self.level)
        row.addWidget(self.search, 1)
        row.addWidget(self.copy_button)
        row.addWidget(self.clear_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.table, 1)
        for line in book.lines:
            self._add(line)
        book.added.connect(self._add)
        self._filter()

    def _name_columns(self) -> None:
        titles = [tr("Time"), tr("Level"), tr("Source"), tr("Text")]
        self.model.setHorizontalHeaderLabels(titles)

    def _add(self, line: LogLine) -> None:
        bar = self.table.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 1
        first, *more = line.text.splitlines() or [""]
        stamp = time.strftime("%H:%M:%S", time.localtime(line.time))
        words = (stamp, line.level.capitalize(), line.logger, f"{first} ..." if more else first)
        items = [QStandardItem(text) for text in words]
        items[3].setToolTip(line.text if len(line.text) < 4000 else line.text[:4000] + " ...")
        items[0].setData(line, LEVEL_ROLE)
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        items[0].setFont(fixed)
        now = theme.current()
        colours = {"WARNING": now.warning, "ERROR": now.error, "CRITICAL": now.error}
        if line.level in colours:
            items[1].setForeground(QColor(colours[line.level]))
        self.model.appendRow(items)
        if self.model.rowCount() > MOST:
            self.model.removeRow(0)
        if at_end:
            self.table.scrollToBottom()

    def _filter(self) -> None:
        self.shown.ask(str(self.level.currentData()), self.search.text())

    def text(self) -> str:
        """The selected entries as text, or all that are shown."""
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        lines = []
        for row in rows or range(self.shown.rowCount()):
            line = self.shown.index(row, 0).data(LEVEL_ROLE)
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.time))
            lines.append(f"{stamp} {line.level} {line.logger}: {line.text}")
        return "\n".join(lines)

    def copy(self) -> None:
        """Copy the selected entries, or all that are shown."""
        QGuiApplication.clipboard().setText(self.text())

    def _clear(self) -> None:
        self._book.clear()
        self.model.setRowCount(0)


class _Filter(QSortFilterProxyModel):
    """By level, and by words in any column."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._levels: tuple[str, ...] = LEVELS
        self._words = ""

    def ask(self, least: str, words: str) -> None:
        """Show entries from ``least`` on that contain ``words``."""
        self._levels = LEVELS[: LEVELS.index(least)]
        self._words = words.casefold()
        self.invalidate()

    def filterAcceptsRow(self, row: int, _parent: object) -> bool:
        model = self.sourceModel()
        line = model.index(row, 0).data(LEVEL_ROLE)
        if not isinstance(line, LogLine) or line.level in self._levels:
            return False
        return self._words in f"{line.logger} {line.text}".casefold()
