"""Preferences: each of them does what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox

from ctstudio.core import places
from ctstudio.ct.measure import Shape
from ctstudio.dicom import room
from ctstudio.figures import video
from ctstudio.gui import theme, units
from ctstudio.gui.measuring.drawing import words_for
from ctstudio.gui.preferences import cache
from ctstudio.gui.preferences.dialog import PreferencesDialog
from ctstudio.gui.translation.catalogue import catalogue


@pytest.fixture(autouse=True)
def as_before(qapp: QApplication) -> Iterator[None]:
    """What preferences change for the whole process is changed back."""
    yield
    units.choose(units.MILLIMETRES)
    room.limit_memory(None)
    video.prefer("")
    places.use_cache_folder(None)
    theme.set_text_size(theme.TEXT_PX)
    theme.apply(qapp, theme.DARK)


@pytest.fixture
def dialog(hands: Any) -> Iterator[PreferencesDialog]:
    made = hands.window.services.preferences.make_dialog()
    made.show()
    yield made
    if shiboken6.isValid(made):
        made.close()
        made.deleteLater()


def pick(box: Any, text: str) -> None:
    """Choose an entry with the keys."""
    box.setFocus()
    row = box.findText(text)
    assert row >= 0, [box.itemText(k) for k in range(box.count())]
    while box.currentIndex() != row:
        down = box.currentIndex() < row
        QTest.keyClick(box, Qt.Key.Key_Down if down else Qt.Key.Key_Up)


def test_theme_and_size_act_at_once_and_last(
    hands: Any, dialog: PreferencesDialog, make_program: Any
) -> None:
    pick(dialog.theme, "Light")
    assert theme.current() is theme.LIGHT
    assert hands.window.actions_by_name["theme"].isChecked()
    pick(dialog.text, "16 px")
    assert QApplication.font().pixelSize() == 16
    again = make_program()
    assert theme.current() is theme.LIGHT
    assert QApplication.font().pixelSize() == 16
    assert again.window.settings.get("theme", "") == "light"


def test_the_system_s_theme_is_followed(hands: Any, dialog: PreferencesDialog) -> None:
    pick(dialog.theme, "As the system")
    light = QApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
    assert theme.current() is (theme.LIGHT if light else theme.DARK)
    assert hands.window.settings.get("theme", "") == "system"


def test_lengths_are_said_in_the_unit_that_was_chosen(
    hands: Any, thin: Any, dialog: PreferencesDialog
) -> None:
    (layer,) = hands.open(thin)
    geometry = layer.stack.geometry
    start = geometry.to_patient(7, 20, 20)
    line = Shape(
        "distance", np.stack([start, start + 20 * geometry.row_direction]), geometry.normal
    )
    assert words_for(line, hands.view) == ["20.0 mm"]
    pick(dialog.units, "Centimetres")
    assert words_for(line, hands.view) == ["2.00 cm"]
    assert units.area(250.0) == "2.50 cm²"
    assert units.length(12.0, known=False) == "12.0 px"


def test_memory_is_limited(hands: Any, dialog: PreferencesDialog) -> None:
    before = room.free_memory()
    dialog.memory.setValue(1)
    assert room.free_memory() <= 2**30
    dialog.memory.setValue(0)
    assert room.free_memory() > before / 2


def test_threads_are_set_before_the_engine_loads(
    hands: Any, dialog: PreferencesDialog, make_program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog.threads.setValue(1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delitem(__import__("sys").modules, "torch", raising=False)
    make_program()
    assert os.environ["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    make_program()
    assert os.environ["OMP_NUM_THREADS"] == "7", "who set it means it"
    monkeypatch.delenv("OMP_NUM_THREADS")


def test_films_are_written_with_the_encoder_that_was_chosen(
    hands: Any, dialog: PreferencesDialog, make_program: Any
) -> None:
    best = video.encoder_for(".webm")
    other = next(name for name in video.encoders() if name in video.ENCODERS[".webm"][1:])
    assert best != other
    pick(dialog.encoder, other)
    assert video.encoder_for(".webm") == other
    video.prefer("")
    make_program()
    assert video.encoder_for(".webm") == other
    video.prefer("libopenh264")  # not for this ending
    assert video.encoder_for(".webm") == best


def test_keeping_against_a_crash_can_be_switched_off(
    hands: Any, thin: Any, dialog: PreferencesDialog
) -> None:
    hands.open(thin)
    autosave = hands.window.services.sessions.autosave
    autosave.save()
    hands.idle()
    assert autosave.folder.is_dir()
    QTest.mouseClick(
        dialog.autosave, Qt.MouseButton.LeftButton, pos=dialog.autosave.rect().center()
    )
    if dialog.autosave.isChecked():
        dialog.autosave.toggle()
    assert not autosave.folder.is_dir()
    autosave.touch()
    assert not autosave._timer.isActive()


def test_patient_details_can_be_hidden_from_the_start(
    hands: Any, dialog: PreferencesDialog, make_program: Any
) -> None:
    dialog.patient.toggle()
    window = make_program().window
    assert not window.actions_by_name["patient"].isChecked()
    assert not window.session.show_patient


def test_folders_of_cache_and_trainings(
    hands: Any, dialog: PreferencesDialog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    dialog.tabs.setCurrentIndex(2)
    for row in (dialog.cache_folder, dialog.runs_folder):
        QTest.mouseClick(row.findChildren(type(dialog.clear))[0], Qt.MouseButton.LeftButton)
    preferences = hands.window.services.preferences.values
    assert preferences.runs_folder == folder
    preferences.prepare(QApplication.instance())
    assert places.cache_folder() == folder
    monkeypatch.setenv("CTSTUDIO_CACHE", str(tmp_path))
    assert places.cache_folder() == tmp_path, "the environment goes before"


def fill(home: Path) -> None:
    for name, size in (("sessions/a/x.npy", 3000), ("sessions/b/y.npy", 2000), ("scans.db", 500),
                       ("demo-1.1/truth/1.dcm", 400), ("somebody-else.txt", 100)):  # fmt: skip
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))


def test_the_cache_is_measured_cleared_and_pruned(tmp_path: Path) -> None:
    fill(tmp_path)
    assert cache.contents(tmp_path) == {"sessions": 5000, "scans": 500, "demo": 400, "other": 100}
    os.utime(tmp_path / "sessions" / "a", (1, 1))
    cache.prune(tmp_path, 2500)
    assert [p.name for p in (tmp_path / "sessions").iterdir()] == ["b"]
    cache.prune(tmp_path, 0, keep=tmp_path / "sessions" / "b")
    assert cache.clear(tmp_path, keep=tmp_path / "sessions" / "b") == 900
    left = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["somebody-else.txt", "y.npy"]
    assert cache.contents(tmp_path / "none")["sessions"] == 0


@pytest.mark.parametrize("sure", [True, False])
def test_clearing_asks_first(
    sure: bool, hands: Any, dialog: PreferencesDialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = hands.window.settings.cache_folder
    fill(home)

    def reply(box: QMessageBox) -> int:
        box.buttons()[0 if (box.buttons()[0].text() == "Clear") == sure else 1].click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", reply)
    dialog.tabs.setCurrentIndex(2)
    QTest.mouseClick(dialog.clear, Qt.MouseButton.LeftButton)
    assert (home / "scans.db").exists() != sure
    assert ("Sessions 0 MB" in dialog.sizes.text()) or not sure


def test_it_opens_by_key(hands: Any) -> None:
    hands.view.setFocus()
    hands.key(Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    assert hands.asked == ["dialog"]


def test_every_field_has_a_name(dialog: PreferencesDialog) -> None:
    for field in (dialog.theme, dialog.language, dialog.text, dialog.units, dialog.threads,
                  dialog.memory, dialog.limit):  # fmt: skip
        assert field.accessibleName()


def test_the_language_says_in_itself_when_it_changes(dialog: PreferencesDialog) -> None:
    assert dialog.language_note.text() == "The language changes with the next start."
    pick(dialog.language, "简体中文")
    assert (
        dialog.language_note.text()
        == catalogue("zh_CN")["The language changes with the next start."]
    )
    pick(dialog.language, "English")
    assert dialog.language_note.text() == "The language changes with the next start."
