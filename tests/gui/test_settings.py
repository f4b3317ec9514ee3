"""What the window remembers, and that remembering never stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton

from ctstudio.gui.app import Program
from ctstudio.gui.settings import RECENT_LIMIT, Settings


def test_values_come_back_in_their_type(tmp_path: Path) -> None:
    store = Settings(tmp_path / "s.ini")
    for key, value in (("a", True), ("b", 3), ("c", 0.25), ("d", "text")):
        store.set(key, value)
    store.sync()
    again = Settings(tmp_path / "s.ini")
    assert again.get("a", False) is True
    assert again.get("b", 0) == 3
    assert again.get("c", 0.0) == 0.25
    assert again.get("d", "") == "text"
    assert again.get("d", 7) == 7, "a text where a number is wanted gives the default"
    assert again.get("missing", 1.5) == 1.5


def test_recent_folders_newest_first_once_and_existing(tmp_path: Path) -> None:
    store = Settings(tmp_path / "s.ini")
    folders = [tmp_path / f"f{k}" for k in range(RECENT_LIMIT + 3)]
    for folder in folders:
        folder.mkdir()
        store.add_recent(folder)
    store.add_recent(folders[5])
    assert store.recent[0] == folders[5]
    assert len(store.recent) == len(set(store.recent)) == RECENT_LIMIT
    folders[5].rmdir()
    assert folders[5] not in store.recent


def test_recent_folder_that_may_not_be_looked_at_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Settings(tmp_path / "s.ini")
    store.add_recent(tmp_path)
    store.add_recent(tmp_path / "locked")
    plain = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert store.recent == [tmp_path]


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\x80 not an ini file \xde\xad\xbe\xef" * 50,
        b"[window]\ngeometry=@ByteArray(nonsense)\nstate=@ByteArray(more nonsense)\n"
        b"[General]\ntheme=purple\nrecent=@Invalid()\n",
        b"[window]\ngeometry=12\nstate=hello\n[General]\nrecent=@Size(3 4)\ntheme=@Size(3 4)\n",
    ],
    ids=["binary", "nonsense", "wrong types"],
)
def test_damaged_file_does_not_block_the_start(
    make_program: Callable[[], Program], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "settings.ini").write_bytes(content)
    program = make_program()
    program.window.show()
    QApplication.processEvents()
    assert program.window.isVisible()
    assert program.window.empty.isVisible()


def test_places_are_restored(make_program: Callable[[], Program]) -> None:
    first = make_program().window
    first.show()
    first.resize(760, 640)
    first.series_dock.hide()
    first.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, first.panel_dock)
    QApplication.processEvents()
    first.close()
    second = make_program().window
    second.show()
    QApplication.processEvents()
    # The width is not compared: the window is wider than the offscreen screen's 800 px at least.
    assert second.height() == 640
    assert not second.series_dock.isVisible()
    assert second.dockWidgetArea(second.panel_dock) == Qt.DockWidgetArea.LeftDockWidgetArea


def test_theme_is_remembered(make_program: Callable[[], Program]) -> None:
    first = make_program().window
    first.show()
    first.actions_by_name["theme"].setChecked(True)
    light = first.palette().window().color().lightness()
    first.close()
    second = make_program().window
    second.show()
    assert second.actions_by_name["theme"].isChecked()
    assert second.palette().window().color().lightness() == light > 200
    second.actions_by_name["theme"].setChecked(False)
    assert second.palette().window().color().lightness() < 60


def test_recent_folders_stand_on_the_empty_page(
    make_program: Callable[[], Program], thin: Any
) -> None:
    program = make_program()
    program.settings.add_recent(thin.folder)
    program.settings.sync()
    window = make_program().window
    window.show()
    names = [button.toolTip() for button in window.empty.findChildren(QPushButton)]
    assert str(thin.folder) in names
