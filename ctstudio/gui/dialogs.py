"""Small dialogs: mouse and keys, About, the details of a message."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.errors import StudioError
from ctstudio.gui.actions import title as title_of
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr

MOUSE = (
    ("Left drag", "window: horizontal changes the width, vertical the centre"),
    ("Middle drag", "pan"),
    ("Right drag", "zoom"),
    ("Right click", "menu of the pane"),
    ("Wheel", "slice"),
    ("Ctrl + wheel", "zoom; over a brush its size"),
    ("Shift + move", "crosshair in every linked pane"),
    ("Double click", "maximise the pane, and back"),
    ("Drag a measurement", "moves it, a point of it changes it"),
    ("Drag the line of a swipe", "moves it"),
    ("Drag the line of a plane", "moves the plane; a ring upon it turns it"),
    ("Drag between panes", "makes one larger, the other smaller"),
    ("Drag a series or a layer", "onto a pane: it shows it"),
    ("Drop", "a folder or files open, in the pane that they are dropped on"),
)


def show_shortcuts(parent: QWidget, actions: Mapping[str, QAction]) -> None:
    """What the mouse and the keys do."""
    native = QKeySequence.SequenceFormat.NativeText
    mouse = ((tr(what), tr(does)) for what, does in MOUSE)
    rows = "".join(f"<tr><td><b>{a}</b>&nbsp;&nbsp;</td><td>{b}</td></tr>" for a, b in mouse)
    keys = "".join(
        f"<tr><td><b>{html.escape(a.shortcut().toString(native))}</b>&nbsp;&nbsp;</td>"
        f"<td>{html.escape(title_of(a).replace(' ...', '').replace('……', ''))}</td></tr>"
        for a in actions.values()
        if not a.shortcut().isEmpty()
    )
    dialog = QDialog(parent)
    dialog.setWindowTitle(tr("Mouse and keys"))
    dialog.resize(520, 620)
    label = QLabel(
        tr("<h3>Mouse</h3><table>{0}</table><h3>Keys</h3><table>{1}</table>").format(rows, keys)
    )
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.setWordWrap(True)
    label.setMargin(12)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(label)
    _run(dialog, area)


def ask_where_to_save(
    parent: QWidget, session: Session, title: str, name: str, kinds: str
) -> Path | None:
    """Ask for a file of one of ``kinds`` ("PNG (*.png);;CSV (*.csv)"); None when cancelled.

    It starts in the folder where the last thing was saved.

    Raises
    ------
    StudioError
        When the name lacks its ending and there is such a file already: Qt asks before it
        overwrites only for the name that was typed.
    """
    start = str(session.export_folder / name)
    typed, kind = QFileDialog.getSaveFileName(parent, tr(title), start, kinds)
    if not typed:
        return None
    endings = re.findall(r"\*(\.\w+)", kinds)
    path = Path(typed)
    session.export_folder = path.parent
    if path.suffix.lower() in endings:
        return path
    path = path.with_name(path.name + (re.findall(r"\*(\.\w+)", kind) or endings)[0])
    if path.exists():
        raise StudioError(
            f"{path} exists already.", hint="Choose another name, or give this one in full."
        )
    return path


def ask_new_folder(parent: QWidget, session: Session, title: str, name: str) -> Path | None:
    """Ask for the name of a folder that is to be made; None when cancelled."""
    start = str(session.export_folder / name)
    options = QFileDialog.Option.DontConfirmOverwrite
    typed, _ = QFileDialog.getSaveFileName(parent, title, start, tr("New folder (*)"), "", options)
    if not typed:
        return None
    session.export_folder = Path(typed).parent
    return Path(typed)


def show_details(parent: QWidget, title: str, details: str) -> None:
    dialog = QDialog(parent)
    dialog.setWindowTitle(tr("Details"))
    dialog.resize(760, 420)
    text = QPlainTextEdit(f"{title}\n\n{details}")
    text.setReadOnly(True)
    text.setAccessibleName(tr("Details"))
    _run(dialog, text)


def _run(dialog: QDialog, content: QWidget) -> None:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.addWidget(content, 1)
    layout.addWidget(buttons)
    dialog.exec()
    dialog.deleteLater()
