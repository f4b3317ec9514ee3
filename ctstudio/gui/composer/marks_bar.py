"""The row of tools above the figure: what a click on it does, where insets stand, arrows point."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QToolBar, QToolButton, QWidget

from ctstudio.figures.description import FigureSpec
from ctstudio.gui.composer.forms import choices
from ctstudio.gui.composer.preview import Tool
from ctstudio.gui.translation.catalogue import tr

PLACES = {
    "lower right": "Lower right", "lower left": "Lower left", "upper right": "Upper right",
    "upper left": "Upper left", "below": "Below the picture",
}  # fmt: skip
TOOLS: dict[Tool, tuple[str, str]] = {
    "select": ("Select", "Click a picture to change what it shows"),
    "inset": ("Inset", "Drag a box over a picture: the part is enlarged in every picture"),
    "arrow": ("Arrow", "Click where an arrow is to point; drag for its direction"),
}
USUAL_ANGLE = 45


class MarksBar(QWidget):
    """Tools and their settings."""

    chosen = Signal(str)  # Tool
    moved = Signal(str)  # where insets stand from now on
    turned = Signal(float)  # whence arrows come from now on, degrees

    def __init__(self) -> None:
        super().__init__()
        self.tools: dict[str, QToolButton] = {}
        strip = QToolBar()  # whose buttons show which one is chosen
        for tool, (text, tip) in TOOLS.items():
            button = QToolButton()
            button.setText(tr(text))
            button.setToolTip(tr(tip))
            button.setAccessibleName(tr(text))
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.setChecked(tool == "select")
            button.toggled.connect(lambda on, tool=tool: self._use(tool, on))
            self.tools[tool] = button
            strip.addWidget(button)
        self.places: QComboBox = choices(PLACES)
        self.places.setAccessibleName(tr("Place of the insets"))
        self.places.setToolTip(tr("Where enlarged parts stand"))
        self.places.activated.connect(lambda _row: self.moved.emit(self.places.currentData()))
        self.angle = QSpinBox()
        self.angle.setRange(0, 359)
        self.angle.setWrapping(True)
        self.angle.setSingleStep(15)
        self.angle.setSuffix("\N{DEGREE SIGN}")
        self.angle.setValue(USUAL_ANGLE)
        self.angle.setKeyboardTracking(False)
        self.angle.setAccessibleName(tr("Direction of the arrow"))
        self.angle.setToolTip(
            tr("Whence the newest arrow and the next ones come: 0 from the right, 90 from above")
        )
        self.angle.valueChanged.connect(lambda value: self.turned.emit(float(value)))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(strip)
        layout.addSpacing(8)
        layout.addWidget(self.places)
        layout.addWidget(self.angle)

    def _use(self, tool: Tool, on: bool) -> None:
        if on:
            self.chosen.emit(tool)

    def show_spec(self, spec: FigureSpec) -> None:
        """Show where the newest of its insets stands, and whence its newest arrow comes."""
        if spec.insets:
            self.places.setCurrentIndex(max(self.places.findData(spec.insets[-1].place), 0))
        if spec.arrows:
            with QSignalBlocker(self.angle):
                self.angle.setValue(round(spec.arrows[-1].angle) % 360)
