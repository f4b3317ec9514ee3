"""Oblique planes that were turned by rings, keys and numbers are turned back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt

from ctstudio.ct.oblique import Oblique
from tests.gui.test_oblique_gui import line_of, turn
from tests.gui.test_undo import redo, undo

Key, Alt, Left = Qt.Key, Qt.KeyboardModifier.AltModifier, Qt.MouseButton.LeftButton


def ring(hands: Any, axial: Any, coronal: Any) -> QPointF:
    size = axial.view.viewport().size()
    line = line_of(hands, axial.view, coronal)
    return line.handles(min(size.width(), size.height()))[1]


def test_one_drag_of_a_ring_is_one_step(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "planes")
    axial, coronal, _ = hands.grid.visible_panes
    hands.grid.activate(coronal)
    hands.grid.panes[1].slab_chosen.emit(("mean", 10.0))  # what the drag is not to be taken for
    hands.wheel(coronal.view, 2)
    index, count = coronal.view.index, hands.session.undo.count()
    hands.drag(axial.view, Left, ring(hands, axial, coronal), QPointF(-20, 60))
    turned = coronal.view.shown_plane
    assert isinstance(turned, Oblique)
    assert hands.session.undo.count() == count + 1
    assert hands.window.actions_by_name["undo"].text() == "Undo turn the plane"
    undo(hands)
    assert coronal.view.shown_plane == "coronal"
    assert coronal.view.index == index
    assert coronal.view.slab == ("mean", 10.0), "what was done before is still done"
    assert abs(line_of(hands, axial.view, coronal).way.y()) < 1e-9
    redo(hands)
    assert coronal.view.shown_plane == turned
    # Another drag is another step, from where the first one ended.
    hands.drag(axial.view, Left, ring(hands, axial, coronal), QPointF(10, -40))
    undo(hands)
    assert coronal.view.shown_plane == turned
    undo(hands)
    undo(hands)
    assert (coronal.view.shown_plane, coronal.view.slab) == ("coronal", None)


def test_a_drag_that_moves_the_line_alone_is_no_turn(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "planes")
    axial, coronal, _ = hands.grid.visible_panes
    count = hands.session.undo.count()
    line = line_of(hands, axial.view, coronal)
    hands.drag(axial.view, Left, line.centre + line.way * 30, QPointF(0, 30))
    assert coronal.view.shown_plane == "coronal"
    assert hands.session.undo.count() == count


def test_a_ring_that_is_still_held_is_a_step_before_the_next(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "planes")
    axial, coronal, sagittal = hands.grid.visible_panes
    count = hands.session.undo.count()
    at = ring(hands, axial, coronal)
    hands.mouse(axial.view, QEvent.Type.MouseButtonPress, at, Left, Left)
    hands.mouse(axial.view, QEvent.Type.MouseMove, at + QPointF(0, 40), held=Left)
    turned = coronal.view.shown_plane
    sagittal.plane_chosen.emit("axial")
    assert hands.session.undo.count() == count + 2
    hands.mouse(axial.view, QEvent.Type.MouseButtonRelease, at + QPointF(0, 40), Left)
    assert hands.session.undo.count() == count + 2
    undo(hands)
    assert (coronal.view.shown_plane, sagittal.view.shown_plane) == (turned, "sagittal")
    undo(hands)
    assert coronal.view.shown_plane == "coronal"


def test_keys_and_numbers_that_turn_a_plane(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    view.setFocus()
    hands.key(Key.Key_O, Alt)
    hands.key(Key.Key_Up, Alt)
    hands.key(Key.Key_Right, Alt)
    bar = hands.grid.bars.itemAt(1).widget()
    before = view.shown_plane.angles
    bar.angles[2].setValue(20)
    assert view.shown_plane.angles == pytest.approx((*before[:2], 20), abs=0.06)
    undo(hands)
    assert view.shown_plane.angles == pytest.approx(before)
    assert bar.angles[2].value() == pytest.approx(before[2], abs=0.06), "the bar follows"
    undo(hands)
    start = Oblique.of("axial", np.zeros(3)).turned(np.array([1.0, 0, 0]), 5)
    assert view.shown_plane.column == pytest.approx(start.column)
    undo(hands)
    undo(hands)
    assert view.shown_plane == "axial"
    assert not bar.isVisible()
