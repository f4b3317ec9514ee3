"""The forms beside the figure: of the cell that is selected, of all of it, of a film."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QWidget,
)

from ctstudio.ct.metrics import PROTOCOLS
from ctstudio.ct.window import PRESETS
from ctstudio.figures.colour_maps import MAPS
from ctstudio.figures.description import ALL, CellSpec, FigureSpec, FilmSpec, StyleSpec
from ctstudio.figures.motion import usual_seconds
from ctstudio.gui.composer.elided_box import ElidedBox
from ctstudio.gui.translation.catalogue import tr

PLANES = ("stored", "axial", "coronal", "sagittal")
COMMON = "As the figure"
NOTHING = "(nothing)"
CURVES = {"": "Picture", "loss": "Curve: loss", "psnr": "Curve: PSNR", "ssim": "Curve: SSIM",
          "rmse": "Curve: RMSE"}  # fmt: skip
MOTIONS = {
    "slices": "Through the slices", "steps": "Through the training", "flicker": "Flicker",
    "swipe": "Swipe", "blend": "Fade",
}  # fmt: skip
TOGETHER = {
    "swipe": "Swipe", "swipe_down": "Swipe up and down", "checkerboard": "Checkerboard",
    "blend": "Blend",
}  # fmt: skip
MASK_STYLES = {"fill": "Areas", "contour": "Outlines"}
LETTERS = {"none": "None", "a": "a, b, c", "A": "A, B, C", "(a)": "(a), (b), (c)"}
DITHERS = {"none": "None", "ordered": "Ordered", "diffusion": "Error diffusion"}


class _Form(QWidget):
    """Editors of a frozen table's entries; ``changed`` with the new table."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.rows = QFormLayout(self)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setHorizontalSpacing(12)
        self.rows.setVerticalSpacing(6)
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.editors: dict[str, QWidget] = {}
        self.value: Any = None

    def add(self, name: str, label: str, editor: QWidget, tip: str) -> None:
        """A row; the editor's kind says how it is read and written."""
        label, tip = tr(label), tr(tip)
        editor.setToolTip(tip)
        editor.setAccessibleName(label or tip)
        self.editors[name] = editor
        if isinstance(editor, QCheckBox):
            editor.setText(label)
            editor.toggled.connect(self._edited)
            self.rows.addRow(editor)
            return
        self.rows.addRow(label, editor)
        if isinstance(editor, QComboBox):
            editor.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            editor.setMinimumContentsLength(10)
            editor.currentTextChanged.connect(self._edited)
        elif isinstance(editor, QLineEdit):
            editor.editingFinished.connect(self._edited)
        elif isinstance(editor, QSpinBox | QDoubleSpinBox):
            editor.setKeyboardTracking(False)
            editor.valueChanged.connect(self._edited)
        elif isinstance(editor, QPlainTextEdit):
            editor.setTabChangesFocus(True)
            editor.setFixedHeight(56)
            editor.textChanged.connect(self._edited)

    def show_value(self, value: Any) -> None:
        """Fill the editors."""
        self.value = value
        for name, editor in self.editors.items():
            with QSignalBlocker(editor):
                write(editor, getattr(value, name))

    def _edited(self, *_: object) -> None:
        if self.value is None:
            return
        names = {f.name for f in fields(self.value)}
        entries = {name: read(e) for name, e in self.editors.items() if name in names}
        value = replace(self.value, **entries)
        if value != self.value:
            self.value = value
            self.changed.emit(value)


def write(editor: QWidget, value: Any) -> None:
    """Show ``value`` in an editor of any kind."""
    if isinstance(editor, QComboBox):
        index = editor.findData(value)
        if index < 0 and editor.isEditable():
            editor.setEditText(str(value))
        else:
            editor.setCurrentIndex(max(index, 0))
    elif isinstance(editor, QCheckBox):
        editor.setChecked(bool(value))
    elif isinstance(editor, QLineEdit):
        editor.setText(str(value))
    elif isinstance(editor, QPlainTextEdit):
        if editor.toPlainText() != value:
            editor.setPlainText(str(value))
    elif isinstance(editor, QSpinBox | QDoubleSpinBox):
        editor.setValue(value)


def read(editor: QWidget) -> Any:
    """What an editor of any kind holds."""
    if isinstance(editor, QComboBox):
        text = editor.currentText()
        if editor.isEditable():
            index = editor.findText(text)
            return editor.itemData(index) if index >= 0 else text.strip()
        return editor.currentData()
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    if isinstance(editor, QLineEdit):
        return editor.text()
    if isinstance(editor, QPlainTextEdit):
        return editor.toPlainText()
    assert isinstance(editor, QSpinBox | QDoubleSpinBox)
    return editor.value()


