"""Series, layers and files are dragged onto the pane that is to show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDrag, QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QFrame

from tests.gui.test_undo import undo

Key, Alt = Qt.Key, Qt.KeyboardModifier.AltModifier
Left, NoModifier = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
Copy = Qt.DropAction.CopyAction


class Carrier:
    """Carries what is dragged over the window, as a desktop does for a mouse."""

    def __init__(self, hands: Any) -> None:
        self.window, self.grid = hands.window, hands.grid
        self.frame = self.window.findChild(QFrame, "drop")

    def place(self, pane: int) -> QPoint:
        widget = self.grid.visible_panes[pane]
        return widget.mapTo(self.window, widget.rect().center())

    def over(self, data: QMimeData, start: QPoint, at: QPoint) -> bool:
        """Whether it would be taken ``at`` a place, having come into the window at ``start``."""
        enter = QDragEnterEvent(start, Copy, data, Left, NoModifier)
        enter.ignore()
        QApplication.sendEvent(self.window, enter)
        if not enter.isAccepted():  # then nothing more is told of it
            return False
        move = QDragMoveEvent(at, Copy, data, Left, NoModifier)
        move.ignore()
        QApplication.sendEvent(self.window, move)
        return move.isAccepted()

    def drop(self, data: QMimeData, start: QPoint, at: QPoint) -> bool:
        if not self.over(data, start, at):
            QApplication.sendEvent(self.window, QDragLeaveEvent())
            return False
        event = QDropEvent(QPointF(at), Copy, data, Left, NoModifier)
        QApplication.sendEvent(self.window, event)
        return event.isAccepted()


@pytest.fixture
def carrier(hands: Any) -> Carrier:
    return Carrier(hands)


Drag = Callable[[QAbstractItemView, int, QPoint], bool]


@pytest.fixture
def drag(hands: Any, carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> Drag:
    """Drag the entry of a list to a place of the window by the mouse; whether it was taken."""

    def pull(view: QAbstractItemView, row: int, at: QPoint) -> bool:
        taken: list[bool] = []

        def carried(self: QDrag, *_: object) -> Qt.DropAction:
            start = view.mapTo(hands.window, QPoint(20, 20))
            taken.append(carrier.drop(self.mimeData(), start, at))
            return Copy if taken[-1] else Qt.DropAction.IgnoreAction

        monkeypatch.setattr(QDrag, "exec", carried)
        model = view.model()
        index = model.index(row, 0)
        if model.rowCount(model.index(0, 0)):  # series lie below their study
            index = model.index(row, 0, model.index(0, 0))
        start, port = view.visualRect(index).center(), view.viewport()
        QTest.mousePress(port, Left, NoModifier, start)
        step = 0
        while not taken and step < 60:
            step += 10
            QTest.mouseMove(port, start + QPoint(step, 0))
        return taken == [True]  # the button goes up elsewhere

    return pull


def names(hands: Any) -> list[str | None]:
    return [pane.layer and pane.layer.name for pane in hands.grid.visible_panes]


def test_a_layer_is_dragged_onto_a_pane(hands: Any, thin: Any, thick: Any, drag: Drag) -> None:
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_4, Alt)
    before = names(hands)
    assert before[2:] == [None, None]
    layers = hands.window.series_panel.list
    row = next(r for r in range(layers.count()) if layers.item(r).text() == "Thin slab")
    assert drag(layers, row, Carrier(hands).place(3))
    assert names(hands) == [*before[:3], "Thin slab"]
    assert hands.grid.active_pane is hands.grid.visible_panes[3]
    undo(hands)
    assert names(hands) == before


def test_a_series_that_is_not_open_comes_into_the_pane_that_it_was_dragged_to(
    hands: Any, thin: Any, thick: Any, elsewhere: Any, drag: Drag, carrier: Carrier
) -> None:
    """And into no other, although the panes before it are empty."""
    hands.open(thin)
    hands.view.setFocus()
    hands.key(Key.Key_4, Alt)
    hands.window.opener.open_paths([elsewhere.folder], show=False)
    hands.idle()
    tree = hands.window.series_panel.tree
    (row,) = (r for r, info in enumerate(hands.session.series) if "Elsewhere" in info.title)
    assert drag(tree, row, carrier.place(2))
    hands.wait(lambda: hands.layer("Elsewhere", complete=True))
    hands.idle()
    assert names(hands) == ["Thin slab", None, "Elsewhere", None]
    # The next one has no such wish.
    hands.open(thick)
    assert names(hands) == ["Thin slab", "Thick slab", "Elsewhere", None]


def test_an_entry_that_is_let_go_beside_the_panes_does_nothing(
    hands: Any, thin: Any, thick: Any, drag: Drag, carrier: Carrier
) -> None:
    """The list marks what is seen, not what was pulled at."""
    hands.open(thin, thick)
    layers, before = hands.window.series_panel.list, names(hands)
    marked = layers.currentItem().text()
    row = next(r for r in range(layers.count()) if layers.item(r).text() != marked)
    tabs = hands.window.tabs
    assert not drag(layers, row, tabs.mapTo(hands.window, tabs.rect().center()))
    assert names(hands) == before
    assert layers.currentItem().text() == marked
    assert not carrier.frame.isVisible()


def test_files_come_into_the_pane_that_they_were_dropped_on(
    hands: Any, thin: Any, elsewhere: Any, carrier: Carrier
) -> None:
    hands.open(thin)
    hands.view.setFocus()
    hands.key(Key.Key_4, Alt)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(elsewhere.folder))])
    at = carrier.place(3)
    assert carrier.over(data, carrier.place(0), at)
    assert carrier.frame.isVisible()
    target = hands.grid.visible_panes[3]
    assert carrier.frame.geometry().center() == at
    assert carrier.frame.size() == target.size()
    assert carrier.drop(data, carrier.place(0), at)
    assert not carrier.frame.isVisible()
    hands.wait(lambda: hands.layer("Elsewhere", complete=True))
    hands.idle()
    assert names(hands) == ["Thin slab", None, None, "Elsewhere"]


def test_what_another_window_lists_and_plain_text_are_not_taken(
    hands: Any, thin: Any, carrier: Carrier, tmp_path: Path
) -> None:
    hands.open(thin)
    place = carrier.place(0)
    words = QMimeData()
    words.setText(str(tmp_path))
    foreign = QMimeData()
    foreign.setData("application/x-ctstudio-entry", b"1 layer 0")
    for data in (words, foreign):
        assert not carrier.over(data, place, place)
        assert not carrier.frame.isVisible()
