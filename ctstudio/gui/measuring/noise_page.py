"""The page of the noise tools: what to look at, a table of all layers, a plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui.forms.buttons import picture_button
from ctstudio.gui.measuring.entries import Entry
from ctstudio.gui.measuring.noise_plot import NoisePictures, NoisePlot
from ctstudio.gui.measuring.plot import colour, square
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import numbers, plain_label, plain_tip
from ctstudio.workflows.noise_measures import TITLES, Finding, Settings, Tool, axis_units

HINTS: dict[Tool, str] = {
    "spectrum": "Draw a region (R) in a uniform part of the image: the larger, the better.",
    "edge": "Draw a region around one edge: across a straight one (R), around a round one "
    "(Shift+R).",
    "map": "Noise around every pixel of the slice; a region limits the numbers to it.",
    "contrast": "Draw two regions (R): one in the object, one beside it.",
}
SLICES = (1, 3, 5, 9, 15)
SIDES = (0, 16, 24, 32, 48, 64, 96, 128)
VIEWS: dict[Tool, tuple[tuple[str, str], ...]] = {
    "spectrum": (("Radial spectrum", "spectrum"), ("Spectrum in 2D", "picture")),
    "edge": (("MTF", "mtf"), ("Edge response", "response")),
    "map": (("Map", "picture"),),
    "contrast": (("CNR", "cnr"),),
}
Cell = Callable[[Finding], str]
Head = tuple[str, str, Cell]  # the unit in braces, a tip, what stands below


def _plain(name: str, digits: int) -> Cell:
    def cell(finding: Finding) -> str:
        value = finding.numbers.get(name, math.nan)
        return f"{value:.{digits}f}" if math.isfinite(value) else "-"

    return cell


def _give_or_take(name: str) -> Cell:
    def cell(finding: Finding) -> str:
        value = finding.numbers.get(name, math.nan)
        error = finding.numbers.get(f"{name}_error", math.nan)
        if not math.isfinite(value):
            return "-"
        return f"{value:.3f} ± {error:.3f}" if math.isfinite(error) else f"{value:.3f}"

    return cell


HEADS: dict[Tool, tuple[Head, ...]] = {
    "spectrum": (
        ("Noise SD\n{unit}", "About the trend: the root of the spectrum's integral",
         _plain("noise_sd", 2)),
        ("Mean\n1/{length}", "The centre of the radial spectrum: the lower, the coarser the noise",
         _plain("mean_frequency", 3)),
        ("Peak\n1/{length}", "Where the radial spectrum is greatest", _plain("peak_frequency", 3)),
        ("Squares\n", "How many overlapping squares were averaged", _plain("squares", 0)),
        ("Side\npx", "The side of a square", _plain("square_px", 0)),
    ),
    "edge": (
        ("MTF 50 %\n1/{length}", "Where half the contrast is passed on; ± what noise may shift it",
         _give_or_take("mtf_50")),
        ("MTF 10 %\n1/{length}", "Where a tenth of the contrast is passed on",
         _give_or_take("mtf_10")),
        ("10-90 %\n{length}", "Width of the edge from 10 to 90 % of its step",
         _plain("rise_10_90", 2)),
        ("Step\n{unit}", "The value beyond the edge minus that before it", _plain("step", 1)),
    ),
    "map": (
        ("Median\n{unit}", "Of the slice, or of the region", _plain("median", 1)),
        ("5 %\n{unit}", "Below it lie 5 % of the pixels", _plain("p5", 1)),
        ("95 %\n{unit}", "Above it lie 5 % of the pixels", _plain("p95", 1)),
    ),
    "contrast": (
        ("Object\n{unit}", "Mean of the first region", _plain("mean_1", 1)),
        ("SD\n{unit}", "Of the first region", _plain("sd_1", 1)),
        ("Background\n{unit}", "Mean of the second region", _plain("mean_2", 1)),
        ("SD\n{unit}", "Of the second region", _plain("sd_2", 1)),
        ("CNR\n", "Difference of the means over the root of the mean variance", _plain("cnr", 2)),
    ),
}  # fmt: skip


class ChoiceBox(QComboBox):
    """A combo box that gives the keys back once something was picked from it with the mouse."""

    done = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._by_mouse = False

    def showPopup(self) -> None:
        self._by_mouse = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        super().showPopup()

    def hidePopup(self) -> None:
        super().hidePopup()
        if self._by_mouse:
            self._by_mouse = False
            self.done.emit()


class NoisePage(QWidget):
    """Choices on the left, a row a layer in the middle, the plot on the right."""

    changed = Signal()  # something else is to be looked at
    save_requested = Signal()
    shown = Signal()
    done = Signal()  # something was picked with the mouse: the keys belong to the images again

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self.tool_box = _box(tr("Noise tool"), tr("What to find out"))
        for tool, title in TITLES.items():
            self.tool_box.addItem(tr(title), tool)
        self.region = _box(
            tr("Region"), tr("The region that is looked at: draw it with R or Shift+R")
        )
        self.other = _box(tr("Second region"), tr("The region that it is compared with"))
        self.slices = _box(tr("Slices"), tr("How many neighbouring slices are taken together"))
        for count in SLICES:
            text = tr("Only this one") if count == 1 else tr("{0} together").format(count)
            self.slices.addItem(text, count)
        self.side = _box(tr("Squares"), tr("Side of the squares that the region is cut into"))
        for side in SIDES:
            self.side.addItem(f"{side} px" if side else tr("As large as fits"), side)
        self.kind = _box(tr("Edge"), tr("What kind of edge the region holds"))
        for text, kind in (("Whichever fits", None), ("Straight", "straight"),
                           ("Round", "circular")):  # fmt: skip
            self.kind.addItem(tr(text), kind)
        self.view_box = _box(tr("Shown"), tr("What the plot shows"))
        self.table = QTableWidget(0, 1)
        self.plot, self.pictures = NoisePlot(), NoisePictures()
        self.note = plain_label()
        self.note.setProperty("role", "muted")
        self.note.setWordWrap(True)
        self._build()
        self.tool_box.currentIndexChanged.connect(self._tool_changed)
        self.view_box.currentIndexChanged.connect(self._draw)
        for box in (self.region, self.other, self.slices, self.side, self.kind):
            box.currentIndexChanged.connect(self.changed)
        for box in self.findChildren(ChoiceBox):
            box.done.connect(self.done)
        self._tool_changed()

    def _build(self) -> None:
        self.save_button = picture_button(
            "mdi6.content-save-outline", tr("Save numbers, curves or the plot: CSV, JSON or PNG")
        )
        self.save_button.clicked.connect(self.save_requested)
        self._rows: dict[QComboBox, QLabel] = {}
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        top = QHBoxLayout()
        top.addWidget(self.tool_box, 1)
        top.addWidget(self.save_button)
        grid.addLayout(top, 0, 0, 1, 2)
        for row, (text, box) in enumerate(
            (
                ("Region", self.region), ("Background", self.other), ("Slices", self.slices),
                ("Squares", self.side), ("Edge", self.kind), ("Show", self.view_box),
            ),
            start=1,
        ):  # fmt: skip
            label = QLabel(tr(text))
            label.setBuddy(box)
            self._rows[box] = label
            grid.addWidget(label, row, 0)
            grid.addWidget(box, row, 1)
        grid.setRowStretch(7, 1)
        grid.setColumnStretch(1, 1)
        choices = QWidget()
        choices.setLayout(grid)
        grid.setContentsMargins(0, 0, 0, 0)
        choices.setFixedWidth(216)
        self._build_table()
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.table, 1)
        column.addWidget(self.note)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.plot)
        self._stack.addWidget(self.pictures)
        self.parts = QSplitter(Qt.Orientation.Horizontal)
        self.parts.setChildrenCollapsible(False)
        for widget, least in ((middle, 300), (self._stack, 220)):
            widget.setMinimumWidth(least)
            self.parts.addWidget(widget)
        self.parts.setSizes([420, 420])
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(12)
        layout.addWidget(choices)
        layout.addWidget(self.parts, 1)

    def _build_table(self) -> None:
        self.table.setAccessibleName(tr("What the noise tool says of every layer"))
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setIconSize(QSize(10, 10))
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setWordWrap(False)
        head = self.table.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    # -- what is chosen --------------------------------------------------------------------------

    @property
    def tool(self) -> Tool:
        tool: Tool = self.tool_box.currentData()
        return tool

    @property
    def settings(self) -> Settings:
        return Settings(self.slices.currentData(), self.side.currentData(), self.kind.currentData())

    def choose(self, tool: Tool) -> None:
        """Look with another tool."""
        self.tool_box.setCurrentIndex(self.tool_box.findData(tool))

    def offer(self, regions: Sequence[Entry], selected: Entry | None) -> None:
        """Offer regions; one that is selected is looked at."""
        first, second = self.region.currentData(), self.other.currentData()
        numbers = [entry.number for entry in regions]
        with QSignalBlocker(self.region), QSignalBlocker(self.other):
            for box in (self.region, self.other):
                box.clear()
                for entry in regions:
                    box.addItem(entry.name, entry.number)
                box.setEnabled(bool(regions))
            chosen = selected.number if selected is not None else first
            if self.tool == "contrast" and chosen == second and first in numbers:
                second = first  # the one that was looked at becomes the one beside it
            if chosen not in numbers:
                chosen = numbers[-1] if numbers else None
            if second not in numbers or second == chosen:
                second = next((n for n in reversed(numbers) if n != chosen), None)
            self.region.setCurrentIndex(self.region.findData(chosen))
            self.other.setCurrentIndex(self.other.findData(second))
        self.changed.emit()

    def _tool_changed(self) -> None:
        tool = self.tool
        for box, tools in (
            (self.other, ("contrast",)), (self.side, ("spectrum",)), (self.kind, ("edge",)),
            (self.slices, ("spectrum", "edge", "contrast")), (self.view_box, ("spectrum", "edge")),
        ):  # fmt: skip
            for widget in (box, self._rows[box]):
                widget.setVisible(tool in tools)
        with QSignalBlocker(self.view_box):
            self.view_box.clear()
            for text, name in VIEWS[tool]:
                self.view_box.addItem(tr(text), name)
        self.show_findings([])
        self.changed.emit()

    # -- what was found --------------------------------------------------------------------------

    def show_findings(self, findings: list[Finding]) -> None:
        """Fill table and plot."""
        self.findings = findings
        heads = HEADS[self.tool]
        first = next((f for f in findings if f.numbers), None)
        unit = first.unit if first is not None else ""
        length = first.length_unit if first is not None else "mm"
        self.table.setColumnCount(1 + len(heads))
        self.table.setHorizontalHeaderLabels(
            [tr("Layer"), *(tr(text).format(unit=unit, length=length) for text, _, _ in heads)]
        )
        modes = QHeaderView.ResizeMode
        for column, (_, tip, _) in enumerate(heads, 1):
            self.table.horizontalHeader().setSectionResizeMode(column, modes.ResizeToContents)
            item = self.table.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(tr(tip))
        self.table.horizontalHeader().setSectionResizeMode(0, modes.Stretch)
        self.table.setRowCount(len(findings))
        for row, finding in enumerate(findings):
            name = QTableWidgetItem(square(colour(row)), finding.layer)
            name.setToolTip(plain_tip(f"{finding.layer}\n{said(finding.note)}".strip()))
            self.table.setItem(row, 0, name)
            for column, (_, _, cell) in enumerate(heads, 1):
                item = QTableWidgetItem(numbers(cell(finding)) if finding.numbers else "-")
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(plain_tip(said(finding.note)))
                self.table.setItem(row, column, item)
        self.note.setText(self._words())
        self.save_button.setEnabled(any(f.numbers for f in findings))
        self._draw()

    def wait(self) -> None:
        """Say that something is being computed, where there is nothing to see yet."""
        if not self.findings:
            self.note.setText(tr("Computing ..."))

    def _words(self) -> str:
        """What to do, where there is nothing yet; else what to beware of."""
        notes = list(dict.fromkeys(f.note for f in self.findings if f.note))
        nothing = not any(f.numbers for f in self.findings)
        if nothing and notes:
            return f"{_sentence(said(notes[0]))} {tr(HINTS[self.tool])}"
        if nothing or self.tool == "map":
            return tr(HINTS[self.tool])
        if len(notes) == 1 and all(f.note for f in self.findings):
            return _sentence(said(notes[0]))
        return "  ".join(_sentence(f"{f.layer}: {said(f.note)}") for f in self.findings if f.note)

    def _draw(self) -> None:
        name = self.view_box.currentData() or VIEWS[self.tool][0][1]
        if name == "picture":
            having = next((f for f in self.findings if f.picture is not None), None)
            unit = having.unit if having is not None else ""
            if having is not None and self.tool == "spectrum":
                unit = axis_units("spectrum", having)[1]
            self.pictures.show_findings(self.findings, unit)
            self._stack.setCurrentWidget(self.pictures)
            return
        self._stack.setCurrentWidget(self.plot)
        if name == "cnr":
            self.plot.show_bars("cnr", "CNR", self.findings)
        else:
            self.plot.show_curves(name, self.findings)

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        self.plot.retheme()
        self.show_findings(self.findings)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.shown.emit()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def _box(name: str, tip: str) -> ChoiceBox:
    box = ChoiceBox()
    box.setAccessibleName(name)
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box
