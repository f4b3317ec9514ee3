"""The table of all trainings: a picture, two lines a cell, sorted by any column."""

from __future__ import annotations

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
from PySide6.QtGui import QColor, QFontMetrics, QImage, QPainter, QPaintEvent, QResizeEvent
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
from ctstudio.gui.history.model import COLUMNS, DIFFERENCE, RUN_ROLE, SMALL_ROLE, RunsFilter
from ctstudio.gui.history.plots import colour
from ctstudio.workflows.runs import RunSummary

ROW_PX, PICTURE_PX, PAD_PX, BAR_PX = 60, 48, 8, 4
WIDTHS = (224, 108, 76, 72, 76, 80, 68, 80, 132)
TITLE_PX, MOST_TITLE_PX = 216, 420
STATE_ICONS = {
    "running": ("mdi6.play-circle-outline", "accent"),
    "finished": ("mdi6.check-circle-outline", "text"),
    "stopped": ("mdi6.pause-circle-outline", "muted"),
    "failed": ("mdi6.alert-circle-outline", "error"),
    "damaged": ("mdi6.alert-circle-outline", "error"),
}
Index = QModelIndex | QPersistentModelIndex


class RunDelegate(QStyledItemDelegate):
    """Paints a cell: what matters, and below it in a quieter colour what belongs to it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.marks: dict[Path, str] = {}  # colours of the runs that are compared

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(WIDTHS[index.column()], ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        colours = theme.current()
        loud, quiet = QColor(colours.text), QColor(colours.muted)
        run: RunSummary = index.data(RUN_ROLE)
        if selected:
            painter.fillRect(option.rect, _mixed(colours.base, colours.accent, 0.16))
            if index.column() == 0:
                bar = QRect(option.rect.left(), option.rect.top(), BAR_PX, option.rect.height())
                painter.fillRect(bar, QColor(self.marks.get(run.folder, colours.accent)))
        painter.fillRect(
            option.rect.left(), option.rect.bottom(), option.rect.width(), 1,
            _mixed(colours.base, colours.line, 0.5),
        )  # fmt: skip
        column = index.column()
        room = option.rect.adjusted(PAD_PX, 6, -PAD_PX, -6)
        painter.save()
        painter.setFont(option.font)
        if column == 0:
            self._picture(painter, room, index)
            room.setLeft(room.left() + PICTURE_PX + PAD_PX)
        if column == 1:
            self._state(painter, room, run)
            room.setLeft(room.left() + 24)
        if column == DIFFERENCE:
            text = str(index.data() or "")
            painter.setPen(QColor(colours.error) if run.reason else loud)
            _two_lines(painter, room, text, " " if run.reason else ", ")
        else:
            upper, lower = _halves(room)
            side = (
                Qt.AlignmentFlag.AlignRight
                if COLUMNS[column].number
                else Qt.AlignmentFlag.AlignLeft
            )
            for half, text, colour in (
                (upper, index.data(), loud),
                (lower, index.data(SMALL_ROLE), quiet),
            ):
                painter.setPen(colour)
                painter.drawText(
                    half, side | Qt.AlignmentFlag.AlignVCenter, _elided(painter, text, half.width())
                )
        painter.restore()

    def _picture(self, painter: QPainter, room: QRect, index: Index) -> None:
        place = QRect(room.left(), room.center().y() - PICTURE_PX // 2, PICTURE_PX, PICTURE_PX)
        painter.fillRect(place, Qt.GlobalColor.black)
        image = index.data(Qt.ItemDataRole.DecorationRole)
        if isinstance(image, QImage):
            size = image.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
            inner = QRect(0, 0, size.width(), size.height())
            inner.moveCenter(place.center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(inner, image)

    def _state(self, painter: QPainter, room: QRect, run: RunSummary) -> None:
        name, role = STATE_ICONS[run.state]
        upper, _ = _halves(room)
        place = QRect(upper.left(), upper.center().y() - 8, 18, 18)
        theme.icon(name, role).paint(painter, place)


def _mixed(under: str, over: str, share: float) -> QColor:
    a, b = QColor(under), QColor(over)
    pairs = ((a.red(), b.red()), (a.green(), b.green()), (a.blue(), b.blue()))
    return QColor(*(round(low + (high - low) * share) for low, high in pairs))


def _halves(room: QRect) -> tuple[QRect, QRect]:
    middle = room.center().y()
    upper = QRect(room.left(), middle - 20, room.width(), 20)
    return upper, upper.translated(0, 20)


def _elided(painter: QPainter, text: object, width: int) -> str:
    metrics = QFontMetrics(painter.font())
    return metrics.elidedText(str(text or ""), Qt.TextElideMode.ElideRight, width)


def _two_lines(painter: QPainter, room: QRect, text: str, joint: str) -> None:
    """Words, or the lines of ``text`` with a comma between, on two lines, cut where they end."""
    metrics = QFontMetrics(painter.font())
    first, rest = "", text.split() if joint == " " else text.splitlines()
    while rest:
        longer = f"{first}{joint}{rest[0]}" if first else rest[0]
        if first and metrics.horizontalAdvance(longer + joint.strip()) > room.width():
            break
        first = longer
        rest.pop(0)
    upper, lower = _halves(room)
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    if rest:
        first += joint.strip()
        painter.drawText(lower, flags, _elided(painter, joint.join(rest), room.width()))
    painter.drawText(upper if rest else room, flags, _elided(painter, first, room.width()))


class RunsTable(QTableView):
    """Rows of runs; one or several are selected."""

    picked = Signal()  # the selection changed
    opened = Signal()  # a double click or Return
    unwanted = Signal()  # Delete

    def __init__(self, rows: RunsFilter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = rows
        self.setModel(rows)
        self._delegate = RunDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName("Trainings")
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
        self.selectionModel().selectionChanged.connect(self._changed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Titles and differences share what the numbers leave."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            room = self.viewport().width() - sum(WIDTHS[1:-1])
            title = min(max(room // 2, TITLE_PX), MOST_TITLE_PX)
            self.setColumnWidth(0, title)
            self.setColumnWidth(DIFFERENCE, max(room - title, WIDTHS[-1]))

    def _changed(self, *_: object) -> None:
        self.mark()
        self.picked.emit()

    def mark(self) -> None:
        """Give the one or two runs that are shown the colours of their curves."""
        runs = self.picked_runs()
        self._delegate.marks = (
            {run.folder: colour(number) for number, run in enumerate(runs)} if len(runs) < 3 else {}
        )
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
                everywhere, Qt.AlignmentFlag.AlignCenter, "No training has these words."
            )
            painter.end()
