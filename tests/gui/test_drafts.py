"""Panes while one moves fast: drafts of oblique planes, pictures that are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QTransform

from ctstudio.ct.oblique import Oblique
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.picture import KEPT_FROM, Picture
from ctstudio.gui.viewer.picture_view import REST_MS

SHAPE = (30, 360, 400)


@pytest.fixture
def tilted(hands: Any) -> Any:
    """A pane with an oblique plane of a series whose slices take a while to cut."""
    n = SHAPE[0]
    noise = np.random.default_rng(5).integers(-900, 900, SHAPE).astype(np.int16)
    geometry = Geometry.axial(n, (2.0, 0.8, 0.8))
    volume = Volume(noise, np.ones(n), np.zeros(n), "HU", geometry, Source(description="Noise"))
    layer = hands.session.add_layer(Layer("Noise", "original", volume))
    hands.session.hang.emit([layer])
    for name in ("oblique", "tilt_up"):
        hands.window.actions_by_name[name].trigger()
    view = hands.view
    hands.wait(lambda: not view._rest.isActive(), "for the pane to rest")
    assert isinstance(view.shown_plane, Oblique)
    view._rest.setInterval(3_600_000)  # however slow the machine is, it does not rest by itself
    return view


def come_to_rest(hands: Any, view: Any) -> None:
    """Let the pane's own clock run as it does for people."""
    view._rest.setInterval(REST_MS)
    hands.wait(lambda: not view.drafted, "for the exact slice")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, hands: Any) -> Any:
    """What the next painting writes upon the pane."""
    words: list[str] = []
    plain = overlay.outlined

    def outlined(painter: Any, position: QPointF, text: str, *colour: str) -> None:
        words.append(text)
        plain(painter, position, text, *colour)

    monkeypatch.setattr(overlay, "outlined", outlined)

    def paint(view: Any) -> str:
        words.clear()
        hands.picture(view.viewport())
        return "\n".join(words)

    return paint


def _shows_the_slice(view: Any) -> bool:
    exact = view.stack.slice_hu(view.index)
    whole = view.grey.shape == exact.shape
    return whole and bool(np.array_equal(view.grey, view.window.to_uint8(exact)))


def test_a_draft_gives_way_to_the_exact_slice(hands: Any, tilted: Any, told: Any) -> None:
    view = tilted
    assert _shows_the_slice(view)
    hands.wheel(view, 1)
    assert _shows_the_slice(view), "one step alone has no draft"
    hands.wheel(view, 1)
    assert view.drafted
    index, exact = view.index, view.stack.slice_hu(view.index)
    assert view.grey.size < exact.size / 3
    assert "Draft of slice" in told(view)
    # What is told is exact all the same, at once.
    rect = view.image_rect()
    checked = 0
    for share in np.linspace(0.2, 0.8, 9):
        place = QPointF(rect.left() + share * rect.width(), rect.top() + 0.45 * rect.height())
        probe = view.probe(place)
        x, y, z = (
            int((place.x() - rect.left()) / rect.width() * exact.shape[1]),
            int((place.y() - rect.top()) / rect.height() * exact.shape[0]),
            view.index,
        )
        if np.isfinite(exact[y, x]):
            assert probe.value == pytest.approx(float(exact[y, x]), abs=1e-3)
            checked += 1
        assert z == index
    assert checked > 4
    assert view.drafted, "and no whole slice was cut for it"
    come_to_rest(hands, view)
    assert _shows_the_slice(view)
    assert view.index == index
    assert "Draft" not in told(view)


def test_values_of_a_drafted_slice_are_the_exact_ones(hands: Any, tilted: Any) -> None:
    for _ in range(3):
        hands.wheel(tilted, -1)
    assert tilted.drafted
    assert np.array_equal(tilted.hu, tilted.stack.slice_hu(tilted.index), equal_nan=True)
    come_to_rest(hands, tilted)
    assert _shows_the_slice(tilted)


def test_a_turning_plane_is_a_draft_until_it_rests(hands: Any, tilted: Any) -> None:
    for _ in range(3):
        hands.window.actions_by_name["tilt_up"].trigger()
    assert tilted.drafted
    come_to_rest(hands, tilted)
    assert _shows_the_slice(tilted)


def test_a_draft_lies_where_the_slice_lies(hands: Any, tilted: Any) -> None:
    """Nothing jumps when the slice takes the place of its draft."""
    from scipy.ndimage import gaussian_filter

    view = tilted
    volume = view.layer.stack
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    smooth = (500 * np.sin(x / 17) * np.cos(y / 23)).astype(np.int16)
    volume.voxels.base[:] = smooth
    hands.window.actions_by_name["hide_all"].setChecked(True)
    hands.session.layer_changed.emit(view.layer, -1)

    def seen() -> np.ndarray:
        image = hands.picture(view.viewport()).convertToFormat(QImage.Format.Format_Grayscale8)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        return rows[:, : image.width()].astype(float)

    for steps in (1, 1, -1):
        hands.wheel(view, steps)
    assert view.drafted
    draft = gaussian_filter(seen(), 6)
    come_to_rest(hands, view)
    whole = seen()
    exact = gaussian_filter(whole, 6)
    assert exact.std() > 20
    # By how many px the one is shifted against the other, inside of the body.
    inside = gaussian_filter((whole > 0).astype(float), 12) > 0.999
    assert inside.mean() > 0.5
    slopes = np.stack([gradient[inside] for gradient in np.gradient(exact)], axis=1)
    shift = np.linalg.lstsq(slopes, (draft - exact)[inside], rcond=None)[0]
    assert np.abs(shift).max() < 0.05
    assert np.abs(draft - exact)[inside].mean() < 1


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("coloured", [False, True])
def test_a_kept_picture_is_painted_as_the_first(qapp: Any, ratio: float, coloured: bool) -> None:
    grey = np.random.default_rng(1).integers(0, 255, (60, 50)).astype(np.uint8)
    table = np.random.default_rng(2).integers(0, 255, (256, 3)).astype(np.uint8)
    picture = Picture()
    picture.show_greys(grey, table if coloured else None, QRectF(-20, -11, 40.3, 33.7))

    def painted(plane: QTransform) -> QImage:
        image = QImage(round(200 * ratio), round(150 * ratio), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        image.fill(QColor("black"))
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        picture.paint(painter, plane)
        painter.end()
        return image

    plane = QTransform.fromTranslate(100, 75).scale(3.7, 3.7)
    first = painted(plane)
    for _ in range(KEPT_FROM + 2):
        again = painted(plane)
    assert again == first
    assert first.pixelColor(first.width() // 2, first.height() // 2) != QColor("black")
    # Elsewhere, and with other values, it is painted anew.
    aside = painted(plane * QTransform.fromTranslate(7, 0))
    assert aside != first
    picture.show_greys(255 - grey, table if coloured else None, QRectF(-20, -11, 40.3, 33.7))
    assert painted(plane) != first


def test_words_drawn_again_are_the_same(qapp: Any) -> None:
    def painted() -> QImage:
        image = QImage(160, 40, QImage.Format.Format_RGB32)
        image.fill(QColor("#404040"))
        painter = QPainter(image)
        overlay.outlined(painter, QPointF(12.4, 24.6), "Slice 12 / 300", "#ff8f5c")
        painter.end()
        return image

    first = painted()
    assert painted() == first
    colours = {first.pixelColor(x, y).name() for x in range(160) for y in range(40)}
    assert "#ff8f5c" in colours, "letters"
    assert any(QColor(name).lightness() < 30 for name in colours), "their dark outline"
    assert first.pixelColor(2, 2) == QColor("#404040")
