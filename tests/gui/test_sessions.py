"""Sessions in the window: saved, opened again, kept against a crash."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox

from ctstudio.ct.views import Blend, Difference
from ctstudio.ct.window import Window
from ctstudio.gui.app import Program
from ctstudio.gui.session import Layer
from ctstudio.workflows.sessions.document import load
from tests.gui.conftest import wait_until
from tests.gui.looking import button_of

Control, Key = Qt.KeyboardModifier.ControlModifier, Qt.Key


def made(hands: Any, sample: Any) -> tuple[Layer, Layer, Layer, Layer]:
    """The series, a result blended over it, its residual, a mask painted upon it."""
    (scan,) = hands.open(sample)
    session = hands.session
    other = scan.volume.derived(scan.volume.hu() - 10, "a filter")
    blend = Blend(scan.stack, other, 0.5)
    result = session.add_layer(Layer("Filtered", "denoised", blend, scan, note="a filter"))
    residual = session.add_layer(
        Layer("Residual: Filtered", "residual", Difference(scan.stack, blend), result)
    )
    hands.window.painter.new_mask(scan)
    mask = hands.window.painter.mask
    return scan, result, residual, mask


def arrange(hands: Any, scan: Layer, result: Layer, residual: Layer) -> None:
    """Three panes, one in another plane and zoomed, with windows of their own."""
    grid, actions = hands.grid, hands.window.actions_by_name
    session = hands.session
    session.hang.emit([scan, result, residual])
    actions["link_scroll"].setChecked(False)
    actions["scale"].setChecked(False)
    grid.cutting.set_plane(grid.panes[1], "coronal")
    actions["link_window"].setChecked(False)
    grid.activate(grid.panes[0])
    grid.go_to(3)
    grid.set_window(Window(-600, 1500))
    grid.panes[1].view.zoom_by(2.0)
    grid.activate(grid.panes[1])


def draw(hands: Any) -> None:
    """A distance drawn with the mouse upon the first pane."""
    grid = hands.grid
    hands.window.actions_by_name["measure_distance"].setChecked(True)
    hands.drag(grid.panes[0].view, Qt.MouseButton.LeftButton, QPointF(100, 120), QPointF(60, 40))
    hands.window.actions_by_name["measure_distance"].setChecked(False)


def seen(hands: Any) -> list[Any]:
    """What the panes show, in numbers."""
    grid = hands.grid
    return [
        (
            pane.layer.name, pane.view.shown_plane, pane.view.index, pane.view.window,
            None if pane.view.fitted else pytest.approx(pane.view.framing.scale),
        )
        for pane in grid.visible_panes if pane.layer is not None
    ]  # fmt: skip


def save_to(hands: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    hands.view.setFocus()
    hands.key(Qt.Key.Key_S, Control)
    hands.idle()
    assert path.is_file(), hands.troubles


def test_a_session_is_saved_by_key_and_comes_back_in_another_start(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_program: Any
) -> None:
    scan, result, residual, mask = made(hands, thin)
    arrange(hands, scan, result, residual)
    draw(hands)
    hands.grid.activate(hands.grid.panes[1])
    comparing = hands.window.view_control.comparing
    comparing.set_mode(hands.grid.panes[0], "blend", result)
    comparing.set_value("blend", 30.0)
    masks = hands.window.masks
    masks.set_opacity(0.7)
    masks.style(mask).hidden.add(1)
    measured = hands.window.measuring.measurements.entries
    before, length = seen(hands), measured[0].shape.length
    path = tmp_path / "mine.ctsession"
    save_to(hands, path, monkeypatch)
    assert load(path).sources == (thin.folder,)

    again = make_program()
    again.window.show()
    window = again.window
    window.open_paths([path])  # as when it is dropped, or named on the command line
    other = type(hands)(again, [])
    other.idle()
    assert other.troubles == []
    assert [la.name for la in window.session.layers] == [scan.name, "Filtered",
                                                         "Residual: Filtered", "Mask"]  # fmt: skip
    assert seen(other) == before
    assert window.grid.layout_name == "1x3"
    assert window.grid.active_pane is window.grid.panes[1]
    comparing = window.view_control.comparing
    composer = comparing.composer(window.grid.panes[0].view)
    assert (composer.mode, composer.layer.name) == ("blend", "Filtered")
    assert comparing.values.get("blend") == 30.0
    assert comparing.composer(window.grid.panes[1].view) is None
    assert not window.actions_by_name["link_scroll"].isChecked()
    assert not window.actions_by_name["scale"].isChecked()
    assert not window.grid.links.scroll
    (entry,) = window.measuring.measurements.entries
    assert entry.shape.length == pytest.approx(length)
    assert not window.session.undo.canUndo()
    assert window.masks.opacity == 0.7
    assert window.masks.style(window.session.layers[3]).hidden == {1}
    np.testing.assert_array_equal(
        window.session.layers[1].stack.slice_hu(5), thin.hu[5].astype(np.float32) - 5
    )
    assert window.settings.recent_sessions == [path]
    # Saved again it goes to the same file without a question.
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: pytest.fail("asked"))
    window.services.sessions.save()
    other.idle()


def test_opening_replaces_what_is_open(
    hands: Any, thin: Any, elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    path = tmp_path / "mine.ctsession"
    save_to(hands, path, monkeypatch)
    hands.open(elsewhere)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    hands.window.actions_by_name["open_session"].trigger()
    hands.idle()
    assert [la.name for la in hands.session.layers] == [thin.name]
    menu = hands.window.menuBar().findChild(QMenu, "recent sessions")
    menu.aboutToShow.emit()
    assert [action.text() for action in menu.actions()] == [str(path)]


def test_a_damaged_session_says_so_and_leaves_what_is_open(
    hands: Any, thin: Any, tmp_path: Path
) -> None:
    hands.open(thin)
    path = tmp_path / "bad.ctsession"
    path.write_text('{"format": "CT Studio session", "version": 1, "layers": [{}]}')
    hands.drop(path)
    hands.idle()
    assert "is damaged" in hands.banner()
    assert [la.name for la in hands.session.layers] == [thin.name]


def test_a_state_that_makes_no_sense_leaves_the_layers(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    path = tmp_path / "mine.ctsession"
    save_to(hands, path, monkeypatch)
    data = json.loads(path.read_text())
    data["state"]["view"]["panes"] = 7
    data["state"]["masks"]["opacity"] = "much"
    data["state"]["nobody knows"] = {"x": 1}
    path.write_text(json.dumps(data))
    hands.drop(path)
    hands.idle()
    assert [la.name for la in hands.session.layers] == [thin.name]
    assert "Not all of the session could be restored" in hands.banner()
    assert "(1 more)" in hands.banner()


@pytest.mark.parametrize("answer", ["Locate ...", "Open without it", "Cancel"])
def test_images_that_moved_are_asked_for(
    answer: str, hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(thin.folder, folder)
    hands.window.open_paths([folder])
    hands.wait(lambda: hands.layer(thin.name, complete=True))
    path = tmp_path / "mine.ctsession"
    save_to(hands, path, monkeypatch)
    shutil.move(folder, tmp_path / "there")
    texts: list[str] = []

    def reply(box: QMessageBox) -> int:
        texts.append(box.informativeText())
        button_of(box, answer).click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", reply)
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "there")
    )  # fmt: skip
    hands.window.services.sessions.open(path)
    hands.idle()
    assert str(folder) in texts[0]
    names = [la.name for la in hands.session.layers]
    if answer == "Open without it":
        assert names == []
        assert "could be restored" in hands.banner()
    else:
        assert names == [thin.name]
        assert hands.layer(thin.name).series.source.files[0].is_file() == (answer != "Cancel")


def test_a_clean_end_leaves_nothing_to_ask_about(
    hands: Any, thin: Any, make_program: Any, tmp_path: Path
) -> None:
    hands.open(thin)
    autosave = hands.window.services.sessions.autosave
    autosave.save()
    hands.idle()
    assert load(autosave.folder / "session.ctsession").layers
    assert autosave.crashed() == []  # its own is none
    again = make_program()
    assert list((tmp_path / "autosave").iterdir()) == []
    again.window.services.sessions.ask_about_crash()
    assert again.window.findChildren(QMessageBox) == []


def test_it_is_kept_before_long_and_while_jobs_run_again(hands: Any, thin: Any) -> None:
    autosave = hands.window.services.sessions.autosave
    autosave._timer.setInterval(1)
    hands.open(thin)
    hands.wait(lambda: (autosave.folder / "session.ctsession").is_file(), "for the autosave")
    hands.session.remove_layer(hands.session.layers[0])
    hands.wait(lambda: not (autosave.folder / "session.ctsession").is_file(), "for it to go")


CRASH = """
import os, signal, sys
from pathlib import Path
from PySide6.QtCore import QTimer
from ctstudio.gui.app import Program
from ctstudio.gui.settings import Settings
from ctstudio.gui.session import Layer
program = Program(Settings(Path(sys.argv[1]) / "settings.ini"), Path(sys.argv[1]) / "runs")
window = program.window
window.show()
window.open_paths([Path(sys.argv[2])])
def look():
    layers = window.session.layers
    if len(layers) == 1 and layers[0].complete:
        scan = layers[0]
        twin = scan.volume.derived(scan.volume.hu() + 1, "plus one")
        window.session.add_layer(Layer("Plus one", "simulated", twin, scan))
        window.services.sessions.autosave.save()
    elif len(layers) == 2 and not window.session.jobs.busy():
        os.kill(os.getpid(), signal.SIGKILL)
