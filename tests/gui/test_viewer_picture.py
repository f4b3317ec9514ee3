"""What a pane paints: greys, places, letters, scale bar, texts - against the data that went in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor

from ctstudio.ct.window import PRESETS, Window
from ctstudio.gui import theme
from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.picture_view import Framing
from tests.gui.looking import pixels, place_of

Key = Qt.Key


def without_overlays(hands: Any) -> None:
    for name in ("info", "scale", "letters"):
        hands.window.actions_by_name[name].setChecked(False)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], dict[str, QPointF]]:
    """The words that the next painting puts on a pane, each with its place."""
    words: dict[str, QPointF] = {}
    plain = overlay.outlined

    def outlined(painter: Any, position: QPointF, text: str, *colour: str) -> None:
        words[text] = position
        plain(painter, position, text, *colour)

    monkeypatch.setattr(overlay, "outlined", outlined)

    def paint(hands: Any) -> dict[str, QPointF]:
        words.clear()
        hands.picture(hands.view.viewport())
        return dict(words)

    return paint


def test_greys_are_the_windowed_values(hands: Any, thin: Any) -> None:
    hands.open(thin)
    for index in (0, 6, 13):
        hands.grid.go_to(index)
        for name, window in PRESETS.items():
            hands.window.view_control.set_preset(name)
            assert np.array_equal(hands.view.hu, thin.hu[index].astype(np.float32))
            assert np.array_equal(hands.view.grey, window.to_uint8(thin.hu[index]))


def test_every_pixel_is_painted_in_its_place_and_grey(hands: Any, thin: Any) -> None:
    hands.open(thin)
    without_overlays(hands)
    hands.grid.go_to(4)
    view = hands.view
    scale = 10.0  # 8 x 11 screen pixels a voxel
    rect = view.image_rect()
    size = view.viewport().size()
    # A voxel's edge upon a screen pixel's edge.
    u = rect.left() + 40 * 1.1 + (size.width() % 2) / 2 / scale
    v = rect.top() + 48 * 0.8 + (size.height() % 2) / 2 / scale
    view.set_framing(Framing(u, v, scale))
    for window in (Window(40, 400), Window(-600, 1500)):
        hands.grid.set_window(window)
        seen = pixels(hands.picture(view.viewport()))
        expected = np.floor(
            np.clip((thin.hu[4] - window.lower) / window.width_hu, 0, 1) * 255 + 0.5
        )
        checked = 0
        for y in range(96):
            for x in range(80):
                place = place_of(view, y, x)
                left, top = round(place.x() - 5.5), round(place.y() - 4)
                if not (left >= 0 and left + 11 <= size.width()):
                    continue
                if not (top >= 0 and top + 8 <= size.height()):
                    continue
                square = seen[top : top + 8, left : left + 11]
                assert (square == expected[y, x]).all(), f"voxel {y}, {x}"
                checked += 1
        assert checked > 2000


def test_shape_on_screen_follows_the_spacing(hands: Any, thin: Any) -> None:
    hands.open(thin)
    without_overlays(hands)
    hands.grid.set_window(Window(-5000, 10))  # everything is white
    seen = pixels(hands.picture(hands.view.viewport()))[..., 0] > 250
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert width / height == pytest.approx((80 * 1.1) / (96 * 0.8), rel=0.01)
    size = hands.view.viewport().size()
    assert max(width / size.width(), height / size.height()) == pytest.approx(1, abs=0.01)
    # Black beside the image, whatever the theme.
    outside = hands.picture(hands.view.viewport()).pixelColor(2, size.height() // 2)
    assert outside in (QColor("black"), QColor("white"))
    assert (seen[:, 0] == seen[:, -1]).all()


def test_shape_stays_when_the_window_is_resized(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.window.resize(1100, 900)
    hands.pause(20)
    view = hands.view
    rect, size, scale = view.image_rect(), view.viewport().size(), view.framing.scale
    assert view.fitted
    assert scale == pytest.approx(min(size.width() / rect.width(), size.height() / rect.height()))
    hands.wheel(view, 3, QPointF(100, 100), Qt.KeyboardModifier.ControlModifier)
    kept = view.framing
    hands.window.resize(1440, 900)
    hands.pause(20)
    assert view.framing == kept, "a chosen place and zoom survive"


def test_orientation_letters(hands: Any, thin: Any, mirrored: Any, drawn: Any) -> None:
    for sample, letters in ((thin, "RLAP"), (mirrored, "LRPA")):
        hands.open(sample)
        words = drawn(hands)
        size = hands.view.viewport().size()
        left, right, top, bottom = (words[letter] for letter in letters)
        assert left.x() < 20 < size.width() - 40 < right.x()
        assert top.y() < 40
        assert bottom.y() > size.height() - 60
    hands.window.actions_by_name["letters"].setChecked(False)
    assert not {"R", "L", "A", "P"} & set(drawn(hands))


def test_scale_bar_is_as_long_as_it_says(hands: Any, thin: Any, drawn: Any) -> None:
    hands.open(thin)
    view = hands.view
    for zoom in (0, 5, 9):
        view.fit()
        hands.wheel(view, zoom, modifiers=Qt.KeyboardModifier.ControlModifier)
        words = drawn(hands)
        text = next(w for w in words if w.endswith(" mm") and w[0].isdigit())
        length_mm = float(text.removesuffix(" mm"))
        seen = pixels(hands.picture(view.viewport()))
        row = seen[view.viewport().height() - 10]
        colour = QColor(theme.ON_IMAGE)
        bar = np.flatnonzero((row == (colour.red(), colour.green(), colour.blue())).all(axis=1))
        # A column is 1.1 mm: measured between two voxels on the screen, not taken from the view.
        voxel = (place_of(view, 0, 50) - place_of(view, 0, 40)).x() / 10
        assert np.ptp(bar) + 1 == pytest.approx(
            length_mm / 1.1 * voxel, abs=3.5
        )  # its ends are 2 px wide
        assert len(bar) < view.viewport().width() / 3


def test_texts_in_the_corners(hands: Any, thin: Any, drawn: Any) -> None:
    hands.open(thin)
    hands.grid.go_to(2)
    words = drawn(hands)
    for expected in ("Thin slab", "Secret^Name", "ID-4711-X", "Chest of a slab", "1: Thin slab",
                     "Slice 3 / 14  at 106.0 mm", "W 400 / C 40 HU",
                     "B30f  thickness 3 mm"):  # fmt: skip
        assert expected in words, expected
    hands.view.setFocus()
    hands.key(Key.Key_P)
    private = " ".join(drawn(hands))
    assert "Secret" not in private
    assert "4711" not in private
    assert "20210317" not in private
    assert "Secret" not in hands.window.series_panel.tree.topLevelItem(0).text(0)
    hands.key(Key.Key_I)
    assert not any("Slice" in word for word in drawn(hands))
    hands.key(Key.Key_I)
    assert any("Slice" in word for word in drawn(hands))
    hands.key(Key.Key_S)
    assert not any(word.endswith(" mm") and word[0].isdigit() for word in drawn(hands))


def test_value_under_the_cursor_is_the_voxel(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.grid.go_to(3)
    view = hands.view
    label = hands.window.probe_label
    for y, x in ((3, 3), (0, 0), (95, 79), (47, 40), (76, 40)):
        hands.move(view, place_of(view, y, x))
        assert f"<b>{thin.hu[3, y, x]}</b> HU" in label.text()
        assert f"voxel {x}, {y}, 3" in label.text()
    # Patient position of voxel (47, 40) of slice 3, from the numbers in the header.
    hands.move(view, place_of(view, 47, 40))
    assert "R 0.0  A 0.8  S 109.0 mm" in label.text().replace("L 0.0", "R 0.0")
    hands.wheel(view, 1, place_of(view, 47, 40))
    assert f"<b>{thin.hu[4, 47, 40]}</b> HU" in label.text(), "it follows the slice"
    hands.move(view, QPointF(view.viewport().width() / 2, 1))
    assert label.text() == ""


def test_cursor_edges_belong_to_their_voxel(hands: Any, thin: Any) -> None:
    hands.open(thin)
    view = hands.view
    view.set_framing(Framing(view.framing.u, view.framing.v, 10.0))
    for shift_x in (-5, 5):
        for shift_y in (-3.5, 3.5):
            at = place_of(view, 50, 30) + QPointF(shift_x, shift_y)
            assert view.probe(view.to_plane(at)).voxel == (30, 50, view.index)
    at = place_of(view, 50, 30) + QPointF(6, 0)
    assert view.probe(view.to_plane(at)).voxel == (31, 50, view.index)
