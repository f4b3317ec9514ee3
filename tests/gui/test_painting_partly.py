"""While one scrolls, only what changes is painted: the screen is as if all were painted anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, Qt
from PySide6.QtWidgets import QApplication

from tests.gui.looking import pixels

Left = Qt.MouseButton.LeftButton


class Painted(QObject):
    """Which parts of a pane are painted."""

    def __init__(self, port: Any) -> None:
        super().__init__()
        self.areas: list[int] = []
        port.installEventFilter(self)

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            rects = [event.region().boundingRect()] if event.region().rectCount() == 1 else None
            rects = rects or [watched.rect().intersected(r) for r in event.region()]
            self.areas.append(sum(r.width() * r.height() for r in rects))
        return False


def on_screen(hands: Any, view: Any) -> NDArray[np.uint8]:
    """The pane as the window shows it, without asking it to paint."""
    QApplication.processEvents()
    window = hands.window
    at = view.viewport().mapTo(window, QPoint(0, 0))
    shot = window.screen().grabWindow(window.winId())
    return pixels(shot.copy(QRect(at, view.viewport().size())).toImage())


def painted_anew(view: Any) -> NDArray[np.uint8]:
    return pixels(view.viewport().grab().toImage())


STATES = {
    "plain": (),
    "window": ("invert",),
    "colours": ("next_colours",),
    "grid": ("grid",),
    "planes": ("planes",),
    "nothing upon it": ("hide_all",),
    "swipe": ("compare_swipe",),
    "metrics": ("metrics",),
}


@pytest.mark.parametrize("zoom", [1.0, 0.3])
@pytest.mark.parametrize("state", STATES)
def test_the_screen_is_as_if_all_were_painted(
    hands: Any, thin: Any, thick: Any, state: str, zoom: float
) -> None:
    hands.open(thin, thick)
    for name in STATES[state]:
        action = hands.window.actions_by_name[name]
        action.setChecked(True) if action.isCheckable() else action.trigger()
    hands.view.zoom_by(zoom)
    hands.grid.go_to(2)
    before = on_screen(hands, hands.view)
    assert (before == painted_anew(hands.view)).all()
    for steps in (1, 1, 2, -1):
        hands.wheel(hands.view, steps)
        for pane in hands.grid.visible_panes:
            shown = on_screen(hands, pane.view)
            assert (shown == painted_anew(pane.view)).all(), steps
    assert (on_screen(hands, hands.view) != before).any(), "another slice"


def test_a_measured_region_is_told_anew_on_each_slice(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.grid.go_to(2)
    hands.window.actions_by_name["measure_rectangle"].setChecked(True)
    hands.drag(hands.view, Left, QPointF(150, 150), QPointF(60, 50))
    for steps in (1, -1, 1):
        hands.wheel(hands.view, steps)
        assert (on_screen(hands, hands.view) == painted_anew(hands.view)).all()


def test_another_slice_paints_no_more_than_it_changes(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    view.zoom_by(0.3)
    hands.grid.go_to(2)
    on_screen(hands, view)
    port = view.viewport()
    painted = Painted(port)
    hands.wheel(view, 1)
    QApplication.processEvents()
    picture = view._plane_transform().mapRect(view.image_rect())
    whole = port.width() * port.height()
    assert picture.width() * picture.height() <= max(painted.areas) < 0.5 * whole
    painted.areas.clear()
    view.set_crosshair(QPointF(0, 0))
    QApplication.processEvents()
    assert max(painted.areas) == whole, "lines go through the whole pane"
