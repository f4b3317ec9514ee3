"""How controls behave in a window whose keys and wheel belong to the images."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QTabBar,
    QWidget,
)


class WheelGuard(QObject):
    """Lets the wheel scroll the form instead of changing a value that the mouse passes over."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return False


def guard_wheel(widget: QWidget) -> None:
    """Change ``widget``'s value by the wheel only after it was clicked or tabbed to."""
    guard = widget.findChild(WheelGuard) or WheelGuard(widget)
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # Qt's WheelFocus would take the focus
    widget.installEventFilter(guard)


def leave_keys_to_the_images(area: QWidget) -> None:
    """A click on a button or slider in ``area`` does not take the keys away from the images.

    They are still reached with Tab.
    """
    for kind in (QAbstractButton, QAbstractSlider, QTabBar):
        for widget in area.findChildren(kind):
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    for box in (*area.findChildren(QAbstractSpinBox), *area.findChildren(QComboBox)):
        guard_wheel(box)
