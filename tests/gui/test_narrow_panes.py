"""Words upon a narrow pane: each has its place."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF

from ctstudio.gui.session import Layer
from ctstudio.gui.viewer import overlay

Key, Shift = Qt.Key, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> dict[str, QRectF]:
    """Where words are written upon the images, px."""
    written: dict[str, QRectF] = {}
    plain = overlay.outlined

    def outlined(painter: Any, position: QPointF, text: str, *colour: str) -> None:
        metrics = QFontMetricsF(painter.font())
        corner = QPointF(position.x(), position.y() - metrics.ascent() + 1)
        height = metrics.ascent() + metrics.descent() - 2
        written[text] = QRectF(corner.x(), corner.y(), metrics.horizontalAdvance(text), height)
        plain(painter, position, text, *colour)

    monkeypatch.setattr(overlay, "outlined", outlined)
    return written


def test_names_of_a_comparison_and_metrics_do_not_cover_one_another(
    hands: Any, thin: Any, places: dict[str, QRectF]
) -> None:
    (one,) = hands.open(thin)
    other = one.stack.derived(one.stack.hu() + 7, "seven more")
    hands.session.add_layer(Layer("Seven more than the scan has", "denoised", other, parent=one))
    hands.session.hang.emit(list(hands.session.layers))
    pane = hands.grid.panes[1]
    hands.grid.activate(pane)
    pane.view.setFocus()
    hands.key(Key.Key_I, Shift)
    hands.wait(lambda: hands.session.metrics_of(hands.session.layers[1]), "for the metrics")
    assert pane.view.viewport().width() < 480
    for key in (Key.Key_W, Key.Key_X, Key.Key_Y):
        hands.key(key)
        places.clear()
        hands.picture(pane.view.viewport())
        assert any("PSNR" in text for text in places)
        assert any("Seven more" in text for text in places)
        for (text, place), (beside, its_place) in combinations(places.items(), 2):
            assert not place.intersects(its_place), f"{text} lies upon {beside}"
