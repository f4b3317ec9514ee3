"""Oblique planes in the panes: turned by keys, numbers and handles, with crosshair and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from ctstudio.ct.oblique import Oblique

Key, Alt = Qt.Key, Qt.KeyboardModifier.AltModifier
Shift, Left = Qt.KeyboardModifier.ShiftModifier, Qt.MouseButton.LeftButton


def turn(hands: Any, *names: str) -> None:
    for name in names:
        hands.window.actions_by_name[name].trigger()
    hands.pause(10)


def value_at(sample: Any, point: np.ndarray) -> float:
    """HU at a patient point, from the numbers that went into the files."""
    from scipy.ndimage import map_coordinates

    x, y, z = point
    at = [[(z - 100.0) / 3.0], [(y + 38.4) / 0.8], [(x + 44.0) / 1.1]]
    return float(map_coordinates(sample.hu.astype(float), at, order=1)[0])


def check(view: Any, sample: Any) -> int:
    """Every probe of the pane tells what lies at its point; how many did."""
    told = 0
    rect = view.image_rect()
    for u in np.linspace(rect.left() + 1, rect.right() - 1, 12):
        for v in np.linspace(rect.top() + 1, rect.bottom() - 1, 12):
            probe = view.probe(QPointF(u, v))
            if probe is not None and np.isfinite(probe.value):
                want = value_at(sample, np.array(probe.point_mm))
                assert probe.value == pytest.approx(want, abs=0.02)
                told += 1
    return told


def test_keys_turn_the_plane_about_the_middle(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    view.setFocus()
    centre = view.centre_mm
    hands.key(Key.Key_O, Alt)
    assert isinstance(view.shown_plane, Oblique)
    assert hands.grid.active_pane.plane_button.text() == "Oblique"
    for _ in range(4):
        hands.key(Key.Key_Up, Alt)
    for _ in range(3):
        hands.key(Key.Key_Right, Alt)
    plane = view.shown_plane
    geometry = view.stack.geometry
    assert abs(float((geometry.positions_mm[view.index] - centre) @ geometry.normal)) < 1e-9
    # 20 degrees about the horizontal line, then 15 about the vertical one of what came of it.
    start = Oblique.of("axial", centre)
    want = start.turned(np.array(start.row), 20)
    want = want.turned(np.array(want.column), 15)
    assert plane.row == pytest.approx(want.row)
    assert plane.column == pytest.approx(want.column)
    assert geometry.edge_letters[2].startswith("A")
    assert len(geometry.edge_letters[2]) >= 2
    assert check(view, thin) > 40
    hands.wheel(view, 3)
    assert check(view, thin) > 30
    turn(hands, "axial")
    assert np.array_equal(view.hu, thin.hu[view.index])


def test_angles_are_read_and_set_in_the_bar(hands: Any, thin: Any) -> None:
    hands.open(thin)
    bar = hands.grid.bars.itemAt(1).widget()
    assert not bar.isVisible()
    turn(hands, "coronal", "oblique", "tilt_up")
    assert bar.isVisible()
    assert bar.title.text() == "Oblique, from coronal"
    assert bar.angles[0].value() == pytest.approx(5)
    bar.angles[1].setValue(-30)
    assert hands.view.shown_plane.angles == pytest.approx((5, -30, 0), abs=0.06)
    assert check(hands.view, thin) > 30
    hands.press(bar.back)
    assert hands.view.shown_plane == "coronal"
    assert not bar.isVisible()


def line_of(hands: Any, view: Any, pane: Any) -> Any:
    lines = hands.window.view_control.lines.lines(view)
    return next(line for line in lines if line.pane is pane)


def test_handles_turn_a_plane_and_its_line_moves_it(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "planes")
    axial, coronal, sagittal = hands.grid.visible_panes
    size = axial.view.viewport().size()
    shorter = min(size.width(), size.height())
    line = line_of(hands, axial.view, coronal)
    assert abs(line.way.y()) < 1e-9, "the coronal plane is level in the axial one"
    # The line, dragged by so many px, moves the plane by so many mm.
    row = coronal.view.index
    between = line.centre + line.way * 30
    by = 12 * 0.8 * axial.view.framing.scale
    hands.drag(axial.view, Left, between, QPointF(0, by))
    assert coronal.view.index == row + 12
    assert not isinstance(coronal.view.shown_plane, Oblique)
    # A handle turns it about its centre: to 25 degrees on the screen, where v grows downwards.
    line = line_of(hands, axial.view, coronal)
    handle = line.handles(shorter)[1]
    arm = handle - line.centre
    angle = np.radians(25)
    to = QPointF(
        arm.x() * np.cos(angle) - arm.y() * np.sin(angle),
        arm.x() * np.sin(angle) + arm.y() * np.cos(angle),
    )
    window = axial.view.window
    hands.drag(axial.view, Left, handle, to - arm)
    plane = coronal.view.shown_plane
    assert isinstance(plane, Oblique)
    turned = Oblique.of("coronal", np.zeros(3)).turned(np.array([0, 0, 1.0]), 25)
    assert plane.row == pytest.approx(turned.row, abs=0.01)
    assert plane.column == pytest.approx((0, 0, -1), abs=1e-9)
    assert axial.view.window == window, "nothing else was dragged"
    assert check(coronal.view, thin) > 40
    again = line_of(hands, axial.view, coronal)
    assert np.degrees(np.arctan(again.way.y() / again.way.x())) == pytest.approx(25, abs=0.5)
    assert (again.centre - line.centre).manhattanLength() < 2, "it turned about its centre"
    turn(hands, "plane_lines")
    assert hands.window.view_control.lines.lines(axial.view) == []
    assert sagittal.view.shown_plane == "sagittal"


def test_the_crosshair_lies_on_one_point_in_all_planes(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "planes")
    axial, coronal, sagittal = hands.grid.visible_panes
    hands.grid.activate(coronal)
    turn(hands, "tilt_up", "tilt_up", "turn_left", "turn_left", "turn_left")
    assert isinstance(coronal.view.shown_plane, Oblique)
    at = axial.view.to_viewport(axial.view.image_rect().center() + QPointF(9, -7))
    hands.move(axial.view, at, Shift)
    point = np.array(axial.view.probe(axial.view._crosshair).point_mm)
    for pane, away in ((coronal, 1.6), (sagittal, 1.6)):
        probe = pane.view.probe(pane.view._crosshair)
        assert np.linalg.norm(np.array(probe.point_mm) - point) < away, "half a voxel, half a slice"
    # And from the oblique plane to the others.
    hands.move(coronal.view, coronal.view.to_viewport(coronal.view._crosshair), Shift)
    geometry = axial.view.stack.geometry
    cross = np.array(coronal.view.probe(coronal.view._crosshair).point_mm)
    assert abs(float((geometry.positions_mm[axial.view.index] - cross) @ geometry.normal)) <= 1.9


def test_linked_panes_of_one_oblique_plane_turn_together(hands: Any, thin: Any, thick: Any) -> None:
    one, other = hands.open(thin, thick)
    hands.grid.show_in(hands.grid.active_pane, one)
    turn(hands, "oblique", "tilt_up")
    hands.session.hang.emit([one, other])
    hands.pause(10)
    first, second = hands.grid.visible_panes
    assert second.view.shown_plane == first.view.shown_plane
    turn(hands, "tilt_up", "turn_left")
    assert second.view.shown_plane == first.view.shown_plane
    depth = [p.view.stack.geometry.offsets_mm[p.view.index] for p in (first, second)]
    assert depth[0] == pytest.approx(depth[1], abs=1e-6)
    hands.wheel(first.view, 2)
    depth = [p.view.stack.geometry.offsets_mm[p.view.index] for p in (first, second)]
    assert depth[0] == pytest.approx(depth[1], abs=3)
    hands.window.actions_by_name["link_scroll"].setChecked(False)
    kept = second.view.shown_plane
    turn(hands, "tilt_up")
    assert second.view.shown_plane == kept


def test_zoom_stays_upon_the_centre_while_the_plane_turns(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    hands.wheel(view, 4, QPointF(260, 240), Qt.KeyboardModifier.ControlModifier)
    turn(hands, "oblique")
    centre, scale = np.array(view.shown_plane.centre_mm), view.framing.scale
    before = hands_place(view, centre)
    turn(hands, "tilt_up", "turn_left", "turn_left")
    assert view.framing.scale == scale
    assert (hands_place(view, centre) - before).manhattanLength() < 1e-6


def hands_place(view: Any, point: np.ndarray) -> QPointF:
    geometry = view.stack.geometry
    u, v = float(point @ geometry.row_direction), float(point @ geometry.column_direction)
    return view.to_viewport(QPointF(u, v))


def test_measuring_upon_an_oblique_plane(hands: Any, thin: Any) -> None:
    hands.open(thin)
    turn(hands, "oblique", "tilt_up", "tilt_up")
    view = hands.view
    hands.window.actions_by_name["measure_distance"].setChecked(True)
    middle = view.to_viewport(view.image_rect().center())
    hands.drag(view, Left, middle, QPointF(60, 25))
    (entry,) = hands.window.measuring.measurements.entries
    assert entry.shape.length == pytest.approx(np.hypot(60, 25) / view.framing.scale, rel=1e-6)
    across = entry.shape.points_mm[1] - entry.shape.points_mm[0]
    assert abs(float(across @ view.stack.geometry.normal)) < 1e-9
    hands.key(Key.Key_Escape)
    turn(hands, "axial")
    hands.window.measuring.jump(entry)
    assert view.shown_plane == entry.plane
    assert entry.shown_in(view)


def test_a_session_keeps_free_splits_and_oblique_planes(hands: Any, thin: Any) -> None:
    import json

    from ctstudio.gui.sessions.parts import ViewPart
    from ctstudio.workflows.sessions.fields import Fields

    (layer,) = hands.open(thin)
    turn(hands, "split_across", "split_down", "oblique", "tilt_up", "turn_left")
    hands.grid.step(3)
    part = ViewPart(hands.grid)
    kept = json.loads(json.dumps(part.state(lambda la: "a" if la is layer else "")))
    plane, index = hands.view.shown_plane, hands.view.index
    shown = [hands.grid.panes.index(pane) for pane in hands.grid.visible_panes]
    turn(hands, "axial", "layout_1")
    part.restore(Fields(kept, "view"), lambda key: layer if key == "a" else None)
    assert [hands.grid.panes.index(pane) for pane in hands.grid.visible_panes] == shown
    assert hands.view.shown_plane == plane
    assert hands.view.index == index
