"""The window "Header": the elements of the file behind the slice on the screen."""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QModelIndex, QPoint, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QPushButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.ct.header import FileHeader
from ctstudio.ct.series import SeriesInfo
from ctstudio.gui.forms.buttons import clearable
from ctstudio.gui.inspection.tags_model import NAME, TAG, VR, Node, TagsModel
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.words import plain_label

SETTLE_MS = 60  # who runs through the slices is shown the header of the one they stop at
KEPT = 32  # headers
MOST_OPENED = 400  # branches that a search opens by itself
NOTHING_OPEN = "Open a series: the header of the slice on the screen stands here then."
NO_FILE = "This layer was made here and lies in no file."

_Key = tuple[str, int]


class TagsWindow(QDialog):
    """A tree of all elements, a box to search them, and buttons to copy."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Header"))
        self.setWindowFlags(Qt.WindowType.Window)
        self.resize(860, 720)
        self._session = session
        self._at: tuple[Layer, int] | None = None
        self._wanted: tuple[_Key, SeriesInfo, int] | None = None
        self._reading: _Key | None = None
        self._shown: _Key | None = None
        self._kept: OrderedDict[_Key, FileHeader] = OrderedDict()
        self._opened: set[tuple[str, ...]] = set()
        self._current: tuple[str, ...] = ()
        self.model = TagsModel(self)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._follow)
        self._build()
        self.model.hide_personal(not session.show_patient)
        session.active_changed.connect(self._active_changed)
        session.privacy_changed.connect(self._privacy_changed)

    def _build(self) -> None:
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search name, keyword, number or value"))
        self.search.setAccessibleName(tr("Search"))
        clearable(self.search)
        self.search.setToolTip(tr('Words that an element must have, such as "slice thick" or 0018'))
        self.search.textChanged.connect(self._search)
        self.count = plain_label()
        self.count.setProperty("role", "muted")
        self.place = plain_label(tr(NOTHING_OPEN))
        self.place.setWordWrap(True)
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tree = QTreeView()
        self.tree.setModel(self.model)
        self.tree.setUniformRowHeights(True)  # else Qt would measure every row of a large header
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.tree.setAlternatingRowColors(True)
        self.tree.setAccessibleName(tr("Elements of the header"))
        self.tree.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.customContextMenuRequested.connect(self._menu)
        self.tree.expanded.connect(lambda index: self._branch(index, True))
        self.tree.collapsed.connect(lambda index: self._branch(index, False))
        head = self.tree.header()
        head.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        head.setStretchLastSection(True)
        for column, width in ((TAG, 150), (NAME, 260), (VR, 44)):
            head.resizeSection(column, width)
        self.copy_value = QPushButton(tr("Copy value"))
        self.copy_row = QPushButton(tr("Copy rows"))
        self.copy_all = QPushButton(tr("Copy all"))
        for button, slot, tip in (
            (self.copy_value, self._copy_value, tr("The whole value of the selected element")),
            (self.copy_row, self._copy_rows, tr("The selected elements as text (Ctrl+C)")),
            (self.copy_all, self._copy_all, tr("Every element in the tree as text")),
        ):
            button.setAutoDefault(False)
            button.setToolTip(tip)
            button.clicked.connect(slot)
        QShortcut(QKeySequence.StandardKey.Copy, self.tree, self._copy_rows)
        QShortcut(QKeySequence.StandardKey.Find, self, self.search.setFocus)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.search, 1)
        top.addWidget(self.count)
        bottom = QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(self.place, 1)
        for button in (self.copy_value, self.copy_row, self.copy_all):
            bottom.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addLayout(top)
        layout.addWidget(self.tree, 1)
        layout.addLayout(bottom)
        self.tree.selectionModel().selectionChanged.connect(self._selected)
        self._enable()

    # -- which file ------------------------------------------------------------------------------

    def slice_shown(self, layer: Layer, index: int) -> None:
        """Another slice is on the screen."""
        self._at = (layer, index)
        if self.isVisible():
            self._settle.start()

    def _active_changed(self, layer: Layer | None) -> None:
        if layer is None:
            self._at = None
            if self.isVisible():
                self._settle.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._follow()

    def _follow(self) -> None:
        """Show the header of the slice on the screen, or ask for it."""
        from ctstudio.workflows import headers

        self._settle.stop()
        layer, index = self._at or (None, 0)
        series = layer.root.series if layer is not None else None
        if layer is None or series is None:
            self._wanted = None
            self._show(None, tr(NOTHING_OPEN if layer is None else NO_FILE))
            return
        number = headers.slice_of_series(series, layer.stack.geometry, index)
        place = headers.place(series, number)
        key = (str(place.path), place.image if series.source.format == "TIFF" else 0)
        where = place.path.name if not self._session.show_patient else str(place.path)
        if layer.kind != "original":
            where = tr("{0} was made here, of {1}").format(called(layer), where)
        if place.images > 1:
            where += tr("  (image {0} of {1})").format(place.image + 1, place.images)
        self._wanted = (key, series, number)
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            if self._shown == key:
                self.place.setText(where)  # another image of the same file
            else:
                self._show(known, where, key)
        else:
            self._read()

    def _read(self) -> None:
        if self._wanted is None or self._session.closing or self._session.jobs.busy("tags"):
            return  # the job that runs asks again when it ends
        key, series, number = self._wanted
        self._reading = key
        if self._shown is None:
            self.place.setText(tr("Reading the header ..."))
        self._session.jobs.start(
            "tags",
            tr("Reading a header"),
            lambda: _header(series, number),
            succeeded=self._read_done,
            cancelled=self._read_again,
            failed=self._read_failed,
        )

    def _read_done(self, header: FileHeader) -> None:
        assert self._reading is not None
        self._kept[self._reading] = header
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        if self.isVisible():
            self._follow()

    def _read_again(self) -> None:
        if self.isVisible() and self._wanted is not None and self._wanted[0] != self._reading:
            self._read()

    def _read_failed(self, error: Exception) -> None:
        """A file that has gone away is said here, beside what it would have shown."""
        if self._wanted is not None and self._wanted[0] != self._reading:
            self._read()
            return
        if isinstance(error, StudioError):
            self._show(None, str(error))
        else:
            self._session.report(error)

    def _show(self, header: FileHeader | None, where: str, key: _Key | None = None) -> None:
        self._remember()
        self._shown = key
        self.model.show(header)
        self.place.setText(where)
        self._restore()

    # -- the tree --------------------------------------------------------------------------------

    def _search(self, text: str) -> None:
        self._remember()
        self.model.search(text)
        self._restore()

    def _privacy_changed(self) -> None:
        self._remember()
        self.model.hide_personal(not self._session.show_patient)
        self._restore()
        if self.isVisible():
            self._follow()

    def _branch(self, index: QModelIndex, opened: bool) -> None:
        node = self.model.node(index)
        if node is not None and not self.model.searching:
            (self._opened.add if opened else self._opened.discard)(node.path)

    def _remember(self) -> None:
        node = self.model.node(self.tree.currentIndex())
        if node is not None:
            self._current = node.path
        self._scroll = self.tree.verticalScrollBar().value()

    _scroll = 0

    def _restore(self) -> None:
        """Open, select and scroll as before: from slice to slice only the values change."""
        with QSignalBlocker(self.tree):
            if self.model.searching:
                self._open_all()
            else:
                for path in sorted(self._opened, key=len):
                    index = self._find(path)
                    if index.isValid():
                        self.tree.setExpanded(index, True)
        index = self._find(self._current) if self._current else QModelIndex()
        if index.isValid():
            self.tree.setCurrentIndex(index)
        self.tree.verticalScrollBar().setValue(self._scroll)
        found = self.model.found
        words = tr("1 element") if found == 1 else tr("{0:,} elements").format(found)
        self.count.setText(words if self._shown is not None else "")
        self._enable()

    def _open_all(self) -> None:
        """Open what a search has left, as far as it can be looked over."""
        budget = MOST_OPENED
        queue = [self.model.index(row, 0) for row in range(self.model.rowCount())]
        while queue and budget > 0:
            index = queue.pop(0)
            rows = self.model.rowCount(index)
            if not rows:
                continue
            budget -= 1
            self.tree.setExpanded(index, True)
            queue += [self.model.index(row, 0, index) for row in range(min(rows, budget))]

    def _find(self, path: tuple[str, ...]) -> QModelIndex:
        index = QModelIndex()
        for part in path:
            for row in range(self.model.rowCount(index)):
                child = self.model.index(row, 0, index)
                node = self.model.node(child)
                if node is not None and (node.element.tag or node.element.name) == part:
                    index = child
                    break
            else:
                return QModelIndex()
        return index

    # -- copying ---------------------------------------------------------------------------------

    def _rows(self) -> list[Node]:
        indices = self.tree.selectionModel().selectedRows()
        nodes = [self.model.node(index) for index in sorted(indices, key=self._order)]
        return [node for node in nodes if node is not None]

    def _order(self, index: QModelIndex) -> list[int]:
        rows: list[int] = []
        while index.isValid():
            rows.insert(0, index.row())
            index = index.parent()
        return rows

    def _selected(self, *_: object) -> None:
        self._enable()

    def _enable(self) -> None:
        selected = self.tree.selectionModel().hasSelection()
        self.copy_value.setEnabled(selected)
        self.copy_row.setEnabled(selected)
        self.copy_all.setEnabled(self.model.rowCount() > 0)

    def _copy_value(self) -> None:
        _copy("\n".join(self.model.value(node) for node in self._rows()))

    def _copy_rows(self) -> None:
        rows = self._rows()
        # What is inside of another selected element comes with it.
        chosen = {id(node) for node in rows}
        _copy("\n".join(self.model.lines(n) for n in rows if not _inside(n, chosen)) + "\n")

    def _copy_all(self) -> None:
        _copy(self.model.all_text())

    def _menu(self, at: QPoint) -> None:
        index = self.tree.indexAt(at)
        if not index.isValid():
            return
        menu = QMenu(self)
        for button in (self.copy_value, self.copy_row, self.copy_all):
            menu.addAction(button.text()).triggered.connect(button.click)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.tree.viewport().mapToGlobal(at))


def _inside(node: Node, chosen: set[int]) -> bool:
    parent = node.parent
    while parent is not None:
        if id(parent) in chosen:
            return True
        parent = parent.parent
    return False


def _copy(text: str) -> None:
    QGuiApplication.clipboard().setText(text)


def _header(series: SeriesInfo, number: int) -> Work[FileHeader]:
    from ctstudio.workflows.headers import read_header

    return (yield from read_header(series, number))
