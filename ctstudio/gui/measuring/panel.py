"""The list of the measurements, what the selected one says of every layer, and its plot."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QModelIndex, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.ct.planes import plane_name
from ctstudio.gui import units
from ctstudio.gui.forms.buttons import picture_button
from ctstudio.gui.measuring.drawing import one_digit
from ctstudio.gui.measuring.entries import Entry, Measurements
from ctstudio.gui.measuring.numbers import Numbers
from ctstudio.gui.measuring.plot import MeasurePlot, colour, square
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import numbers, plain_tip
from ctstudio.workflows.measurements import Reading

NUMBER = Qt.ItemDataRole.UserRole
SETTLE_MS = 80  # between two readings while something is dragged
HEADS = ("Layer", "Mean", "SD", "Min", "Max", "Pixels", "mm²", "Edge")
AREA, EDGE = 6, 7
OF_REGIONS, OF_PROFILES = (1, 2, 3, 4, 5, AREA), (3, 4, EDGE)
EDGE_TIP = "Width of the edge from 10 to 90 % of the step between both ends of the profile"
HINT = (
    "Draw a distance (D), an angle (A), a region (R) or a profile (Shift+D) upon an image: "
    "what it says of every layer stands here."
)


class MeasurePanel(QWidget):
    """A row a measurement on the left; layers side by side in the middle; the plot."""

    jump_requested = Signal(object)  # Entry
    save_requested = Signal()
    save_plot_requested = Signal()

    def __init__(self, measurements: Measurements, numbers: Numbers) -> None:
        super().__init__()
        self._measurements, self._numbers = measurements, numbers
        self.list = QTreeWidget()
        self.list.setAccessibleName(tr("Measurements"))
        self.list.setHeaderLabels([tr("Name"), tr("Slice"), tr("Value")])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        modes = QHeaderView.ResizeMode
        self.list.header().setSectionResizeMode(modes.ResizeToContents)
        self.list.header().setSectionResizeMode(0, modes.Stretch)
        self.list.header().setStretchLastSection(False)
        triggers = QAbstractItemView.EditTrigger
        self.list.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.list.currentItemChanged.connect(self._picked)
        self.list.itemClicked.connect(self._clicked)
        self.list.itemChanged.connect(self._renamed)
        delete = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.list)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self.delete)
        self.table = QTableWidget(0, len(HEADS))
        self.table.setAccessibleName(tr("What the measurement says of every layer"))
        self.table.setHorizontalHeaderLabels([tr(head) for head in HEADS])
        edge = self.table.horizontalHeaderItem(EDGE)
        if edge is not None:
            edge.setToolTip(tr(EDGE_TIP))
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setEditTriggers(triggers.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setIconSize(QSize(10, 10))
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setWordWrap(False)
        head = self.table.horizontalHeader()
        head.setSectionResizeMode(modes.ResizeToContents)
        head.setSectionResizeMode(0, modes.Stretch)
        self.plot = MeasurePlot()
        self.hint = QLabel(tr(HINT))
        self.hint.setProperty("role", "muted")
        self.hint.setWordWrap(True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._build()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLE_MS)
        self._timer.timeout.connect(self._settled)
        measurements.changed.connect(self._changed)
        measurements.moved.connect(self._moved)
        measurements.selected.connect(self._selected)
        self._changed()

    def _build(self) -> None:
        self.save_button = picture_button(
            "mdi6.content-save-outline", tr("Save all measurements as CSV or JSON")
        )
        self.save_plot_button = picture_button(
            "mdi6.chart-line", tr("Save the plot's curves as CSV")
        )
        self.delete_button = picture_button(
            "mdi6.delete-outline", tr("Delete the selected measurements (Del)")
        )
        self.save_button.clicked.connect(self.save_requested)
        self.save_plot_button.clicked.connect(self.save_plot_requested)
        self.delete_button.clicked.connect(self.delete)
        buttons = QVBoxLayout()
        buttons.setSpacing(4)
        for button in (self.save_button, self.save_plot_button, self.delete_button):
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.parts = QSplitter(Qt.Orientation.Horizontal)
        self.parts.setChildrenCollapsible(False)
        for widget, least in ((self.list, 236), (self.table, 320), (self.plot, 160)):
            widget.setMinimumWidth(least)
            self.parts.addWidget(widget)
        self.parts.setSizes([290, 530, 300])
        self._region, self._sizes = True, [290, 330, 500]  # of the kind that is not shown
        row = QHBoxLayout()
        row.addLayout(buttons)
        row.addWidget(self.parts, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.addWidget(self.hint, 1)
        layout.addLayout(row, 1)

    # -- following -------------------------------------------------------------------------------

    def _changed(self) -> None:
        """The list anew."""
        entries = self._measurements.entries
        self.hint.setVisible(not entries)
        self.parts.setVisible(bool(entries))
        for button in (self.save_button, self.save_plot_button, self.delete_button):
            button.setVisible(bool(entries))
        rows = range(self.list.topLevelItemCount())
        listed = [self._number(self.list.topLevelItem(row)) for row in rows]
        with QSignalBlocker(self.list):
            if listed != [entry.number for entry in entries]:
                self.list.clear()
                for entry in entries:
                    item = QTreeWidgetItem(["", "", ""])
                    item.setData(0, NUMBER, entry.number)
                    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                    self.list.addTopLevelItem(item)
            for row, entry in enumerate(entries):
                self._tell(self.list.topLevelItem(row), entry)
        self._selected(self._measurements.selection)
        self.read()

    def _tell(self, item: QTreeWidgetItem | None, entry: Entry) -> None:
        if item is not None:
            item.setText(0, entry.name)
            item.setToolTip(0, plain_tip(entry.name))
            item.setText(1, self._place(entry))
            item.setText(2, numbers(self._value(entry)))

    def _moved(self, _entry: Entry) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _settled(self) -> None:
        entry = self._measurements.selection
        if entry is not None and self.isVisible():
            with QSignalBlocker(self.list):
                self._tell(self._item(entry.number), entry)
        self.read()

    def _selected(self, entry: Entry | None) -> None:
        item = self._item(entry.number) if entry is not None else None
        if item is None or item is not self.list.currentItem():
            with QSignalBlocker(self.list):
                self.list.clearSelection()
                if item is not None:
                    self.list.setCurrentItem(item)
                else:
                    self.list.setCurrentIndex(QModelIndex())
        self._moved_to(entry)

    def _moved_to(self, entry: Entry | None) -> None:
        region = entry is not None and entry.shape.is_region
        drawn = region or (entry is not None and entry.shape.kind == "profile")
        self.table.setVisible(drawn)
        self.plot.setVisible(drawn)
        self.save_plot_button.setEnabled(drawn)
        told = (OF_REGIONS if region else OF_PROFILES) if drawn else ()
        for column in range(1, len(HEADS)):
            unknown = column == AREA and entry is not None and not entry.spacing_known
            self.table.setColumnHidden(column, column not in told or unknown)
        if drawn and region != self._region:
            self._region = region
            now = self.parts.sizes()
            self.parts.setSizes(self._sizes)
            self._sizes = now if all(now) else self._sizes
        self.read()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.read()

    def touch(self) -> None:
        """A layer has changed: read it again before long."""
        if not self._timer.isActive():
            self._timer.start()

    def read(self) -> None:
        """Read the layers again where that can be seen."""
        if not self.isVisible():
            return
        entry = self._measurements.selection
        readings = [r for _, r in self._numbers.read(entry)] if entry is not None else []
        self._fill(readings, entry.length_unit if entry is not None else "")
        if entry is not None:
            self.plot.show_entry(entry, readings, self._numbers.places(entry))

    def _fill(self, readings: list[Reading], length_unit: str) -> None:
        self.table.setRowCount(len(readings))
        units = {reading.unit for reading in readings}
        head = self.table.horizontalHeaderItem(0)
        if head is not None:
            head.setText(tr("Layer{0}").format(_of(*units)) if len(units) == 1 else tr("Layer"))
        for row, reading in enumerate(readings):
            unit = _of(reading.unit) if len(units) > 1 else ""
            cells = [f"{reading.layer}{unit}", *_cells(reading, length_unit)]
            for column, text in enumerate(cells):
                item = self.table.item(row, column)
                if item is None:
                    item = QTableWidgetItem()
                    right = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                    item.setTextAlignment(right | Qt.AlignmentFlag.AlignVCenter)
                    self.table.setItem(row, column, item)
                item.setText(numbers(text) if column else text)
            first = self.table.item(row, 0)
            if first is not None:
                first.setIcon(square(colour(row)))
                first.setToolTip(plain_tip(reading.layer))

    def _place(self, entry: Entry) -> str:
        size = self._numbers.size(entry)
        return f"{plane_name(entry.plane).capitalize()} {size[0] + 1}" if size is not None else ""

    def _value(self, entry: Entry) -> str:
        shape = entry.shape
        if shape.kind == "angle":
            return "" if math.isnan(shape.angle) else f"{shape.angle:.1f}°"
        if not shape.is_region:
            return units.length(shape.length, known=entry.spacing_known)
        _, count, area = self._numbers.size(entry) or (0, 0, 0.0)
        return units.area(area) if entry.spacing_known else f"{count} px"

    # -- doing -----------------------------------------------------------------------------------

    def _number(self, item: QTreeWidgetItem | None) -> int | None:
        return item.data(0, NUMBER) if item is not None else None

    def _item(self, number: int) -> QTreeWidgetItem | None:
        items = (self.list.topLevelItem(row) for row in range(self.list.topLevelItemCount()))
        return next((item for item in items if self._number(item) == number), None)

    def _entry(self, item: QTreeWidgetItem | None) -> Entry | None:
        number = self._number(item)
        return next((e for e in self._measurements.entries if e.number == number), None)

    def _picked(self, item: QTreeWidgetItem | None, _before: object) -> None:
        entry = self._entry(item)
        if entry is not None:
            self._measurements.select(entry)
            self.jump_requested.emit(entry)

    def _clicked(self, item: QTreeWidgetItem) -> None:
        entry = self._entry(item)
        if entry is not None and item is self.list.currentItem():
            self.jump_requested.emit(entry)

    def _renamed(self, item: QTreeWidgetItem, column: int) -> None:
        entry = self._entry(item)
        if entry is not None and column == 0:
            self._measurements.rename(entry, item.text(0))
            now = self._entry(item)
            with QSignalBlocker(self.list):
                item.setText(0, now.name if now is not None else "")

    def delete(self) -> None:
        """Delete what is selected in the list."""
        found = [self._entry(item) for item in self.list.selectedItems()]
        self._measurements.delete([entry for entry in found if entry is not None])


def _cells(reading: Reading, length_unit: str) -> list[str]:
    s = reading.statistics
    if s is not None:
        values = (f"{s.mean:.1f}", f"{s.sd:.1f}", one_digit(s.min), one_digit(s.max))
        return [*values, str(s.n), f"{s.area:.1f}", ""]
    known = reading.samples[np.isfinite(reading.samples)]
    if not known.size:
        return [""] * (len(HEADS) - 1)
    edge = "" if math.isnan(reading.edge) else f"{reading.edge:.2f} {length_unit}"
    return ["", "", f"{known.min():.0f}", f"{known.max():.0f}", "", "", edge]


def _of(unit: str) -> str:
    return f" ({unit})" if unit else ""
