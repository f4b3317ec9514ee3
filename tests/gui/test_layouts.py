"""Layouts with fewer and more panes: what stays on the screen, and how hidden panes come back."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPointF, Qt

from ctstudio.ct.window import PRESETS
from tests.gui.test_viewer_links import side_by_side

Key, Alt, Ctrl = Qt.Key, Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
Left = Qt.MouseButton.LeftButton


def shown(hands: Any) -> list[int]:
    return [k for k, pane in enumerate(hands.grid.panes) if pane.isVisible()]


def test_a_smaller_layout_keeps_the_active_pane(hands: Any, thin: Any, thick: Any) -> None:
    _, two = side_by_side(hands, thin, thick)
    hands.click(two, Left)
    hands.key(Key.Key_W)  # the second pane compares
    hands.wheel(two, -1)
    comparison, index = two.comparison, two.index
    assert comparison is not None
    hands.key(Key.Key_1, Alt)
    assert shown(hands) == [1]
    assert hands.view is two
    assert two.hasFocus(), "the keys stay with it"
    assert (two.comparison, two.index) == (comparison, index)
    assert hands.window.actions_by_name["layout_1"].isChecked()
    hands.key(Key.Key_2, Alt)
    assert shown(hands) == [0, 1]
    assert [pane.layer.name for pane in hands.grid.visible_panes] == ["Thin slab", "Thick slab"]
    assert two.comparison is comparison
    assert hands.view is two


def test_the_active_one_of_many_stays_in_every_layout(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_4, Alt)
    last = hands.grid.panes[3]
    hands.grid.show_in(last, hands.session.layers[0])
    hands.click(last.view, Left)
    for key, panes in ((Key.Key_3, [0, 1, 3]), (Key.Key_2, [0, 3]), (Key.Key_1, [3])):
        hands.key(key, Alt)
        assert shown(hands) == panes
        assert hands.grid.active_pane is last
    name = {1: "1", 2: "1x2", 4: "2x2"}
    for key, panes in ((Key.Key_2, [0, 3]), (Key.Key_4, [0, 1, 2, 3])):
        hands.key(key, Alt)
        assert shown(hands) == panes
        assert hands.grid.layout_name == name[len(panes)]
    assert last.layer is hands.session.layers[0]
    # What is hung then fills the panes that are on the screen, and starts from the first.
    hands.key(Key.Key_2, Alt)
    hands.session.hang.emit(list(hands.session.layers))
    assert [p.layer for p in hands.grid.visible_panes] == list(hands.session.layers)
    assert shown(hands) == [0, 3]
    hands.window.actions_by_name["planes"].trigger()
    planes = [pane.view.shown_plane for pane in hands.grid.visible_panes]
    assert planes == ["axial", "coronal", "sagittal"]


def test_panes_that_come_back_agree_with_the_active_one(hands: Any, thin: Any, thick: Any) -> None:
    one, two = side_by_side(hands, thin, thick)
    hands.click(two, Left)
    hands.key(Key.Key_1, Alt)
    hands.drag(two, Left, QPointF(200, 200), QPointF(90, 15))
    hands.wheel(two, 3, QPointF(150, 220), Ctrl)
    hands.wheel(two, 1)
    assert one.window != two.window
    hands.key(Key.Key_2, Alt)
    assert one.window == two.window
    assert one.framing == two.framing
    assert one.index * 3 == two.index * 6
    # Also after one pane lay over all; and whole slices are whole in both.
    hands.double_click(two)
    assert shown(hands) == [1]
    hands.key(Key.Key_1)
    hands.wheel(two, 2, QPointF(90, 120), Ctrl)
    hands.double_click(two)
    assert one.window == two.window == PRESETS["Lung"]
    assert one.framing == two.framing
    hands.double_click(two)
    hands.window.actions_by_name["fit"].trigger()
    hands.double_click(two)
    assert one.fitted
    assert two.fitted


def test_panes_that_come_back_stay_as_they_were_where_nothing_is_linked(
    hands: Any, thin: Any, thick: Any
) -> None:
    one, two = side_by_side(hands, thin, thick)
    for name in ("window", "zoom", "pan", "scroll"):
        hands.window.actions_by_name[f"link_{name}"].setChecked(False)
    before = one.window, one.fitted, one.index
    hands.click(two, Left)
    hands.key(Key.Key_1, Alt)
    hands.drag(two, Left, QPointF(200, 200), QPointF(90, 15))
    hands.wheel(two, 3, QPointF(150, 220), Ctrl)
    hands.wheel(two, 1)
    hands.key(Key.Key_2, Alt)
    assert (one.window, one.fitted, one.index) == before
    assert one.window != two.window


def test_a_layout_chosen_before_the_first_series_waits_for_it(
    hands: Any, thin: Any, thick: Any
) -> None:
    hands.window.actions_by_name["layout_1x2"].trigger()
    (first,) = hands.open(thin)
    assert shown(hands) == [0, 1]
    assert hands.grid.layout_name == "1x2"
    (second,) = hands.open(thick)
    assert [pane.layer for pane in hands.grid.visible_panes] == [first, second]
    # A layout that was left over when all was closed is none that was chosen.
    for layer in (first, second):
        hands.session.remove_layer(layer)
    hands.open(thin)
    assert len(shown(hands)) == 1


def test_a_hidden_pane_of_another_place_keeps_its_window_and_colours(
    hands: Any, thin: Any, elsewhere: Any
) -> None:
    """Unless they were changed for all meanwhile: then it follows."""
    hands.open(thin)
    hands.view.setFocus()
    hands.key(Key.Key_1)
    hands.key(Key.Key_F)
    hands.key(Key.Key_2, Alt)
    hands.open(elsewhere)
    one, two = (pane.view for pane in hands.grid.visible_panes)
    own = two.window, two.display
    assert own != (one.window, one.display)
    hands.click(one, Left)
    hands.key(Key.Key_1, Alt)
    hands.key(Key.Key_2, Alt)
    assert (two.window, two.display) == own
    hands.key(Key.Key_1, Alt)
    hands.key(Key.Key_4)
    hands.key(Key.Key_J)
    hands.key(Key.Key_2, Alt)
    assert two.window == one.window == PRESETS["Bone"]
    assert two.display == one.display
    assert one.display.inverted


def test_a_second_series_of_the_place_has_the_colours_of_the_first(
    hands: Any, thin: Any, thick: Any
) -> None:
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_F)
    hands.key(Key.Key_2, Alt)
    one, two = (pane.view for pane in hands.grid.visible_panes)
    assert two.window == one.window
    assert two.display == one.display
    assert two.display.colours != "grey"