timer = QTimer()
timer.timeout.connect(look)
timer.start(20)
program.app.exec()
"""


@pytest.fixture
def crashed(thin: Any, tmp_path: Path) -> Path:
    """The folder of a program that was killed with a series and a layer open."""
    ended = subprocess.run(
        [sys.executable, "-c", CRASH, str(tmp_path), str(thin.folder)],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, capture_output=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
def test_what_could_not_be_restored_is_asked_about_again(
    crashed: Path, thin: Any, make_program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The series is not there today: what the crash left behind is not thrown away."""
    (folder,) = (path for path in (crashed / "autosave").iterdir() if path.is_dir())
    for file in (folder / "layers").iterdir():
        file.write_bytes(file.read_bytes()[:200])  # a disk with bad blocks
    program = make_program()
    program.window.show()
    program.window.services.sessions.ask_about_crash()
    answer(program, "Restore")
    wait_until(lambda: not program.window.session.jobs.busy())
    assert [la.name for la in program.window.session.layers] == [thin.name]
    program.window.services.sessions.autosave.save()
    wait_until(lambda: not program.window.session.jobs.busy())
    program = make_program()
    assert (folder / "session.ctsession").is_file()
    program.window.show()
    program.window.services.sessions.ask_about_crash()
    answer(program, "Ask again later")


