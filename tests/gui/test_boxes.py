"""Tumour boxes: read from files, drawn upon their slices, nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFileDialog

from ctstudio.core.errors import StudioError
from ctstudio.ct.boxes import Box
from ctstudio.workflows.boxes import boxes_of

Key, Shift = Qt.Key, Qt.KeyboardModifier.ShiftModifier
FORM = (
    "<annotation><object><name>{0}</name><bndbox><xmin>{1}</xmin><ymin>{2}</ymin>"
    "<xmax>{3}</xmax><ymax>{4}</ymax></bndbox></object></annotation>"
)


def write(folder: Path, sample: Any, height: float, edges: tuple[int, int, int, int]) -> Path:
    """A box on the slice at ``height`` mm, in the form in which they are published."""
    for path in sample.folder.rglob("*"):
        if path.is_file():
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if abs(float(header.ImagePositionPatient[2]) - height) < 0.01:
                folder.mkdir(exist_ok=True)
                file = folder / f"{header.SOPInstanceUID}.xml"
                file.write_text(FORM.format("A", *edges))
                return file
    raise AssertionError("no such slice")


def test_boxes_lie_where_they_were_drawn(
    hands: Any, thin: Any, thick: Any, elsewhere: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    here, other, there = hands.open(thin, thick, elsewhere)
    files = [
        write(tmp_path / "boxes", thin, 100 + 3 * 4, (20, 30, 50, 60)),
        write(tmp_path / "boxes", thin, 100 + 3 * 7, (10, 12, 14, 18)),
    ]
    names = ([str(file) for file in files], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: names)
    hands.grid.show_in(hands.grid.active_pane, here)
    said: list[str] = []
    hands.session.message.connect(lambda text, _ms: said.append(text))
    hands.window.actions_by_name["open_boxes"].trigger()
    hands.idle("boxes")
    boxes = hands.window.view_control.boxes
    view = hands.view
    assert said[-1] == "2 boxes shown, on slices 5 to 8"
    found = {}
    for index in range(14):
        hands.grid.go_to(index)
        found[index] = len(boxes.visible(view))
    assert {k: n for k, n in found.items() if n} == {4: 1, 7: 1}
    hands.grid.go_to(4)
    for name in ("info", "scale", "letters", "patient"):
        hands.window.actions_by_name[name].setChecked(False)
    rect = view.image_rect()
    left, top, right, bottom = (
        rect.left() + 20 * 1.1, rect.top() + 30 * 0.8, rect.left() + 50 * 1.1,
        rect.top() + 60 * 0.8,
    )  # fmt: skip
    picture = hands.picture(view.viewport())
    for u, v in ((left, (top + bottom) / 2), (right, (top + bottom) / 2), ((left + right) / 2, top),
                 ((left + right) / 2, bottom)):  # fmt: skip
        at = view.to_viewport(QPointF(u, v))
        near = {
            picture.pixelColor(round(at.x()) + i, round(at.y()) + j).name()
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        }
        assert "#ff7fa8" in near
    # The other series of the same place shows it too, one elsewhere or another plane does not.
    hands.grid.show_in(hands.grid.active_pane, other)
    assert hands.view.index == 2
    assert len(boxes.visible(view)) == 1
    hands.window.actions_by_name["coronal"].trigger()
    assert boxes.visible(view) == []
    hands.grid.show_in(hands.grid.active_pane, there)
    assert not any(boxes.visible(view) for _ in [hands.grid.go_to(k) for k in range(5)])
    hands.grid.show_in(hands.grid.active_pane, here)
    hands.grid.go_to(4)
    hands.view.setFocus()
    hands.key(Key.Key_T, Shift)
    assert boxes.visible(view) == []


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    for number, text in enumerate((
        "no xml", "<a><object><bndbox/></object></a>", FORM.format("A", 5, 5, 5, 9),
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', FORM.format("A", "x", 1, 2, 3),
    )):  # fmt: skip
        path = tmp_path / f"{number}.xml"
        path.write_text(text)
        with pytest.raises(StudioError, match=f"{number}.xml"):
            boxes_of(path)
    assert boxes_of(write_plain(tmp_path)) == [("B", (1.0, 2.0, 3.0, 4.0))]


def write_plain(folder: Path) -> Path:
    path = folder / "good.xml"
    path.write_text(FORM.format(" B ", 1, 2, 3, 4))
    return path


def test_a_series_without_such_slices_says_so(hands: Any, thin: Any, tmp_path: Path) -> None:
    (layer,) = hands.open(thin)
    (tmp_path / "1.2.3.xml").write_text(FORM.format("A", 1, 2, 3, 4))
    hands.window.view_control.boxes.read([tmp_path], layer)
    hands.idle("boxes")
    assert "None of 1 files" in hands.troubles[-1][0]


def test_published_tumours_are_tissue_in_the_lung(test_data: Path) -> None:
    from ctstudio.core.events import finish
    from ctstudio.workflows.boxes import read_boxes
    from ctstudio.workflows.open import read, scan

    (series,) = finish(scan([test_data / "lungdx_A0002_B40f_smooth"])).series
    volume = finish(read(series))
    boxes = finish(read_boxes([test_data / "lungdx_A0002_annotation_xml"], volume))
    assert len(boxes) == 10
    for box in boxes:
        (index,) = [k for k in range(len(volume)) if box.lies_on(volume.geometry, k)]
        _, y, x = volume.geometry.to_voxel(box.corners_mm.mean(axis=0))
        near = volume.slice_hu(index)[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5]
        assert -100 < np.median(near) < 150


def test_in_another_plane_a_box_is_a_line(hands: Any, thin: Any) -> None:
    (layer,) = hands.open(thin)
    geometry = layer.stack.geometry
    box = Box.on_slice("A", geometry, 4, (20.0, 30.0, 50.0, 60.0))
    boxes = hands.window.view_control.boxes
    boxes.put(layer, [box])
    for name in ("info", "scale", "letters", "patient"):
        hands.window.actions_by_name[name].setChecked(False)
    hands.window.actions_by_name["coronal"].trigger()
    view = hands.view
    found = {}
    for index in range(len(view.stack)):
        hands.grid.go_to(index)
        found[index] = len(boxes.cuts(view))
    assert [k for k, n in found.items() if n] == list(range(30, 60))
    hands.grid.go_to(45)
    picture = hands.picture(view.viewport())
    height = geometry.positions_mm[4] @ view.stack.geometry.column_direction
    for x, inside in ((21, True), (35, True), (49, True), (15, False), (55, False)):
        across = (geometry.positions_mm[4] + (x - 0.5) * 1.1 * geometry.row_direction) @ (
            view.stack.geometry.row_direction
        )
        at = view.to_viewport(QPointF(across, height))
        near = {picture.pixelColor(round(at.x()), round(at.y()) + j).name() for j in range(-2, 3)}
        assert ("#ff7fa8" in near) == inside, x
    hands.view.setFocus()
    hands.key(Key.Key_T, Shift)
    assert boxes.cuts(view) == []


def test_boxes_that_are_out_of_sight_are_gone_to(hands: Any, thin: Any, tmp_path: Path) -> None:
    (layer,) = hands.open(thin)
    hands.grid.go_to(1)
    boxes = hands.window.view_control.boxes
    file = write(tmp_path / "boxes", thin, 100 + 3 * 9, (20, 30, 50, 60))
    boxes.read([file, write(tmp_path / "boxes", thin, 100 + 3 * 12, (20, 30, 50, 60))], layer)
    hands.idle("boxes")
    assert hands.view.index == 9, "the nearer one"
    assert len(boxes.visible(hands.view)) == 1
    # What is seen is looked at: nothing moves.
    boxes.read([write(tmp_path / "more", thin, 100 + 3 * 3, (20, 30, 50, 60))], layer)
    hands.idle("boxes")
    assert hands.view.index == 9
