"""From a drop, a menu or the recent list to a picture, and what happens when it cannot be."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtWidgets import QFileDialog, QPushButton

from ctstudio.gui import opening


def test_an_empty_window_says_what_to_do(hands: Any) -> None:
    window = hands.window
    assert window.empty.isVisible()
    assert not window.grid.isVisible()
    assert window.empty.folder_button.isEnabled()
    assert not window.actions_by_name["screenshot"].isEnabled()
    assert not window.denoise_panel.preview.isEnabled()
    assert not window.train_panel.controls.start.isEnabled()


def test_dropped_folder_shows_its_middle_slice_first(hands: Any, thin: Any) -> None:
    first: list[tuple[int, bool]] = []
    hands.window.opener.opened.connect(
        lambda layer: first.append((hands.view.index, layer.complete))
    )
    hands.drop(thin.folder)
    hands.wait(lambda: first, "for the first slice")
    assert first[0] == (7, False), "the middle slice is on the screen before the rest is read"
    assert hands.grid.isVisible()
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    hands.idle()
    for index in (0, 7, 13):
        hands.grid.go_to(index)
        assert np.array_equal(hands.view.hu, thin.hu[index])
    assert hands.window.windowTitle() == "Thin slab - CT Studio"
    assert hands.view.window.width_hu == 400, "the header's window"
    assert hands.banner() == ""


def test_one_may_scroll_while_the_rest_is_read(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctstudio.dicom.read as reading

    really = reading.PixelReader.fill

    def slowly(reader: Any, header: Any, out: Any) -> None:
        time.sleep(0.1)
        really(reader, header, out)

    monkeypatch.setattr(reading.PixelReader, "fill", slowly)
    monkeypatch.setattr(reading, "_workers", lambda headers: 1)
    monkeypatch.setattr(reading, "_BATCH_BYTES", 1)
    arrived: list[int] = []
    hands.session.layer_changed.connect(lambda layer, index: arrived.append(index))
    hands.drop(thin.folder)
    hands.wait(lambda: hands.session.layers, "for the first slice")
    hands.grid.go_to(0)
    assert hands.view.index == 0
    assert not hands.session.layers[0].complete
    hands.wait(lambda: 0 in arrived, "for the slice scrolled to")
    assert np.array_equal(hands.view.hu, thin.hu[0])
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    hands.idle()
    assert arrived[0] == 7, "the middle"
    assert max(arrived.index(k) for k in (0, 1, 2)) < arrived.index(11), "what is looked at first"


def test_only_local_files_are_taken(hands: Any) -> None:
    assert not hands.drag_in([])
    assert not hands.drag_in([QUrl("https://example.org/ct")])
    assert hands.drag_in([QUrl.fromLocalFile("/tmp")])
    hands.drag_out()
    assert not hands.session.jobs.busy()


def test_menu_actions_ask_and_open(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions = hands.window.actions_by_name
    actions["open_folder"].trigger()
    assert hands.asked == ["folder"]
    assert not hands.session.jobs.busy(), "a cancelled dialog opens nothing"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(thin.folder))
    actions["open_folder"].trigger()
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    files = [str(path) for path in sorted(thick.folder.iterdir())[:3]]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *a, **k: (files, ""))
    actions["open_files"].trigger()
    hands.wait(lambda: hands.layer("Thick slab", complete=True))
    assert len(hands.layer("Thick slab").stack) == 3


def test_recent_folders_open_again(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.window.actions_by_name["close_layer"].trigger()
    assert hands.window.empty.isVisible()
    buttons = {b.toolTip(): b for b in hands.window.empty.findChildren(QPushButton)}
    hands.press(buttons[str(thin.folder)])
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    menu = hands.window.recent_menu
    menu.aboutToShow.emit()
    assert [a.text() for a in menu.actions() if a.text()] == [str(thin.folder), "Forget these"]
    menu.actions()[-1].trigger()
    assert hands.window.settings.recent == []


def test_two_series_list_layers_and_paging(hands: Any, thin: Any, thick: Any) -> None:
    one, two = hands.open(thin, thick)
    panel = hands.window.series_panel
    study = panel.tree.topLevelItem(0)
    assert panel.tree.topLevelItemCount() == 1, "both belong to one study"
    assert study.text(0) == "Secret^Name - Chest of a slab"
    texts = [study.child(k).text(0) for k in range(study.childCount())]
    assert texts == ["Thin slab\n14 slices, 3 mm", "Thick slab\n7 slices, 6 mm"]
    assert [panel.list.item(k).text() for k in range(panel.list.count())] == [one.name, two.name]
    assert hands.session.active is two
    hands.view.setFocus()
    hands.key(Qt.Key.Key_PageUp)
    assert hands.session.active is one
    hands.key(Qt.Key.Key_PageUp)
    assert hands.session.active is one, "there is none before the first"
    hands.key(Qt.Key.Key_PageDown)
    assert hands.session.active is two
    assert len(hands.session.layers) == 2, "an open series is shown, not read again"
    # A click on a series and one on a layer do the same.
    tree, item = panel.tree, study.child(0)
    hands.click_item(tree, tree.visualItemRect(item).center())
    assert hands.session.active is one
    row = panel.list.item(1)
    hands.click_item(panel.list, panel.list.visualItemRect(row).center())
    assert hands.session.active is two
    assert panel.list.currentItem() is row


def test_paging_opens_a_series_that_was_only_listed(hands: Any, thin: Any, thick: Any) -> None:
    hands.window.open_paths([thin.folder, thick.folder])
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    hands.idle()
    assert len(hands.session.series) == 2
    assert len(hands.session.layers) == 1
    hands.view.setFocus()
    hands.key(Qt.Key.Key_PageDown)
    hands.wait(lambda: hands.layer("Thick slab", complete=True))
    assert hands.session.active.name == "Thick slab"


def test_the_same_folder_twice_is_one_series(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.drop(thin.folder)
    hands.pause(20)
    hands.idle()
    assert len(hands.session.series) == 1
    assert len(hands.session.layers) == 1


def test_closing_the_last_layer_brings_the_empty_page_back(
    hands: Any, thin: Any, thick: Any
) -> None:
    one, _ = hands.open(thin, thick)
    hands.window.actions_by_name["close_layer"].trigger()
    assert hands.session.layers == [one]
    assert hands.grid.isVisible()
    hands.session.remove_layer(one)
    assert hands.window.empty.isVisible()
    assert hands.window.windowTitle() == "CT Studio"
    assert not hands.window.actions_by_name["fit"].isEnabled()
    assert hands.session.active is None
    hands.open(thin)
    assert hands.grid.isVisible()
    assert np.array_equal(hands.view.hu, thin.hu[7])


# -- what cannot be opened -----------------------------------------------------------------------


def test_empty_folder(hands: Any, tmp_path: Path) -> None:
    empty = tmp_path / "nothing here"
    empty.mkdir()
    hands.drop(empty)
    hands.wait(hands.banner)
    assert hands.banner().startswith(f"{empty} is empty.")
    assert hands.window.empty.isVisible()


def test_text_file_named_dcm(hands: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "letter.dcm").write_text("Dear colleague, ...")
    hands.drop(folder)
    hands.wait(hands.banner)
    assert str(folder) in hands.banner()
    assert "letter.dcm" in hands.troubles[0][2], "the details name the file"
    details = next(
        b for b in hands.window.banner.findChildren(type(hands.window.banner._more))
        if b.text() == "Details"
    )  # fmt: skip
    hands.press(details)
    assert hands.asked[-1] == "dialog"


def test_a_file_beside_good_ones_is_left_out_and_named(
    hands: Any, thin: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(thin.folder, folder)
    (folder / "notes.txt").write_text("not an image")
    hands.drop(folder)
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    assert len(hands.layer("Thin slab").stack) == 14
    assert hands.banner() == "1 file was left out."
    assert "notes.txt" in hands.troubles[0][2]


def test_broken_slice_in_the_middle(hands: Any, thin: Any, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(thin.folder, folder)
    victim = sorted(folder.iterdir())[5]
    victim.write_bytes(victim.read_bytes()[:-4000])
    hands.drop(folder)
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    hands.wait(hands.banner)
    everything = " ".join(" ".join(words) for words in hands.troubles)
    assert victim.name in everything
    layer = hands.layer("Thin slab")
    kept = np.delete(thin.hu, 5, axis=0)
    assert np.array_equal(layer.stack.hu(), kept)
    hands.grid.go_to(4)
    hands.grid.step(1)
    assert np.array_equal(hands.view.hu, thin.hu[6])


def test_folder_without_permission(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    plain = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(os, "scandir", scandir)
    hands.drop(locked)
    hands.wait(hands.banner)
    assert hands.banner().startswith(f"Cannot open {locked}: permission is denied.")
    hands.open(thin)  # other work goes on
    assert np.array_equal(hands.view.hu, thin.hu[7])


def test_a_failing_reader_is_told_and_the_next_series_opens(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = opening._read

    def read(info: Any, gaze: Any) -> Any:
        if info.source.description == "Thin slab":
            raise MemoryError
        return (yield from plain(info, gaze))

    monkeypatch.setattr(opening, "_read", read)
    hands.drop(thin.folder)
    hands.wait(hands.banner)
    assert hands.banner().startswith("There is not enough memory")
    assert hands.session.layers == []
    hands.open(thick)
    assert np.array_equal(hands.view.hu, thick.hu[3])


def test_cancelled_reading_leaves_no_half_series(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = opening._read

    def slow(info: Any, gaze: Any) -> Any:
        import time

        work = plain(info, gaze)
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                return stop.value
            time.sleep(0.05)
            yield event

    monkeypatch.setattr(opening, "_read", slow)
    hands.drop(thin.folder)
    hands.wait(lambda: hands.session.layers)
    hands.wait(lambda: hands.window.job_strip.isVisible())
    hands.press(hands.window.job_strip.cancel)
    hands.idle()
    assert hands.session.layers == []
    assert hands.window.empty.isVisible()
    monkeypatch.setattr(opening, "_read", plain)
    hands.open(thin)
    assert hands.layer("Thin slab").complete


def test_banner_is_dismissed(hands: Any, tmp_path: Path) -> None:
    hands.drop(tmp_path / "gone")
    hands.wait(hands.banner)
    assert hands.banner() == f"Cannot open {tmp_path / 'gone'}: it does not exist. Check the path."
    hands.press(hands.window.banner._close)
    assert hands.banner() == ""


def test_real_series(hands: Any, test_data: Path) -> None:
    import pydicom

    folder = test_data / "fda_phantom_demo_explicitLE"
    hands.drop(folder)
    hands.wait(lambda: any(la.complete for la in hands.session.layers))
    hands.idle()
    layer = hands.session.layers[0]
    assert layer.stack.shape == (47, 512, 512)
    for index in (0, 23, 46):
        hands.grid.go_to(index)
        source = pydicom.dcmread(layer.stack.source.files[index])
        expected = source.pixel_array * float(source.RescaleSlope) + float(source.RescaleIntercept)
        assert np.array_equal(hands.view.hu, expected.astype(np.float32))
    hands.view.setFocus()
    hands.key(Qt.Key.Key_Home)
    assert hands.view.index == 0
