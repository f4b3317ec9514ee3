"""What is dropped onto the window: files, series and layers, onto the pane that is to show them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, QRect, Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFrame, QWidget

from ctstudio.gui.panels.dragging import entry_of
from ctstudio.gui.viewer.pane import Pane

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow

OVER = (QEvent.Type.DragEnter, QEvent.Type.DragMove)


class Dropping(QObject):
    """Watches what is dragged over the window, and frames the pane that it would go to."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._frame = QFrame(window)
        self._frame.setObjectName("drop")
        self._frame.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._frame.hide()
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in OVER:
            drop = cast(QDropEvent, event)
            place = self._place(drop)
            self._show(place)
            # An entrance that is refused is the last that one hears of a drag.
            entry = entry_of(drop.mimeData()) is not None
            if place is not None or (entry and kind == QEvent.Type.DragEnter):
                drop.setDropAction(Qt.DropAction.CopyAction)
                event.accept()
            else:
                event.ignore()
            return True
        if kind == QEvent.Type.DragLeave:
            self._frame.hide()
        elif kind == QEvent.Type.Drop:
            self._frame.hide()
            drop = cast(QDropEvent, event)
            if self._place(drop) is not None:
                drop.setDropAction(Qt.DropAction.CopyAction)
                event.accept()
                self._take(drop.mimeData(), self._pane(drop.position().toPoint()))
            return True
        return False

    def _place(self, event: QDropEvent) -> QWidget | None:
        """What would take it: a pane, or for files anything else of the window."""
        pane = self._pane(event.position().toPoint())
        if entry_of(event.mimeData()) is not None:
            return pane
        return (pane or self._window.centralWidget()) if _paths(event.mimeData()) else None

    def _pane(self, at: QPoint) -> Pane | None:
        if not self._window.grid.isVisible():
            return None
        panes = self._window.grid.visible_panes
        return next((pane for pane in panes if self._rect(pane).contains(at)), None)

    def _rect(self, widget: QWidget) -> QRect:
        return QRect(widget.mapTo(self._window, QPoint(0, 0)), widget.size())

    def _show(self, place: QWidget | None) -> None:
        if place is not None:
            self._frame.setGeometry(self._rect(place))
            self._frame.raise_()
        self._frame.setVisible(place is not None)

    def _take(self, data: QMimeData, pane: Pane | None) -> None:
        window = self._window
        entry = entry_of(data)
        if entry is None:
            window.showing.aim_at(pane)
            window.open_paths(_paths(data))
            return
        assert pane is not None
        what, number = entry
        session = window.session
        if what == "series":
            info = session.series[number]
            layer = session.layer_of(info)
        else:
            layer = session.layers[number]
        if layer is None:
            window.showing.aim_at(pane)
            window.opener.open_series(info)
        else:
            window.grid.activate(pane)
            window.showing.show(layer)


def _paths(data: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
