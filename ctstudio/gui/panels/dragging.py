"""Lists whose entries can be dragged onto a pane."""

from __future__ import annotations

import os

from PySide6.QtCore import QMimeData, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QDrag, QIcon
from PySide6.QtWidgets import QListWidget, QTreeWidget, QWidget

ENTRY = "application/x-ctstudio-entry"
"""What is dragged within the window: "series 2" or "layer 0", its place in the session's list."""
PLACE = Qt.ItemDataRole.UserRole + 1  # of a series in the session's list
SHOWN = QSize(48, 48)


def entry_of(data: QMimeData) -> tuple[str, int] | None:
    """What was dragged from a list of this very window's: "series" or "layer", and which."""
    if not data.hasFormat(ENTRY):
        return None
    own, what, place = bytes(data.data(ENTRY).data()).decode().split()
    return (what, int(place)) if int(own) == os.getpid() else None


def _drag(source: QWidget, what: str, place: int, icon: QIcon) -> None:
    data = QMimeData()
    data.setData(ENTRY, f"{os.getpid()} {what} {place}".encode())
    drag = QDrag(source)
    drag.setMimeData(data)
    drag.setPixmap(icon.pixmap(SHOWN))
    drag.setHotSpot(QPoint(-12, -12))  # the picture does not cover the place
    drag.exec(Qt.DropAction.CopyAction)


class SeriesTree(QTreeWidget):
    """Series below their studies; an item holds the place of its series as `PLACE`."""

    dragged = Signal()  # it was let go

    def __init__(self) -> None:
        super().__init__()
        self.setDragEnabled(True)

    def startDrag(self, _actions: Qt.DropAction) -> None:
        item = self.currentItem()
        if item is not None:
            _drag(self, "series", item.data(0, PLACE), item.icon(0))
            self.dragged.emit()


class LayerList(QListWidget):
    """Layers in the order of the session."""

    dragged = Signal()  # it was let go

    def __init__(self) -> None:
        super().__init__()
        self.setDragEnabled(True)

    def startDrag(self, _actions: Qt.DropAction) -> None:
        item = self.currentItem()
        if item is not None:
            _drag(self, "layer", self.row(item), item.icon())
            self.dragged.emit()
