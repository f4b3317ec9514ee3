"""Commands by name, keys that can be changed, and everything reachable without a mouse."""

from __future__ import annotations

from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QTextEdit,
    QWidget,
)

from ctstudio.gui.actions import SPECS
from ctstudio.gui.palette.editor import ShortcutEditor
from ctstudio.gui.palette.fuzzy import score

Control, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def best(query: str, texts: list[str]) -> str | None:
    scores = {text: found for text in texts if (found := score(query, text)) is not None}
    return max(scores, key=lambda text: scores[text], default=None)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("two", "Two panes"),
        ("2", None),
        ("lw", "Link window"),
        ("opfo", "Open folder"),
        ("GIF TR", "GIF over training"),
        ("resetview", "Reset view"),
        ("zzz", None),
        ("window", "Window preset"),
    ],
)
def test_few_letters_find_the_right_name(query: str, wanted: str | None) -> None:
    texts = [
        "Two panes", "Link window", "Open folder", "GIF over training", "Film over slices",
        "Reset view", "Window preset", "Between two windows",
    ]  # fmt: skip
    assert best(query, texts) == wanted


def test_the_best_way_to_place_the_letters_counts() -> None:
    # "ab" stands apart first and side by side later; the later place is the better one.
    assert score("ab", "a_x ab") == score("ab", "axx ab")  # the gap before costs the same
    assert (score("ab", "xx ab") or 0) > (score("ab", "xx axxb") or 0)
    assert score("", "anything") == 0.0
    assert score("ba", "ab") is None


def open_palette(hands: Any) -> Any:
    hands.view.setFocus()
    hands.key(Qt.Key.Key_P, Control | Shift)
    palette = hands.window.services.palette
    hands.wait(palette.isVisible, "for the palette")
    return palette


