"""A form made from a registry entry's signature: names, units, ranges and help come from there."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QWidget,
)

from ctstudio.core.registry import Choice, Entry, Field
from ctstudio.gui import theme
from ctstudio.gui.forms.manners import leave_keys_to_the_images
from ctstudio.gui.translation.catalogue import tr

SLIDER_STEPS = 1000


class CompactSpinBox(QDoubleSpinBox):
    """Shows as many digits as the value has, at most five: 0.25, 25, 0.0002."""

    def textFromValue(self, value: float) -> str:
        if value and (abs(value) >= 1e6 or abs(value) < 1e-4):
            return f"{value:.5g}"
        return f"{value:.{self.decimals()}f}".rstrip("0").rstrip(".") or "0"


def decimals_of(value: float) -> int:
    """How many decimals write a number in full: 4 for 0.0125 and 10 for 1e-10."""
    exponent = Decimal(repr(float(value))).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


class NumberEditor(QWidget):
    """A slider (where the range is bounded) beside a spin box, kept equal."""

    changed = Signal()

    def __init__(self, field: Field, *, slider: bool) -> None:
        super().__init__()
        self._field = field
        self._set: float | None = None
        param = field.param
        whole = field.type is int
        self.box: QSpinBox | QDoubleSpinBox = QSpinBox() if whole else CompactSpinBox()
        low = param.low if param.low is not None else -1e9
        high = param.high if param.high is not None else 1e9
        if isinstance(self.box, QSpinBox):
            self.box.setRange(max(int(low), -(2**31)), min(int(high), 2**31 - 1))
        else:
            smallest = min((abs(v) for v in (low, field.default) if v), default=1.0)
            decimals = max(2, min(9, 2 - math.floor(math.log10(smallest)))) if smallest < 1 else 2
            self.box.setDecimals(decimals)  # of what can be typed; fewer are shown
            self.box.setRange(low, high)
            self.box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        if param.unit:
            self.box.setSuffix(f" {tr(param.unit)}")
        self.box.setKeyboardTracking(False)
        self.box.setAccessibleName(tr(field.label))
        self.box.setToolTip(tr(param.help))
        self.box.valueChanged.connect(self._box_changed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        self.slider: QSlider | None = None
        if slider and param.low is not None and param.high is not None:
            self.slider = QSlider(Qt.Orientation.Horizontal)
            self.slider.setRange(0, SLIDER_STEPS)
            self.slider.setAccessibleName(tr("{0} slider").format(tr(field.label)))
            self.slider.setToolTip(tr(param.help))
            self.slider.valueChanged.connect(self._slider_changed)
            layout.addWidget(self.slider, 1)
            self.box.setMinimumWidth(88)
            layout.addWidget(self.box)
        else:
            layout.addWidget(self.box, 1)
        self.set_value(field.default)

    @property
    def value(self) -> float | int:
        """What was set, exactly, until somebody moves the slider or writes in the box."""
        return self._field.type(self.box.value() if self._set is None else self._set)

    def set_value(self, value: float) -> None:
        number = self._field.type(value)  # raises before anything has changed
        self._set = value
        with QSignalBlocker(self.box):
            if isinstance(self.box, QDoubleSpinBox):
                # What a recipe says is kept, however small it is.
                self.box.setDecimals(max(self.box.decimals(), decimals_of(value)))
            self.box.setValue(number)
        self._sync_slider()

    def _sync_slider(self) -> None:
        if self.slider is None:
            return
        low, high = self._bounds()
        value = float(self.box.value())
        if self._field.param.log and low > 0:
            part = math.log(max(value, low) / low) / math.log(high / low)
        else:
            part = (value - low) / (high - low) if high > low else 0.0
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(part * SLIDER_STEPS))

    def _bounds(self) -> tuple[float, float]:
        param = self._field.param
        assert param.low is not None
        assert param.high is not None
        return float(param.low), float(param.high)

    def _slider_changed(self, position: int) -> None:
        self._set = None
        low, high = self._bounds()
        part = position / SLIDER_STEPS
        if self._field.param.log and low > 0:
            value = low * (high / low) ** part
        else:
            value = low + part * (high - low)
        with QSignalBlocker(self.box):
            # Three digits are as fine as a slider can be meant.
            if isinstance(self.box, QSpinBox):
                self.box.setValue(round(value))
            else:
                self.box.setValue(float(f"{value:.3g}"))
        self.changed.emit()

    def _box_changed(self) -> None:
        self._set = None
        self._sync_slider()
        self.changed.emit()


class FileEditor(QLineEdit):
    """A line for the name of a file, with a button at its end that asks for one."""

    def __init__(self, field: Field) -> None:
        super().__init__(str(field.default))
        self._field = field
        self.setPlaceholderText(tr("Choose a file"))
        end = QLineEdit.ActionPosition.TrailingPosition
        self.browse = self.addAction(theme.icon("mdi6.folder-open-outline"), end)
        self.browse.setToolTip(tr("Choose a file: {0}").format(tr(field.label).lower()))
        self.browse.triggered.connect(self._ask)

    def _ask(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in self._field.param.file)
        path, _ = QFileDialog.getOpenFileName(
            self, self._field.label, self.text(), f"{self._field.label} ({patterns})"
        )
        if path:
            self.setText(path)
            self.editingFinished.emit()


class ChoiceForm(QWidget):
    """Edits the settings of one entry.

    Parameters
    ----------
    sliders
        Whether bounded numbers get a slider (for interactive work) beside the box.
    """

    changed = Signal()

    def __init__(self, *, sliders: bool = True) -> None:
        super().__init__()
        self._sliders = sliders
        self._entry: Entry | None = None
        self._editors: dict[str, QWidget] = {}
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setHorizontalSpacing(8)
        self._layout.setVerticalSpacing(8)
        self._layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def set_entry(self, entry: Entry | None, params: dict[str, Any] | None = None) -> None:
        """Show the form of ``entry`` with ``params`` over its defaults."""
        while self._layout.rowCount():
            self._layout.removeRow(0)
        self._editors.clear()
        self._entry = entry
        if entry is None:
            return
        for field in entry.fields:
            editor = self._editor(field)
            self._editors[field.name] = editor
            label = QLabel(tr(field.label))
            label.setToolTip(tr(field.param.help))
            label.setBuddy(editor)
            self._layout.addRow(label, editor)
        leave_keys_to_the_images(self)
        self.set_params(params or {})

    def editor(self, name: str) -> QWidget:
        """The editor of one setting, for tests and for scripts that drive the window."""
        return self._editors[name]

    @property
    def choice(self) -> Choice:
        assert self._entry is not None
        return Choice(self._entry.name, {n: _value(e) for n, e in self._editors.items()})

    def set_params(self, params: dict[str, Any]) -> None:
        for name, value in params.items():
            editor = self._editors.get(name)
            if isinstance(editor, NumberEditor):
                editor.set_value(value)
            elif isinstance(editor, QCheckBox):
                editor.setChecked(bool(value))
            elif isinstance(editor, QComboBox):
                editor.setCurrentIndex(max(editor.findData(value), 0))
            elif isinstance(editor, QLineEdit):
                editor.setText(str(value))
        self._show_what_applies()

    def _show_what_applies(self) -> None:
        """Hide the settings that mean nothing beside the others; they keep their values."""
        for row, field in enumerate(self._entry.fields if self._entry else ()):
            if field.param.when is not None:
                other, value = field.param.when
                self._layout.setRowVisible(row, _value(self._editors[other]) == value)

    def _editor(self, field: Field) -> QWidget:
        editor: QWidget
        if field.choices:
            combo = QComboBox()
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            for option in field.choices:
                combo.addItem(str(option).replace("_", " "), option)
            combo.setCurrentIndex(max(combo.findData(field.default), 0))
            combo.currentIndexChanged.connect(self._emit)
            editor = combo
        elif field.type is bool:
            check = QCheckBox()
            check.setChecked(field.default)
            check.toggled.connect(self._emit)
            editor = check
        elif field.type in (int, float):
            number = NumberEditor(field, slider=self._sliders)
            number.changed.connect(self._emit)
            editor = number
        else:
            line = FileEditor(field) if field.param.file else QLineEdit(str(field.default))
            line.editingFinished.connect(self._emit)
            editor = line
        editor.setAccessibleName(tr(field.label))
        editor.setToolTip(tr(field.param.help))
        return editor

    def _emit(self) -> None:
        self._show_what_applies()
        self.changed.emit()


def _value(editor: QWidget) -> Any:
    if isinstance(editor, NumberEditor):
        return editor.value
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    if isinstance(editor, QComboBox):
        return editor.currentData()
    if isinstance(editor, QLineEdit):
        return editor.text()
    raise TypeError(type(editor).__name__)
