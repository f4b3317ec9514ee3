"""Small buttons that are a picture alone, each with a name."""

from __future__ import annotations

from PySide6.QtWidgets import QKeySequenceEdit, QLineEdit, QToolButton

from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr


def picture_button(icon: str, tip: str) -> QToolButton:
    """A flat button with an icon, named by its tip."""
    button = QToolButton()
    button.setIcon(theme.icon(icon))
    button.setAutoRaise(True)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    return button


def clearable(line: QLineEdit | QKeySequenceEdit) -> None:
    """Give a line a button that empties it."""
    line.setClearButtonEnabled(True)
    button = line.findChild(QToolButton)
    if button is not None:
        button.setToolTip(tr("Clear"))
        button.setAccessibleName(tr("Clear"))
