"""Where presets are picked: the toolbar's box, the menu with the number keys."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QMainWindow,
    QMenu,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from ctstudio.ct.window import Window
from ctstudio.gui.settings import Settings
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.windowing.presets import WindowPresets
from ctstudio.gui.words import plain_title

NUMBERS = range(1, 10)


class PresetBox(QComboBox):
    """The toolbar's list of window presets; the data of each row is its name."""

    picked = Signal(str)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.presets = WindowPresets(settings, self)
        self.setAccessibleName(tr("Window preset"))
        self.setToolTip(tr("Window preset (keys 1 to 9)"))
        self.setMinimumWidth(170)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setPlaceholderText(tr("Window"))
        self.activated.connect(lambda row: self.picked.emit(self.itemData(row)))
        self.presets.changed.connect(self.fill)
        self.fill()

    def fill(self) -> None:
        """The rows anew."""
        shown = self.currentData()
        with QSignalBlocker(self):
            self.clear()
            for number, preset in enumerate(self.presets.all, start=1):
                key = f"{number}  " if number in NUMBERS else ""
                words = preset.words if preset.window is not None else ""
                self.addItem(f"{key}{tr(preset.name)}  {words}".strip(), preset.name)
            self.setCurrentIndex(self.findData(shown) if shown is not None else -1)

    def show_window(self, window: Window) -> None:
        """Show which preset is in force, else the window itself."""
        name = self.presets.name_of(window)
        with QSignalBlocker(self):
            self.setCurrentIndex(self.findData(name) if name else -1)
            self.setPlaceholderText(str(window))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A window that is no preset is as much in force as one that is: not a pale hint."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() < 0:
            option.currentText = self.placeholderText()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def actions_in(self, window: QMainWindow, viewer: QWidget) -> list[QAction]:
        """Image > Window preset, with the number keys, which act while the focus is in a pane."""
        image = window.menuBar().findChild(QMenu, "&Image")
        assert isinstance(image, QMenu)
        menu = image.addMenu(tr("Window preset"))
        menu.setObjectName("window presets")
        made = []
        for number in NUMBERS:
            action = menu.addAction(str(number))
            action.setShortcut(str(number))
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(lambda _=False, number=number: self._pick(number))
            viewer.addAction(action)
            made.append(action)

        def name() -> None:
            for action, number in zip(made, NUMBERS, strict=True):
                there = number <= len(self.presets.all)
                action.setVisible(there)
                action.setEnabled(there)
                if there:
                    action.setText(plain_title(tr(self.presets.all[number - 1].name)))

        self.presets.changed.connect(name)
        name()
        return made

    def _pick(self, number: int) -> None:
        self.picked.emit(self.presets.all[number - 1].name)
