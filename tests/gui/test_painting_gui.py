"""Painting masks with mouse and keys: what is marked, taken back, kept."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QInputDialog

from ctstudio.ct.labels import BACKGROUND
from ctstudio.ct.window import Window
from ctstudio.gui.masks.paint_bar import PaintBar
from ctstudio.gui.session import Layer
from tests.gui.looking import button_of, place_of

Ctrl = Qt.KeyboardModifier.ControlModifier
Left, Right = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


def draw(
    hands: Any, start: tuple[float, float], end: tuple[float, float], button: Any = Left
) -> None:
    """Drag from one pixel (y, x) of the slice to another."""
    first, last = place_of(hands.view, *start), place_of(hands.view, *end)
    hands.drag(hands.view, button, first, last - first)


@pytest.fixture
def studio(hands: Any, thin: Any) -> Any:
    """A series open, painting begun on slice 7."""
    hands.open(thin)
    hands.grid.go_to(7)
    hands.window.actions_by_name["paint"].trigger()
    hands.pause(10)
    hands.bar = hands.window.findChild(PaintBar)
    return hands


def labels(hands: Any) -> np.ndarray:
    (mask,) = hands.window.masks.layers
    return mask.stack.voxels


def test_a_dab_and_a_stroke(studio: Any, thin: Any) -> None:
    assert studio.bar.isVisible()
    view, window = studio.view, studio.view.window
    studio.bar.radius.setValue(4.0)
    studio.click(view, Left, place_of(view, 40, 30))
    y, x = np.mgrid[: thin.hu.shape[1], : thin.hu.shape[2]]
    dy, dx = view.stack.geometry.spacing_mm
    away = np.hypot((y - 40) * dy, (x - 30) * dx)
    got = labels(studio)[7] == 1
    # The mouse stands on whole screen pixels.
    assert got[away < 3.6].all()
    assert not got[away > 4.4].any()
    assert labels(studio).sum() == got.sum(), "other slices stay empty"
    draw(studio, (40, 30), (40, 60))
    assert (labels(studio)[7][40, 30:61] == 1).all()
    assert view.window == window, "the window is not dragged meanwhile"
    assert np.array_equal(view.hu, thin.hu[7])


def test_strokes_are_taken_back_and_made_again(studio: Any) -> None:
    draw(studio, (30, 20), (50, 50))
    first = labels(studio).copy()
    studio.bar.tools["eraser"].click()
    draw(studio, (40, 10), (40, 70))
    second = labels(studio).copy()
    assert 0 < second.sum() < first.sum()
    studio.key(Qt.Key.Key_Z, Ctrl)
    assert np.array_equal(labels(studio), first)
    assert studio.window.actions_by_name["undo"].text() == "Undo paint"
    studio.key(Qt.Key.Key_Z, Ctrl)
    assert not labels(studio).any()
    assert not studio.window.actions_by_name["undo"].isEnabled()
    studio.key(Qt.Key.Key_Y, Ctrl)
    studio.key(Qt.Key.Key_Y, Ctrl)
    assert np.array_equal(labels(studio), second)


def test_only_what_has_these_hu(studio: Any, thin: Any) -> None:
    hu = thin.hu[7]
    inside = hu > -200
    studio.bar.low.setValue(-200)
    studio.bar.high.setValue(3000)
    studio.bar.limited.setChecked(True)
    studio.bar.radius.setValue(30.0)
    draw(studio, (20, 20), (60, 60))
    got = labels(studio)[7] == 1
    assert got.any()
    assert not got[~inside].any()


def test_fill_grows_within_the_limits(studio: Any, thin: Any) -> None:
    from skimage.segmentation import flood

    view, hu = studio.view, thin.hu[7]
    seed = tuple(int(v) for v in np.argwhere(hu > -200)[hu[hu > -200].size // 2])
    studio.bar.low.setValue(-200)
    studio.bar.high.setValue(3000)
    studio.bar.limited.setChecked(True)
    studio.bar.tools["fill"].click()
    assert not studio.bar.radius.isEnabled()
    studio.click(view, Left, place_of(view, *seed))
    want = flood(((hu >= -200) & (hu <= 3000)).astype(int), seed, connectivity=1)
    assert np.array_equal(labels(studio)[7] == 1, want)


def test_fill_closes_an_outline(studio: Any) -> None:
    view = studio.view
    studio.bar.radius.setValue(1.5)
    corners = [(30, 20), (30, 50), (60, 50), (60, 20), (30, 20)]
    for start, end in itertools.pairwise(corners):
        draw(studio, start, end)
    studio.bar.tools["fill"].click()
    studio.click(view, Left, place_of(view, 45, 35))
    assert (labels(studio)[7][30:61, 20:51] == 1).all()
    assert labels(studio)[7][10, 10] == 0


def test_slices_between_are_filled(studio: Any) -> None:
    view = studio.view
    studio.bar.radius.setValue(8.0)
    for z in (3, 7):
        studio.grid.go_to(z)
        studio.click(view, Left, place_of(view, 40, 40))
    studio.press(studio.bar.between)
    drawn = (labels(studio) == 1).sum((1, 2))
    assert (drawn[3:8] > 0).all()
    assert np.ptp(drawn[3:8]) <= 4, "the same disc in all of them"
    assert not drawn[[2, 8]].any()
    studio.key(Qt.Key.Key_Z, Ctrl)
    assert not (labels(studio)[4:7]).any()


def test_what_is_painted_is_saved_from_the_bar_and_the_menu(
    studio: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nibabel

    view, window = studio.view, studio.window
    studio.bar.radius.setValue(6.0)
    studio.click(view, Left, place_of(view, 40, 30))
    assert not window.actions_by_name["export_dicom"].isEnabled(), "the series itself is active"
    folders = iter([tmp_path / "bar", tmp_path / "menu"])
    titles: list[str] = []

    def name(_parent: Any, title: str, *_: Any) -> tuple[str, str]:
        titles.append(title)
        return str(next(folders)), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", name)
    studio.press(studio.bar.save)
    studio.wait(lambda: (tmp_path / "bar").is_dir(), "for the files")
    studio.idle()
    window.painter.set_on(False)  # then it is the mask of the active series
    studio.key(Qt.Key.Key_B, Ctrl | Qt.KeyboardModifier.AltModifier)
    studio.wait(lambda: (tmp_path / "menu").is_dir(), "for the files")
    studio.idle()
    assert titles == ["Name of the new folder for the mask (DICOM SEG and NIfTI)"] * 2
    there = view.stack.geometry
    for folder in ("bar", "menu"):
        (path,) = (tmp_path / folder).glob("*.nii.gz")
        image = nibabel.load(path)
        drawn = np.argwhere(np.asarray(image.dataobj) == 1)
        at = (image.affine @ np.c_[drawn, np.ones(len(drawn))].T).T[:, :3] * (-1, -1, 1)
        z, y, x = np.argwhere(labels(studio) == 1).T
        want = (
            there.positions_mm[z]
            + y[:, None] * there.spacing_mm[0] * there.column_direction
            + x[:, None] * there.spacing_mm[1] * there.row_direction
        )
        near = np.linalg.norm(at[:, None] - want[None], axis=2)
        assert len(at) == len(want)
        assert near.min(axis=0).max() < 1e-3, "mm in the patient"
        assert near.min(axis=1).max() < 1e-3
    window.session.remove_layer(window.masks.layers[0])
    window.actions_by_name["save_mask"].trigger()
    assert len(titles) == 2, "there is none to be saved"


def test_labels_of_their_own(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    view, box = studio.view, studio.bar.label_box
    studio.click(view, Left, place_of(view, 30, 30))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("vessel", True))
    row = box.findText("New label ...")
    box.setCurrentIndex(row)
    box.activated.emit(row)
    assert box.currentText() == "vessel"
    studio.click(view, Left, place_of(view, 60, 60))
    (mask,) = studio.window.masks.layers
    assert [(la.number, la.name) for la in mask.stack.labels] == [(1, "Label 1"), (2, "vessel")]
    assert labels(studio)[7][60, 60] == 2
    studio.bar.tools["eraser"].click()
    studio.click(view, Left, place_of(view, 30, 30))
    assert labels(studio)[7][30, 30] == 1, "the eraser takes the chosen label alone"


def test_keys_and_the_end(studio: Any) -> None:
    view, bar = studio.view, studio.bar
    before = bar.radius.value()
    view.setFocus()
    studio.key(Qt.Key.Key_BracketRight)
    studio.pause(150)  # a button stays pressed for a moment
    assert bar.radius.value() > before
    studio.key(Qt.Key.Key_BracketLeft)
    studio.pause(150)  # a button stays pressed for a moment
    assert bar.radius.value() == pytest.approx(before, abs=0.1)
    studio.key(Qt.Key.Key_E)
    studio.pause(150)  # a button stays pressed for a moment
    assert bar.tools["eraser"].isChecked()
    draw(studio, (20, 20), (30, 30), Right)
    assert not labels(studio).any(), "other buttons do what they always do"
    studio.press(bar.done)
    assert not bar.isVisible()
    assert not studio.window.actions_by_name["paint"].isChecked()
    draw(studio, (20, 20), (30, 50))
    assert not labels(studio).any()
    assert isinstance(view.window, Window)


def test_an_opened_mask_is_corrected_and_the_file_is_not(
    hands: Any, thin: Any, tmp_path: Any
) -> None:
    from ctstudio.core.events import finish
    from ctstudio.ct.labels import Label, label_map
    from ctstudio.workflows.save import save

    (layer,) = hands.open(thin)
    volume = layer.volume
    numbers = (thin.hu > 0).astype(np.uint8)
    mask = label_map(numbers, volume.geometry, volume.source, (Label(1, "body", (9, 9, 9)),))
    files = finish(save(mask, tmp_path / "out", "nifti", description="mask", method="drawn"))
    stored = [path.read_bytes() for path in files]
    hands.window.masks.read([p for p in files if p.name.endswith(".nii.gz")], layer)
    hands.wait(lambda: bool(hands.window.masks.layers))
    hands.window.actions_by_name["paint"].trigger()
    hands.grid.go_to(7)
    hands.click(hands.view, Left, place_of(hands.view, 3, 3))
    assert labels(hands)[7][3, 3] == 1
    assert [path.read_bytes() for path in files] == stored
    assert len(hands.window.masks.layers) == 1


def test_a_brush_on_pictures_without_a_spacing_is_told_in_pixels(hands: Any, thin: Any) -> None:
    (layer,) = hands.open(thin)
    volume = layer.volume
    flat = replace(volume, geometry=replace(volume.geometry, spacing_known=False))
    picture = hands.session.add_layer(Layer("Picture", "original", flat))
    for shown, unit in ((layer, " mm"), (picture, " px")):
        hands.grid.hang([shown])
        hands.window.actions_by_name["paint"].trigger()
        draw(hands, (30, 30), (30, 40))
        bar = hands.window.findChild(PaintBar)
        assert bar.radius.suffix() == unit
        hands.window.actions_by_name["paint"].trigger()


def test_closing_the_series_ends_painting(studio: Any) -> None:
    studio.click(studio.view, Left, place_of(studio.view, 30, 30))
    studio.session.remove_layer(studio.session.layers[0])
    assert not studio.window.painter.on
    assert studio.view.tool is None
    studio.session.undo.undo()  # of a mask that is gone: nothing happens
    assert studio.session.layers == []


def test_ctrl_and_wheel_size_the_brush_and_nothing_else(studio: Any) -> None:
    view, bar = studio.view, studio.bar
    framing, radius = view.framing, bar.radius.value()
    at = place_of(view, 40, 30)
    studio.move(view, at)
    studio.wheel(view, 1, at, Ctrl)
    assert bar.radius.value() > radius
    assert view._brush[1] == pytest.approx(studio.window.painter.radius_mm), "the circle follows"
    studio.wheel(view, -2, at, Ctrl)
    assert bar.radius.value() < radius
    assert view.framing == framing
    studio.press(bar.done)
    studio.wheel(view, 1, at, Ctrl)
    assert view.framing != framing, "without a brush it zooms, as always"


def test_the_circle_is_there_as_soon_as_the_brush_is(studio: Any) -> None:
    view = studio.view
    studio.move(view, place_of(view, 40, 30))
    view.setFocus()
    studio.key(Qt.Key.Key_F)
    studio.pause(150)
    assert view._brush is None
    studio.key(Qt.Key.Key_B)
    studio.pause(150)
    assert view._brush is not None, "though the mouse was not moved"
    framing = view.framing
    studio.wheel(view, 1, place_of(view, 40, 30), Ctrl)
    assert view.framing == framing


def test_annotating_in_part(studio: Any) -> None:
    view, bar = studio.view, studio.bar
    studio.click(view, Left, place_of(view, 30, 30))
    painted = labels(studio) == 1
    studio.press(bar.sparse)
    assert np.array_equal(labels(studio) == -1, ~painted)
    assert [bar.label_box.itemText(k) for k in range(2)] == ["Label 1", "Background"]
    hatched = next(i for i in view._overlays if i.image is not None).image
    assert hatched[60:70, 10:20, 3].any(), "what is not annotated is seen to be so"
    bar.label_box.setCurrentIndex(1)
    bar.label_box.activated.emit(1)
    studio.click(view, Left, place_of(view, 70, 40))
    background = labels(studio)[7] == 0
    assert background[70, 40]
    picture = next(i for i in view._overlays if i.image is not None).image
    assert set(map(tuple, picture[background])) == {(*BACKGROUND.colour, 56)}
    studio.press(bar.tools["eraser"])
    studio.click(view, Left, place_of(view, 70, 40))
    assert labels(studio)[7][70, 40] == -1, "erased is not annotated"
    studio.key(Qt.Key.Key_Z, Ctrl)
    assert labels(studio)[7][70, 40] == 0
    for _ in range(2):
        studio.key(Qt.Key.Key_Z, Ctrl)
    assert not bar.sparse.isChecked()
    assert np.array_equal(labels(studio), painted)


def test_what_was_not_annotated_becomes_background_again(studio: Any) -> None:
    view, bar = studio.view, studio.bar
    studio.press(bar.sparse)
    bar.label_box.setCurrentIndex(1)
    bar.label_box.activated.emit(1)
    studio.click(view, Left, place_of(view, 30, 30))
    before = labels(studio).copy()
    studio.press(bar.sparse)
    assert not labels(studio).any()
    assert studio.window.painter.number == 1, "background is no label any more"
    studio.key(Qt.Key.Key_Z, Ctrl)
    assert np.array_equal(labels(studio), before)


@pytest.mark.parametrize("answer", ["Not annotated", "All background", "Cancel"])
def test_what_empty_slices_mean_is_asked_before_training(
    studio: Any, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    from PySide6.QtWidgets import QMessageBox

    got: list[Any] = []
    studio.bar.train_requested.connect(got.append)
    studio.press(studio.bar.train)
    assert got == [], "nothing is painted yet"
    studio.click(studio.view, Left, place_of(studio.view, 30, 30))

    monkeypatch.setattr(QMessageBox, "clickedButton", lambda box: button_of(box, answer))
    studio.press(studio.bar.train)
    assert len(got) == (answer != "Cancel")
    sparse = answer == "Not annotated"
    assert (labels(studio)[[0, 13]] == -1).all() == sparse
    assert set(np.unique(labels(studio)[7])) == {0, 1}, "a slice with a label is whole"
