"""The command palette: type a few letters, Enter does it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QPoint, QSize, Qt
from PySide6.QtGui import QAction, QIcon, QKeyEvent, QKeySequence, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QMenuBar,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui.forms.buttons import clearable
from ctstudio.gui.palette.fuzzy import score
from ctstudio.gui.translation.catalogue import tr

WIDTH, SHOWN = 560, 12
MENU_ROLE = int(Qt.ItemDataRole.UserRole)
KEY_ROLE = MENU_ROLE + 1
NOT_NOW = 3.0  # what cannot be done at present stands behind what fits as well
EXACT = 10.0  # the name in full
LEAST_OF_TIP = 4  # letters, before words of tool tips are looked at
IN_TITLE = 2.0  # a letter of the command's own name counts for more than one of its menu's


@dataclass(frozen=True)
class Command:
    """An action as it is listed: its name, the menu that it stands in, its name in English."""

    action: QAction
    title: str
    menu: str
    english: str

    def fit(self, query: str) -> float | None:
        """How well the letters fit."""
        fits = [score(query, self.title), score(query, self.english)]
        best = [fit + IN_TITLE * len(query) for fit in fits if fit is not None]
        if query.strip() and query.strip().casefold() in (
            self.title.casefold(),
            plain(self.english).casefold(),
        ):
            best.append(max(best, default=0.0) + EXACT)
        found = score(query, f"{self.menu} {self.title}")
        if found is None and self._said_to(query.strip().casefold()):
            found = 0.0
        return max([*best, *([found] if found is not None else [])], default=None)

    def _said_to(self, word: str) -> bool:
        """Whether its tool tip has a word that begins so, as "dark" has the switch of themes."""
        words = re.findall(r"\w+", self.action.toolTip().casefold())
        return len(word) >= LEAST_OF_TIP and any(known.startswith(word) for known in words)


def commands(bar: QMenuBar) -> list[Command]:
    """Every action of the menus that can be triggered now or could be later, each once."""
    found: dict[QAction, Command] = {}

    def walk(menu: QMenu, path: str) -> None:
        menu.aboutToShow.emit()  # some are filled when they open
        for action in menu.actions():
            below = action.menu()
            if isinstance(below, QMenu):
                walk(below, f"{path} › {plain(below.title())}" if path else plain(below.title()))
            elif not action.text() or action.isSeparator():
                continue
            elif action.isEnabled() or action.objectName():  # the rest only says "nothing here"
                english = action.property("english") or ""
                found.setdefault(action, Command(action, plain(action.text()), path, english))

    for top in bar.actions():
        menu = top.menu()
        if isinstance(menu, QMenu):
            walk(menu, plain(menu.title()))
    return list(found.values())


def plain(text: str) -> str:
    """A menu's text without the marks that are for menus."""
    text = re.sub(r"\(&\w\)", "", text)  # where the letter is none of the word's own
    text = text.replace("&&", "\0").replace("&", "").replace("\0", "&")
    return text.replace(" ...", "").replace("……", "")


