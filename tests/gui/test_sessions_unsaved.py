"""Opening a session loses nothing: neither what is not saved yet, nor what is missing today."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox

from ctstudio.workflows.sessions.document import load
from tests.gui.looking import button_of
from tests.gui.test_sessions import save_to

Control, Key = Qt.KeyboardModifier.ControlModifier, Qt.Key


def test_what_is_not_all_there_is_not_written_over(
    hands: Any, thin: Any, elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is not there today may be there tomorrow: the file keeps what it knows."""
    folder = tmp_path / "here"
    shutil.copytree(thin.folder, folder)
    hands.window.open_paths([folder])
    hands.wait(lambda: hands.layer(thin.name, complete=True))
    hands.open(elsewhere)
    path = tmp_path / "mine.ctsession"
    save_to(hands, path, monkeypatch)
    before = path.read_bytes()
    shutil.move(folder, tmp_path / "there")

    def without(box: QMessageBox) -> int:
        button_of(box, "Open without it").click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", without)
    sessions = hands.window.services.sessions
    sessions.open(path)
    hands.idle()
    assert [la.name for la in hands.session.layers] == [elsewhere.name]
    assert "stays as it is" in hands.window.message_label.text()
    asked: list[str] = []
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *a: (asked.append(a[2]), ("", ""))[1]
    )
    hands.view.setFocus()
    hands.key(Key.Key_S, Control)
    hands.idle()
    assert len(asked) == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("picked", ["Go on without saving", "Save first ...", "Cancel"])
def test_what_was_made_and_not_saved_is_asked_about(
    picked: str, hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    path = tmp_path / "mine.ctsession"
    save_to(hands, path, monkeypatch)
    hands.window.painter.new_mask(hands.session.layers[0])
    texts: list[str] = []

    def reply(box: QMessageBox) -> int:
        texts.append(box.informativeText())
        button_of(box, picked).click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", reply)
    sessions = hands.window.services.sessions
    sessions.open(path)
    hands.idle()
    assert "masks" in texts[0]
    kinds = [la.kind for la in hands.session.layers]
    assert kinds == (["original"] if picked.startswith("Go") else ["original", "mask"])
    kept = [layer.kind for layer in load(path).layers]
    assert kept == (["original", "mask"] if picked.startswith("Save") else ["original"])
    sessions.open(path)  # nothing is left to be saved after the first and the second answer
    hands.idle()
    assert len(texts) == (2 if picked == "Cancel" else 1)
