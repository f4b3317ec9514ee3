"""The cine: its order, speed, turning round, and who runs along."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt

Key, Alt = Qt.Key, Qt.KeyboardModifier.AltModifier


def run(hands: Any, steps: int) -> list[int]:
    """The slices that so many steps of the running cine show; without waiting for its clock."""
    cine, seen = hands.window.view_control.cine, []
    cine.stop()
    for _ in range(steps):
        cine._timer.timeout.emit()
        seen.append(hands.view.index)
    return seen


def test_loop_bounce_and_once(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.view.setFocus()
    hands.key(Key.Key_C)
    strip = hands.window.view_control.cine.strip
    assert strip.isVisible()
    hands.grid.go_to(12)
    assert run(hands, 4) == [13, 0, 1, 2]
    hands.key(Key.Key_L, Alt)
    assert strip.way.currentText() == "Bounce"
    hands.grid.go_to(12)
    assert run(hands, 4) == [13, 12, 11, 10]
    hands.grid.go_to(1)
    assert run(hands, 4) == [0, 1, 2, 3]
    strip.way.setCurrentIndex(2)
    strip.way.activated.emit(2)
    hands.grid.go_to(12)
    assert run(hands, 3) == [13, 13, 13]
    assert not hands.window.actions_by_name["cine"].isChecked(), "it has ended"
    assert not strip.isVisible()


def test_speed_by_key_and_by_number(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.view.setFocus()
    cine = hands.window.view_control.cine
    hands.key(Key.Key_C)
    assert cine.running
    hands.key(Key.Key_Period, Alt)
    assert cine.rate == 15
    assert cine._timer.interval() == pytest.approx(1000 / 15, abs=0.5)
    for _ in range(20):
        hands.key(Key.Key_Comma, Alt)
    assert cine.rate == 1
    for _ in range(40):
        hands.key(Key.Key_Period, Alt)
    assert cine.rate == cine.strip.rate.value() == 60
    cine.strip.rate.setValue(25)
    assert cine._timer.interval() == 40


def test_panes_run_together(hands: Any, thin: Any, thick: Any, elsewhere: Any) -> None:
    hands.session.hang.emit(hands.open(thin, thick, elsewhere))
    hands.pause(10)
    fine, coarse, other = (pane.view for pane in hands.grid.visible_panes)
    fine.setFocus()
    hands.key(Key.Key_C)
    hands.grid.go_to(0)
    alone = other.index
    for _ in range(13):
        run(hands, 1)
        assert abs(coarse.index * 6 - fine.index * 3) <= 3, "by patient position"
    assert other.index == alone
    hands.key(Key.Key_N, Alt)
    hands.grid.go_to(0)
    seen = []
    for _ in range(13):
        run(hands, 1)
        seen.append(other.index)
    assert (seen[0], seen[-1]) == (0, 4), "all of its own slices in the same time"
    assert sorted(seen) == seen
