"""How things are seen, changed by mistake and taken back: windows, colours, sizes, masks."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QSplitter

from tests.gui.test_undo import family, redo, undo

Key, Alt = Qt.Key, Qt.KeyboardModifier.AltModifier


def shares(hands: Any) -> list[int]:
    return [pane.width() for pane in hands.grid.visible_panes]


def test_a_line_between_panes_that_was_dragged(hands: Any, thin: Any, thick: Any) -> None:
    """One drag is one step, however far it went."""
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_2, Alt)
    before = shares(hands)
    (splitter,) = (s for s in hands.grid.findChildren(QSplitter) if s.isVisible())
    handle = splitter.handle(1)
    QTest.mousePress(handle, Qt.MouseButton.LeftButton, pos=QPoint(1, 50))
    for x in (-20, -40, -90):
        QTest.mouseMove(handle, QPoint(x, 50))
        QApplication.processEvents()
    QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=QPoint(1, 50))
    after = shares(hands)
    assert after[0] < before[0] - 40
    assert hands.window.actions_by_name["undo"].text() == "Undo move the line between panes"
    undo(hands)
    assert shares(hands) == pytest.approx(before, abs=1)
    redo(hands)
    assert shares(hands) == pytest.approx(after, abs=1)
    # Once the panes lie otherwise there is no such line.
    undo(hands)
    hands.grid.set_layout("1x3")
    redo(hands)
    assert hands.grid.layout_name == "1x3"


def test_windows_by_drag_key_and_reset(hands: Any, thin: Any, thick: Any) -> None:
    """Each is a step of its own; linked panes go back with the one that was changed."""
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_2, Alt)
    hands.session.undo.clear()
    views = [pane.view for pane in hands.grid.visible_panes]
    first = [view.window for view in views]
    hands.drag(views[0], Qt.MouseButton.LeftButton, QPointF(100, 100), QPointF(60, 30))
    dragged = [view.window for view in views]
    assert dragged != first
    assert dragged[0] == dragged[1]
    assert hands.session.undo.count() == 1
    hands.view.setFocus()
    hands.key(Key.Key_1)
    preset = [view.window for view in views]
    assert preset != dragged
    assert hands.session.undo.count() == 2
    assert hands.window.preset.currentData() == "Lung"
    undo(hands)
    assert [view.window for view in views] == dragged
    assert hands.window.preset.currentData() is None
    undo(hands)
    assert [view.window for view in views] == first
    redo(hands)
    redo(hands)
    assert [view.window for view in views] == preset
    # A press that moves nothing is no step, and one layer's window is not given to another.
    hands.click(views[0], Qt.MouseButton.LeftButton)
    assert hands.session.undo.count() == 2
    hands.grid.show_in(hands.grid.panes[0], views[1].layer)
    now = views[0].window
    undo(hands)
    assert views[0].window == now


def test_a_window_that_is_still_dragged_is_a_step_before_the_next(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    before = view.window
    view.setFocus()
    at = QPointF(100, 100)
    Left = Qt.MouseButton.LeftButton
    hands.mouse(view, QEvent.Type.MouseButtonPress, at, Left, Left)
    for k in range(1, 6):
        hands.mouse(view, QEvent.Type.MouseMove, at + QPointF(10 * k, 0), held=Left)
    assert hands.session.undo.count() == 0
    dragged = view.window
    hands.key(Key.Key_C, Alt)  # another plane, with the button held
    assert hands.session.undo.count() == 2
    hands.mouse(view, QEvent.Type.MouseButtonRelease, at, Left)
    assert hands.session.undo.count() == 2
    undo(hands)
    assert (view.shown_plane, view.window) == ("axial", dragged)
    undo(hands)
    assert view.window == before


def test_colours_and_another_layer_in_a_pane(hands: Any, thin: Any, thick: Any) -> None:
    one, two = hands.open(thin, thick)
    hands.view.setFocus()
    hands.session.undo.clear()
    assert hands.view.layer is two
    hands.key(Key.Key_J)
    assert hands.view.display.inverted
    panel = hands.window.series_panel
    panel.list.itemClicked.emit(panel.list.item(0))
    assert hands.view.layer is one
    assert hands.window.actions_by_name["undo"].text() == "Undo show another layer"
    undo(hands)
    assert hands.view.layer is two
    assert hands.view.display.inverted
    undo(hands)
    assert not hands.view.display.inverted
    redo(hands)
    assert hands.view.display.inverted


def test_masks_and_labels_that_were_hidden(hands: Any, thin: Any) -> None:
    _scan, _, _, mask = family(hands, thin)
    masks, menu = hands.window.masks, hands.window.mask_menu
    menu.fill()
    actions = [action for m in menu.menu.findChildren(QMenu) for action in m.actions()]
    next(action for action in actions if action.text() == "two").trigger()
    assert masks.style(mask).hidden == {2}
    next(action for action in actions if action.text() == "Show").trigger()
    assert not masks.style(mask).visible
    undo(hands)
    assert masks.style(mask).visible
    undo(hands)
    assert masks.style(mask).hidden == set()


def test_presets_that_were_removed(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hands.open(thin)
    presets = hands.window.preset.presets
    before = presets.all

    def remove_first(dialog: Any) -> int:
        dialog.list.setCurrentRow(0)
        dialog.remove_button.click()
        return int(QDialog.DialogCode.Accepted.value)

    monkeypatch.setattr(QDialog, "exec", lambda dialog: remove_first(dialog))
    hands.window.actions_by_name["window_presets"].trigger()
    assert presets.all == before[1:]
    undo(hands)
    assert presets.all == before
    redo(hands)
    assert presets.all == before[1:]
