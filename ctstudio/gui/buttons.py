"""Small buttons that are a picture alone."""

from __future__ import annotations

from PySide6.QtWidgets import QToolButton

from ctstudio.gui import theme


def picture_button(icon: str, tip: str) -> QToolButton:
    """A flat button with an icon, named by its tip."""
    button = QToolButton()
    button.setIcon(theme.icon(icon))
    button.setAutoRaise(True)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    return button
