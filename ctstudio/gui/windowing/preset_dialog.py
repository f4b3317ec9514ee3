"""The presets edited: added, renamed, set, ordered, removed, and all as they were."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.ct.window import Window
from ctstudio.gui.forms.buttons import picture_button
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.windowing.presets import BUILT_IN, MOST, WIDEST_HU, Preset
from ctstudio.gui.words import numbers

ROLE = Qt.ItemDataRole.UserRole


class PresetDialog(QDialog):
    """`presets` is what the list holds; whoever opened the dialog takes it on OK."""

    def __init__(self, parent: QWidget | None, presets: Sequence[Preset], now: Window) -> None:
        super().__init__(parent)
        self._now = now
        self.setWindowTitle(tr("Window presets"))
        self.resize(520, 400)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Window presets"))
        self.list.currentRowChanged.connect(self._chosen)
        self.name = QLineEdit()
        self.name.setMaxLength(40)
        self.name.setAccessibleName(tr("Name of the preset"))
        self.width_box = _box(tr("Width"), 1.0, WIDEST_HU)
        self.centre_box = _box(tr("Centre"), -WIDEST_HU, WIDEST_HU)
        self.problem = QLabel()
        self.problem.setProperty("role", "muted")
        self.problem.setWordWrap(True)
        self.name.textEdited.connect(self._edited)
        for box in (self.width_box, self.centre_box):
            box.valueChanged.connect(self._edited)
        self._build()
        self._fill(presets)

    def _build(self) -> None:
        self.add_button = picture_button("mdi6.plus", tr("Add the window of the active pane"))
        self.remove_button = picture_button("mdi6.minus", tr("Remove the preset"))
        self.up_button = picture_button("mdi6.arrow-up", tr("Move the preset up"))
        self.down_button = picture_button("mdi6.arrow-down", tr("Move the preset down"))
        self.restore_button = QPushButton(tr("Restore the built-in ones"))
        self.restore_button.setAutoDefault(False)
        for button, act in (
            (self.add_button, self.add), (self.remove_button, self.remove),
            (self.up_button, lambda: self.move_by(-1)), (self.down_button, lambda: self.move_by(1)),
            (self.restore_button, lambda: self._fill(BUILT_IN)),
        ):  # fmt: skip
            button.clicked.connect(act)
        tools = QHBoxLayout()
        tools.setSpacing(4)
        for button in (self.add_button, self.remove_button, self.up_button, self.down_button):
            tools.addWidget(button)
        tools.addStretch(1)
        left = QVBoxLayout()
        left.addWidget(self.list, 1)
        left.addLayout(tools)
        form = QFormLayout()
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Width"), self.width_box)
        form.addRow(tr("Centre"), self.centre_box)
        right = QVBoxLayout()
        right.addLayout(form)
        right.addWidget(self.problem)
        right.addStretch(1)
        right.addWidget(self.restore_button)
        both = QHBoxLayout()
        both.setSpacing(16)
        both.addLayout(left, 1)
        both.addLayout(right, 1)
        hint = QLabel(tr("The first nine have the keys 1 to 9."))
        hint.setProperty("role", "muted")
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(both, 1)
        layout.addWidget(hint)
        layout.addWidget(self.buttons)

    @property
    def presets(self) -> list[Preset]:
        """What the list holds, in its order."""
        return [self.list.item(row).data(ROLE) for row in range(self.list.count())]

    def _fill(self, presets: Sequence[Preset]) -> None:
        self.list.clear()
        for preset in presets:
            self._insert(self.list.count(), preset)
        self.list.setCurrentRow(0)
        self._check()

    def _insert(self, row: int, preset: Preset) -> None:
        item = QListWidgetItem()
        item.setData(ROLE, preset)
        self.list.insertItem(row, item)
        self._tell()

    def _tell(self) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            preset: Preset = item.data(ROLE)
            key = f"{row + 1}  " if row < 9 else "    "
            item.setText(f"{key}{tr(preset.name)}   {numbers(preset.words)}")

    def _chosen(self, row: int) -> None:
        preset: Preset | None = self.presets[row] if row >= 0 else None
        with (
            QSignalBlocker(self.name), QSignalBlocker(self.width_box),
            QSignalBlocker(self.centre_box),
        ):  # fmt: skip
            self.name.setText(preset.name if preset is not None else "")
            window = preset.window if preset is not None else None
            if window is not None:
                self.width_box.setValue(window.width_hu)
                self.centre_box.setValue(window.centre_hu)
        self.name.setEnabled(preset is not None)
        for box in (self.width_box, self.centre_box):
            box.setEnabled(preset is not None and preset.window is not None)
        self._check()

    def _edited(self) -> None:
        if self.list.currentRow() < 0:
            return
        item = self.list.currentItem()
        before: Preset = item.data(ROLE)
        window = before.window
        if window is not None:
            window = Window(self.centre_box.value(), self.width_box.value())
        item.setData(ROLE, Preset(self.name.text().strip(), window))
        self._tell()
        self._check()

    def _check(self) -> None:
        names = [preset.name for preset in self.presets]
        problem = ""
        if not names:
            problem = tr("There must be one preset at least.")
        elif "" in names:
            problem = tr("A preset needs a name.")
        elif len(set(names)) < len(names):
            problem = tr("Two presets have the same name.")
        self.problem.setText(problem)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not problem)
        row, count = self.list.currentRow(), self.list.count()
        self.add_button.setEnabled(count < MOST)
        self.remove_button.setEnabled(row >= 0)
        self.up_button.setEnabled(row > 0)
        self.down_button.setEnabled(0 <= row < count - 1)

    def add(self) -> None:
        """A preset with the window of the active pane, to be named; the keys of others stay."""
        taken = {preset.name for preset in self.presets}
        name = next(n for k in range(1, MOST + 2) if (n := f"{tr('My window')} {k}") not in taken)
        row = self.list.count()
        self._insert(row, Preset(name, self._now))
        self.list.setCurrentRow(row)
        self.name.setFocus()
        self.name.selectAll()

    def remove(self) -> None:
        """Without the chosen preset."""
        row = self.list.currentRow()
        if row >= 0:
            self.list.takeItem(row)
            self._tell()
            self._check()

    def move_by(self, rows: int) -> None:
        """The chosen preset further up or down."""
        row = self.list.currentRow()
        if 0 <= row + rows < self.list.count() and row >= 0:
            item = self.list.takeItem(row)
            self.list.insertItem(row + rows, item)
            self.list.setCurrentRow(row + rows)
            self._tell()


def _box(name: str, low: float, high: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setAccessibleName(name)
    box.setRange(low, high)
    box.setDecimals(1)
    box.setSingleStep(10.0)
    return box
