"""About: what the program is, and the notices of what it is built with."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPlainTextEdit,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ctstudio import __version__
from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.resources import resource
from ctstudio.workflows.notices import Notice, notices

FONT = "Inter"


class AboutDialog(QDialog):
    """Version, purpose, licence; packages and fonts with their licences in full."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("About CT Studio"))
        self.resize(760, 520)
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.setAccessibleName(tr("About CT Studio"))
        tabs.addTab(self._about(), tr("About"))
        tabs.addTab(self._notices(), tr("Third-party notices"))
        self.tabs = tabs
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(tabs, 1)
        layout.addWidget(buttons)

    def _about(self) -> QWidget:
        page = QWidget()
        icon = QLabel()
        icon.setPixmap(theme.icon("mdi6.lungs", "accent").pixmap(72, 72))
        icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        title = QLabel(tr("CT Studio {0}").format(__version__))
        title.setProperty("role", "title")
        texts = QVBoxLayout()
        texts.setSpacing(12)
        texts.addWidget(title)
        for text in (
            tr("A desktop viewer and trainer for CT."),
            f"<b>{tr('For research use, not for diagnosis.')}</b>",
            tr(
                "MIT licence. Text on images is set in Inter (SIL Open Font License). Everything "
                "else that CT Studio is built with is listed under Third-party notices, with the "
                "licences as they came."
            ),
        ):
            label = QLabel(text)
            label.setWordWrap(True)
            texts.addWidget(label)
        texts.addStretch(1)
        layout = QHBoxLayout(page)
        layout.setContentsMargins(24, 24, 24, 24)
        layout.setSpacing(24)
        layout.addWidget(icon)
        layout.addLayout(texts, 1)
        return page

    def _notices(self) -> QWidget:
        self.items = [_font(), *notices()]
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Packages"))
        for notice in self.items:
            self.list.addItem(f"{notice.name} {notice.version}".strip())
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName(tr("Licence"))
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.list.currentRowChanged.connect(self._show)
        splitter = QSplitter()
        splitter.addWidget(self.list)
        splitter.addWidget(self.text)
        splitter.setSizes([220, 540])
        splitter.setChildrenCollapsible(False)
        self.list.setCurrentRow(0)
        return splitter

    def _show(self, row: int) -> None:
        notice = self.items[row]
        head = [f"{notice.name} {notice.version}".strip(), notice.licence, notice.home]
        texts = notice.texts or (tr("The package came without the text of its licence."),)
        parts = ["\n".join(line for line in head if line), *(text.strip() for text in texts)]
        self.text.setPlainText("\n\n".join(parts))


def _font() -> Notice:
    text = resource("fonts", "OFL.txt").read_text(encoding="utf-8")
    return Notice(FONT, "", "OFL-1.1", "https://rsms.me/inter", (text,))
