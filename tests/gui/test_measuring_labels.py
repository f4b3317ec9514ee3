"""The words of measurements: each can be read, however near the shapes lie to one another."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from PySide6.QtCore import QPointF, QRectF, QSize, Qt

from ctstudio.gui.measuring.labels import Labels

SIZE = QSize(400, 300)


def overlap(a: QRectF, b: QRectF) -> float:
    both = a & b
    return both.width() * both.height() if both.isValid() else 0.0


@pytest.mark.parametrize("corner", [(20, 20), (330, 20), (20, 260), (330, 260), (180, 140)])
def test_words_about_one_place_keep_apart_and_inside(corner: tuple[int, int]) -> None:
    shapes = [QRectF(corner[0] + 9 * k, corner[1] + 5 * k, 20, 15) for k in range(4)]
    labels = Labels(SIZE, shapes)
    found = [labels.place(shape, 110, 17, 14) for shape in shapes]
    assert all(overlap(a, b) == 0 for a, b in combinations(found, 2))
    assert all(QRectF(0, 0, SIZE.width(), SIZE.height()).contains(rect) for rect in found)
    assert all(overlap(rect, shape) == 0 for rect in found for shape in shapes)


def test_words_alone_stand_on_the_right() -> None:
    shape = QRectF(100, 100, 40, 30)
    assert Labels(SIZE, [shape]).place(shape, 90, 20, 14) == QRectF(148, 105, 90, 20)


def test_words_wider_than_the_pane_begin_at_its_edge() -> None:
    rect = Labels(QSize(80, 60), []).place(QRectF(30, 20, 10, 10), 200, 20, 14)
    assert rect.left() == 4


def test_regions_side_by_side_can_be_read(hands: Any, thin: Any, monkeypatch: Any) -> None:
    hands.open(thin)
    hands.view.setFocus()
    hands.key(Qt.Key.Key_R)
    for x in (120, 170, 220):
        start = QPointF(x, 150)
        hands.drag(hands.view, Qt.MouseButton.LeftButton, start, QPointF(24, 20))
    assert len(hands.window.measuring.measurements.entries) == 3
    placed: list[QRectF] = []
    place = Labels.place

    def watched(self: Labels, *args: Any) -> QRectF:
        placed.append(place(self, *args))
        return placed[-1]

    monkeypatch.setattr(Labels, "place", watched)
    hands.picture(hands.view)
    assert all(overlap(a, b) == 0 for a, b in combinations(placed[-3:], 2))
    assert len(placed) % 3 == 0, "each has its words"
