"""Help > Report a problem: what happened, and a look at everything that goes into the archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QFontDatabase
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.errors import StudioError
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr

SHOWN = 400  # lines of the log


class ReportDialog(QDialog):
    """``write(path, words)`` writes the archive; ``log`` is the log as it will be in it."""

    def __init__(
        self, parent: QWidget, session: Session, log: str, write: Callable[[Path, str], None]
    ) -> None:
        super().__init__(parent)
        self._session, self._write = session, write
        self.setWindowTitle(tr("Report a problem"))
        self.resize(720, 600)
        intro = QLabel(
            tr(
                "An archive is written that you can send to whoever looks after CT Studio: the log "
                "of this start, versions and settings. It holds no images, no names of patients, "
                "files or folders. Nothing is sent by itself."
            )
        )
        intro.setWordWrap(True)
        label = QLabel(tr("What did you do, and what happened? (Name no patient.)"))
        self.words = QPlainTextEdit()
        self.words.setAccessibleName(tr("What happened"))
        self.words.setMaximumHeight(120)
        label.setBuddy(self.words)
        shown = QLabel(tr("The log as it goes into the archive"))
        self.log = QPlainTextEdit("\n".join(log.splitlines()[-SHOWN:]))
        self.log.setReadOnly(True)
        self.log.setAccessibleName(tr("The log as it goes into the archive"))
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.log.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.save = buttons.addButton(
            tr("Save the archive ..."), QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.save.clicked.connect(self._save)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(intro)
        layout.addWidget(label)
        layout.addWidget(self.words)
        layout.addWidget(shown)
        layout.addWidget(self.log, 1)
        layout.addWidget(buttons)

    def _save(self) -> None:
        try:
            path = ask_where_to_save(
                self, self._session, tr("Report a problem"), "ctstudio-report.zip", "ZIP (*.zip)"
            )
            if path is None:
                return
            self._write(path, self.words.toPlainText())
        except StudioError as error:
            self._session.report(error)
            self.reject()
            return
        self._session.message.emit(tr("Saved {0}").format(path), 10000)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))
        self.accept()
