"""Names from files and folders are shown as they are: no markup, no shortcuts, no wide window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QTreeWidgetItem, QWidget

from ctstudio.gui.words import plain_tip, plain_title

EVIL = "<h1>BIG</h1><img src=x> & more"


@pytest.fixture
def evil(tmp_path: Path, thin: Any) -> Any:
    import pydicom

    folder = tmp_path / "a & <b>b"
    folder.mkdir()
    for path in sorted(thin.folder.iterdir())[::2]:
        dataset = pydicom.dcmread(path)
        dataset.SeriesDescription, dataset.StudyDescription = EVIL, EVIL
        dataset.PatientName = "<i>Evil</i>"
        dataset.save_as(folder / path.name)
    return type(thin)(folder, thin.hu[::2], EVIL)


def tips(widget: QWidget, tree: QTreeWidgetItem) -> list[str]:
    found = [child.toolTip() for child in widget.findChildren(QWidget)]
    todo = [tree]
    while todo:
        item = todo.pop()
        found.append(item.toolTip(0))
        todo += [item.child(k) for k in range(item.childCount())]
    return found


def test_no_markup_of_a_file_is_followed(hands: Any, evil: Any) -> None:
    hands.open(evil)
    window = hands.window
    hands.session.trouble.emit(EVIL, "", "")
    hands.session.message.emit(EVIL, 0)
    window.denoise_panel.preview.setChecked(True)
    hands.wait(lambda: not window.denoise_panel.live.pending)
    hands.move(hands.view, hands.view.rect().center().toPointF())
    plain = Qt.TextFormat.PlainText
    for label in window.findChildren(QLabel):
        if label.textFormat() != plain:
            assert "<h1>" not in label.text()
            assert "<img" not in label.text()
    texts = tips(window, window.series_panel.tree.invisibleRootItem())
    texts += [
        window.series_panel.list.item(row).toolTip()
        for row in range(window.series_panel.list.count())
    ]
    assert any("&lt;h1&gt;" in text for text in texts)
    assert not any("<h1>" in text or "<img" in text or "<i>" in text for text in texts)
    assert window.grid.active_pane.button.text().count("&&") == 1
    window.denoise_panel.preview.setChecked(False)


def test_plain_words() -> None:
    assert plain_tip("2 mm & more\nlines") == "2 mm & more\nlines"
    assert plain_tip("<b>a</b>\nb") == "<qt>&lt;b&gt;a&lt;/b&gt;<br>b</qt>"
    assert plain_title("a & b") == "a && b"
