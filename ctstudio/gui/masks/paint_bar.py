"""The bar above the images while a mask is painted."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMessageBox,
    QSpinBox,
    QToolButton,
)

from ctstudio.gui.forms.buttons import picture_button
from ctstudio.gui.masks.menu import PRESSED, swatch
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.masks.paint_keys import PaintKeys
from ctstudio.gui.masks.painter import LEAST_MM, MOST_MM, Painter, Tool
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called, said
from ctstudio.gui.words import plain_title

TOOLS: tuple[tuple[Tool, str, str, str], ...] = (
    ("brush", "Brush", "B", "mdi6.brush"),
    ("eraser", "Eraser", "E", "mdi6.eraser"),
    ("fill", "Fill", "F", "mdi6.format-color-fill"),
)
STEP = 1.25


class PaintBar(QFrame):
    """Tools, label, brush and HU limits; hidden while nothing is painted."""

    train_requested = Signal(object)  # Layer: the mask to learn from
    save_requested = Signal()

    def __init__(self, painter: Painter, masks: Masks) -> None:
        super().__init__()
        self._painter, self._masks = painter, masks
        self.setObjectName("bar")
        self.setStyleSheet(PRESSED)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        group = QButtonGroup(self)
        self.tools: dict[Tool, QToolButton] = {}
        for name, text, key, icon in TOOLS:
            button = picture_button(icon, f"{tr(text)} ({key})")
            button.setCheckable(True)
            button.toggled.connect(lambda on, name=name: self._choose_tool(name, on))
            group.addButton(button)
            layout.addWidget(button)
            self.tools[name] = button
        self.mask_box = _combo(tr("Mask that is painted"))
        self.mask_box.activated.connect(self._choose_mask)
        self.label_box = _combo(tr("Label that is painted"))
        self.label_box.activated.connect(self._choose_label)
        self.radius = QDoubleSpinBox()
        self.radius.setRange(LEAST_MM, MOST_MM)
        self.radius.setDecimals(1)
        self.radius.setSuffix(" mm")
        self.radius.setMaximumWidth(86)
        self.radius.setAccessibleName(tr("Radius of the brush"))
        self.radius.setToolTip(tr("Radius of the brush ([ and ], or Ctrl+wheel over the image)"))
        self.radius.valueChanged.connect(self._set_radius)
        self.limited = QCheckBox(tr("HU limits"))
        self.limited.setToolTip(
            tr("Paint only where the image has these HU; fill grows within them")
        )
        self.to = QLabel(tr("to"))
        self.low, self.high = (_hu(name) for name in ("Lowest HU", "Highest HU"))
        self.low.setValue(-200)
        self.high.setValue(300)
        self.limited.toggled.connect(self._set_limits)
        for box in (self.low, self.high):
            box.valueChanged.connect(self._set_limits)
        deeds: dict[str, Callable[[], object]] = {
            key: self.tools[name].click for name, _, key, _ in TOOLS
        }
        deeds |= {"[": lambda: painter.resize_brush(1 / STEP)}
        deeds |= {"]": lambda: painter.resize_brush(STEP)}
        PaintKeys(painter, painter.views, deeds, self)
        self.between = picture_button("mdi6.layers-plus", tr("Fill the slices between those drawn"))
        self.between.clicked.connect(painter.fill_between)
        self.sparse = picture_button(
            "mdi6.texture",
            tr(
                "Annotate in part: what is not painted counts as not annotated "
                "(hatched), and the background is painted like a label"
            ),
        )
        self.sparse.setAccessibleName(tr("Annotate in part"))
        self.sparse.setCheckable(True)
        self.sparse.toggled.connect(painter.set_sparse)
        self.train = picture_button("mdi6.school-outline", tr("Train on what is painted"))
        self.train.clicked.connect(self._train)
        self.save = picture_button("mdi6.content-save-outline", tr("Save mask (Ctrl+Alt+B)"))
        self.save.clicked.connect(self.save_requested)
        self.done = picture_button("mdi6.check", tr("Done"))
        self.done.setText(tr("Done"))
        self.done.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.done.clicked.connect(lambda: painter.set_on(False))
        for widget in (
            self.mask_box, self.label_box, self.radius, self.limited,
            self.low, self.to, self.high, self.between, self.sparse, self.train, self.save,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self.done)
        painter.changed.connect(self.follow)
        self.follow()

    def follow(self) -> None:
        """Show the painter's state."""
        painter = self._painter
        self.setVisible(painter.on)
        self.tools[painter.tool].setChecked(True)
        with (
            QSignalBlocker(self.mask_box),
            QSignalBlocker(self.label_box),
            QSignalBlocker(self.radius),
            QSignalBlocker(self.sparse),
        ):
            self.mask_box.clear()
            for layer in self._masks.layers:
                if layer.volume is not None:
                    self.mask_box.addItem(plain_title(called(layer)), layer)
            self.mask_box.addItem(tr("New mask ..."), None)
            self.mask_box.setCurrentIndex(max(self.mask_box.findData(painter.mask), 0))
            self.label_box.clear()
            for label in painter.paintable:
                self.label_box.addItem(swatch(label), plain_title(said(label.name)), label.number)
            self.label_box.addItem(tr("New label ..."), None)
            self.label_box.addItem(tr("Rename this label ..."), tr("rename"))
            self.label_box.setCurrentIndex(max(self.label_box.findData(painter.number), 0))
            self.radius.setValue(painter.radius_mm)
            known = painter.mask is None or painter.mask.stack.geometry.spacing_known
            self.radius.setSuffix(" mm" if known else " px")  # 1 px counts as 1 mm then
            self.sparse.setChecked(painter.sparse)
        self._show_limits()
        self.radius.setEnabled(painter.tool != "fill")

    def _show_limits(self) -> None:
        for widget in (self.low, self.to, self.high):
            widget.setVisible(self.limited.isChecked())

    def _choose_tool(self, name: Tool, on: bool) -> None:
        if on and self._painter.tool != name:
            self._painter.set_tool(name)

    def _choose_mask(self, row: int) -> None:
        layer = self.mask_box.itemData(row)
        self._painter.new_mask() if layer is None else self._painter.choose(layer)

    def _choose_label(self, row: int) -> None:
        chosen = self.label_box.itemData(row)
        if isinstance(chosen, int):
            self._painter.number = chosen
        elif chosen == "rename":
            name, given = QInputDialog.getText(self, tr("Rename label"), tr("Name"))
            if given:
                self._painter.rename_label(name)
        else:
            name, given = QInputDialog.getText(self, tr("New label"), tr("Name"))
            if given:
                self._painter.add_label(name)
        self.follow()

    def _train(self) -> None:
        """Hand the mask over, once it is known what its empty slices mean."""
        painter = self._painter
        mask, empty = painter.mask, painter.unpainted_slices
        if mask is None:
            return
        count = len(mask.stack)
        if empty == count:
            painter.tell(tr("Paint a label first: there is nothing to learn yet."))
            return
        if empty and not painter.sparse:
            box = QMessageBox(self)
            box.setIcon(QMessageBox.Icon.Question)
            box.setText(tr("{0} of {1} slices are painted.").format(count - empty, count))
            box.setInformativeText(tr("What are the others?"))
            apart = box.addButton(tr("Not annotated"), QMessageBox.ButtonRole.AcceptRole)
            box.addButton(tr("All background"), QMessageBox.ButtonRole.AcceptRole)
            cancel = box.addButton(QMessageBox.StandardButton.Cancel)
            box.setDefaultButton(apart)
            box.exec()
            chosen = box.clickedButton()
            box.deleteLater()
            if chosen is None or chosen is cancel:
                return
            if chosen is apart:
                painter.set_sparse(True, whole_slices=True)
        self.train_requested.emit(mask)

    def _set_radius(self, value: float) -> None:
        self._painter.radius_mm = value

    def _set_limits(self) -> None:
        low, high = sorted((self.low.value(), self.high.value()))
        limits = (float(low), float(high)) if self.limited.isChecked() else None
        self._painter.limits = limits
        self._show_limits()


def _combo(name: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(name)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(5)
    box.setMaximumWidth(140)
    return box


def _hu(name: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(-32768, 65535)
    box.setMaximumWidth(68)
    box.setAccessibleName(name)
    return box
