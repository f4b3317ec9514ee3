"""The bar above the images while there are masks: what lies over them, and how well it agrees."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.ct.label_pictures import DIFFERENCE_LABELS
from ctstudio.gui import theme
from ctstudio.gui.masks.agreement import TIP, Agreements
from ctstudio.gui.masks.menu import PRESSED, MaskMenu, swatch
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.masks.threshold_bar import ThresholdBar
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.words import plain_title

TOGGLES = ("show_truth", "show_prediction", "show_difference", "show_probability")
LEAST_PX = 480
SHORT = dict(zip(TOGGLES, ("Truth", "Prediction", "Difference", "Probability"), strict=True))


class OverlayBar(QFrame):
    """Follows `Masks`; it is there while the series that is looked at has a mask."""

    def __init__(
        self,
        session: Session,
        masks: Masks,
        agreements: Agreements,
        actions: dict[str, QAction],
        menu: MaskMenu,
    ) -> None:
        super().__init__()
        self._session, self._masks, self._actions = session, masks, actions
        self._agreements = agreements
        self.setObjectName("bar")
        self.setStyleSheet(PRESSED)
        self.buttons: dict[str, QToolButton] = {}
        first = QHBoxLayout()
        first.setSpacing(4)
        for name in TOGGLES:
            actions[name].setIconText(tr(SHORT[name]))
            first.addWidget(self._toggle(name))
        first.addSpacing(4)
        first.addWidget(self._toggle("mask_outlines", text=False))
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setAccessibleName(tr("Opacity of what lies over the images"))
        self.opacity.setToolTip(tr("Opacity of masks, difference and probability"))
        self.opacity.setRange(5, 100)
        self.opacity.setFixedWidth(72)
        self.opacity.valueChanged.connect(lambda value: masks.set_opacity(value / 100))
        first.addWidget(self.opacity)
        more = QToolButton()
        more.setIcon(theme.icon("mdi6.format-list-checks"))
        more.setAutoRaise(True)
        more.setToolTip(tr("Labels and masks: which are shown"))
        more.setAccessibleName(tr("Labels and masks"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setMenu(menu.menu)
        first.addWidget(more)
        first.addStretch(1)
        self.numbers = QToolButton()
        self.numbers.setAutoRaise(True)
        self.numbers.setToolTip(tr(TIP))
        self.numbers.setAccessibleName(tr("Agreement of prediction and truth"))
        self.numbers.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.numbers.clicked.connect(actions["mask_scores"].trigger)
        self.legend = _legend()
        self.scale = ThresholdBar()
        self.scale.moved.connect(masks.set_threshold)
        self._first = first
        second = QHBoxLayout()
        second.addWidget(self.legend)
        second.addWidget(self.scale)
        second.addStretch(1)
        second.addWidget(self.numbers)
        self._second = second
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 8, 2)
        layout.setSpacing(2)
        layout.addLayout(first)
        layout.addLayout(second)
        for signal in (masks.changed, masks.roles.changed, agreements.changed):
            signal.connect(self.follow)
        for signal in (session.layer_added, session.layer_removed, session.active_changed):
            signal.connect(self.follow)
        session.layer_changed.connect(self._layer_changed)
        self.follow()

    def _toggle(self, name: str, *, text: bool = True) -> QToolButton:
        button = QToolButton()
        button.setDefaultAction(self._actions[name])
        button.setAutoRaise(True)
        button.setIconSize(QSize(16, 16))
        button.setAccessibleName(self._actions[name].text())
        if text:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        if name in TOGGLES[:2]:
            menu = QMenu(button)
            menu.aboutToShow.connect(lambda: self._offer(menu, name))
            button.setMenu(menu)
            button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.buttons[name] = button
        return button

    def minimumSizeHint(self) -> QSize:
        """As wide as the pictures alone: where there is no room, the words go."""
        return QSize(LEAST_PX, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._suit_width()

    def _suit_width(self) -> None:
        """Words beside the pictures as far as there is room, and the numbers behind them."""
        styles, margins = Qt.ToolButtonStyle, 16
        for style in (styles.ToolButtonTextBesideIcon, styles.ToolButtonIconOnly):
            for name in TOGGLES:
                self.buttons[name].setToolButtonStyle(style)
            self._first.invalidate()
            left = self.width() - margins - self._least()
            if left >= 0:
                break
        second = self.legend.isVisibleTo(self) or self.scale.isVisibleTo(self)
        row = self._second if second or left < self.numbers.sizeHint().width() else self._first
        if row.indexOf(self.numbers) < 0:
            for other in (self._first, self._second):
                other.removeWidget(self.numbers)
            row.addWidget(self.numbers)

    def _least(self) -> int:
        """The width of the first row without the numbers."""
        width = self._first.sizeHint().width()
        if self._first.indexOf(self.numbers) >= 0 and self.numbers.isVisibleTo(self):
            width -= self.numbers.sizeHint().width() + self._first.spacing()
        return width

    def _offer(self, menu: QMenu, name: str) -> None:
        """The masks that may count as the truth, or as the prediction."""
        menu.clear()
        base, roles = self._session.active, self._masks.roles
        if base is None:
            return
        first = name == TOGGLES[0]
        current = roles.truth(base) if first else roles.prediction(base)
        choose = roles.choose_truth if first else roles.choose_prediction
        for mask in roles.masks(base):
            action = menu.addAction(plain_title(called(mask)))
            action.setCheckable(True)
            action.setChecked(mask is current)
            action.triggered.connect(lambda _=False, mask=mask: choose(mask))

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0 and layer in self._masks.layers:
            self.follow()

    def follow(self, *_: object) -> None:
        """Show how things are."""
        masks, base = self._masks, self._session.active
        some = base is not None and bool(masks.roles.masks(base))
        self.setVisible(some)
        if base is None or not some:
            return
        truth, prediction = masks.roles.truth(base), masks.roles.prediction(base)
        difference = masks.compared is not None
        states = {
            "show_truth": (truth is not None, not difference and _shown(masks, truth)),
            "show_prediction": (  # of two that were drawn, either can be held against the other
                prediction is not None or masks.roles.other(base) is not None,
                not difference and not masks.probability and _shown(masks, prediction),
            ),
            "show_difference": (masks.roles.pair(base) is not None or difference, difference),
            "show_probability": (masks.likely(base) is not None, masks.probability),
            "mask_outlines": (True, masks.contour),
        }
        for name, (possible, on) in states.items():
            action = self._actions[name]
            with QSignalBlocker(action):
                action.setEnabled(possible and masks.shown)
                action.setChecked(on and possible)
            # The button listens to the action's signals, which were held back.
            self.buttons[name].setEnabled(possible and masks.shown)
            self.buttons[name].setChecked(on and possible)
        for name, mask in (("show_truth", truth), ("show_prediction", prediction)):
            tip = self._actions[name].toolTip()
            self.buttons[name].setToolTip(tip if mask is None else f"{tip}\n{called(mask)}")
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * masks.opacity))
        self.legend.setVisible(difference and masks.shown)
        probable = masks.probability and masks.likely(base) is not None and masks.shown
        self.scale.setVisible(probable)
        self.scale.set_value(masks.threshold)
        text = self._agreements.text()
        self.numbers.setText(text)
        self.numbers.setVisible(bool(text))
        self._suit_width()


def _shown(masks: Masks, layer: Layer | None) -> bool:
    return layer is not None and masks.style(layer).visible


def _legend() -> QWidget:
    """What the colours of the difference mean."""
    widget = QWidget()
    widget.setAccessibleName(tr("Colours of the difference"))
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 2)
    layout.setSpacing(6)
    words = {
        "Agreed": "Agreed (true positive)",
        "Predicted only": "Predicted only (false positive)",
        "True only": "True only (false negative)",
    }
    for label in DIFFERENCE_LABELS:
        colour = QLabel()
        colour.setPixmap(swatch(label).pixmap(12, 12))
        layout.addWidget(colour)
        layout.addWidget(QLabel(tr(words[label.name])))
        layout.addSpacing(8)
    return widget
