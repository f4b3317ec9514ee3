"""The bar above the images while the active pane shows an oblique plane: its angles."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QDoubleSpinBox, QFrame, QHBoxLayout, QLabel, QSizePolicy

from ctstudio.ct.oblique import Oblique
from ctstudio.gui.forms.buttons import picture_button
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.view_grid import ViewGrid

ANGLES = (
    ("Tilt", "Turn about the horizontal line of the screen (Alt+Up, Alt+Down)"),
    ("Turn", "Turn about the vertical line of the screen (Alt+Left, Alt+Right)"),
    ("Roll", "Turn the picture within its plane"),
)


class ObliqueBar(QFrame):
    """Angles of the oblique plane, to be read and set; hidden where there is none."""

    def __init__(self, grid: ViewGrid) -> None:
        super().__init__()
        self._grid = grid
        self.setObjectName("bar")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        self.title = QLabel()
        layout.addWidget(self.title)
        self.angles: list[QDoubleSpinBox] = []
        for name, tip in ANGLES:
            label, box = QLabel(tr(name)), QDoubleSpinBox()
            box.setRange(-180, 180)
            box.setDecimals(1)
            box.setSuffix(" °")
            box.setWrapping(True)
            box.setKeyboardTracking(False)
            box.setAccessibleName(tr("{0} of the oblique plane").format(tr(name)))
            box.setToolTip(tr(tip))
            box.setMaximumWidth(90)
            box.valueChanged.connect(self._set)
            layout.addWidget(label)
            layout.addWidget(box)
            self.angles.append(box)
        note = QLabel(tr("linear between voxels"))
        note.setToolTip(tr("Drag the rings of its line in another pane to turn the plane"))
        note.setProperty("role", "muted")
        note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout.addWidget(note, 1)
        self.back = picture_button("mdi6.close", tr("Back to the plane that it was turned from"))
        self.back.clicked.connect(self._back)
        layout.addWidget(self.back)
        grid.moved.connect(self._moved)
        grid.activated.connect(self.follow)
        self.follow()

    @property
    def _plane(self) -> Oblique | None:
        view = self._grid.active_pane.view
        shown = view.shown_plane if view.layer is not None else None
        return shown if isinstance(shown, Oblique) else None

    def _moved(self, pane: Pane) -> None:
        if pane is self._grid.active_pane or self.isVisible():
            self.follow()

    def follow(self, *_: object) -> None:
        """Show the angles of the active pane's plane."""
        plane = self._plane
        self.setVisible(plane is not None)
        if plane is None:
            return
        self.title.setText(tr("Oblique, from {0}").format(tr(plane.base)))
        for box, angle in zip(self.angles, plane.angles, strict=True):
            if not box.hasFocus() or abs(box.value() - angle) > 0.05:
                with QSignalBlocker(box):
                    box.setValue(angle)

    def _set(self) -> None:
        plane = self._plane
        if plane is not None:
            tilt, turn, roll = (box.value() for box in self.angles)
            made = Oblique.of(plane.base, np.array(plane.centre_mm), (tilt, turn, roll))
            self._grid.turn(self._grid.active_pane, made)

    def _back(self) -> None:
        plane = self._plane
        if plane is not None:
            self._grid.active_pane.plane_chosen.emit(plane.base)  # it can be taken back
            self.follow()
