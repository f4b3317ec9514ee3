"""Several panes: layouts, what hangs where, and what moves together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QSplitter

from ctstudio.ct.window import PRESETS, Window
from tests.gui.looking import place_of

Key = Qt.Key
Left, Middle = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def side_by_side(hands: Any, *samples: Any) -> list[Any]:
    layers = hands.open(*samples)
    hands.session.hang.emit(layers)
    hands.pause(10)
    return [pane.view for pane in hands.grid.visible_panes]


@pytest.mark.parametrize(
    ("name", "shape"),
    [("1", (1, 1)), ("1x2", (1, 2)), ("1x3", (1, 3)), ("2x2", (2, 2)), ("3x3", (3, 3))],
)
def test_layouts(hands: Any, thin: Any, thick: Any, name: str, shape: tuple[int, int]) -> None:
    hands.open(thin, thick)
    action = hands.window.actions_by_name[f"layout_{name}"]
    action.setChecked(True)
    hands.pause(10)
    panes = [pane for pane in hands.grid.panes if pane.isVisible()]
    assert len(panes) == shape[0] * shape[1]
    places = [QRect(pane.mapTo(hands.grid, QPoint(0, 0)), pane.size()) for pane in panes]
    assert len({p.top() for p in places}) == shape[0]
    assert len({p.left() for p in places}) == shape[1]
    assert np.ptp([p.width() for p in places]) <= 2, "panes of a grid are equally wide"
    shown = [pane.layer.name for pane in panes if pane.layer is not None]
    assert shown == ["Thick slab", "Thin slab"][: len(panes)]
    assert action.isChecked()
    hands.window.actions_by_name["layout_1"].setChecked(True)
    assert [pane.isVisible() for pane in hands.grid.panes] == [True] + 8 * [False]


def test_scrolling_follows_millimetres(hands: Any, thin: Any, thick: Any) -> None:
    fine, coarse = side_by_side(hands, thin, thick)
    fine.setFocus()
    hands.grid.activate(hands.grid.panes[0])
    hands.key(Key.Key_Home)
    for _ in range(13):
        hands.wheel(fine, 1)
        expected = round(fine.index * 3 / 6 - 1e-6)  # halfway goes to the lower slice
        assert abs(coarse.index * 6 - fine.index * 3) <= 3
        assert coarse.index == expected
    hands.wheel(coarse, -2)
    assert fine.index * 3 == coarse.index * 6
    hands.window.actions_by_name["link_scroll"].setChecked(False)
    index = coarse.index
    hands.wheel(fine, 1)
    assert coarse.index == index
    hands.window.actions_by_name["link_scroll"].setChecked(True)
    hands.wheel(fine, -5)
    assert abs(coarse.index * 6 - fine.index * 3) <= 3


def test_another_frame_of_reference_stays_alone(hands: Any, thin: Any, elsewhere: Any) -> None:
    one, other = side_by_side(hands, thin, elsewhere)
    index, framing = other.index, other.framing
    hands.wheel(one, -2)
    hands.wheel(one, 2, modifiers=Ctrl)
    hands.move(one, QPointF(200, 200), Shift)
    assert (other.index, other.framing) == (index, framing)
    assert other._crosshair is None
    assert "Elsewhere" not in hands.window.probe_label.text()


def test_window_together_and_apart(hands: Any, thin: Any, thick: Any) -> None:
    one, two = side_by_side(hands, thin, thick)
    hands.drag(one, Left, QPointF(200, 200), QPointF(40, 10))
    assert two.window == one.window != Window(40, 400)
    hands.window.actions_by_name["link_window"].setChecked(False)
    before = two.window
    hands.key(Key.Key_1)
    assert one.window == PRESETS["Lung"]
    assert two.window == before


@pytest.mark.parametrize("linked", [True, False])
def test_a_series_opened_beside_another_is_seen_in_its_window(
    hands: Any, thin: Any, thick: Any, linked: bool
) -> None:
    hands.open(thin, thick)
    hands.key(Key.Key_1)
    hands.window.actions_by_name["link_window"].setChecked(linked)
    hands.window.actions_by_name["layout_1x2"].setChecked(True)
    one, two = (pane.view for pane in hands.grid.visible_panes)
    assert one.layer is not two.layer
    assert one.window == PRESETS["Lung"]
    assert (two.window == PRESETS["Lung"]) == linked


def test_what_is_linked_again_agrees_at_once(hands: Any, thin: Any, thick: Any) -> None:
    one, two = side_by_side(hands, thin, thick)
    for number in (Key.Key_1, Key.Key_2, Key.Key_3, Key.Key_4):
        hands.key(number, Ctrl)
    hands.wheel(one, -2)
    hands.key(Key.Key_1)
    hands.wheel(one, 3, QPointF(150, 220), Ctrl)
    assert two.window != one.window
    assert two.framing != one.framing
    assert two.index != (one.index + 1) // 2
    for number in (Key.Key_1, Key.Key_2, Key.Key_3, Key.Key_4):
        hands.key(number, Ctrl)
    assert two.window == one.window == PRESETS["Lung"]
    assert two.framing == one.framing
    far = two.stack.geometry.offsets_mm[two.index] - one.stack.geometry.offsets_mm[one.index]
    assert abs(far) <= 3.0, "the nearest of slices 6 mm apart"


def test_a_header_that_is_used_makes_its_pane_the_active_one(
    hands: Any, thin: Any, thick: Any
) -> None:
    side_by_side(hands, thin, thick)
    other = hands.grid.visible_panes[1]
    assert hands.grid.active_pane is not other
    for button in (other.button, other.plane_button):
        hands.grid.activate(hands.grid.panes[0])
        button.menu().aboutToShow.emit()
        assert hands.grid.active_pane is other


def test_zoom_and_pan_together_and_apart(hands: Any, thin: Any, thick: Any) -> None:
    one, two = side_by_side(hands, thin, thick)
    hands.wheel(one, 3, QPointF(150, 220), Ctrl)
    hands.drag(one, Middle, QPointF(200, 200), QPointF(30, 12))
    assert two.framing == one.framing
    hands.window.actions_by_name["link_zoom"].setChecked(False)
    kept = two.framing
    hands.wheel(two, -1, QPointF(90, 90), modifiers=Ctrl)
    assert one.framing.scale == kept.scale > two.framing.scale
    assert (one.framing.u, one.framing.v) == (two.framing.u, two.framing.v), "pan is linked still"
    hands.window.actions_by_name["link_zoom"].setChecked(True)
    hands.window.actions_by_name["link_pan"].setChecked(False)
    place = (two.framing.u, two.framing.v)
    hands.wheel(one, 2, QPointF(200, 90), modifiers=Ctrl)
    assert two.framing.scale == one.framing.scale
    assert (two.framing.u, two.framing.v) == place != (one.framing.u, one.framing.v)


def test_headers_say_what_is_linked(hands: Any, thin: Any, thick: Any, elsewhere: Any) -> None:
    side_by_side(hands, thin, thick, elsewhere)
    marks = [pane.link_mark for pane in hands.grid.visible_panes]
    assert [mark.isVisible() for mark in marks] == [True, True, False], "another space is alone"
    assert marks[1].toolTip().endswith("slices, window, zoom, pan, crosshair")
    for name in ("scroll", "pan"):
        hands.window.actions_by_name[f"link_{name}"].setChecked(False)
    assert marks[1].toolTip().endswith(": window, zoom, crosshair")
    for name in ("window", "zoom", "crosshair"):
        hands.window.actions_by_name[f"link_{name}"].setChecked(False)
    assert marks[0].toolTip() == "Not linked"


def test_crosshair_and_values_in_every_pane(hands: Any, thin: Any, thick: Any) -> None:
    one, two = side_by_side(hands, thin, thick)
    at = place_of(one, 60, 20)
    hands.move(one, at, Shift)
    assert one._crosshair is not None
    assert two._crosshair == one._crosshair
    text = hands.window.probe_label.text()
    assert f"<b>{thin.hu[one.index, 60, 20]}</b>" in text
    assert f"<b>{thick.hu[two.index, 60, 20]}</b>" in text
    assert text.index("Thin slab") < text.index("Thick slab")
    seen = hands.picture(two.viewport())
    mark = two.to_viewport(two._crosshair)
    column = [seen.pixelColor(5, y).name() for y in range(seen.height())]
    assert column.count("#f2c14e") == 1
    assert abs(column.index("#f2c14e") + 0.5 - mark.y()) <= 1
    hands.window.actions_by_name["link_crosshair"].setChecked(False)
    hands.move(one, at + QPointF(20, 20), Shift)
    assert two._crosshair != one._crosshair


@pytest.mark.parametrize("wide", [True, False])
def test_names_beside_values_have_the_room_there_is(hands: Any, thin: Any, wide: bool) -> None:
    (layer,) = hands.open(thin)
    layer.name = "Thorax sharp kernel, series one"
    label = hands.window.probe_label
    label.resize(1000 if wide else 300, label.height())
    place = hands.view.to_plane(place_of(hands.view, 40, 40))
    label.show_probes([(layer, hands.view.probe(place))])
    told = "Thorax sharp kernel, series one" if wide else "Thorax sh...series one"
    assert label.text().startswith(f"{told} <b>")


def test_a_mirrored_series_shows_the_same_patient_place(
    hands: Any, thin: Any, mirrored: Any
) -> None:
    one, two = side_by_side(hands, thin, mirrored)
    assert one.index == two.index
    hands.move(one, place_of(one, 3, 3), Shift)  # a corner that tells left from right
    text = hands.window.probe_label.text()
    value = f"<b>{thin.hu[one.index, 3, 3]}</b>"
    assert text.count(value) == 2, text
    spot = two.to_viewport(two._crosshair)
    assert abs((spot - place_of(two, 92, 76)).manhattanLength()) < 0.01
    hands.wheel(one, 4, place_of(one, 3, 3), Ctrl)
    near = two.to_plane(QPointF(two.viewport().rect().center()))
    assert two.probe(near) is not None
    mine = one.probe(one.to_plane(QPointF(one.viewport().rect().center())))
    twin = two.probe(near)
    assert twin.point_mm == pytest.approx(mine.point_mm, abs=1.2)


def test_a_new_pane_joins_the_place_of_its_relatives(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    hands.grid.go_to(1)
    hands.wheel(hands.view, 4, QPointF(200, 200), Ctrl)
    hands.key(Key.Key_1)
    hands.window.actions_by_name["layout_1x2"].setChecked(True)
    one, two = (pane.view for pane in hands.grid.visible_panes)
    assert two.layer.name == "Thin slab"
    assert two.index == 2, "6 mm above the first slice, in slices of 3 mm"
    assert two.framing == one.framing


def test_the_header_of_a_pane_chooses_its_layer(hands: Any, thin: Any, thick: Any) -> None:
    one, two = hands.open(thin, thick)
    pane = hands.grid.panes[0]
    assert pane.button.text() == two.name
    menu = pane.button.menu()
    menu.aboutToShow.emit()
    assert [a.text() for a in menu.actions()] == [one.name, two.name]
    assert [a.isChecked() for a in menu.actions()] == [False, True]
    menu.actions()[0].trigger()
    assert pane.layer is one
    assert pane.button.text() == one.name
    assert hands.session.active is one


def test_slider_and_label_follow_the_active_pane(hands: Any, thin: Any, thick: Any) -> None:
    side_by_side(hands, thin, thick)
    grid = hands.grid
    assert (grid.slider.maximum(), grid._label.text()) == (13, "7 / 14")
    hands.click(grid.panes[1].view, Left)
    assert grid.slider.maximum() == 6
    assert grid._label.text() == f"{grid.panes[1].view.index + 1} / 7"
    grid.slider.setValue(0)
    assert [pane.view.index for pane in grid.visible_panes] == [0, 0]


def test_lines_between_panes_are_dragged_and_stand_evenly_again(
    hands: Any, thin: Any, thick: Any
) -> None:
    side_by_side(hands, thin, thick)
    hands.pause(10)
    one, two = hands.grid.visible_panes
    splitter = one.parentWidget()
    assert isinstance(splitter, QSplitter)
    handle = splitter.handle(1)
    at = handle.rect().center()
    QTest.mousePress(handle, Left, pos=at)
    QTest.mouseMove(handle, at + QPoint(120, 0))
    QTest.mouseRelease(handle, Left, pos=at)
    assert one.width() - two.width() == pytest.approx(240, abs=6)
    assert hands.grid.layout_name == "1x2", "a grid whose lines were dragged is a grid"
    shares = hands.grid.arrangement["shares"]
    assert shares[0] / shares[1] == pytest.approx(one.width() / two.width(), rel=0.02)
    hands.double_click(one.view)
    hands.double_click(one.view)
    hands.pause(10)
    assert one.width() - two.width() == pytest.approx(240, abs=6), "kept while maximised"
    hands.press(hands.window.toolbar.widgetForAction(hands.window.actions_by_name["layout_1x2"]))
    hands.pause(10)
    assert abs(one.width() - two.width()) <= 1
    assert hands.window.actions_by_name["layout_1x2"].isChecked()


def test_free_splits(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    hands.view.setFocus()
    grid, actions = hands.grid, hands.window.actions_by_name
    hands.key(Key.Key_D, Qt.KeyboardModifier.AltModifier)
    hands.key(Key.Key_D, Qt.KeyboardModifier.AltModifier | Shift)
    hands.pause(10)
    left, below, right = grid.visible_panes
    assert grid.layout_name == "free"
    assert not any(actions[name].isChecked() for name in actions if name.startswith("layout_"))
    assert [p.layer.name for p in (left, right, below)] == ["Thick slab", "Thin slab", "Thick slab"]
    places = [QRect(p.mapTo(grid, QPoint(0, 0)), p.size()) for p in (left, below, right)]
    assert places[0].left() == places[1].left() < places[2].left()
    assert places[0].bottom() < places[1].top()
    assert places[2].height() > 1.9 * places[0].height()
    kept = grid.arrangement
    grid.activate(right)
    hands.key(Key.Key_W, Qt.KeyboardModifier.AltModifier)
    assert grid.visible_panes == [left, below]
    assert grid.active_pane is left
    assert grid.set_arrangement(kept)
    hands.pause(10)
    assert grid.visible_panes == [left, below, right]
    again = [QRect(p.mapTo(grid, QPoint(0, 0)), p.size()) for p in (left, below, right)]
    assert all(
        abs(a.x() - b.x()) <= 2 and abs(a.width() - b.width()) <= 2
        for a, b in zip(places, again, strict=True)
    )
    for nonsense in (None, {}, 12, {"across": True, "parts": [0, 0], "shares": [1, 1]}, [1]):
        assert not grid.set_arrangement(nonsense)
    assert grid.visible_panes == [left, below, right]


def test_nine_panes_are_the_most_and_one_stays(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.view.setFocus()
    for _ in range(12):
        hands.key(Key.Key_D, Qt.KeyboardModifier.AltModifier)
    assert len(hands.grid.visible_panes) == 9
    assert all(pane.layer is not None for pane in hands.grid.visible_panes)
    for _ in range(12):
        hands.key(Key.Key_W, Qt.KeyboardModifier.AltModifier)
    assert len(hands.grid.visible_panes) == 1


def test_the_panes_menu_splits_and_closes(hands: Any, thin: Any) -> None:
    hands.open(thin)
    offered = hands.pick("nothing")
    hands.click(hands.view, Qt.MouseButton.RightButton)
    assert {"Split pane: left and right", "Split pane: above and below", "Close pane"} <= {*offered}