def test_a_command_is_found_and_done_by_keys_alone(hands: Any, thin: Any) -> None:
    hands.open(thin)
    palette = open_palette(hands)
    QTest.keyClicks(palette.line, "twopa")
    assert palette.list.currentItem().text() == "Two panes"
    assert palette.list.currentItem().data(Qt.ItemDataRole.UserRole + 1) == "Alt+2"
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert hands.grid.layout_name == "1x2"
    # What was used is offered first next time.
    palette = open_palette(hands)
    assert palette.list.item(0).text() == "Two panes"
    QTest.keyClick(palette.line, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 1
    QTest.keyClick(palette.line, Qt.Key.Key_Escape)
    assert not palette.isVisible()


def test_keys_of_the_window_do_nothing_while_one_types(hands: Any, thin: Any) -> None:
    hands.open(thin)
    shown = hands.window.actions_by_name["info"].isChecked()
    palette = open_palette(hands)
    QTest.keyClicks(palette.line, "i")
    QTest.keyClick(palette.line, Qt.Key.Key_A, Control)
    assert hands.window.actions_by_name["info"].isChecked() == shown
    QTest.keyClicks(palette.line, "qqqqq")
    assert palette.list.item(0).text() == "Nothing fits"
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.hide()


def test_what_cannot_be_done_now_is_listed_and_not_done(hands: Any) -> None:
    palette = open_palette(hands)
    QTest.keyClicks(palette.line, "cine")
    item = palette.list.currentItem()
    assert item.text() == "Cine"
    assert not item.flags() & Qt.ItemFlag.ItemIsEnabled
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.hide()


def test_a_word_of_the_tool_tip_finds_what_is_called_otherwise(hands: Any) -> None:
    hands.window.actions_by_name["theme"].setChecked(True)
    palette = open_palette(hands)
    QTest.keyClicks(palette.line, "dark")
    rows = [palette.list.item(row).text() for row in range(palette.list.count())]
    assert "Light theme" in rows
    palette.line.setText("ark")
    rows = [palette.list.item(row).text() for row in range(palette.list.count())]
    assert "Light theme" not in rows, "letters within a word of a tip say nothing"
    hands.key(Qt.Key.Key_Escape)
    hands.window.actions_by_name["theme"].setChecked(False)


def test_what_only_says_that_there_is_nothing_is_not_listed(hands: Any) -> None:
    palette = open_palette(hands)
    QTest.keyClicks(palette.line, "no mask is open")
    rows = [palette.list.item(row).text() for row in range(palette.list.count())]
    assert "No mask is open" not in rows


def test_every_action_is_in_the_palette(hands: Any) -> None:
    palette = open_palette(hands)
    listed = {
        palette.list.item(row).data(Qt.ItemDataRole.UserRole + 2).objectName()
        for row in range(palette.list.count())
    }
    assert {spec.name for spec in SPECS} <= listed
    palette.hide()


# -- keys ----------------------------------------------------------------------------------------


@pytest.fixture
def editor(hands: Any) -> Any:
    dialog = ShortcutEditor(hands.window.services.keymap, hands.window)
    dialog.show()
    yield dialog
    if shiboken6.isValid(dialog):
        dialog.deleteLater()


def close(hands: Any, editor: ShortcutEditor) -> None:
    editor.close()
    hands.window.activateWindow()
    hands.wait(hands.window.isActiveWindow, "for the window")


def type_key(editor: ShortcutEditor, key: Qt.Key, modifiers: Any) -> None:
    QTest.keyClick(editor.key, key, modifiers)


def test_a_key_is_changed_acts_at_once_and_is_remembered(
    hands: Any, editor: ShortcutEditor, thin: Any, make_program: Any
) -> None:
    hands.open(thin)
    editor.select("layout_2x2")
    type_key(editor, Qt.Key.Key_J, Control)
    assert editor.assign.isEnabled()
    QTest.mouseClick(editor.assign, Qt.MouseButton.LeftButton)
    row = editor.table.currentRow()
    assert [editor.table.item(row, k).text() for k in range(3)] == ["Four panes", "Ctrl+J", "Alt+4"]
    close(hands, editor)
    hands.view.setFocus()
    hands.key(Qt.Key.Key_J, Control)
    assert hands.grid.layout_name == "2x2"
    assert "(Ctrl+J)" in hands.window.actions_by_name["layout_2x2"].toolTip()
    again = make_program().window
    assert again.actions_by_name["layout_2x2"].shortcut() == QKeySequence("Ctrl+J")
    again.services.keymap.reset_all()
    assert again.actions_by_name["layout_2x2"].shortcut() == QKeySequence("Alt+4")


def test_a_key_that_is_taken_is_said_to_be_and_taken_over(
    hands: Any, editor: ShortcutEditor
) -> None:
    actions = hands.window.actions_by_name
    editor.select("fit")
    type_key(editor, Qt.Key.Key_O, Control)
    assert "belongs to “Open folder”" in editor.note.text()
    assert editor.assign.text() == "Take it over"
    assert actions["fit"].shortcut() == QKeySequence("Space")
    QTest.mouseClick(editor.assign, Qt.MouseButton.LeftButton)
    assert actions["fit"].shortcut() == QKeySequence("Ctrl+O")
    assert actions["open_folder"].shortcut().isEmpty()
    # A reset takes the default key back from whoever has it now.
    editor.select("open_folder")
    QTest.mouseClick(editor.reset, Qt.MouseButton.LeftButton)
    assert actions["open_folder"].shortcut() == QKeySequence("Ctrl+O")
    assert actions["fit"].shortcut().isEmpty()
    assert "“Reset view” has no key now." in editor.note.text()
    QTest.mouseClick(editor.reset_all, Qt.MouseButton.LeftButton)
    assert actions["fit"].shortcut() == QKeySequence("Space")


def test_the_number_keys_of_the_presets_are_known(hands: Any, editor: ShortcutEditor) -> None:
    editor.select("info")
    type_key(editor, Qt.Key.Key_1, Qt.KeyboardModifier.NoModifier)
    assert "belongs to “Lung”" in editor.note.text()


def test_a_letter_acts_in_the_panes_alone_a_ctrl_key_everywhere(
    hands: Any, thin: Any, editor: ShortcutEditor
) -> None:
    hands.open(thin)
    close(hands, editor)
    keymap, actions = hands.window.services.keymap, hands.window.actions_by_name
    keymap.set("open_demo", QKeySequence("J"))
    keymap.set("info", QKeySequence("Ctrl+J"))
    assert actions["open_demo"] in hands.grid.actions()
    assert actions["open_demo"] not in hands.window.actions()
    shown = actions["info"].isChecked()
    box = hands.window.preset
    box.setFocus()
    hands.key(Qt.Key.Key_J, Control)
    assert actions["info"].isChecked() != shown


def test_search_finds_by_name_and_by_key(editor: ShortcutEditor) -> None:
    editor.search.setText("alt+2")
    assert editor.name == "layout_1x2"
    editor.search.setText("undo")
    assert editor.name == "undo"


# -- reachable and named -------------------------------------------------------------------------

NAMED = (
    QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit,
    QPlainTextEdit, QTextEdit,
)  # fmt: skip


def nameless(top: QWidget) -> list[str]:
    """The controls below ``top`` that a screen reader could only call "button" or "slider"."""
    found = []
    for widget in top.findChildren(QWidget):
        own = isinstance(widget, NAMED) and not isinstance(widget, (QScrollBar, QTabBar))
        parent = widget.parentWidget()
        inside = widget.objectName().startswith("qt_") or isinstance(
            parent, (QComboBox, QAbstractSpinBox, QAbstractItemView, QLineEdit, QTabBar)
        )
        if not own or inside or type(widget).__module__.startswith("pyqtgraph"):
            continue
        above = parent.parentWidget() if parent is not None else None
        if isinstance(above, (QComboBox, QLineEdit)) or type(above).__name__ == "RecipeBox":
            continue  # the list that a combo box opens
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        if not (widget.accessibleName() or text.strip()):
            path, up = [], widget
            while up is not None and up is not top:
                path.append(up.objectName() or type(up).__name__)
                up = up.parentWidget()
            found.append(" < ".join(path) + f" ({widget.toolTip()!r})")
    return found


def test_every_control_of_the_window_has_a_name(hands: Any, thin: Any) -> None:
    hands.open(thin)
    assert nameless(hands.window) == [], "\n".join(nameless(hands.window))


def test_every_action_has_a_key_or_stands_in_a_menu(hands: Any) -> None:
    window = hands.window
    in_menus = {a for menu in window.menuBar().findChildren(QMenu) for a in menu.actions()}
    for action in (*window.actions(), *window.grid.actions()):
        assert action in in_menus or not action.shortcut().isEmpty(), action.text()
    # And the menus are opened with Alt and a letter of their own.
    letters = [menu.title().partition("&")[2][:1].lower() for menu in top_menus(window)]
    assert all(letters)
    assert len(set(letters)) == len(letters), letters


def top_menus(window: Any) -> list[QMenu]:
    return [a.menu() for a in window.menuBar().actions() if isinstance(a.menu(), QMenu)]


def test_tab_goes_through_the_controls_of_a_panel(hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.method.setFocus()
    seen = set()
    for _ in range(40):
        focus = QApplication.focusWidget()
        if focus is None or focus in seen:
            break
        seen.add(focus)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
    assert panel.apply_button in seen
    assert panel.load_button in seen
