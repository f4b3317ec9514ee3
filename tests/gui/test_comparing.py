"""Two layers in one pane: what is painted where, which values are told, and what keys do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_index, diverging_table
from ctstudio.gui.viewer.picture_view import Framing
from tests.gui.looking import pixels, place_of

Key = Qt.Key
Left, Ctrl = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
Shift = Qt.KeyboardModifier.ShiftModifier
WINDOW = Window(-200, 1600)


@pytest.fixture
def pair(pair: Any) -> Any:
    """In a window that clips nothing."""
    pair.grid.set_window(WINDOW)
    return pair


def sample(hands: Any, ys: Any, xs: Any) -> dict[tuple[int, int], tuple[QPointF, np.ndarray]]:
    """The colours painted in the middle of voxels, with their places."""
    view = hands.view
    seen = pixels(hands.picture(view.viewport()))
    found = {}
    for y in ys:
        for x in xs:
            at = place_of(view, y, x)
            # Not where words stand, nor beyond the pane.
            if 80 < at.y() < seen.shape[0] - 4 and 4 < at.x() < seen.shape[1] - 60:
                found[y, x] = at, seen[int(at.y()), int(at.x())]
    return found


YS, XS = range(4, 92, 4), range(4, 76, 3)


def greys(thin: Any, thick: Any) -> tuple[np.ndarray, np.ndarray]:
    return WINDOW.to_uint8(thin.hu[4]), WINDOW.to_uint8(thick.hu[2])


@pytest.mark.parametrize(("key", "down"), [(None, False), (Shift, True)])
def test_swipe_shows_one_layer_on_either_side(
    pair: Any, thin: Any, thick: Any, key: Any, down: bool
) -> None:
    pair.key(Key.Key_W, key or Qt.KeyboardModifier.NoModifier)
    first, second = greys(thin, thick)
    view, size = pair.view, pair.view.viewport().size()
    composer = pair.window.view_control.comparing.active
    middle = size.height() / 2 if down else size.width() / 2
    assert composer.line_px == pytest.approx(middle)
    for share in (0.5, 0.35):
        line = share * (size.height() if down else size.width())
        if share != 0.5:
            at = QPointF(view.width() / 2, middle) if down else QPointF(middle, 120)
            by = QPointF(0, line - middle) if down else QPointF(line - middle, 0)
            pair.drag(view, Left, at, by)
        assert composer.line_px == pytest.approx(line, abs=1)
        checked = [0, 0]
        for (y, x), (at, colour) in sample(pair, YS, XS).items():
            away = (at.y() if down else at.x()) - line
            if abs(away) > 30:  # there stand handle and names
                want = second if away > 0 else first
                assert (colour == want[y, x]).all(), (y, x)
                checked[int(away > 0)] += 1
        assert min(checked) > 20
    assert view.window == WINDOW, "the line was dragged, not the window"
    pair.key(Key.Key_W, key or Qt.KeyboardModifier.NoModifier)
    assert pair.window.view_control.comparing.active is None
    assert all((c == first[p]).all() for p, (_, c) in sample(pair, YS, XS).items())


def test_keys_move_the_line(pair: Any) -> None:
    pair.key(Key.Key_W)
    comparing = pair.window.view_control.comparing
    pair.key(Key.Key_Period)
    assert comparing.values.get("swipe") == pytest.approx(52)
    for _ in range(40):
        pair.key(Key.Key_Comma)
    assert comparing.values.get("swipe") == 0


def test_checkerboard_alternates_in_squares_of_the_patient(
    pair: Any, thin: Any, thick: Any
) -> None:
    pair.key(Key.Key_K)
    comparing = pair.window.view_control.comparing
    first, second = greys(thin, thick)
    rect = pair.view.image_rect()
    for cell in (20.0, 12.0):
        comparing.set_value("checkerboard", cell)
        for shift in (0.0, 3.3):  # panned: the squares stay upon the patient
            framing = pair.view.framing
            pair.view.set_framing(Framing(framing.u + shift, framing.v, framing.scale))
            checked = [0, 0]
            for (y, x), (_, colour) in sample(pair, YS, XS).items():
                across, below = (x + 0.5) * 1.1 / cell, (y + 0.5) * 0.8 / cell
                if min(abs(v - round(v)) for v in (across, below)) * cell < 0.3:
                    continue  # upon an edge
                turn = (int(across) + int(below)) % 2
                assert (colour == (second if turn else first)[y, x]).all(), (y, x, cell)
                checked[turn] += 1
            assert min(checked) > 15
    assert rect == pair.view.image_rect()


def test_blend_mixes_the_greys(pair: Any, thin: Any, thick: Any) -> None:
    pair.key(Key.Key_B, Shift)
    comparing = pair.window.view_control.comparing
    first, second = (grey.astype(float) for grey in greys(thin, thick))
    for share in (0, 25, 100):
        comparing.set_value("blend", share)
        want = first + share / 100 * (second - first)
        for (y, x), (_, colour) in sample(pair, YS, XS).items():
            assert abs(float(colour[0]) - want[y, x]) <= 1.5


def test_flicker_shows_both_in_turn(pair: Any, thin: Any, thick: Any) -> None:
    first, second = greys(thin, thick)
    pair.key(Key.Key_X)
    comparing = pair.window.view_control.comparing
    comparing.set_value("flicker", 16)
    places = [p for p in sample(pair, YS, XS) if first[p] != second[p]]
    assert len(places) > 20
    seen = set()

    def look() -> bool:
        found = sample(pair, YS, XS)
        for number, want in enumerate((first, second)):
            if all((found[p][1] == want[p]).all() for p in places):
                seen.add(number)
        return seen == {0, 1}

    pair.wait(look, "for both layers")
    assert comparing._flicker.interval() == round(1000 / 16)
    pair.key(Key.Key_X)
    assert not comparing._flicker.isActive()
    assert all((sample(pair, YS, XS)[p][1] == first[p]).all() for p in places)


def test_the_scale_of_a_difference_ends_at_round_numbers(pair: Any) -> None:
    pair.key(Qt.Key.Key_Y)
    comparing = pair.window.view_control.comparing
    seen = set()
    for _ in range(12):
        pair.key(Qt.Key.Key_Period)
        seen.add(comparing.values.get("difference"))
    assert len(seen) > 6
    assert all(value == float(f"{value:.2g}") for value in seen), seen


def test_difference_has_a_sign_and_a_scale_of_its_own(pair: Any, thin: Any, thick: Any) -> None:
    pair.key(Key.Key_Y)
    comparing = pair.window.view_control.comparing
    difference = thick.hu[2].astype(np.float32) - thin.hu[4]
    assert np.array_equal(comparing.active.difference, difference)
    comparing.set_value("difference", 10)
    table = diverging_table()[diverging_index(difference, 10)]
    for (y, x), (_, colour) in sample(pair, YS, XS).items():
        assert (colour == table[y, x]).all(), (y, x)
    pair.drag(pair.view, Left, QPointF(100, 150), QPointF(60, 0))
    assert comparing.values.get("difference") == pytest.approx(10 * np.exp(60 / 150), rel=1e-3)
    assert pair.view.window == WINDOW, "a drag sets the scale, not the window"
    pair.move(pair.view, place_of(pair.view, 3, 3))
    text = pair.window.probe_label.text()
    for value in (thin.hu[4, 3, 3], thick.hu[2, 3, 3], int(difference[3, 3])):
        assert f"<b>{value}</b> HU" in text


def test_a_region_upon_a_difference_tells_the_difference(pair: Any, thin: Any, thick: Any) -> None:
    from ctstudio.ct.measure import Shape, box
    from ctstudio.gui.measuring.drawing import marks_of, words_for

    view, tool = pair.view, pair.window.measuring.tool
    geometry = view.stack.geometry
    start, end = geometry.to_patient(4, 60.0, 20.0), geometry.to_patient(4, 70.0, 30.0)
    corners = box(start, end, geometry.row_direction, geometry.column_direction)
    pair.window.measuring.measurements.add(
        Shape("rectangle", corners, geometry.normal), "axial", view.layer
    )
    (entry,) = pair.window.measuring.measurements.entries
    inside = np.s_[60:71, 20:31]
    own = thin.hu[4][inside].astype(float)
    assert tool._told(entry, view)[0] == f"{own.mean():.1f} ± {own.std(ddof=1):.1f} HU"
    pair.key(Key.Key_Y)
    apart = thick.hu[2][inside].astype(float) - own
    told = f"Δ {apart.mean():.1f} ± {apart.std(ddof=1):.1f} HU"
    assert tool._told(entry, view)[0] == told
    # In a picture of a slice that is not on the screen, too.
    pair.wheel(view, 1)
    assert view.index != 4
    assert words_for(entry.shape, view, at=4)[0] == told
    assert marks_of([entry], view, 4)[0].words[0] == told
    pair.wheel(view, -1)
    pair.key(Key.Key_Y)
    assert tool._told(entry, view)[0] == f"{own.mean():.1f} ± {own.std(ddof=1):.1f} HU"


def test_values_of_both_layers_whatever_is_compared(pair: Any, thin: Any, thick: Any) -> None:
    for mode in ("swipe", "swipe_down", "flicker", "checkerboard", "blend"):
        pair.window.actions_by_name[f"compare_{mode}"].setChecked(True)
        for y, x in ((3, 3), (47, 40), (76, 40)):
            pair.move(pair.view, place_of(pair.view, y, x))
            text = pair.window.probe_label.text()
            assert f"Thin slab <b>{thin.hu[4, y, x]}</b> HU" in text, mode
            assert f"Thick slab <b>{thick.hu[2, y, x]}</b> HU" in text, mode


def test_a_mirrored_layer_is_laid_the_right_way_round(hands: Any, thin: Any, mirrored: Any) -> None:
    one, two = hands.open(thin, mirrored)
    hands.grid.show_in(hands.grid.active_pane, one)
    hands.grid.go_to(4)
    hands.key(Key.Key_Y)
    composer = hands.window.view_control.comparing.active
    assert composer.layer is two
    assert not composer.difference.any(), "the same voxels, stored the other way round"
    hands.move(hands.view, place_of(hands.view, 3, 3))
    text = hands.window.probe_label.text()
    assert text.count(f"<b>{thin.hu[4, 3, 3]}</b>") == 2


def test_other_pixels_are_interpolated(hands: Any, thin: Any) -> None:
    from dataclasses import replace

    from ctstudio.ct.volume import Volume
    from ctstudio.gui.session import Layer

    (one,) = hands.open(thin)
    # A field that is linear in the patient, on pixels twice as wide and shifted.
    fine = one.stack.geometry
    coarse = replace(
        fine,
        spacing_mm=(1.6, 2.2),
        positions_mm=fine.positions_mm + 0.3 * fine.row_direction + 0.1 * fine.column_direction,
    )

    def field(geometry: Any, ny: int, nx: int) -> np.ndarray:
        dy, dx = geometry.spacing_mm
        y, x = np.mgrid[:ny, :nx]
        at = geometry.positions_mm[:, None, None, :2] + np.stack([x * dx, y * dy], axis=-1)
        return (2 * at[..., 0] - 3 * at[..., 1]).astype(np.float32)

    whole = Volume.from_hu(field(fine, 96, 80), fine, source=one.stack.source)
    half = Volume.from_hu(field(coarse, 48, 40), coarse, source=one.stack.source)
    a = hands.session.add_layer(Layer("Fine", "original", whole))
    b = hands.session.add_layer(Layer("Coarse", "denoised", half, parent=a))
    hands.grid.show_in(hands.grid.active_pane, a)
    comparing = hands.window.view_control.comparing
    comparing.set_mode(hands.grid.active_pane, "difference", b)
    difference = comparing.active.difference
    known = np.isfinite(difference)
    assert known.mean() > 0.9
    assert np.abs(difference[known]).max() < 1e-3


def test_scrolling_carries_both_layers(pair: Any, thin: Any, thick: Any) -> None:
    pair.key(Key.Key_Y)
    composer = pair.window.view_control.comparing.active
    pair.wheel(pair.view, 2)
    assert pair.view.index == 6
    assert np.array_equal(composer.difference, thick.hu[3].astype(np.float32) - thin.hu[6])


def test_next_layer_swap_and_end(pair: Any, thin: Any, thick: Any) -> None:
    comparing = pair.window.view_control.comparing
    bar = pair.grid.bars.itemAt(0).widget()
    assert not bar.isVisible()
    pair.key(Key.Key_W)
    assert bar.isVisible()
    assert (bar.first.text(), bar.second.currentText()) == ("Thin slab", "Thick slab")
    pair.key(Key.Key_N, Shift)
    assert pair.view.layer.name == "Thick slab"
    assert comparing.active.layer.name == "Thin slab"
    assert (bar.first.text(), bar.second.currentText()) == ("Thick slab", "Thin slab")
    pair.key(Key.Key_K)
    assert comparing.active.mode == "checkerboard"
    assert not pair.window.actions_by_name["compare_swipe"].isChecked()
    bar.slider.setValue(bar.slider.maximum())
    assert comparing.values.get("checkerboard") == 100
    pair.key(Key.Key_Backspace)
    assert comparing.active is None
    assert not bar.isVisible()


def test_the_second_layer_may_go(pair: Any) -> None:
    pair.key(Key.Key_W)
    layer = pair.window.view_control.comparing.active.layer
    pair.session.remove_layer(layer)
    assert pair.window.view_control.comparing.active is None
    pair.key(Key.Key_W)
    assert not pair.window.actions_by_name["compare_swipe"].isChecked(), "there is no other layer"
    assert pair.window.view_control.comparing.active is None


def test_panes_compare_each_for_itself(hands: Any, thin: Any, thick: Any) -> None:
    hands.session.hang.emit(hands.open(thin, thick))
    hands.pause(10)
    one, two = hands.grid.visible_panes
    one.view.setFocus()
    hands.key(Key.Key_W)
    hands.key(Key.Key_Tab)
    assert hands.window.view_control.comparing.active is None
    assert not hands.window.actions_by_name["compare_swipe"].isChecked()
    hands.key(Key.Key_K)
    comparing = hands.window.view_control.comparing
    assert comparing.composer(one.view).mode == "swipe"
    assert comparing.composer(two.view).mode == "checkerboard"
    hands.key(Key.Key_Tab)
    assert hands.window.actions_by_name["compare_swipe"].isChecked()


# -- lens ----------------------------------------------------------------------------------------


def test_lens_shows_every_layer_at_the_place(pair: Any, thin: Any, thick: Any) -> None:
    view = pair.view
    QTest.keyPress(QApplication.focusWidget(), Key.Key_Q)
    lens = pair.window.view_control.lens
    at = place_of(view, 3, 4)
    pair.move(view, at)
    assert lens.lens.isVisible()
    told = [(tile.name, tile.value) for tile in lens.lens.tiles]
    assert told == [
        ("Thin slab", f"{thin.hu[4, 3, 4]} HU"),
        ("Thick slab", f"{thick.hu[2, 3, 4]} HU"),
    ]
    # The pixel in the middle of a tile has the grey of the voxel.
    for tile, hu in zip(lens.lens.tiles, (thin.hu[4], thick.hu[2]), strict=True):
        middle = tile.picture.pixelColor(tile.picture.width() // 2, tile.picture.height() // 2)
        assert middle.red() == WINDOW.to_uint8(hu[3:4, 4:5].astype(np.float32))[0, 0]
        width, height = tile.size
        across, down = width / tile.picture.width(), height / tile.picture.height()
        assert across / down == pytest.approx(1.1 / 0.8)
    pair.wheel(view, 2, at)
    assert lens.lens.tiles[0].value == f"{thin.hu[6, 3, 4]} HU"
    QTest.keyRelease(QApplication.focusWidget(), Key.Key_Q)
    assert lens.on, "a tap leaves it on"
    pair.key(Key.Key_Q)
    assert not lens.on
    assert not lens.lens.isVisible()


def test_lens_goes_with_a_key_that_was_held(pair: Any) -> None:
    lens = pair.window.view_control.lens
    QTest.keyPress(QApplication.focusWidget(), Key.Key_Q)
    pair.move(pair.view, QPointF(200, 200))
    pair.wait(lambda: not lens._held.isActive())
    assert lens.lens.isVisible()
    QTest.keyRelease(QApplication.focusWidget(), Key.Key_Q)
    assert not lens.on
    assert not pair.window.actions_by_name["lens"].isChecked()


def test_the_second_layer_has_the_colours_of_the_first_and_a_difference_its_own_bar(
    pair: Any, thin: Any, thick: Any
) -> None:
    from ctstudio.gui.windowing.colour_bar import bar_of

    pair.window.actions_by_name["invert"].trigger()
    pair.key(Key.Key_W)
    first, second = (255 - grey for grey in greys(thin, thick))
    line = pair.window.view_control.comparing.active.line_px
    for (y, x), (at, colour) in sample(pair, YS, XS).items():
        if abs(at.x() - line) > 30:
            want = (second if at.x() > line else first)[y, x]
            assert abs(int(colour[0]) - int(want)) <= 1
    pair.key(Key.Key_Y)
    pair.window.view_control.comparing.set_value("difference", 40)
    assert bar_of(pair.view)[1:] == (-40, 40)
