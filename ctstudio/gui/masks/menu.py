"""The menu of the masks: what is shown over the images, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QColor, QIcon, QPixmap
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QSlider,
    QToolBar,
    QToolButton,
    QWidget,
    QWidgetAction,
)

from ctstudio.ct.label_pictures import DIFFERENCE_LABELS
from ctstudio.ct.labels import Label
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.masks.painter import Painter
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called, said
from ctstudio.gui.words import plain_title

FIRST = (
    ("open_folder", "open_mask", "save_mask"),
    ("paint", "segment", "train_on_mask"),
    ("masks", "show_truth", "show_prediction", "show_difference", "show_probability"),
    ("mask_scores", "mask_figure"),
)
PRESSED = (
    "QToolButton { border: 1px solid transparent; border-radius: 4px; padding: 2px 3px; }"
    "QToolButton[popupMode='1'] { padding-right: 16px; }"
    "QToolButton:hover { background: palette(button); }"
    "QToolButton:checked { background: palette(button); border-color: palette(highlight); }"
)
"""Buttons of the bars above the images: what is on is seen to be."""
MOST_LISTED = 60  # labels of a mask in its menu
FILES = "(*.dcm *.nii *.nii.gz *.png *.tif *.tiff *.npy *.npz)"


class MaskMenu(QObject):
    """Fills a menu from `Masks` whenever it opens, and asks for files."""

    def __init__(
        self,
        session: Session,
        masks: Masks,
        painter: Painter,
        actions: dict[str, QAction],
        window: QMainWindow,
    ) -> None:
        super().__init__(window)
        self._painter = painter
        painter.changed.connect(self._follow)
        self._session, self._masks, self._actions, self._window = session, masks, actions, window
        self.menu = QMenu("&Masks", window.menuBar())
        self.menu.setObjectName("masks")
        self.menu.aboutToShow.connect(self.fill)
        self._opacity = _Opacity(masks, self)
        self.fill()

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {"masks": self._masks.set_shown, "open_mask": self.ask, "paint": self._paint}

    def _paint(self, on: bool) -> None:
        if on != self._painter.on and not self._painter.set_on(on):
            self._actions["paint"].setChecked(False)

    def _follow(self) -> None:
        self._actions["paint"].setChecked(self._painter.on)

    def join(self, bar: QToolBar) -> None:
        """Stand behind the toolbar's button, and in the menu bar before Tools."""
        button = bar.widgetForAction(self._actions["masks"])
        if isinstance(button, QToolButton):
            button.setMenu(self.menu)
            button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        menus = self._window.menuBar()
        before = next((m.menuAction() for m in menus.findChildren(QMenu, "&Tools")), None)
        if before is not None:
            menus.insertMenu(before, self.menu)

    def ask(self) -> None:
        """Let the user choose files with a mask for the active layer."""
        layer = self._session.active
        if layer is None or layer.volume is None:
            self._session.trouble.emit(
                tr("A mask belongs to a series."), tr("Open the series first, then its mask."), ""
            )
            return
        kinds = f"{tr('Masks')} {FILES};;{tr('All files')} (*)"
        names, _ = QFileDialog.getOpenFileNames(self._window, tr("Open a mask"), "", kinds)
        if names:
            self._masks.read([Path(name) for name in names], layer)

    def fill(self) -> None:
        """The entries for the masks there are now."""
        menu, masks = self.menu, self._masks
        menu.clear()
        for names in FIRST:
            for name in names:
                menu.addAction(self._actions[name])
            menu.addSeparator()
        layers = masks.layers
        for layer in layers:
            self._mask(menu.addMenu(plain_title(called(layer))), layer)
        if not layers:
            menu.addAction(tr("No mask is open")).setEnabled(False)
        menu.addSeparator()
        if len(layers) > 1:
            self._differences(menu.addMenu(tr("Difference")), layers)
        menu.addAction(self._actions["mask_outlines"])
        self._opacity.follow()
        menu.addAction(self._opacity)

    def _mask(self, menu: QMenu, layer: Layer) -> None:
        masks, style = self._masks, self._masks.style(layer)
        show = menu.addAction(tr("Show"))
        show.setCheckable(True)
        show.setChecked(style.visible)
        show.toggled.connect(lambda on: self._step(masks.set_visible, layer, on))
        menu.addSeparator()
        labels = masks.labels(layer)
        for label in labels[:MOST_LISTED]:
            action = menu.addAction(swatch(label), plain_title(said(label.name)))
            action.setCheckable(True)
            action.setChecked(label.number not in style.hidden)
            action.toggled.connect(
                lambda on, number=label.number: self._step(
                    masks.set_label_visible, layer, number, on
                )
            )
        if len(labels) > MOST_LISTED:
            menu.addAction(tr("and {0} more").format(len(labels) - MOST_LISTED)).setEnabled(False)

    def _step(self, show: Callable[..., None], *what: Any) -> None:
        """Show or hide something, such that it can be taken back."""
        with self._session.undo.step(tr("Show or hide a mask")):
            show(*what)

    def _differences(self, menu: QMenu, layers: list[Layer]) -> None:
        masks = self._masks
        none = menu.addAction(tr("None"))
        none.setCheckable(True)
        none.setChecked(masks.compared is None)
        none.triggered.connect(lambda: masks.compare(None))
        for truth in layers:
            for prediction in layers:
                if truth is prediction:
                    continue
                text = tr("{0} against {1}").format(called(prediction), called(truth))
                action = menu.addAction(plain_title(text))
                action.setCheckable(True)
                action.setChecked(masks.compared == (truth, prediction))
                action.triggered.connect(
                    lambda _=False, pair=(truth, prediction): masks.compare(*pair)
                )
        menu.addSeparator()
        for label in DIFFERENCE_LABELS:
            menu.addAction(swatch(label), tr(label.name)).setEnabled(False)


class _Opacity(QWidgetAction):
    """A slider in the menu."""

    def __init__(self, masks: Masks, parent: QObject) -> None:
        super().__init__(parent)
        self._masks = masks
        widget = QWidget()
        layout = QHBoxLayout(widget)
        layout.setContentsMargins(12, 4, 12, 4)
        layout.addWidget(QLabel(tr("Opacity")))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Opacity of the masks"))
        self.slider.setRange(5, 100)
        self.slider.setMinimumWidth(120)
        layout.addWidget(self.slider, 1)
        self.setDefaultWidget(widget)
        self.follow()
        self.slider.valueChanged.connect(lambda value: masks.set_opacity(value / 100))

    def follow(self) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(100 * self._masks.opacity))
        self.slider.blockSignals(False)


def swatch(label: Label) -> QIcon:
    """A square of a label's colour."""
    picture = QPixmap(12, 12)
    picture.fill(QColor(*label.colour))
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Disabled):
        icon.addPixmap(picture, mode)
    return icon
