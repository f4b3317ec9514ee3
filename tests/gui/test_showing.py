"""Somebody who has read no manual opens two reconstructions and wants to compare them."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton

from ctstudio.gui import dialogs
from ctstudio.gui.comparing.bar import CompareBar, CompareButton
from ctstudio.gui.palette.editor import ShortcutEditor

Key = Qt.Key
Alt = Qt.KeyboardModifier.AltModifier


def open_both(hands: Any, thin: Any, thick: Any) -> None:
    """Both are in the list, the first is open."""
    hands.window.open_paths([thin.folder, thick.folder])
    hands.wait(lambda: hands.layer(thin.name, complete=True) or hands.layer(thick.name))
    hands.idle("scan", "read")
    assert len(hands.session.series) == 2
    assert len(hands.session.layers) == 1
    hands.view.setFocus()


def test_a_comparison_opens_the_other_series(hands: Any, thin: Any, thick: Any) -> None:
    open_both(hands, thin, thick)
    shown = hands.grid.active_pane.layer
    hands.key(Key.Key_W)
    hands.idle("read")
    comparing = hands.window.view_control.comparing
    assert comparing.active is not None
    assert comparing.active.mode == "swipe"
    assert hands.grid.active_pane.layer is shown
    assert comparing.active.layer is not shown
    assert {la.name for la in hands.session.layers} == {thin.name, thick.name}


def test_two_panes_show_both_series(hands: Any, thin: Any, thick: Any) -> None:
    open_both(hands, thin, thick)
    hands.key(Key.Key_2, Alt)
    hands.idle("read")
    names = {pane.layer.name for pane in hands.grid.visible_panes if pane.layer}
    assert names == {thin.name, thick.name}


def test_another_place_is_not_opened_for_it(hands: Any, thin: Any, elsewhere: Any) -> None:
    open_both(hands, thin, elsewhere)
    hands.key(Key.Key_W)
    hands.key(Key.Key_2, Alt)
    hands.idle("read")
    assert len(hands.session.layers) == 1
    assert "no second layer" in hands.window.message_label.text()


def test_a_series_that_is_clicked_goes_into_the_empty_pane(
    hands: Any, thin: Any, elsewhere: Any
) -> None:
    open_both(hands, thin, elsewhere)
    first = hands.grid.active_pane.layer
    hands.key(Key.Key_2, Alt)
    other = next(s for s in hands.session.series if s is not first.series)
    tree = hands.window.series_panel.tree
    hands.click_item(
        tree, tree.visualItemRect(hands.window.series_panel._items[id(other)]).center()
    )
    hands.wait(lambda: len(hands.session.layers) == 2)
    hands.idle("read")
    assert [p.layer.series for p in hands.grid.visible_panes] == [first.series, other]
    assert hands.grid.active_pane is hands.grid.panes[1]
    # Clicked again it is made the active one, where it is.
    hands.click_item(
        tree, tree.visualItemRect(hands.window.series_panel._items[id(first.series)]).center()
    )
    assert hands.grid.active_pane is hands.grid.panes[0]
    assert hands.grid.panes[1].layer.series is other


def test_after_a_click_in_the_list_the_pane_has_the_keys(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    panel = hands.window.series_panel
    hands.click_item(panel.list, panel.list.visualItemRect(panel.list.item(0)).center())
    assert hands.view.hasFocus()
    hands.key(Key.Key_Y)
    assert hands.window.view_control.comparing.active.mode == "difference"


def test_a_second_series_of_the_place_says_how_both_are_compared(
    hands: Any, thin: Any, thick: Any, elsewhere: Any
) -> None:
    hands.open(thin, elsewhere)
    assert "one place" not in hands.window.message_label.text()
    hands.open(thick)
    said = hands.window.message_label.text()
    assert "Alt+2 shows both" in said
    assert "W compares" in said


def test_a_click_beside_what_is_listed_leaves_the_keys_to_the_pane(
    hands: Any, thin: Any, thick: Any
) -> None:
    hands.open(thin, thick)
    hands.view.setFocus()
    panel = hands.window.series_panel
    for area in (panel.tree, panel.list):
        bottom = QPoint(20, area.viewport().height() - 5)
        QTest.mouseClick(area.viewport(), Qt.MouseButton.LeftButton, pos=bottom)
        assert hands.view.hasFocus()
    area.setFocus(Qt.FocusReason.TabFocusReason)
    assert area.hasFocus(), "Tab still reaches it"


def test_the_toolbar_compares(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    (button,) = hands.window.toolbar.findChildren(CompareButton)
    assert button.popupMode() == QToolButton.ToolButtonPopupMode.MenuButtonPopup
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(8, button.height() // 2))
    comparing = hands.window.view_control.comparing
    assert comparing.active.mode == "swipe"
    assert button.isChecked()
    names = [action.objectName() for action in button.menu().actions()]
    assert {"compare_flicker", "compare_difference", "lens"} <= set(names)
    hands.window.actions_by_name["compare_blend"].trigger()
    assert button.defaultAction().objectName() == "compare_blend"


@pytest.mark.parametrize("width", [1440, 1300])
def test_the_bar_shows_its_words_in_full(hands: Any, thin: Any, thick: Any, width: int) -> None:
    """Names that differ at their ends alone; a narrow window stays as narrow."""
    one, two = hands.open(thin, thick)
    one.name, two.name = "ThoraxRoutine  8.0.0  B40f", "ThoraxRoutine  8.0.0  B70f"
    hands.window.resize(width, 800)
    hands.grid.show_in(hands.grid.active_pane, one)
    for key in (Key.Key_X, Key.Key_Y, Key.Key_K):
        hands.view.setFocus()
        hands.key(key)
        QApplication.processEvents()
        (bar,) = hands.grid.findChildren(CompareBar)
        for label in (bar.first, bar.label, bar.value):
            needed = label.fontMetrics().horizontalAdvance(label.text())
            assert label.width() >= needed, label.text()
        words = bar.second.currentText()
        assert bar.second.fontMetrics().horizontalAdvance(words) <= bar.second.width() - 30
        assert words.endswith("70f")
        assert bar.first.text().endswith("40f")
        assert hands.window.width() == width
        assert bar.end.geometry().right() <= bar.width()


def test_lists_of_keys_name_the_actions_alone(
    hands: Any, thin: Any, thick: Any, monkeypatch: Any
) -> None:
    """Not what they would act upon just now."""
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_2, Alt)
    assert hands.window.actions_by_name["undo"].text() == "Undo change the layout"
    keymap = hands.window.services.keymap
    editor = ShortcutEditor(keymap, hands.window)
    names = [editor.table.item(row, 0).text() for row in range(editor.table.rowCount())]
    assert "Undo" in names
    editor.deleteLater()
    seen: list[str] = []

    def note(dialog: Any, area: Any) -> None:
        seen.append(area.widget().text())
        dialog.deleteLater()

    monkeypatch.setattr(dialogs, "_run", note)
    dialogs.show_shortcuts(hands.window, keymap.actions)
    assert "<td>Undo</td>" in seen[0]
