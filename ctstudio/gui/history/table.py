"""The table of all trainings: a picture, two lines a cell, sorted by any column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFontMetrics, QImage, QPainter, QPaintEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from ctstudio.gui import theme
from ctstudio.gui.history.model import COLUMNS, DIFFERENCE, RUN_ROLE, SELDOM, RunsFilter
from ctstudio.gui.history.plots import colour
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.workflows.runs import RunSummary

ROW_PX, PICTURE_PX, PAD_PX, BAR_PX = 60, 48, 8, 4
WIDTHS = (224, 108, 76, 72, 96, 80, 68, 80, 68, 112, 120)
TITLE_PX, MOST_TITLE_PX = 216, 420
STATE_ICONS = {
    "running": ("mdi6.play-circle-outline", "accent"),
    "finished": ("mdi6.check-circle-outline", "text"),
    "stopped": ("mdi6.pause-circle-outline", "muted"),
    "failed": ("mdi6.alert-circle-outline", "error"),
    "damaged": ("mdi6.alert-circle-outline", "error"),
}
Index = QModelIndex | QPersistentModelIndex


Left, Right, Middle = (
    Qt.AlignmentFlag.AlignLeft,
    Qt.AlignmentFlag.AlignRight,
    Qt.AlignmentFlag.AlignVCenter,
)
MOST_CUT = 8000  # texts that are remembered as they were cut


class RunDelegate(QStyledItemDelegate):
    """Paints a cell: what matters, and below it in a quieter colour what belongs to it.

    A page has more than a hundred cells and is painted many times a second while it is scrolled:
    colours, icons and cut texts are remembered.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.marks: dict[Path, str] = {}  # colours of the runs that are compared
        self._cut: dict[tuple[str, int], str] = {}

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(WIDTHS[index.column()], ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        look = _look(theme.current())
        run: RunSummary = index.data(RUN_ROLE)
        number, column, place = index.column(), COLUMNS[index.column()], option.rect
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(place, look.selected)
            if number == 0:
                bar = QRect(place.left(), place.top(), BAR_PX, place.height())
                painter.fillRect(bar, QColor(self.marks.get(run.folder, look.accent)))
        painter.fillRect(place.left(), place.bottom(), place.width(), 1, look.line)
        room = place.adjusted(PAD_PX, 0, -PAD_PX, 0)
        if number == 0:
            _picture(painter, room, index.data(Qt.ItemDataRole.DecorationRole))
            room.setLeft(room.left() + PICTURE_PX + PAD_PX)
        elif number == 1:
            top = room.center().y() - 20
            painter.drawPixmap(room.left(), top + 2, _state_icon(run.state, look.name))
            room.setLeft(room.left() + 24)
        elif number == DIFFERENCE:
            painter.setPen(look.error if run.reason else look.loud)
            parts = said(run.reason).split() or str(index.data()).splitlines()
            self._two_lines(painter, room, parts, " " if run.reason else ", ", option.fontMetrics)
            return
        side = (Right if column.number else Left) | Middle
        for half, text, ink in zip(
            _halves(room), (column.large(run), column.small(run)), (look.loud, look.quiet),
            strict=True,
        ):  # fmt: skip
            if text:
                painter.setPen(ink)
                painter.drawText(half, side, self._fit(text, half.width(), option.fontMetrics))

    def _fit(self, text: str, width: int, metrics: QFontMetrics) -> str:
        cut = self._cut.get((text, width))
        if cut is None:
            if len(self._cut) > MOST_CUT:
                self._cut.clear()
            cut = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
            self._cut[text, width] = cut
        return cut

    def _two_lines(
        self, painter: QPainter, room: QRect, parts: list[str], joint: str, metrics: QFontMetrics
    ) -> None:
        """As many parts as fit on a first line, the others on a second, cut where it ends."""
        first, rest = "", parts
        while rest:
            longer = f"{first}{joint}{rest[0]}" if first else rest[0]
            if first and metrics.horizontalAdvance(longer + joint.strip()) > room.width():
                break
            first, rest = longer, rest[1:]
        upper, lower = _halves(room)
        if rest:
            first += joint.strip()
            last = self._fit(joint.join(rest), room.width(), metrics)
            painter.drawText(lower, Left | Middle, last)
        place = upper if rest else room
        painter.drawText(place, Left | Middle, self._fit(first, room.width(), metrics))


@dataclass(frozen=True)
class _Look:
    """The colours of a theme, ready for use."""

    name: str
    loud: QColor
    quiet: QColor
    error: QColor
    line: QColor
    selected: QColor
    accent: str


@lru_cache(maxsize=4)
def _look(colours: theme.Theme) -> _Look:
    return _Look(
        colours.name,
        QColor(colours.text),
        QColor(colours.muted),
        QColor(colours.error),
        _mixed(colours.base, colours.line, 0.5),
        _mixed(colours.base, colours.accent, 0.16),
        colours.accent,
    )


@lru_cache(maxsize=32)
def _state_icon(state: str, _theme: str) -> QPixmap:
    name, role = STATE_ICONS[state]
    return theme.icon(name, role).pixmap(QSize(18, 18))


def _picture(painter: QPainter, room: QRect, image: object) -> None:
    place = QRect(room.left(), room.center().y() - PICTURE_PX // 2, PICTURE_PX, PICTURE_PX)
    painter.fillRect(place, Qt.GlobalColor.black)
    if isinstance(image, QImage):
        size = image.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
        inner = QRect(0, 0, size.width(), size.height())
        inner.moveCenter(place.center())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(inner, image)


def _mixed(under: str, over: str, share: float) -> QColor:
    a, b = QColor(under), QColor(over)
    pairs = ((a.red(), b.red()), (a.green(), b.green()), (a.blue(), b.blue()))
    return QColor(*(round(low + (high - low) * share) for low, high in pairs))


def _halves(room: QRect) -> tuple[QRect, QRect]:
    middle = room.center().y()
    upper = QRect(room.left(), middle - 20, room.width(), 20)
    return upper, upper.translated(0, 20)


class RunsTable(QTableView):
    """Rows of runs; one or several are selected."""

    picked = Signal()  # the selection changed
    opened = Signal()  # a double click or Return
    unwanted = Signal()  # Delete

    def __init__(self, rows: RunsFilter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = rows
        self._order: list[Path] = []  # of the selected, when they were
        self.setModel(rows)
        self._delegate = RunDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName(tr("Trainings"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setSortingEnabled(True)
        self.sortByColumn(2, Qt.SortOrder.DescendingOrder)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_PX)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(56)
        header.setTextElideMode(Qt.TextElideMode.ElideRight)
        for column, width in enumerate(WIDTHS):
            self.setColumnWidth(column, width)
        header.setStyleSheet(
            "QHeaderView::section { padding: 6px 8px; border: 0; background: palette(window);"
            " border-bottom: 1px solid palette(mid); }"
        )
        for column in SELDOM.values():
            self.setColumnHidden(column, True)
        self.selectionModel().selectionChanged.connect(self.announce)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Titles and differences share what the numbers leave."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._share_room()

    def _share_room(self) -> None:
        hidden = sum(WIDTHS[k] for k in SELDOM.values() if self.isColumnHidden(k))
        room = self.viewport().width() - sum(WIDTHS[1:-1]) + hidden
        title = min(max(room // 2, TITLE_PX), MOST_TITLE_PX)
        self.setColumnWidth(0, title)
        self.setColumnWidth(DIFFERENCE, max(room - title, WIDTHS[-1]))

    def show_metrics(self, names: Iterable[str]) -> None:
        """Of the metrics that few trainings have show the columns of ``names`` alone."""
        shown = set(names)
        for name, column in SELDOM.items():
            self.setColumnHidden(column, name not in shown)
        self._share_room()

    def announce(self, *_: object) -> None:
        """Tell what is selected, and mark it."""
        self._order = [run.folder for run in self.picked_runs()]
        self.mark()
        self.picked.emit()

    def mark(self) -> None:
        """Give the one or two runs that are shown the colours of their curves."""
        few = self._order if len(self._order) < 3 else []
        self._delegate.marks = {folder: colour(number) for number, folder in enumerate(few)}
        self.viewport().update()

    def picked_runs(self) -> list[RunSummary]:
        """The selected runs, from top to bottom."""
        rows = sorted(self.selectionModel().selectedRows(), key=QModelIndex.row)
        return [index.data(RUN_ROLE) for index in rows]

    def pick(self, folders: list[Path]) -> None:
        """Select the runs in these folders and no others."""
        selection = QItemSelection()
        for row in range(self._rows.rowCount()):
            index = self._rows.index(row, 0)
            if index.data(RUN_ROLE).folder in folders:
                selection.select(index, index)
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)

    def mouseDoubleClickEvent(self, event: object) -> None:
        super().mouseDoubleClickEvent(event)  # type: ignore[arg-type]
        self.opened.emit()

    def keyPressEvent(self, event: object) -> None:
        key = event.key()  # type: ignore[attr-defined]
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit()
        elif key == Qt.Key.Key_Delete:
            self.unwanted.emit()
        else:
            super().keyPressEvent(event)  # type: ignore[arg-type]

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._rows.rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.current().muted))
            everywhere = self.viewport().rect()
            painter.drawText(
                everywhere, Qt.AlignmentFlag.AlignCenter, tr("No training has these words.")
            )
            painter.end()
