"""The bar above the images while two layers are compared."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QMenuBar,
    QSizePolicy,
    QSlider,
    QToolBar,
    QToolButton,
)

from ctstudio.gui.comparing.comparing import ACTIONS, Comparing
from ctstudio.gui.comparing.modes import MODES
from ctstudio.gui.forms.buttons import picture_button
from ctstudio.gui.session import Layer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.gui.words import plain_tip

MENU = "Com&pare"
TICKS = 500
NAME_PX = 260
ARROW_PX = 36  # of a box to choose from, beside its words


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
        self.second.setMinimumContentsLength(4)
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
        self.value.setMinimumWidth(self.value.fontMetrics().horizontalAdvance("± 2000 HU"))
        self.end = picture_button("mdi6.close", "")
        self.end.setDefaultAction(actions["compare_end"])
        self.end.setAccessibleName(actions["compare_end"].text())
        for name in (self.first, self.second):  # they have what room there is
            name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            name.setMaximumWidth(NAME_PX)
        self.first.setMinimumWidth(48)
        layout.addWidget(self.first, 3)
        layout.addWidget(self.swap)
        layout.addWidget(self.second, 4)
        for widget in (*self.modes.values(), self.label):
            layout.addWidget(widget)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.value)
        layout.addStretch()
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
        self.first.setToolTip(plain_tip(called(pane.layer) if pane.layer is not None else ""))
        with QSignalBlocker(self.second), QSignalBlocker(self.slider):
            self.second.clear()
            for layer in self._comparing.candidates(pane):
                self.second.addItem("", layer)
                tip = plain_tip(called(layer))
                self.second.setItemData(self.second.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
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
        self.value.setText(kind.words(value, tr("/ s") if composer.mode == "flicker" else unit))

        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Names as far as there is room: beginning and end stay, which tell series apart."""
        layout = self.layout()
        if layout is not None:
            layout.activate()
        middle, font = Qt.TextElideMode.ElideMiddle, self.fontMetrics()
        shown = self._grid.active_pane.layer
        if shown is not None:
            self.first.setText(font.elidedText(called(shown), middle, self.first.width()))
        for row in range(self.second.count()):
            layer = self.second.itemData(row)
            words = font.elidedText(called(layer), middle, self.second.width() - ARROW_PX)
            self.second.setItemText(row, words)

    def _choose(self, row: int) -> None:
        layer = self.second.itemData(row)
        if isinstance(layer, Layer):
            self._comparing.set_layer(layer)

    def _slide(self, place: int) -> None:
        composer = self._comparing.active
        if composer is not None:
            self._comparing.set_value(composer.mode, MODES[composer.mode].at(place / TICKS))


class CompareButton(QToolButton):
    """In the toolbar: the way to compare that was used last, the others below its arrow."""

    def __init__(
        self, comparing: Comparing, actions: dict[str, QAction], menus: QMenuBar, bar: QToolBar
    ) -> None:
        super().__init__()
        menu = menus.findChild(QMenu, MENU)
        assert isinstance(menu, QMenu)
        self._comparing, self._actions = comparing, actions
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMenu(menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.setDefaultAction(actions["compare_swipe"])
        after = bar.actions()[bar.actions().index(actions["planes"]) + 1]
        bar.insertWidget(after, self)
        comparing.changed.connect(self._follow)

    def _follow(self) -> None:
        active = self._comparing.active
        if active is not None:
            self.setDefaultAction(self._actions[f"compare_{active.mode}"])


def _button(action: QAction) -> QToolButton:
    button = QToolButton()
    button.setAutoRaise(True)
    button.setDefaultAction(action)
    button.setAccessibleName(action.text())
    return button
