"""The shortcut editor: a table of all actions, their keys, and what clashes."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui.actions import title as title_of
from ctstudio.gui.forms.buttons import clearable
from ctstudio.gui.palette.fuzzy import score
from ctstudio.gui.palette.keymap import Keymap
from ctstudio.gui.palette.palette import plain
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label

NAME_ROLE = Qt.ItemDataRole.UserRole


class ShortcutEditor(QDialog):
    """Changes act at once and are remembered; a key that another action has is asked about."""

    def __init__(self, keymap: Keymap, parent: QWidget) -> None:
        super().__init__(parent)
        self._keymap = keymap
        self.setWindowTitle(tr("Keyboard shortcuts"))
        self.resize(640, 640)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search actions and keys"))
        self.search.setAccessibleName(tr("Search actions and keys"))
        clearable(self.search)
        self.search.textChanged.connect(self._filter)
        self.table = QTableWidget(0, 3)
        self.table.setAccessibleName(tr("Actions and their keys"))
        self.table.setHorizontalHeaderLabels([tr("Action"), tr("Key"), tr("Default")])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.itemSelectionChanged.connect(self._selected)
        self.key = QKeySequenceEdit()
        self.key.setMaximumSequenceLength(1)
        self.key.setAccessibleName(tr("New key"))
        self.key.setToolTip(tr("Press the new key"))
        clearable(self.key)
        self.key.keySequenceChanged.connect(self._typed)
        self.assign = QPushButton(tr("Assign"))
        self.assign.clicked.connect(self._assign)
        self.clear = QPushButton(tr("No key"))
        self.clear.setToolTip(tr("Take the key away from this action"))
        self.clear.clicked.connect(self._clear)
        self.reset = QPushButton(tr("Reset"))
        self.reset.setToolTip(tr("Give this action its default key again"))
        self.reset.clicked.connect(self._reset)
        self.note = plain_label(" ")
        self.note.setProperty("role", "muted")
        self.note.setWordWrap(True)
        self.note.setMinimumHeight(2 * self.note.fontMetrics().lineSpacing())
        label = QLabel(tr("New key"))
        label.setBuddy(self.key)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.key, 1)
        for button in (self.assign, self.clear, self.reset):
            button.setAutoDefault(False)
            row.addWidget(button)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.reset_all = buttons.addButton(tr("Reset all"), QDialogButtonBox.ButtonRole.ResetRole)
        self.reset_all.clicked.connect(keymap.reset_all)
        for other in buttons.findChildren(QPushButton):
            other.setAutoDefault(False)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(self.search)
        layout.addWidget(self.table, 1)
        layout.addLayout(row)
        layout.addWidget(self.note)
        layout.addWidget(buttons)
        keymap.changed.connect(self._fill)
        self._fill()
        self.table.selectRow(0)

    @property
    def name(self) -> str:
        """The action that is selected; "" for none."""
        items = self.table.selectedItems()
        return str(items[0].data(NAME_ROLE)) if items else ""

    def select(self, name: str) -> None:
        """Select an action by name."""
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if item is not None and item.data(NAME_ROLE) == name:
                self.table.selectRow(row)

    def _fill(self) -> None:
        keymap, selected = self._keymap, self.name
        native = QKeySequence.SequenceFormat.NativeText
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(keymap.actions))
            for row, (name, action) in enumerate(keymap.actions.items()):
                texts = (
                    plain(title_of(action)),
                    keymap.key(name).toString(native),
                    keymap.defaults[name].toString(native),
                )
                for column, text in enumerate(texts):
                    item = QTableWidgetItem(text)
                    item.setData(NAME_ROLE, name)
                    if column == 1 and not keymap.is_default(name):
                        font = item.font()
                        font.setBold(True)
                        item.setFont(font)
                    self.table.setItem(row, column, item)
        self._filter(self.search.text())
        self.select(selected)

    def _filter(self, query: str) -> None:
        first = -1
        for row in range(self.table.rowCount()):
            items = [self.table.item(row, column) for column in (0, 1)]
            texts = [item.text() for item in items if item is not None]
            action = self._keymap.actions[str(items[0].data(NAME_ROLE))] if items[0] else None
            english = str(action.property("english") or "") if action is not None else ""
            fits = (
                not query
                or query.casefold() == texts[1].casefold()
                or any(score(query, text) is not None for text in (texts[0], english))
            )
            self.table.setRowHidden(row, not fits)
            if fits and first < 0:
                first = row
        if query and first >= 0:
            self.table.selectRow(first)

    def _selected(self) -> None:
        with QSignalBlocker(self.key):
            self.key.clear()
        self._say("")
        self._enable()

    def _enable(self) -> None:
        name = self.name
        self.assign.setEnabled(bool(name) and not self.key.keySequence().isEmpty())
        self.clear.setEnabled(bool(name) and not self._keymap.key(name).isEmpty())
        self.reset.setEnabled(bool(name) and not self._keymap.is_default(name))

    def _typed(self, key: QKeySequence) -> None:
        holder = self._keymap.holder(key, self.name)
        if holder is None:
            self._say("")
            self.assign.setText(tr("Assign"))
        else:
            title = plain(self._keymap.actions[holder].text())
            self._say(
                tr("{0} belongs to “{1}”, which would be left without a key.").format(
                    key.toString(QKeySequence.SequenceFormat.NativeText), title
                )
            )
            self.assign.setText(tr("Take it over"))
        self._enable()

    def _assign(self) -> None:
        if self.name:
            self._keymap.set(self.name, self.key.keySequence())
            self._selected()

    def _clear(self) -> None:
        if self.name:
            self._keymap.set(self.name, QKeySequence())
            self._selected()

    def _reset(self) -> None:
        name = self.name
        if name:
            holder = self._keymap.holder(self._keymap.defaults[name], name)
            self._keymap.reset(name)
            self._selected()
            if holder is not None:
                title = plain(self._keymap.actions[holder].text())
                self._say(tr("“{0}” has no key now.").format(title))

    def _say(self, text: str) -> None:
        self.note.setText(text or " ")
        self.assign.setText(tr("Assign"))
