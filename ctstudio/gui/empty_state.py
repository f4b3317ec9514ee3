"""What the window says while nothing is open."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_tip, plain_title

SHOWN = 6


class EmptyState(QWidget):
    """Drop a folder, open one, open the demo, or go back to a recent one."""

    open_folder = Signal()
    open_demo = Signal()
    open_path = Signal(object)  # Path

    def __init__(self) -> None:
        super().__init__()
        self._recent_box = QVBoxLayout()
        self._recent_box.setSpacing(4)
        icon = QLabel()
        icon.setPixmap(theme.icon("mdi6.lungs", "accent").pixmap(72, 72))
        icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = QLabel(tr("Drop a folder with CT here"))
        title.setProperty("role", "title")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = QLabel(
            tr("DICOM, pictures, NIfTI or NumPy files. Nothing is changed or sent anywhere.")
        )
        text.setProperty("role", "muted")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.folder_button = QPushButton(tr("Open folder ..."))
        self.folder_button.setProperty("role", "primary")
        self.folder_button.clicked.connect(self.open_folder)
        self.demo_button = QPushButton(tr("Open the demo"))
        self.demo_button.setToolTip(tr("A thorax phantom with known truth, full and quarter dose"))
        self.demo_button.clicked.connect(self.open_demo)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.folder_button)
        row.addWidget(self.demo_button)
        row.addStretch(1)
        purpose = QLabel(tr("For research use, not for diagnosis"))
        purpose.setProperty("role", "muted")
        purpose.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.addStretch(2)
        for widget in (icon, title, text):
            layout.addWidget(widget)
        layout.addSpacing(8)
        layout.addLayout(row)
        layout.addSpacing(16)
        layout.addLayout(self._recent_box)
        layout.addStretch(3)
        layout.addWidget(purpose)

    def set_recent(self, paths: list[Path]) -> None:
        while self._recent_box.count():
            item = self._recent_box.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        if paths:
            heading = QLabel(tr("Recent"))
            heading.setProperty("role", "muted")
            heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
            self._recent_box.addWidget(heading)
        for path in paths[:SHOWN]:
            button = QPushButton(plain_title(_short(path)))
            button.setFlat(True)
            button.setToolTip(plain_tip(str(path)))
            button.clicked.connect(lambda _=False, path=path: self.open_path.emit(path))
            self._recent_box.addWidget(button, 0, Qt.AlignmentFlag.AlignCenter)


def _short(path: Path, limit: int = 60) -> str:
    text = str(path)
    home = str(Path.home())
    if text.startswith(home):
        text = "~" + text[len(home) :]
    return text if len(text) <= limit else "..." + text[-(limit - 3) :]
