"""Two trainings side by side: pictures in one window, curves, differences of the recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QSlider,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Preview, Progress, Work
from ctstudio.ct.window import PRESETS, Window
from ctstudio.figures.curves import History
from ctstudio.gui.history.picture import Picture, classes_window, grey_image, signed_image
from ctstudio.gui.history.plots import Plots, colour
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_label, plain_tip
from ctstudio.learn.run_folder import preview_steps
from ctstudio.workflows.run_settings import differences, in_words, short_key
from ctstudio.workflows.runs import RunSummary, load_history, preview_at

DEFAULT_WINDOW = "Abdomen"
RESIDUAL = Window(0, 200)
PANELS = ("reconstruction", "residual", "noisy", "target")
MOST = "Most trainings"


@dataclass(frozen=True)
class RunDetails:
    """What there is to see of a run; ``problem`` says what could not be read."""

    run: RunSummary
    history: History | None
    preview: Preview | None
    problem: str = ""
    steps: tuple[int, ...] = ()  # of which there are pictures


def read_details(runs: list[RunSummary]) -> Work[list[RunDetails]]:
    """Read curves and pictures; a damaged run does not keep the other from being shown."""
    told: list[RunDetails] = []
    for run in runs:
        yield Progress(len(told), len(runs), "Reading a training")
        history, preview, problems, steps = None, None, [], []
        try:
            history = load_history(run.folder)
        except StudioError as error:
            problems.append(error.message)
        yield Progress(len(told), len(runs), "Reading a training")
        try:
            preview = preview_at(run.folder)
            steps = preview_steps(run.folder)
        except StudioError as error:
            problems.append(error.message)
        told.append(RunDetails(run, history, preview, " ".join(problems), tuple(steps)))
    return told


def read_earlier(details: list[RunDetails], step: int) -> Work[list[Preview | None]]:
    """The pictures that two runs had made up to a step."""
    found: list[Preview | None] = []
    for entry in details:
        yield Progress(len(found), len(details), "Reading pictures")
        try:
            found.append(preview_at(entry.run.folder, step))
        except StudioError:
            found.append(None)
    return found


class ElidedLabel(QLabel):
    """A line that gives way: what does not fit is cut, and stands in the tooltip."""

    def __init__(self, mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle) -> None:
        super().__init__()
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._whole = ""

    def show_text(self, text: str, tip: str = "") -> None:
        self._whole = text
        self.setToolTip(plain_tip(tip or text))
        self._fit()

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._fit()

    def _fit(self) -> None:
        room = self.contentsRect().width()
        self.setText(self.fontMetrics().elidedText(self._whole, self._mode, room))


class Comparison(QWidget):
    """One run, or two side by side."""

    earlier_wanted = Signal(object, int)  # list[RunDetails], step: pictures made up to it

    def __init__(self) -> None:
        super().__init__()
        self._details: list[RunDetails] = []
        self._previews: list[Preview | None] = []  # on screen
        self._steps: list[int] = []  # along the slider
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Step of the pictures"))
        self.slider.setToolTip(tr("Earlier pictures of both at the same step; right: the newest"))
        self.slider.valueChanged.connect(self._scrub)
        right = Qt.TextElideMode.ElideRight
        self.titles = (ElidedLabel(right), ElidedLabel(right))
        self.names = (ElidedLabel(), ElidedLabel())
        self.captions = (ElidedLabel(), ElidedLabel())
        self.pictures = (Picture(tr("Picture of the first")), Picture(tr("Picture of the second")))
        self.plots = Plots()
        self.panel = _box(tr("Which picture"), tr("What the pictures show"))
        for name in PANELS:
            self.panel.addItem(tr(name.capitalize()), name)
        self.window_box = _box(
            tr("Window of both pictures"), tr("The same window for both pictures")
        )
        for name, window in PRESETS.items():
            text = f"{tr(name)}  {window.width_hu:g} / {window.centre_hu:g}"
            self.window_box.addItem(text, name)
        self.window_box.setCurrentIndex(list(PRESETS).index(DEFAULT_WINDOW))
        for box in (self.panel, self.window_box):
            box.currentIndexChanged.connect(self._draw)
        self.table = _table()
        self.same = plain_label()
        self.same.setProperty("role", "muted")
        self.same.setWordWrap(True)
        self.problem = plain_label()
        self.problem.setWordWrap(True)
        self._lay_out()

    def _lay_out(self) -> None:
        choices = QHBoxLayout()
        choices.setSpacing(8)
        choices.addWidget(self.panel, 1)
        choices.addWidget(self.window_box, 1)
        top = QWidget()
        grid = self._grid = QGridLayout(top)
        grid.setContentsMargins(0, 0, 0, 4)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.addLayout(choices, 0, 0, 1, 2)
        for column in (0, 1):
            self.titles[column].setProperty("role", "heading")
            self.names[column].setProperty("role", "muted")
            self.captions[column].setProperty("role", "muted")
            grid.addWidget(self.titles[column], 1, column)
            grid.addWidget(self.names[column], 2, column)
            grid.addWidget(self.pictures[column], 3, column)
            grid.addWidget(self.captions[column], 4, column)
        grid.setRowStretch(3, 1)
        grid.addWidget(self.slider, 5, 0, 1, 2)
        bottom = QWidget()
        below = QVBoxLayout(bottom)
        below.setContentsMargins(0, 4, 0, 0)
        below.setSpacing(4)
        for widget in (self.problem, self.same, self.table):
            below.addWidget(widget)
        below.addStretch(1)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        for part, share in ((top, 5), (self.plots, 4), (bottom, 3)):
            parts.addWidget(part)
            parts.setStretchFactor(parts.count() - 1, share)
        parts.setSizes([500, 400, 240])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(parts)

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        self.plots.retheme()
        for number, label in enumerate(self.titles):
            label.setStyleSheet(f"color: {colour(number)}")

    def show_details(self, details: list[RunDetails], most: Mapping[str, object]) -> None:
        """Show one run against the settings that ``most`` have, or two against each other."""
        at = self.slider.value()
        kept = [e.run.folder for e in details] == [e.run.folder for e in self._details]
        before = self._steps[at] if kept and at < self.slider.maximum() else None
        self._details = details
        two = len(details) == 2
        self._grid.setHorizontalSpacing(8 if two else 0)
        for column in (0, 1):
            for widgets in (self.titles, self.names, self.captions, self.pictures):
                widgets[column].setVisible(column == 0 or two)
            if column < len(details):
                run = details[column].run
                self.titles[column].show_text(run.title or run.name)
                self.names[column].show_text(run.name if run.title else "")
        self.plots.show_histories([entry.history for entry in details])
        problems = [f"{e.run.name}: {e.run.reason or e.problem}" for e in details
                    if e.run.reason or e.problem]  # fmt: skip
        self.problem.setText("\n".join(problems))
        self.problem.setVisible(bool(problems))
        self._show_differences(most)
        self.retheme()
        self._show_steps(before)

    def _show_steps(self, before: int | None) -> None:
        """Let the slider run over the steps of all; it stays at an earlier step ``before``."""
        self._steps = sorted({step for entry in self._details for step in entry.steps})
        self._previews = [entry.preview for entry in self._details]
        last = max(len(self._steps) - 1, 0)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, last)
            self.slider.setValue(self._steps.index(before) if before in self._steps else last)
        self.slider.setVisible(last > 0)
        self._scrub()

    def _scrub(self) -> None:
        position = self.slider.value()
        if position < self.slider.maximum():
            self.earlier_wanted.emit(self._details, self._steps[position])
        else:
            self._previews = [entry.preview for entry in self._details]
        self._draw()

    def show_earlier(self, details: list[RunDetails], previews: list[Preview | None]) -> None:
        """Show pictures that were wanted, if they still are."""
        if details is self._details and self.slider.value() < self.slider.maximum():
            self._previews = previews
            self._draw()

    def _draw(self) -> None:
        """Draw the pictures that the boxes ask for."""
        name = self.panel.currentData()
        self.window_box.setEnabled(name != "residual")
        for preview, picture, caption in zip(
            self._previews, self.pictures, self.captions, strict=False
        ):
            panel = preview.panels.get(name) if preview is not None else None
            caption.show_text(*(_caption(preview, name) if panel is not None else ("",)))
            if preview is None:
                picture.show_word(tr("No picture was kept"))
            elif panel is None:
                picture.show_word(tr("This training had no {0}").format(tr(name)))
            else:
                classes = preview.labels and name != "noisy"
                picture.show_image(self._image(name, panel, classes))

    def _image(self, name: str, panel: NDArray[np.float32], classes: bool) -> QImage:
        if name == "residual":
            highest = classes_window(panel).width_hu
            return signed_image(panel, Window(0, 2 * highest) if classes else RESIDUAL)
        window = PRESETS[self.window_box.currentData()]
        return grey_image(panel, classes_window(panel) if classes else window)

    def _show_differences(self, most: Mapping[str, object]) -> None:
        first = self._details[0].run
        two = len(self._details) == 2
        other = self._details[1].run.settings if two else most
        changed = differences(first.settings, other) if first.settings and other else {}
        heads = [first.name, self._details[1].run.name if two else tr(MOST)]
        self.table.setHorizontalHeaderLabels([tr("Setting"), *heads])
        for column, head in enumerate(heads, start=1):
            item = self.table.horizontalHeaderItem(column)
            assert item is not None
            item.setToolTip(plain_tip(head))
        self.table.setRowCount(len(changed))
        for row, (key, values) in enumerate(changed.items()):
            texts = (short_key(key), *(in_words(value) for value in values))
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(plain_tip(text if column else key))
                self.table.setItem(row, column, item)
        self.table.setVisible(bool(changed))
        self.same.setVisible(not changed)
        alike = (
            tr("The recipes are the same.") if two else tr("The recipe is that of most trainings.")
        )
        unread = tr("A recipe cannot be read.") if two else ""
        self.same.setText(alike if first.settings and other else unread)


def full_name(run: RunSummary) -> str:
    """Title and folder, which together tell a run from others."""
    return f"{said(run.title)} ({run.name})" if run.title else run.name


def _caption(preview: Preview | None, name: str) -> tuple[str, str]:
    """The line under a picture, and its longer form."""
    if preview is None:
        return "", ""
    text = tr("step {0}").format(preview.step)
    if name == "residual" and not preview.labels:
        text += f", \N{PLUS-MINUS SIGN}{RESIDUAL.width_hu / 2:g} HU"
    if name != "reconstruction":
        return text, ""
    if "dice" in preview.metrics:
        text += f", Dice {preview.metrics['dice']:.3f}"
        return text, tr("{0} (this slice)").format(text)
    if "psnr" not in preview.metrics:
        return text, ""
    text += f", PSNR {preview.metrics['psnr']:.2f} dB"
    return f"{text} (A)", tr("{0} (protocol A, this slice)").format(text)


def _box(name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(tip)
    return box


def _table() -> QTableWidget:
    table = QTableWidget(0, 3)
    table.setAccessibleName(tr("Differences of the recipes"))
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(24)
    table.setShowGrid(False)
    table.setAlternatingRowColors(True)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    table.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
    table.setMinimumHeight(80)
    return table