def choices(options: dict[str, str]) -> QComboBox:
    """A list of texts, each with the name that a description has for it."""
    box = QComboBox()
    for name, text in options.items():
        box.addItem(tr(text), name)
    return box


def _windows(common: str) -> QComboBox:
    box = choices({"": common, **{name: name for name in PRESETS}})
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    return box


def _number(low: float, high: float, suffix: str, digits: int = 0) -> QSpinBox | QDoubleSpinBox:
    box: QSpinBox | QDoubleSpinBox
    if digits:
        box = QDoubleSpinBox()
        box.setDecimals(digits)
        box.setRange(low, high)
        box.setSingleStep(10.0**-digits * 5)
    else:
        box = QSpinBox()
        box.setRange(int(low), int(high))
    box.setSuffix(suffix)
    return box


class CellForm(_Form):
    """The selected cell."""

    def __init__(self) -> None:
        super().__init__()
        self.add("layer", "Layer", ElidedBox(), "What this place of the figure shows")
        self.add("curve", "Shows", choices(CURVES), "The picture, or a curve of the training")
        slices = QLineEdit()
        self.add("slice", "Slice", slices, 'A number, "middle", or a part of the way ("25%")')
        self.add("plane", "Plane", choices({p: p.capitalize() for p in PLANES}), "How it is cut")
        steps = QLineEdit()
        self.add("step", "Step", steps, 'Of a training: a number, "first", "last" or "50%"')
        tip = "A preset, width/centre such as 400/40, or of a difference its greatest value"
        self.add("window", "Window", _windows(COMMON), tip)
        colours = choices({name: entry.title for name, entry in MAPS.items()})
        self.add("colours", "Colours", colours, "What the greys of the window are shown as")
        tip = "Left, top, width and height in % of the picture, such as 25 20 50 50; empty: all"
        self.add("part", "Part", QLineEdit(), tip)
        self.add("title", "Title", QLineEdit(), "Above the picture; empty: what it is called")
        tip = "Below it. {window}, {slice}, {metrics}, {method} and {step} are filled in"
        self.add("caption", "Caption", QPlainTextEdit(), tip)
        self.add("mask", "Mask", ElidedBox(), "What lies over the picture")
        self.add("mask_as", "Mask as", choices(MASK_STYLES), "How it lies there")
        self.add("beside", "Together with", ElidedBox(), "A second layer in the same picture")
        self.add("together", "How", choices(TOGETHER), "In which part of it the second is seen")
        amount = _number(0, 1000, "", 1)
        tip = "Where the line stands or how much of the second is seen, %; side of squares, mm"
        self.add("amount", "How far", amount, tip)
        self.add("against", "Compared with", ElidedBox(), "What {metrics} compare it with")
        self.add("protocol", "Protocol", choices({p: p for p in PROTOCOLS}), "Of the metrics")

    def set_layers(self, layers: dict[str, str], masks: dict[str, str]) -> None:
        """Offer layers and masks, by the names that a description has for them."""
        offered = {"": tr(NOTHING), **masks, **({ALL: tr("All masks")} if len(masks) > 1 else {})}
        box = self.editors["mask"]
        assert isinstance(box, QComboBox)
        with QSignalBlocker(box):
            box.clear()
            for key, label in offered.items():
                box.addItem(label, key)
        for name in ("layer", "against", "beside"):
            box = self.editors[name]
            assert isinstance(box, QComboBox)
            with QSignalBlocker(box):
                box.clear()
                box.addItem(tr(NOTHING), "")
                for key, label in layers.items():
                    box.addItem(label, key)

    def show_cell(self, cell: CellSpec, training: bool) -> None:
        """Fill the editors; what means nothing for this layer is hidden."""
        self.show_value(cell)
        for name in ("curve", "step"):
            self.rows.setRowVisible(self.editors[name], training)
        for name in ("slice", "plane", "against", "beside", "colours", "part"):
            self.rows.setRowVisible(self.editors[name], bool(cell.layer) and not training)
        for name in ("window", "title", "caption"):
            self.rows.setRowVisible(self.editors[name], bool(cell.layer))
        self.rows.setRowVisible(self.editors["protocol"], bool(cell.against))
        for name in ("together", "amount"):
            self.rows.setRowVisible(self.editors[name], bool(cell.beside))
        box = self.editors["mask"]
        assert isinstance(box, QComboBox)
        offered = bool(cell.layer) and not training and (box.count() > 1 or bool(cell.mask))
        self.rows.setRowVisible(box, offered)
        self.rows.setRowVisible(self.editors["mask_as"], offered and bool(cell.mask))


