"""The mouse and the keys of a DICOM workstation."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSpinBox, QApplication

from ctstudio.ct.window import PRESETS, Window
from ctstudio.gui.forms.choice_form import NumberEditor

Key = Qt.Key
Left, Middle = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
Right = Qt.MouseButton.RightButton
Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_wheel_scrolls_slices(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    hands.wheel(view, 1)
    assert view.index == 8
    hands.wheel(view, -3)
    assert view.index == 5
    hands.wheel(view, 0.5)
    assert view.index == 5, "half a notch of a touch pad waits for its other half"
    hands.wheel(view, 0.5)
    assert view.index == 6
    hands.wheel(view, 40)
    assert view.index == 13
    hands.wheel(view, -40)
    assert view.index == 0
    assert hands.grid.slider.value() == 0
    hands.grid.slider.setValue(9)
    assert view.index == 9


def test_ctrl_wheel_zooms_about_the_cursor(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    at = QPointF(200, 150)
    place, scale, index = view.to_plane(at), view.framing.scale, view.index
    hands.wheel(view, 2, at, Ctrl)
    assert view.framing.scale == pytest.approx(scale * 1.2**2)
    assert view.to_plane(at).x() == pytest.approx(place.x())
    assert view.to_plane(at).y() == pytest.approx(place.y())
    assert view.index == index
    hands.wheel(view, -2, at, Ctrl)
    assert view.framing.scale == pytest.approx(scale)


def test_left_drag_sets_the_window(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    start = QPointF(300, 300)
    hands.drag(view, Left, start, QPointF(30, 0), steps=1)
    assert view.window.width_hu == pytest.approx(400 + 30 * 400 / 300)
    assert view.window.centre_hu == 40
    hands.grid.set_window(Window(40, 400))
    hands.drag(view, Left, start, QPointF(0, 60), steps=1)
    assert view.window.centre_hu == pytest.approx(40 + 60 * 400 / 300)
    assert view.window.width_hu == 400
    # The same path changes a narrow window less: the speed follows the width.
    hands.grid.set_window(Window(40, 80))
    hands.drag(view, Left, start, QPointF(30, 0), steps=1)
    assert view.window.width_hu - 80 == pytest.approx((400 / 300 * 30) * 80 / 400)
    hands.drag(view, Left, start, QPointF(-250, 0), steps=60)
    assert view.window.width_hu >= 1


def test_a_click_changes_nothing(hands: Any, thin: Any) -> None:
    hands.open(thin)
    window, framing, index = hands.view.window, hands.view.framing, hands.view.index
    hands.drag(hands.view, Left, QPointF(300, 300), QPointF(2, 1))
    assert (hands.view.window, hands.view.framing, hands.view.index) == (window, framing, index)


def test_middle_drag_pans(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    start, by = QPointF(300, 300), QPointF(45, -28)
    place, scale = view.to_plane(start), view.framing.scale
    hands.drag(view, Middle, start, by)
    assert view.to_plane(start + by).x() == pytest.approx(place.x())
    assert view.to_plane(start + by).y() == pytest.approx(place.y())
    assert view.framing.scale == scale
    assert not view.fitted


def test_right_drag_zooms_and_right_click_asks(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    view = hands.view
    start = QPointF(250, 200)
    place, scale = view.to_plane(start), view.framing.scale
    hands.drag(view, Right, start, QPointF(0, -80))
    assert view.framing.scale > 1.3 * scale
    assert view.to_plane(start).x() == pytest.approx(place.x())
    assert hands.asked == [], "a drag opens no menu"
    hands.drag(view, Right, start, QPointF(0, 80))
    assert view.framing.scale == pytest.approx(scale, rel=0.01)

    offered = hands.pick("Thin slab")
    hands.click(view, Right)
    assert view.layer.name == "Thin slab"
    assert offered[:3] == ["Thin slab", "Thick slab", "Window preset"]
    hands.pick("Lung")
    hands.click(view, Right)
    assert view.window == PRESETS["Lung"]


def test_double_click_and_return_maximise(hands: Any, thin: Any, thick: Any) -> None:
    one, two = hands.open(thin, thick)
    hands.session.hang.emit([one, two])
    pane = hands.grid.panes[1]
    hands.double_click(pane.view)
    assert hands.grid.visible_panes == [pane]
    assert pane.isVisible()
    assert not hands.grid.panes[0].isVisible()
    hands.double_click(pane.view)
    assert hands.grid.visible_panes == hands.grid.panes[:2]
    assert hands.grid.panes[0].isVisible()
    hands.key(Key.Key_Return)
    assert hands.grid.visible_panes == [pane]
    hands.key(Key.Key_Return)
    assert len(hands.grid.visible_panes) == 2


def test_keys_for_slices(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    assert QApplication.focusWidget() is view, "keys work right after opening"
    for key, modifiers, index in (
        (Key.Key_Up, None, 8), (Key.Key_Down, None, 7), (Key.Key_Home, None, 0),
        (Key.Key_Up, Shift, 10), (Key.Key_Up, Shift, 13), (Key.Key_Down, Shift, 3),
        (Key.Key_End, None, 13), (Key.Key_Up, None, 13),
    ):  # fmt: skip
        hands.key(key, modifiers or Qt.KeyboardModifier.NoModifier)
        assert view.index == index, (key, modifiers)


def test_keys_for_windows_and_view(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view, box = hands.view, hands.window.preset
    for number, window in enumerate(PRESETS.values()):
        hands.key(Key(Key.Key_1 + number))
        assert view.window == window
        assert box.currentIndex() == number
    hands.key(Key.Key_8)
    assert view.window.lower == thin.hu[7].min()
    assert view.window.upper == thin.hu[7].max()
    assert box.currentIndex() == -1
    assert box.placeholderText() == str(view.window)
    hands.drag(view, Middle, QPointF(300, 300), QPointF(50, 50))
    scale = view.framing.scale
    hands.key(Key.Key_Plus)
    assert view.framing.scale == pytest.approx(1.25 * scale)
    hands.key(Key.Key_Minus)
    assert view.framing.scale == pytest.approx(scale)
    hands.key(Key.Key_Space)
    assert view.fitted
    assert view.window == Window(40, 400), "the header's window again"


def test_tab_goes_round_the_panes(hands: Any, thin: Any, thick: Any) -> None:
    one, two = hands.open(thin, thick)
    hands.session.hang.emit([one, two])
    hands.grid.panes[0].view.setFocus()
    assert hands.session.active is one
    hands.key(Key.Key_Tab)
    assert hands.session.active is two
    assert hands.grid.panes[1].view.active
    hands.key(Key.Key_Tab)
    assert hands.session.active is one
    hands.click(hands.grid.panes[1].view, Left)
    assert hands.session.active is two, "a click activates too"


def test_cine_runs_round_and_stops(hands: Any, thin: Any) -> None:
    hands.open(thin)
    seen: list[int] = []
    hands.grid.slice_changed.connect(lambda _layer, index: seen.append(index))
    hands.key(Key.Key_End)
    hands.key(Key.Key_C)
    hands.wait(lambda: len(seen) > 4, "for the cine")
    hands.key(Key.Key_C)
    count = len(seen)
    hands.pause(200)
    assert len(seen) == count
    assert seen[:4] == [13, 0, 1, 2]


def test_keys_do_not_act_while_one_types(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    before = (view.index, view.window, view.framing, view.show_info)
    panel = hands.window.denoise_panel
    panel.choose("tv")  # which has numbers to type
    editor = next(e for e in panel.form.findChildren(NumberEditor) if e.isVisible())
    box = editor.box
    assert isinstance(box, QAbstractSpinBox)
    box.setFocus()
    box.selectAll()
    assert QApplication.focusWidget() is box
    for text in "23":
        QTest.keyClicks(box, text)
    for key in (Key.Key_Home, Key.Key_End, Key.Key_I, Key.Key_C, Key.Key_Space, Key.Key_PageUp):
        hands.key(key)
    hands.key(Key.Key_Up)
    assert (view.index, view.window, view.framing, view.show_info) == before
    assert not hands.window.actions_by_name["cine"].isChecked()
    hands.key(Key.Key_Tab)
    assert QApplication.focusWidget() is not box, "Tab leaves the box"
    view.setFocus()
    hands.key(Key.Key_Up)
    assert view.index == before[0] + 1


def test_toolbar_buttons_and_preset_list(hands: Any, thin: Any) -> None:
    hands.open(thin)
    bar = hands.window.toolbar
    hands.window.preset.setCurrentIndex(3)
    hands.window.preset.activated.emit(3)
    assert hands.view.window == PRESETS["Bone"]
    button = bar.widgetForAction(hands.window.actions_by_name["letters"])
    hands.press(button)
    assert not hands.view.show_letters
    hands.press(bar.widgetForAction(hands.window.actions_by_name["layout_1x3"]))
    assert hands.grid.layout_name == "1x3"
    hands.press(bar.widgetForAction(hands.window.actions_by_name["fit"]))
    assert hands.view.window == Window(40, 400)


def test_help_and_about_open(hands: Any) -> None:
    for name in ("shortcuts", "about"):
        hands.asked.clear()
        hands.window.actions_by_name[name].trigger()
        assert hands.asked == ["dialog"], name
