"""The keys of painting: while it is on, they come before all others in the panes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from ctstudio.gui.masks.painter import Painter

OTHERS = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
    | Qt.KeyboardModifier.ShiftModifier
)


class PaintKeys(QObject):
    """Takes keys from the panes, which the same keys serve otherwise when nobody paints."""

    def __init__(
        self,
        painter: Painter,
        views: Sequence[QWidget],
        deeds: Mapping[str, Callable[[], object]],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._painter, self._views, self._deeds = painter, views, deeds
        self._on = False
        painter.changed.connect(self._follow)

    def _follow(self) -> None:
        if self._painter.on != self._on:
            self._on = self._painter.on
            for view in self._views:
                if self._on:
                    view.installEventFilter(self)
                else:
                    view.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent) or event.modifiers() & OTHERS:
            return False
        deed = self._deeds.get(event.text().upper())
        if deed is None:
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # no shortcut then, but a key that was pressed
            return True
        if event.type() == QEvent.Type.KeyPress:
            deed()
            return True
        return False