class StyleForm(_Form):
    """How it looks."""

    def __init__(self) -> None:
        super().__init__()
        self.add("width_mm", "Figure width", _number(20, 1000, " mm", 1), "On paper")
        self.add("dpi", "Resolution", _number(30, 2400, tr(" dpi")), "Of pictures and films")
        self.add("font_pt", "Text", _number(3, 72, tr(" pt"), 1), "Size of titles; others follow")
        self.add(
            "theme", "Ground", choices({"light": "On white", "dark": "On black"}), "Behind it all"
        )
        self.add("letters", "Letters", choices(LETTERS), "Before the titles")
        self.add("scale_bar", "Scale bar", QCheckBox(), "Once for pictures of one scale")
        self.add("colour_bar", "Colour bar", QCheckBox(), "Once for neighbours with one window")
        self.add("orientation", "Patient sides", QCheckBox(), "R, L, A, P, H, F at the edges")
        self.add("disclaimer", "For research use", QCheckBox(), "The line at the bottom")
        self.add("legend", "Legend", QCheckBox(), "Names of a mask's colours below the picture")
        opacity = _number(0, 1, "", 2)
        self.add("mask_opacity", "Mask opacity", opacity, "Of a mask's areas, from 0 to 1")
        tip = "Every pixel of an image takes whole px: its greys are exactly those of the window"
        self.add("pixel_exact", "Pixel-exact", QCheckBox(), tip)

    def show_style(self, style: StyleSpec) -> None:
        """Fill the editors."""
        self.show_value(style)


class FigureForm(_Form):
    """Titles and the common window."""

    def __init__(self) -> None:
        super().__init__()
        self.add("title", "Title", QLineEdit(), "Above the figure")
        self.add("footer", "Footer", QLineEdit(), "Below it; {slice} and {window} are filled in")
        tip = "Of all pictures that have none of their own: a preset, or width/centre"
        self.add("window", "Window", _windows("From the series"), tip)
        tip = "Below each row, or beside a short one: its pictures minus that layer"
        self.add("differences", "Differences", ElidedBox(), tip)

    def set_layers(self, layers: dict[str, str]) -> None:
        """Offer what pictures may be subtracted from."""
        box = self.editors["differences"]
        assert isinstance(box, QComboBox)
        with QSignalBlocker(box):
            box.clear()
            box.addItem(tr("No row of them"), "")
            for key, label in layers.items():
                box.addItem(tr("Pictures \N{MINUS SIGN} {0}").format(label), key)

    def show_figure(self, spec: FigureSpec) -> None:
        """Fill the editors."""
        self.show_value(spec)


class FilmForm(_Form):
    """What moves, and how large the file may be."""

    def __init__(self) -> None:
        super().__init__()
        self.add("over", "Film", choices(MOTIONS), "What moves in a GIF, MP4 or WebM")
        self.add("seconds", "Each frame", _number(0.02, 60, " s", 2), "How long it stands")
        self.add("every", "Every", _number(1, 10_000, ""), "Of the slices or pictures")
        self.add("frames", "Frames", _number(2, 10_000, ""), "Of a swipe or fade, there and back")
        self.add("back", "There and back", QCheckBox(), "The film runs back to where it began")
        self.add("greys", "Greys", _number(2, 256, ""), "Of a GIF; fewer make it smaller")
        self.add("dither", "Dither", choices(DITHERS), "How a GIF draws the greys it lacks")
        limit = _number(0, 100_000, tr(" MB"), 1)
        limit.setSpecialValueText(tr("No limit"))
        self.add("limit_mb", "Size limit", limit, "A film is made smaller until it keeps to that")

    def _edited(self, *_: object) -> None:
        """Another kind of film stands as long a frame as is usual for it, but for a time set."""
        if self.value is not None:
            before, after = self.value.over, read(self.editors["over"])
            if before != after and self.value.seconds == usual_seconds(before):
                with QSignalBlocker(self.editors["seconds"]):
                    write(self.editors["seconds"], usual_seconds(after))
        super()._edited()

    def show_film(self, film: FilmSpec) -> None:
        """Fill the editors; what means nothing for this kind of film is hidden."""
        self.show_value(film)
        runs = film.over in ("slices", "steps")
        for name, shown in (("every", runs), ("back", runs), ("frames", film.over in
                            ("swipe", "blend"))):  # fmt: skip
            self.rows.setRowVisible(self.editors[name], shown)
