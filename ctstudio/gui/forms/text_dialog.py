"""A text that is edited and checked before it is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.errors import StudioError
from ctstudio.gui.words import plain_label


class TextDialog(QDialog):
    """Edit ``text``; OK closes only when ``check`` accepts it, else its sentence is shown."""

    def __init__(
        self, parent: QWidget | None, title: str, text: str, check: Callable[[str], Any]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.resize(560, 640)
        self.result_value: Any = None
        self._check = check
        self.editor = QPlainTextEdit(text)
        self.editor.setAccessibleName(title)
        self.editor.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.problem = plain_label(" ")
        self.problem.setWordWrap(True)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self._try)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.editor, 1)
        layout.addWidget(self.problem)
        layout.addWidget(buttons)

    def _try(self) -> None:
        try:
            self.result_value = self._check(self.editor.toPlainText())
        except StudioError as error:
            self.problem.setText(str(error))
        else:
            self.accept()


def edit_text(parent: QWidget, title: str, text: str, check: Callable[[str], Any]) -> Any:
    """Let the user edit ``text``; the checked value, or None when they cancel."""
    dialog = TextDialog(parent, title, text, check)
    try:
        return dialog.result_value if dialog.exec() else None
    finally:
        dialog.deleteLater()