class CommandPalette(QFrame):
    """Lists the commands that fit what is typed, the best first; keys alone suffice."""

    def __init__(self, window: QWidget, bar: QMenuBar) -> None:
        super().__init__(window)
        self.setObjectName("palette")
        self.setAutoFillBackground(True)
        self.hide()
        self.setAccessibleName(tr("Commands"))
        self._bar = bar
        self._commands: list[Command] = []
        self._lately: list[str] = []  # names of those used before, the newest first
        self._focus: QWidget | None = None
        nothing = QPixmap(16, 16)
        nothing.fill(Qt.GlobalColor.transparent)
        self._blank = QIcon(nothing)  # names stand below one another
        self.line = QLineEdit()
        self.line.setPlaceholderText(tr("Type what you want to do"))
        self.line.setAccessibleName(tr("Command"))
        clearable(self.line)
        self.line.textChanged.connect(self._fill)
        self.line.installEventFilter(self)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Commands that fit"))
        self.list.setIconSize(QSize(16, 16))
        self.list.setItemDelegate(_CommandDelegate(self.list))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the line has the keys
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(self._do)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.line)
        layout.addWidget(self.list)

    def open_over(self, window: QWidget) -> None:
        """Show it in the upper middle of ``window``."""
        self._focus = QApplication.focusWidget()
        self._commands = commands(self._bar)
        self.line.clear()
        self._fill("")
        row = self.list.sizeHintForRow(0) if self.list.count() else 28
        self.setFixedSize(
            min(WIDTH, window.width()), row * SHOWN + self.line.sizeHint().height() + 28
        )
        corner = QPoint((window.width() - self.width()) // 2, 72)
        self.move(corner)
        self.show()
        self.raise_()
        self.line.setFocus()

    def _fill(self, query: str) -> None:
        self.list.clear()
        fitting: list[tuple[float, Command]] = []
        for command in self._commands:
            fit = command.fit(query)
            if fit is not None:
                name = command.action.objectName() or command.title
                if name in self._lately:
                    fit += 1.0 - 0.1 * self._lately.index(name)
                fitting.append((fit - (0.0 if command.action.isEnabled() else NOT_NOW), command))
        fitting.sort(key=lambda pair: -pair[0])
        for _, command in fitting:
            item = QListWidgetItem(command.title)
            action = command.action
            ticked = action.isCheckable() and action.isChecked()
            item.setData(MENU_ROLE, f"✓   {command.menu}" if ticked else command.menu)
            key = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            item.setData(KEY_ROLE, key)
            item.setIcon(self._blank if action.icon().isNull() else action.icon())
            # A screen reader hears all of the row.
            on = tr("on") if ticked else ""
            words = [command.title, on, command.menu, key]
            item.setData(
                Qt.ItemDataRole.AccessibleTextRole, ", ".join(word for word in words if word)
            )
            item.setToolTip(action.toolTip())
            item.setData(Qt.ItemDataRole.UserRole + 2, action)
            flags = Qt.ItemFlag.ItemIsSelectable
            if action.isEnabled():
                flags |= Qt.ItemFlag.ItemIsEnabled
            item.setFlags(flags)
            self.list.addItem(item)
        if not fitting:
            item = QListWidgetItem(tr("Nothing fits"))
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.line and event.type() == QEvent.Type.FocusOut:
            self.hide()  # a click elsewhere
        if watched is self.line and isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()  # no key of the window acts while one types here
                return True
            if event.type() == QEvent.Type.KeyPress and self._key(event.key()):
                return True
        return super().eventFilter(watched, event)

    def _key(self, key: int) -> bool:
        steps = {
            Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1,
            Qt.Key.Key_PageDown: SHOWN, Qt.Key.Key_PageUp: -SHOWN,
        }  # fmt: skip
        if key in steps:
            last = self.list.count() - 1
            row = self.list.currentRow() + steps[Qt.Key(key)]
            self.list.setCurrentRow(min(max(row, 0), last))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            item = self.list.currentItem()
            if item is not None:
                self._do(item)
        elif key == Qt.Key.Key_Escape:
            self._leave()
        else:
            return False
        return True

    def _do(self, item: QListWidgetItem) -> None:
        action = item.data(Qt.ItemDataRole.UserRole + 2)
        if not isinstance(action, QAction) or not action.isEnabled():
            return
        name = action.objectName() or item.text()
        self._lately = [name, *(other for other in self._lately if other != name)][:8]
        self._leave()
        action.trigger()

    def _leave(self) -> None:
        """Give the keys back to where they were."""
        focus, self._focus = self._focus, None
        self.hide()
        if focus is not None:
            focus.setFocus()


class _CommandDelegate(QStyledItemDelegate):
    """The name on the one side, menu and key on the other."""

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        size = super().sizeHint(option, index)
        return QSize(size.width(), max(size.height(), 28))

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        self.initStyleOption(option, index)
        style = option.widget.style() if option.widget is not None else QApplication.style()
        menu, key = index.data(MENU_ROLE) or "", index.data(KEY_ROLE) or ""
        aside = f"{menu}     {key}" if key else menu
        metrics, area = option.fontMetrics, option.rect
        width = metrics.horizontalAdvance(aside)
        room = area.adjusted(0, 0, -width - 24, 0)
        right = option.direction == Qt.LayoutDirection.RightToLeft
        if right:
            room = area.adjusted(width + 24, 0, 0, 0)
        option.text = metrics.elidedText(
            option.text, Qt.TextElideMode.ElideRight, room.width() - 56
        )
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        role = (
            QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.PlaceholderText
        )
        painter.setPen(option.palette.color(role))
        side = Qt.AlignmentFlag.AlignLeft if right else Qt.AlignmentFlag.AlignRight
        painter.drawText(
            area.adjusted(8, 0, -8, 0),
            side | Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignAbsolute,
            aside,
        )
