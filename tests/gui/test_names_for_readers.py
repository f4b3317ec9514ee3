"""Whoever listens to the window is told a name for every control."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QTextEdit,
    QToolButton,
    QWidget,
)

from ctstudio.gui.session import Layer
from tests.gui.conftest import wait_until
from tests.gui.shown_texts import place_of

CONTROLS = (
    QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit,
    QTextEdit, QAbstractItemView, QTabBar,
)  # fmt: skip


def is_qt_s_own(widget: QWidget) -> bool:
    """Parts of other controls, and what Qt makes for docks and lists that drop down."""
    parent = widget.parentWidget()
    if isinstance(widget, (QScrollBar, QHeaderView)) or widget.objectName().startswith("qt_"):
        return True
    if isinstance(widget, QLineEdit) and isinstance(parent, (QAbstractSpinBox, QComboBox)):
        return True
    if isinstance(widget, QTabBar) and isinstance(parent, QMainWindow):
        return True  # of docks that lie over one another; the docks have titles
    above: QWidget | None = widget
    while above is not None:
        if type(above).__name__ == "QComboBoxPrivateContainer" or (
            isinstance(above.parentWidget(), QComboBox) and isinstance(widget, QAbstractItemView)
        ):
            return True
        above = above.parentWidget()
    return type(widget).__name__ == "QTableCornerButton" or not widget.metaObject().className()


def nameless(top: QWidget) -> Iterator[str]:
    """Where the controls stand that have neither a name, nor words, nor a label."""
    buddies = [label.buddy() for label in top.findChildren(QLabel)]
    for widget in (top, *top.findChildren(QWidget)):
        if not isinstance(widget, CONTROLS) or is_qt_s_own(widget) or widget in buddies:
            continue
        words = widget.text() if isinstance(widget, QAbstractButton) else ""
        if isinstance(widget, QToolButton) and widget.defaultAction() is not None:
            words = words or widget.defaultAction().text()
        if not (widget.accessibleName() or words):
            yield f"{place_of(widget)} ({type(widget).__name__})"


def test_every_control_has_a_name(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (scan,) = hands.open(thin)
    hands.session.add_layer(Layer("Filtered", "denoised", scan.stack, scan))
    hands.window.painter.new_mask(scan)
    missing: dict[str, str] = {}
    seen = 0

    def look(top: QWidget, when: str) -> int:
        missing.update(dict.fromkeys(nameless(top), when))
        return 0

    def shown(dialog: QDialog, *_: object) -> int:
        nonlocal seen
        seen += 1
        return look(dialog, type(dialog).__name__)

    monkeypatch.setattr(QDialog, "exec", shown)
    look(hands.window, "window")
    for name in (
        "paint", "compare_swipe", "oblique", "noise_tools", "log", "commands", "report", "tags",
        "history", "mask_scores", "preferences", "edit_shortcuts", "window_presets", "about",
        "problem", "reproduce", "shortcuts",
    ):  # fmt: skip
        before = set(QApplication.topLevelWidgets())
        hands.window.actions_by_name[name].trigger()
        wait_until(lambda: not hands.session.jobs.busy())
        for top in {hands.window, *(set(QApplication.topLevelWidgets()) - before)}:
            if not isinstance(top, QMenu):  # pyqtgraph makes some that nobody is shown
                look(top, name)
        for dialog in hands.window.findChildren(QDialog):
            dialog.close()
    assert seen >= 6
    assert missing == {}
