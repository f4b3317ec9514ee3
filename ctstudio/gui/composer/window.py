"""The window "Figure": a live picture of the figure, and everything about it beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ctstudio.figures.description import ArrowSpec, CellSpec, FigureSpec, InsetSpec
from ctstudio.figures.description import Place as InsetPlace
from ctstudio.gui.chrome import scrolling
from ctstudio.gui.composer.elided_box import ElidedBox
from ctstudio.gui.composer.forms import CellForm, FigureForm, FilmForm, StyleForm
from ctstudio.gui.composer.marks_bar import MarksBar
from ctstudio.gui.composer.preview import FigureView, Tool
from ctstudio.gui.job import Jobs
from ctstudio.gui.status import Banner, JobStrip, MessageLabel
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.figures.templates import Template

SETTLE_MS = 150
SHARE = 0.94  # of the main window
FORM_PX = 344
TITLE_PX, EDGES_PX = 32, 8
"""A window's title and both its edges, where it is not known how large they are."""


class FigureWindow(QDialog):
    """Shows and changes a description; what is done with it are signals."""

    described = Signal(object)  # FigureSpec: it was changed
    template_picked = Signal(object)  # the template's key
    wanted = Signal(str)  # "save", "film", "each", "runs", "copy", "keep", "open", "report", ...
    activated = Signal()  # one comes back to it from another window

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Figure"))
        self.setWindowFlags(Qt.WindowType.Window)
        self.spec: FigureSpec | None = None
        self._trainings: set[str] = set()
        self._placed = False
        self.view = FigureView()
        self.marks = MarksBar()
        self.message = MessageLabel()
        self.strip = JobStrip(jobs)
        self.banner = Banner()
        self.settle = QTimer(self)
        self.settle.setSingleShot(True)
        self.settle.setInterval(SETTLE_MS)
        self.cell, self.style_form = CellForm(), StyleForm()
        self.figure, self.film = FigureForm(), FilmForm()
        self.buttons: dict[str, QPushButton] = {}
        self._build()
        self._connect()

    # -- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.templates = ElidedBox()
        self.templates.setAccessibleName(tr("Template"))
        # However long a name is, the window stays as wide as it is.
        self.templates.setSizeAdjustPolicy(
            ElidedBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.templates.setToolTip(tr("What the figure shows; your own templates stand at the end"))
        keep = self._button(
            "keep", tr("Save as template ..."), tr("Use it again on another series")
        )
        head = QVBoxLayout()
        head.addWidget(self.templates)
        self.left_out = QLabel()
        self.left_out.setWordWrap(True)
        self.left_out.setProperty("role", "muted")
        self.left_out.hide()
        head.addWidget(self.left_out)
        beside = QHBoxLayout()
        beside.addWidget(
            self._button(
                "open",
                tr("From a file ..."),
                tr("As a figure that was made here, or a description (.toml, .json)"),
            )
        )
        beside.addWidget(keep)
        head.addLayout(beside)
        head.setContentsMargins(8, 0, 0, 0)
        bar = QHBoxLayout()
        bar.setSpacing(4)
        bar.addWidget(self.marks)
        self.tools, self.places = self.marks.tools, self.marks.places
        self.clear = self._button("clear", tr("Remove marks"), tr("Take away insets and arrows"))
        bar.addWidget(self.clear)
        bar.addStretch(1)
        for name, text, tip in (
            ("add_column", "+ Column", "Add a place at the end of the row"),
            ("add_row", "+ Row", "Add a row"),
            ("remove", "Remove", "Take the selected place away"),
        ):
            bar.addWidget(self._button(name, tr(text), tr(tip)))
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(bar)
        column.addWidget(self.view, 1)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        look = QWidget()
        stack = QVBoxLayout(look)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.setSpacing(12)
        stack.addWidget(self.figure)
        stack.addWidget(self.style_form)
        self.deep = QCheckBox(tr("16 bits a channel"))
        self.deep.setToolTip(tr("PNG and TIFF with 65,536 greys in place of 256"))
        stack.addWidget(self.deep)
        stack.addStretch(1)
        motion = QWidget()
        stack = QVBoxLayout(motion)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.addWidget(self.film)
        self.estimate = QLabel()
        self.estimate.setWordWrap(True)
        self.estimate.setProperty("role", "muted")
        stack.addWidget(
            self._button("estimate", tr("Estimate the size"), tr("Of a GIF, from some frames"))
        )
        stack.addWidget(self.estimate)
        stack.addStretch(1)
        picture = QWidget()
        stack = QVBoxLayout(picture)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.addWidget(self.cell)
        stack.addStretch(1)
        for page, title in ((picture, "Picture"), (look, "Figure"), (motion, "Film")):
            page.setContentsMargins(8, 8, 8, 8)
            self.tabs.addTab(scrolling(page), tr(title))
        right = QWidget()
        right.setMinimumWidth(FORM_PX)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addWidget(self.tabs, 1)
        split = QSplitter()
        split.addWidget(left)
        split.addWidget(right)
        split.setStretchFactor(0, 1)
        split.setCollapsible(0, False)
        split.setCollapsible(1, False)
        row = QHBoxLayout()
        row.addWidget(
            self._button("report", tr("Report ..."), tr("All of it in one HTML or PDF file"))
        )
        # The end of a long message, such as a file's name, is what one looks for.
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.message.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.message, 1)
        row.addWidget(self.strip)
        for name, text, tip in (
            ("copy", "Copy", "Put the figure on the clipboard"),
            ("each", "Each series ...", "The same figure of every series that is listed"),
            ("runs", "Each training ...", "The same figure of every training in a folder"),
            ("film", "Save film ...", "As GIF, MP4 or WebM"),
            ("save", "Save figure ...", "As PNG, TIFF, SVG or PDF"),
        ):
            row.addWidget(self._button(name, tr(text), tr(tip)))
        self.buttons["save"].setDefault(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(self.banner)
        layout.addWidget(split, 1)
        layout.addLayout(row)

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        self.buttons[name] = button
        return button

    def _connect(self) -> None:
        self.view.cell_picked.connect(self._picked)
        self.view.box_drawn.connect(self._add_inset)
        self.view.spot_picked.connect(self._add_arrow)
        self.cell.changed.connect(self._change_cell)
        self.style_form.changed.connect(lambda style: self._change(style=style))
        self.film.changed.connect(lambda film: self._change(film=film))
        self.figure.changed.connect(self._change_figure)
        self.marks.chosen.connect(self._use)
        self.marks.moved.connect(self._move_insets)
        self.marks.turned.connect(self._turn_arrow)
        self.templates.activated.connect(
            lambda row: self.template_picked.emit(self.templates.itemData(row))
        )
        own: dict[str, Callable[[], None]] = {
            "clear": lambda: self._change(insets=(), arrows=()),
            "add_column": self._add_column,
            "add_row": self._add_row,
            "remove": self._remove,
        }
        for name, button in self.buttons.items():
            button.clicked.connect(
                own.get(name) or (lambda _=False, name=name: self.wanted.emit(name))
            )

    # -- what is shown ----------------------------------------------------------------------------

    def set_layers(
        self,
        layers: dict[str, str],
        trainings: set[str],
        masks: dict[str, str],
        grounds: dict[str, str],
    ) -> None:
        """Offer layers, masks, and what differences may be taken from, by the descriptions' names.

        ``trainings`` are the layers that are one.
        """
        self._trainings = trainings
        self.cell.set_layers(layers, masks)
        self.figure.set_layers(grounds)
        if self.spec is not None:
            self._fill()

    def offer(self, template: Template, lacks: Sequence[str]) -> None:
        """Put a template into the list; one that lacks something says what, and waits for it."""
        title = tr(template.title)
        needs = tr(" and ").join(tr(what) for what in lacks)
        text = tr("{0} (needs {1})").format(title, needs) if lacks else title
        self.templates.addItem(text, template.name)
        row, model = self.templates.count() - 1, self.templates.model()
        assert isinstance(model, QStandardItemModel)
        tip = tr("Open it, or denoise the series first, then try again.") if lacks else ""
        model.item(row).setToolTip(tip or tr(template.help))
        model.item(row).setEnabled(not lacks)
        view = self.templates.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + 16)

    def say_left_out(self, words: str) -> None:
        """Say below the template what the figure does not take from the panes; "" for nothing."""
        self.left_out.setText(words)
        self.left_out.setVisible(bool(words))

    def set_spec(self, spec: FigureSpec) -> None:
        """Show a description; nothing is emitted."""
        self.spec = spec
        row, column = self.view.selected
        if row >= len(spec.rows) or column >= len(spec.rows[row]):
            self.view.selected = (0, 0)
        self._fill()

    def _fill(self) -> None:
        spec = self.spec
        assert spec is not None
        row, column = self.view.selected
        cell = spec.rows[row][column]
        self.cell.show_cell(cell, cell.layer in self._trainings)
        self.style_form.show_style(spec.style)
        self.figure.show_figure(spec)
        self.film.show_film(spec.film)
        self.clear.setEnabled(bool(spec.insets or spec.arrows))
        self.buttons["remove"].setEnabled(len(spec.cells) > 1)
        self.marks.show_spec(spec)
        for name in ("mask_opacity", "legend"):
            masked = any(cell.mask for cell in spec.cells)
            self.style_form.rows.setRowVisible(self.style_form.editors[name], masked)

    def _use(self, tool: Tool) -> None:
        self.view.tool = tool

    # -- changes ----------------------------------------------------------------------------------

    def _change(self, **entries: Any) -> None:
        if self.spec is None:
            return
        self.spec = replace(self.spec, **entries)
        self._fill()
        self.described.emit(self.spec)

    def _change_figure(self, value: FigureSpec) -> None:
        self._change(
            title=value.title,
            footer=value.footer,
            window=value.window,
            differences=value.differences,
        )

    def _change_cell(self, cell: CellSpec) -> None:
        assert self.spec is not None
        row, column = self.view.selected
        rows = [list(cells) for cells in self.spec.rows]
        if cell.curve and cell.layer not in self._trainings:
            cell = replace(cell, curve="")
        rows[row][column] = cell
        self._set_rows(rows)

    def _set_rows(self, rows: list[list[CellSpec]]) -> None:
        self._change(rows=tuple(tuple(row) for row in rows))

    def _picked(self, _row: int, _column: int) -> None:
        self._fill()
        self.tabs.setCurrentIndex(0)

    def _add_inset(self, left: float, top: float, width: float, height: float) -> None:
        assert self.spec is not None
        box = (round(left, 4), round(top, 4), round(width, 4), round(height, 4))
        inset = InsetSpec(box, self.places.currentData())
        others = [i for i in self.spec.insets if "below" in (i.place, inset.place)
                  and i.place == inset.place]  # fmt: skip
        self._change(insets=(*others, inset) if inset.place == "below" else (inset,))

    def _add_arrow(self, x: float, y: float, angle: float) -> None:
        assert self.spec is not None
        turned = round(angle, 1) if angle >= 0 else float(self.marks.angle.value())
        arrow = ArrowSpec((round(x, 4), round(y, 4)), turned)
        self._change(arrows=(*self.spec.arrows, arrow))

    def _turn_arrow(self, angle: float) -> None:
        if self.spec is not None and self.spec.arrows:
            *others, newest = self.spec.arrows
            self._change(arrows=(*others, replace(newest, angle=angle)))

    def _move_insets(self, place: InsetPlace) -> None:
        assert self.spec is not None
        self._change(insets=tuple(replace(inset, place=place) for inset in self.spec.insets))

    def _add_column(self) -> None:
        assert self.spec is not None
        rows = [list(cells) for cells in self.spec.rows]
        row, column = self.view.selected
        rows[row].append(rows[row][column])
        self.view.selected = (row, len(rows[row]) - 1)
        self._set_rows(rows)

    def _add_row(self) -> None:
        assert self.spec is not None
        rows = [list(cells) for cells in self.spec.rows]
        rows.append([rows[-1][0]])
        self.view.selected = (len(rows) - 1, 0)
        self._set_rows(rows)

    def _remove(self) -> None:
        assert self.spec is not None
        rows = [list(cells) for cells in self.spec.rows]
        row, column = self.view.selected
        del rows[row][column]
        rows = [cells for cells in rows if cells]
        self.view.selected = (min(row, len(rows) - 1), 0)
        self._set_rows(rows)

    def changeEvent(self, event: QEvent) -> None:
        """Tell when it becomes the active window."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow():
            self.activated.emit()

    def done(self, result: int) -> None:
        """Close it; what went wrong is over when it is opened again."""
        self.banner.hide()
        super().done(result)

    def open_over(self, window: QWidget) -> None:
        """Show it, almost as large as the main window the first time, its frame on the screen."""
        if not self._placed:
            self._placed = True
            room = window.screen().availableGeometry()
            # A frame like that of the main window is still to come.
            own, outer = window.geometry(), window.frameGeometry()
            title = max(own.top() - outer.top(), TITLE_PX)
            sides = max(outer.width() - own.width(), EDGES_PX)
            size = (window.size() * SHARE).boundedTo(room.size() - QSize(sides, title + sides // 2))
            self.resize(size)
            left = outer.center().x() - size.width() // 2
            top = outer.center().y() - (size.height() + title) // 2
            self.move(
                max(min(left, room.right() - size.width() - sides), room.left()),
                max(min(top, room.bottom() - size.height() - title - sides // 2), room.top()),
            )
        self.show()
        self.activateWindow()
