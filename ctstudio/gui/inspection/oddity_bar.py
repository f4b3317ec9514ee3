"""A quiet line above the panes: what is odd about the layer that is looked at, and what helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QToolButton, QWidget

from ctstudio.ct.resample import Fix
from ctstudio.gui import theme
from ctstudio.gui.inspection.mending import Mender, oddities_of
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_label, plain_tip, plain_title

if TYPE_CHECKING:
    from ctstudio.dicom.irregularities import Irregularity

MOST_TOLD = 4  # names; all of them stand in the tip
MEND = "Mend \N{BLACK DOWN-POINTING SMALL TRIANGLE}"


class OddityBar(QWidget):
    """Follows the active pane; hidden where nothing is odd, or the user wants it left as it is."""

    details_requested = Signal()

    def __init__(self, session: Session, mender: Mender) -> None:
        super().__init__()
        self._session, self._mender = session, mender
        self._layer: Layer | None = None
        self._left: set[int] = set()  # ids of layers to be left as they are
        self.setObjectName("banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        icon = QLabel()
        icon.setPixmap(theme.icon("mdi6.alert-outline", "warning").pixmap(18, 18))
        self.text = plain_label()
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.mend = _button(tr(MEND), tr("What can be done: the result is a new layer"))
        self.mend.setMenu(self.menu)
        self.mend.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.mend.setIcon(theme.icon("mdi6.image-auto-adjust"))
        self.mend.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.details = _button(
            tr("Details"), tr("What this series is, and all that is odd about it")
        )
        self.leave = _button(Fix.LEAVE.label, Fix.LEAVE.help)
        self.details.clicked.connect(self.details_requested)
        self.leave.clicked.connect(self._leave)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(icon)
        layout.addWidget(self.text, 1)
        for button in (self.mend, self.leave, self.details):
            layout.addWidget(button)
        self.hide()
        session.active_changed.connect(self._show)
        session.layer_changed.connect(self._layer_changed)
        session.layer_removed.connect(self._layer_removed)
        mender.changed.connect(self._enable)

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0 and layer is self._session.active:
            self._show(layer)

    def _layer_removed(self, layer: Layer) -> None:
        self._left.discard(id(layer))  # another layer may get its number

    def _show(self, layer: Layer | None) -> None:
        self._layer = layer if layer is not None and layer.is_scan else None
        found: tuple[Irregularity, ...] = ()
        if self._layer is not None and id(self._layer) not in self._left:
            warned = (odd for odd in oddities_of(self._layer) if odd.warns)
            found = tuple(sorted(warned, key=lambda odd: odd.rank))
        self.setVisible(bool(found))
        if not found or self._layer is None:
            return
        told = [said(odd.sentence) for odd in found]
        words = told if len(found) == 1 else [said(str(odd.kind)) for odd in found]
        if len(words) > MOST_TOLD:
            words[MOST_TOLD:] = [tr("{0} more").format(len(words) - MOST_TOLD)]
        self.text.setText(f"{self._layer.name}: {tr(', ').join(words)}")
        self.text.setToolTip(plain_tip("\n".join(told)))
        choices = fill_menu(self.menu, found, self._start)
        self.mend.setVisible(bool(choices))
        self.leave.setText(said(Fix.LEAVE.label) if choices else tr("Dismiss"))
        self._enable()

    def _enable(self) -> None:
        self.mend.setEnabled(not self._mender.busy)
        self.mend.setText(tr("Mending ...") if self._mender.busy else tr(MEND))

    def _start(self, fixes: tuple[Fix, ...]) -> None:
        if self._layer is not None:
            self._mender.start(self._layer, fixes)

    def _leave(self) -> None:
        if self._layer is not None:
            self._left.add(id(self._layer))
        self.hide()


def fill_menu(
    menu: QMenu, found: Sequence[Irregularity], start: Callable[[tuple[Fix, ...]], object]
) -> list[tuple[Fix, ...]]:
    """Offer what mends ``found``, all together first; returns the choices, in order."""
    from ctstudio.workflows.mend import everything, offered

    menu.clear()
    choices: list[tuple[Fix, ...]] = [(fix,) for fix in offered(found)]
    together = everything(found)
    if len(together) > 1:
        choices.insert(0, together)
    for fixes in choices:
        if len(fixes) > 1:
            words = tr(" and ").join(said(fix.result) for fix in fixes)
            action = menu.addAction(plain_title(tr("Make it regular: {0}").format(words)))
            action.setToolTip(" ".join(said(fix.help) for fix in fixes))
            menu.addSeparator()
        else:
            action = menu.addAction(said(fixes[0].label))
            action.setToolTip(said(fixes[0].help))
        action.triggered.connect(lambda _=False, fixes=fixes: start(fixes))
    return choices


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAutoRaise(True)
    return button
