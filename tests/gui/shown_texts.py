"""Every text that a window shows or tells: on widgets, in lists, menus, plots and tips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QDockWidget,
    QDoubleSpinBox,
    QGraphicsSimpleTextItem,
    QGraphicsTextItem,
    QGraphicsView,
    QGroupBox,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QSpinBox,
    QTabWidget,
    QTextEdit,
    QTreeView,
    QWidget,
)

Role = Qt.ItemDataRole
ROLES = (Role.DisplayRole, Role.ToolTipRole, Role.AccessibleTextRole)
MOST_ROWS = 300


def shown_texts(top: QWidget) -> Iterator[tuple[str, str]]:
    """Where each text stands, and the text."""
    for widget in (top, *top.findChildren(QWidget)):
        where = place_of(widget)
        for how, text in (*_told(widget), *_written(widget), *_parts(widget)):
            if isinstance(text, str) and text.strip():
                yield f"{where}.{how}", text
    for action in top.findChildren(QAction):
        for how, text in (("text", action.text()), ("toolTip", action.toolTip())):
            if text:
                yield f"action {action.objectName()}.{how}", text


def place_of(widget: QWidget) -> str:
    """The widget's name within its two parents."""
    names: list[str] = []
    part: QWidget | None = widget
    while part is not None and len(names) < 3:
        names.append(part.objectName() or type(part).__name__)
        part = part.parentWidget()
    return "/".join(reversed(names))


def _told(widget: QWidget) -> Iterator[tuple[str, Any]]:
    yield "toolTip", widget.toolTip()
    yield "accessibleName", widget.accessibleName()
    yield "statusTip", widget.statusTip()
    if widget.isWindow() or isinstance(widget, QDockWidget):
        yield "windowTitle", widget.windowTitle()


def _written(widget: QWidget) -> Iterator[tuple[str, Any]]:
    if isinstance(widget, (QLabel, QAbstractButton)):
        yield "text", widget.text()
    if isinstance(widget, (QGroupBox, QMenu)):
        yield "title", widget.title()
    if isinstance(widget, QLineEdit):
        yield "placeholder", widget.placeholderText()
    if isinstance(widget, (QPlainTextEdit, QTextEdit)):
        yield "placeholder", widget.placeholderText()
    if isinstance(widget, (QSpinBox, QDoubleSpinBox)):
        yield "prefix", widget.prefix()
        yield "suffix", widget.suffix()
        yield "special", widget.specialValueText()


def _parts(widget: QWidget) -> Iterator[tuple[str, Any]]:
    if isinstance(widget, QTabWidget):
        for tab in range(widget.count()):
            yield "tab", widget.tabText(tab)
            yield "tab tip", widget.tabToolTip(tab)
    if isinstance(widget, QComboBox):
        yield from _rows(widget.model(), QModelIndex(), tree=False)
    elif isinstance(widget, QAbstractItemView) and type(widget).__name__ != "QHeaderView":
        model = widget.model()
        if model is not None:
            yield from _rows(model, QModelIndex(), tree=isinstance(widget, QTreeView))
            yield from _heads(model)
    if isinstance(widget, QGraphicsView) and widget.scene() is not None:
        for item in widget.scene().items():
            if isinstance(item, QGraphicsTextItem):
                yield "scene", item.toPlainText()
            elif isinstance(item, QGraphicsSimpleTextItem):
                yield "scene", item.text()


def _columns(model: QAbstractItemModel) -> int:
    try:
        return model.columnCount()
    except TypeError:  # Qt hides it in models of lists
        return 1


def _rows(
    model: QAbstractItemModel, parent: QModelIndex, *, tree: bool, depth: int = 0
) -> Iterator[tuple[str, Any]]:
    for row in range(min(model.rowCount(parent), MOST_ROWS)):
        for column in range(_columns(model)):
            index = model.index(row, column, parent)
            for role in ROLES:
                yield f"item {row},{column}", index.data(role)
        if tree and depth < 4:
            yield from _rows(model, model.index(row, 0, parent), tree=True, depth=depth + 1)


def _heads(model: QAbstractItemModel) -> Iterator[tuple[str, Any]]:
    for column in range(_columns(model)):
        for role in ROLES[:2]:
            yield f"head {column}", model.headerData(column, Qt.Orientation.Horizontal, role)
