"""Texts of widgets that come from tables: put into the language once the widgets are there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QWindow
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QGroupBox,
    QLabel,
    QLineEdit,
    QMenu,
    QSpinBox,
    QTableWidget,
    QTabWidget,
    QTreeWidget,
    QWidget,
)

from ctstudio.gui.translation.catalogue import is_english, tr


class WidgetTranslator(QObject):
    """Translates the window, and each dialog when it comes up.

    Only texts that are in the catalogue as they stand are changed: names from files, numbers and
    sentences that were put together are not.
    """

    def __init__(self, app: QApplication, window: QWidget) -> None:
        super().__init__(window)
        if not is_english():
            app.focusWindowChanged.connect(self._came_up)

    def _came_up(self, _window: QWindow | None) -> None:
        for top in QApplication.topLevelWidgets():
            if top.isVisible() and not top.property("translated"):
                top.setProperty("translated", True)
                translate(top)


def translate(top: QWidget) -> None:
    """Translate what ``top`` and the widgets in it show now."""
    if is_english():
        return
    for widget in (top, *top.findChildren(QWidget)):
        for get, put in _texts(widget):
            _change(get, put)
        _parts(widget)
    for action in top.findChildren(QAction):
        _change(action.text, action.setText)
        _change(action.toolTip, action.setToolTip)


def _change(get: Callable[[], str], put: Callable[[str], object]) -> None:
    text = get()
    other = tr(text)
    if text and other != text:
        put(other)


def _texts(widget: QWidget) -> list[tuple[Callable[[], str], Callable[[str], object]]]:
    pairs: list[tuple[Callable[[], str], Callable[[str], object]]] = [
        (widget.toolTip, widget.setToolTip),
        (widget.accessibleName, widget.setAccessibleName),
    ]
    if isinstance(widget, (QLabel, QAbstractButton)):
        pairs.append((widget.text, widget.setText))
    if isinstance(widget, (QGroupBox, QMenu)):
        pairs.append((widget.title, widget.setTitle))
    if isinstance(widget, QDockWidget) or widget.isWindow():
        pairs.append((widget.windowTitle, widget.setWindowTitle))
    if isinstance(widget, QLineEdit) and not isinstance(widget.parent(), QAbstractSpinBox):
        pairs.append((widget.placeholderText, widget.setPlaceholderText))
    if isinstance(widget, QSpinBox):
        pairs.append((widget.specialValueText, widget.setSpecialValueText))
    return pairs


def _parts(widget: QWidget) -> None:
    if isinstance(widget, QTabWidget):
        for tab in range(widget.count()):
            _put(widget.tabText(tab), partial(widget.setTabText, tab))
            _put(widget.tabToolTip(tab), partial(widget.setTabToolTip, tab))
    elif isinstance(widget, QComboBox):
        for row in range(widget.count()):
            text = widget.itemText(row)
            if widget.itemData(row) is not None or " " in text:  # else it is a setting's value
                _put(text, partial(widget.setItemText, row))
    elif isinstance(widget, QTableWidget):
        for column in range(widget.columnCount()):
            head = widget.horizontalHeaderItem(column)
            if head is not None:
                _put(head.text(), head.setText)
    elif isinstance(widget, QTreeWidget):
        heads = widget.headerItem()
        for column in range(widget.columnCount()):
            _put(heads.text(column), partial(heads.setText, column))


def _put(text: str, put: Callable[[str], object]) -> None:
    other = tr(text)
    if other != text:
        put(other)
