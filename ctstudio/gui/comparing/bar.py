"""The bar above the images while two layers are compared."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSlider, QToolButton

from ctstudio.gui.buttons import picture_button
from ctstudio.gui.comparing.comparing import ACTIONS, Comparing
from ctstudio.gui.comparing.modes import MODES
from ctstudio.gui.session import Layer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.gui.words import plain_tip, plain_title

TICKS = 500
MOST_LETTERS = 26


class CompareBar(QFrame):
    """Second layer, mode and its value; hidden while the active pane compares nothing."""

    def __init__(self, comparing: Comparing, grid: ViewGrid, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._comparing, self._grid = comparing, grid
        self.setObjectName("bar")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        self.first = QLabel()
        self.first.setTextFormat(Qt.TextFormat.PlainText)
        self.swap = _button(actions["compare_swap"])
        self.second = QComboBox()
        self.second.setAccessibleName(tr("Second layer, which the first is compared with"))
        self.second.setToolTip(tr("The layer that it is compared with (N for the next)"))
        self.second.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.second.setMinimumContentsLength(16)
        self.second.activated.connect(self._choose)
        self.modes: dict[str, QToolButton] = {name: _button(actions[name]) for name in ACTIONS}
        self.label = QLabel()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("How far, how fast or how large"))
        self.slider.setRange(0, TICKS)
        self.slider.setPageStep(TICKS // 10)
        self.slider.setMinimumWidth(80)
        self.slider.setMaximumWidth(200)
        self.slider.valueChanged.connect(self._slide)
        self.value = QLabel()
        self.value.setMinimumWidth(64)
        self.end = picture_button("mdi6.close", "")
        self.end.setDefaultAction(actions["compare_end"])
        self.end.setAccessibleName(actions["compare_end"].text())
        for widget in (self.first, self.swap, self.second, *self.modes.values(), self.label):
            layout.addWidget(widget)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.value)
        layout.addStretch(1)
        layout.addWidget(self.end)
        comparing.changed.connect(self.follow)
        self.follow()

    def follow(self) -> None:
        """Show what the active pane compares."""
        composer = self._comparing.active
        pane = self._grid.active_pane
        self.setVisible(composer is not None)
        if composer is None:
            return
        name = pane.layer.name if pane.layer is not None else ""
        self.first.setText(name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 3] + "...")
        self.first.setToolTip(plain_tip(name))
        with QSignalBlocker(self.second), QSignalBlocker(self.slider):
            self.second.clear()
            for layer in self._comparing.candidates(pane):
                self.second.addItem(plain_title(layer.name), layer)
            self.second.setCurrentIndex(self.second.findData(composer.layer))
            kind = MODES[composer.mode]
            value = self._comparing.values.get(composer.mode)
            self.slider.setValue(round(TICKS * kind.place(value)))
        unit = tr(kind.unit)
        if kind.unit == "mm" and not composer.layer.stack.geometry.spacing_known:
            unit = "px"
        elif kind.unit == "HU":
            unit = composer.layer.stack.unit or "units"
        self.label.setText(tr(kind.label))
        self.slider.setAccessibleName(f"{tr(kind.title)}: {tr(kind.label)}")
        self.slider.setToolTip(tr("{0} ({1}); keys , and .").format(tr(kind.label), tr(kind.unit)))
        self.value.setText(kind.words(value, unit))

    def _choose(self, row: int) -> None:
        layer = self.second.itemData(row)
        if isinstance(layer, Layer):
            self._comparing.set_layer(layer)

    def _slide(self, place: int) -> None:
        composer = self._comparing.active
        if composer is not None:
            self._comparing.set_value(composer.mode, MODES[composer.mode].at(place / TICKS))


def _button(action: QAction) -> QToolButton:
    button = QToolButton()
    button.setAutoRaise(True)
    button.setDefaultAction(action)
    button.setAccessibleName(action.text())
    return button
