"""A pane with its header: which layer it shows, and a menu to show another."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from ctstudio.ct.oblique import Oblique
from ctstudio.ct.planes import PLANES, Projection, plane_name
from ctstudio.gui import theme
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.slice_view import SliceView
from ctstudio.gui.words import plain_tip, plain_title

SLABS: dict[Projection, str] = {"maximum": "MIP", "minimum": "MinIP", "mean": "mean"}
THICKNESSES_MM = (5.0, 10.0, 20.0, 40.0)
KIND_ICONS = {
    "original": "mdi6.image-outline",
    "mended": "mdi6.image-auto-adjust",
    "simulated": "mdi6.blur",
    "denoised": "mdi6.creation-outline",
    "residual": "mdi6.plus-minus-variant",
    "live": "mdi6.pulse",
    "uncertainty": "mdi6.help-rhombus-outline",
    "mask": "mdi6.draw",
}


class Pane(QFrame):
    """A `SliceView` under a thin header with the layer's name."""

    touched = Signal()  # a menu of the header opens
    chosen = Signal(object)  # Layer, picked in the header's menu
    plane_chosen = Signal(object)  # Plane
    oblique_chosen = Signal()  # a plane of any direction, beginning with the one shown
    slab_chosen = Signal(object)  # tuple[Projection, float] | None

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.view = SliceView()
        self.button = QToolButton()
        self.button.setAccessibleName(tr("Layer shown in this pane"))
        self.button.setToolTip(tr("Choose the layer that this pane shows"))
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setIconSize(QSize(14, 14))
        self.button.setAutoRaise(True)
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._menu = QMenu(self.button)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._menu.aboutToShow.connect(self.touched)
        self._menu.triggered.connect(self._pick)
        self.button.setMenu(self._menu)
        self.plane_button = QToolButton()
        self.plane_button.setAccessibleName(tr("Plane and slab of this pane"))
        self.plane_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.plane_button.setAutoRaise(True)
        self._plane_menu = QMenu(self.plane_button)
        self._plane_menu.aboutToShow.connect(self._fill_plane_menu)
        self._plane_menu.aboutToShow.connect(self.touched)
        self._plane_menu.triggered.connect(self._pick_plane)
        self.plane_button.setMenu(self._plane_menu)
        self.link_mark = QLabel()
        self.link_mark.setAccessibleName(tr("What this pane does together with the active one"))
        header = QHBoxLayout()
        header.setContentsMargins(2, 0, 2, 0)
        header.addWidget(self.button, 1)
        header.addWidget(self.link_mark)
        header.addWidget(self.plane_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(header)
        layout.addWidget(self.view, 1)
        self.set_layer(None)

    @property
    def layer(self) -> Layer | None:
        return self.view.layer

    def set_layer(self, layer: Layer | None, index: int = 0) -> None:
        self.view.show_layer(layer, index)
        self.refresh_header()

    def refresh_header(self) -> None:
        layer = self.view.layer
        self.plane_button.setVisible(layer is not None and len(layer.stack) > 1)
        self.plane_button.setText(self._plane_text())
        self.plane_button.setToolTip(
            tr("Axial, coronal, sagittal or oblique; slabs of several slices")
        )
        if layer is None:
            self.button.setText(tr("Empty pane"))
            self.button.setIcon(theme.icon("mdi6.crop-square"))
            self.button.setToolTip(tr("Choose the layer that this pane shows"))
            return
        self.button.setText(plain_title(called(layer)))
        self.button.setIcon(theme.icon(KIND_ICONS[layer.kind]))
        tip = f"{called(layer)}\n{tr('Click to show another layer in this pane')}"
        self.button.setToolTip(plain_tip(tip))

    def show_links(self, words: str | None) -> None:
        """Say what is linked, "slices, zoom"; empty: nothing of what might be; None: alone."""
        self.link_mark.setVisible(words is not None)
        if words is not None and self.link_mark.toolTip() != (tip := _links(words)):
            icon = theme.icon("mdi6.link-variant" if words else "mdi6.link-variant-off", "muted")
            self.link_mark.setPixmap(icon.pixmap(14, 14))
            self.link_mark.setToolTip(tip)

    def _plane_text(self) -> str:
        view = self.view
        plane = tr(plane_name(view.shown_plane).capitalize())
        if view.slab is None:
            return plane
        how, thickness = view.slab
        return f"{plane}, {tr(SLABS[how])} {thickness:g} mm"

    def _fill_plane_menu(self) -> None:
        menu, view = self._plane_menu, self.view
        menu.clear()
        for plane in PLANES:
            action = menu.addAction(tr(plane.capitalize()))
            action.setCheckable(True)
            action.setChecked(plane == view.shown_plane)
            action.setData(("plane", plane))
        oblique = menu.addAction(tr("Oblique"))
        oblique.setCheckable(True)
        oblique.setChecked(isinstance(view.shown_plane, Oblique))
        oblique.setData(("oblique", None))
        menu.addSeparator()
        single = menu.addAction(tr("Single slices"))
        single.setCheckable(True)
        single.setChecked(view.slab is None)
        single.setData(("slab", None))
        for how, title in SLABS.items():
            below = menu.addMenu(tr("Slab: {0}").format(tr(title)))
            for thickness in THICKNESSES_MM:
                action = below.addAction(f"{thickness:g} mm")
                action.setCheckable(True)
                action.setChecked(view.slab == (how, thickness))
                action.setData(("slab", (how, thickness)))

    def _pick_plane(self, action: QAction) -> None:
        data = action.data()
        if data is not None:
            what, choice = data
            if what == "oblique":
                self.oblique_chosen.emit()
            else:
                (self.plane_chosen if what == "plane" else self.slab_chosen).emit(choice)

    def _fill_menu(self) -> None:
        self._menu.clear()
        for layer in self._session.layers:
            icon, name = theme.icon(KIND_ICONS[layer.kind]), plain_title(called(layer))
            action = self._menu.addAction(icon, name)
            action.setCheckable(True)
            action.setChecked(layer is self.view.layer)
            action.setData(layer)
        if not self._session.layers:
            self._menu.addAction(tr("Nothing is open")).setEnabled(False)

    def _pick(self, action: QAction) -> None:
        layer = action.data()
        if isinstance(layer, Layer):
            self.chosen.emit(layer)


def _links(words: str) -> str:
    linked = tr("Linked with the other panes of this place: {0}")
    return (
        linked.format(", ".join(tr(word) for word in words.split(", ")))
        if words
        else tr("Not linked")
    )
