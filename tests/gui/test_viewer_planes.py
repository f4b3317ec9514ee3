"""Other planes and slabs in the panes: values, sides, places, and what moves together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest

from tests.gui.looking import place_of

Shift = Qt.KeyboardModifier.ShiftModifier


def turn(hands: Any, name: str) -> None:
    """What a menu entry or its key does."""
    hands.window.actions_by_name[name].trigger()
    hands.pause(10)


def test_keys_turn_the_active_pane(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view, hu = hands.view, thin.hu
    z = view.index
    turn(hands, "coronal")
    y = hu.shape[1] // 2 - 1
    assert view.index in (y, y + 1)
    assert np.array_equal(view.hu, hu[::-1, view.index])
    assert view.stack.geometry.edge_letters == ("R", "L", "S", "I")
    hands.wheel(view, 3)
    assert np.array_equal(view.hu, hu[::-1, view.index])
    assert hands.grid.slider.maximum() == hu.shape[1] - 1
    turn(hands, "sagittal")
    x = hu.shape[2] - 1 - view.index
    assert np.array_equal(view.hu, hu[::-1, :, x])
    assert view.stack.geometry.edge_letters == ("A", "P", "S", "I")
    turn(hands, "axial")
    assert view.index == z
    assert np.array_equal(view.hu, hu[z])


def test_pixels_have_their_true_proportions(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "coronal")
    rect = hands.view.image_rect()
    dz = 3.0
    assert rect.height() == pytest.approx(thin.hu.shape[0] * dz)
    corner, far = place_of(hands.view, 0, 0), place_of(hands.view, 5, 5)
    across, down = far.x() - corner.x(), far.y() - corner.y()
    dx = hands.view.stack.geometry.spacing_mm[1]
    assert down / across == pytest.approx(dz / dx, rel=1e-6)


def test_three_planes_and_a_crosshair_through_them(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "planes")
    panes = hands.grid.visible_panes
    assert [p.view.shown_plane for p in panes] == ["axial", "coronal", "sagittal"]
    assert [p.plane_button.text() for p in panes] == ["Axial", "Coronal", "Sagittal"]
    axial, coronal, sagittal = (p.view for p in panes)
    y, x = 30, 50
    hands.move(axial, place_of(axial, y, x), Shift)
    assert coronal.index == y
    assert sagittal.index == thin.hu.shape[2] - 1 - x
    for view in (coronal, sagittal):
        # The crosshair lies on the same patient point in every plane.
        probe = view.probe(view._crosshair)
        assert probe.voxel == (x, y, axial.index)
        assert probe.value == thin.hu[axial.index, y, x]
    hands.wheel(coronal, 2)
    assert coronal.index == y + 2
    assert axial.index == thin.hu.shape[0] // 2, "other planes are not scrolled along"


def test_the_probe_names_the_voxel_of_the_scan(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "sagittal")
    view = hands.view
    probe = view.probe(view.to_plane(place_of(view, 2, 40)))
    x = thin.hu.shape[2] - 1 - view.index
    z = thin.hu.shape[0] - 1 - 2
    assert probe.voxel == (x, 40, z)
    assert probe.value == thin.hu[z, 40, x]


def test_slabs_from_the_panes_menu(hands: Any, thin: Any) -> None:
    hands.open(thin)
    pane, z = hands.grid.active_pane, hands.view.index
    pane._fill_plane_menu()
    menus = [a.menu() for a in pane._plane_menu.actions() if a.menu() is not None]
    assert [m.title() for m in menus] == ["Slab: MIP", "Slab: MinIP", "Slab: mean"]
    menus[0].actions()[1].trigger()  # 10 mm of slices 3 mm apart: one on either side
    assert np.array_equal(hands.view.hu, thin.hu[z - 1 : z + 2].max(0))
    assert pane.plane_button.text() == "Axial, MIP 10 mm"
    turn(hands, "coronal")
    assert pane.plane_button.text() == "Coronal, MIP 10 mm"
    spacing = hands.view.layer.stack.geometry.spacing_mm[0]
    reach = int(5 / spacing + 1e-6)
    around = slice(hands.view.index - reach, hands.view.index + reach + 1)
    assert np.array_equal(hands.view.hu, thin.hu[::-1, around].max(1))
    pane._fill_plane_menu()
    single = next(a for a in pane._plane_menu.actions() if a.text() == "Single slices")
    single.trigger()
    assert np.array_equal(hands.view.hu, thin.hu[::-1, hands.view.index])


def test_slabs_by_keys(hands: Any, thin: Any) -> None:
    hands.open(thin)
    pane = hands.grid.active_pane
    hands.view.setFocus()

    def press(key: Any) -> str:
        hands.key(key, Qt.KeyboardModifier.AltModifier)
        return pane.plane_button.text()

    assert [press(Qt.Key.Key_R) for _ in range(4)] == [
        "Axial, MIP 10 mm", "Axial, MinIP 10 mm", "Axial, mean 10 mm", "Axial",
    ]  # fmt: skip
    assert press(Qt.Key.Key_Equal) == "Axial, MIP 10 mm", "a slab to begin with"
    assert press(Qt.Key.Key_Equal) == "Axial, MIP 20 mm"
    assert [press(Qt.Key.Key_Minus) for _ in range(3)][-1] == "Axial, MIP 5 mm", "no thinner"
    assert press(Qt.Key.Key_R) == "Axial, MinIP 5 mm"
    hands.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert pane.plane_button.text() == "Axial, MIP 5 mm"


def test_layers_of_a_pane_by_keys(hands: Any, thin: Any, thick: Any) -> None:
    one, other = hands.open(thin, thick)
    hands.view.setFocus()
    shown = [hands.view.layer]
    for key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
        hands.key(key, Qt.KeyboardModifier.ControlModifier)
        shown.append(hands.view.layer)
    assert shown == [other, one, other, one]


def test_layers_side_by_side_keep_the_plane(hands: Any, thin: Any, thick: Any) -> None:
    one, other = hands.open(thin, thick)
    hands.grid.show_in(hands.grid.active_pane, one)
    turn(hands, "coronal")
    hands.session.hang.emit([one, other])
    hands.pause(10)
    views = [pane.view for pane in hands.grid.visible_panes]
    assert [v.shown_plane for v in views] == ["coronal", "coronal"]
    hands.wheel(views[0], 3)
    assert views[0].index == views[1].index, "their rows are the same"
    assert np.array_equal(views[1].hu, thick.hu[::-1, views[1].index])


def test_a_series_elsewhere_begins_in_its_own_plane(hands: Any, thin: Any, elsewhere: Any) -> None:
    here, there = hands.open(thin, elsewhere)
    hands.grid.show_in(hands.grid.active_pane, here)
    turn(hands, "sagittal")
    hands.grid.show_in(hands.grid.active_pane, there)
    assert hands.view.shown_plane == "axial"


def test_pictures_are_those_of_the_plane(hands: Any, thin: Any, tmp_path: Any) -> None:
    from PIL import Image

    hands.open(thin)
    turn(hands, "coronal")
    (shot, _caption) = hands.window.exporter.shots()[0]
    assert np.array_equal(shot.stack.slice_hu(shot.index), hands.view.hu)
    hands.window.exporter.save_picture(tmp_path / "coronal.png")
    hands.idle("export")
    with Image.open(tmp_path / "coronal.png") as picture:
        grey = np.asarray(picture.convert("L"))
    assert (np.diff(np.unique(grey)) > 0).sum() > 3


def test_slices_that_arrive_appear_in_the_cut(hands: Any, thin: Any) -> None:
    (layer,) = hands.open(thin)
    turn(hands, "coronal")
    view = hands.view
    before = view.hu.copy()
    writable = np.array(layer.stack.voxels)
    writable[3] += 100
    layer.stack = replace(layer.stack, voxels=writable)
    hands.session.layer_changed.emit(layer, 3)
    hands.wait(lambda: not np.array_equal(view.hu, before))
    changed = np.flatnonzero((view.hu != before).any(axis=1))
    assert list(changed) == [thin.hu.shape[0] - 1 - 3]


@pytest.mark.parametrize("keys", ["Alt+C", "Alt+5", "Alt+Up", "Alt+R", "C"])
def test_a_single_slice_says_what_it_has_not(
    keys: str, hands: Any, thin: Any, tmp_path: Path
) -> None:
    file = sorted(thin.folder.iterdir())[5]
    (tmp_path / file.name).write_bytes(file.read_bytes())
    hands.window.open_paths([tmp_path / file.name])
    hands.wait(lambda: hands.session.layers)
    hands.idle()
    told: list[str] = []
    hands.session.message.connect(lambda text, _ms: told.append(text))
    before = hands.view.shown_plane
    hands.view.setFocus()
    QTest.keySequence(hands.view, QKeySequence(keys))
    hands.pause(120)
    assert told == ["A single slice has no other planes, no slabs and no cine."]
    assert hands.view.shown_plane == before
    assert not hands.window.actions_by_name["cine"].isChecked()