def answer(program: Program, text: str) -> None:
    (box,) = program.window.findChildren(QMessageBox)
    QTest.mouseClick(button_of(box, text), Qt.MouseButton.LeftButton)


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
def test_after_a_crash_one_is_asked_and_gets_everything_back(
    crashed: Path, hands: Any, thin: Any
) -> None:
    program = hands.program
    sessions = program.window.services.sessions
    sessions.ask_about_crash()
    answer(program, "Restore")
    hands.idle()
    assert [la.name for la in program.window.session.layers] == [thin.name, "Plus one"]
    twin = program.window.session.layers[1]
    np.testing.assert_array_equal(twin.stack.slice_hu(4), thin.hu[4] + 1)
    sessions.autosave.save()
    hands.idle()
    # What the crash left behind has been superseded by this program's own.
    (own,) = [path for path in (crashed / "autosave").iterdir() if path.is_dir()]
    assert own == sessions.autosave.folder


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
def test_it_may_be_discarded_or_asked_about_again(crashed: Path, make_program: Any) -> None:
    program = make_program()
    program.window.show()
    program.window.services.sessions.ask_about_crash()
    answer(program, "Ask again later")
    program = make_program()
    program.window.show()
    program.window.services.sessions.ask_about_crash()
    answer(program, "Discard")
    assert program.window.session.layers == []
    program = make_program()
    program.window.services.sessions.ask_about_crash()
    assert program.window.findChildren(QMessageBox) == []
