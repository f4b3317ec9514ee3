"""Greys are scaled to the screen as Qt's painter scales them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QTransform

from ctstudio.gui.viewer.picture import Picture, around
from ctstudio.gui.viewer.scaling import SCALING, Run

RNG = np.random.default_rng(4)


def pixels(image: QImage) -> NDArray[np.int64]:
    """Blue, green and red of each pixel, ``(y, x, 3)``."""
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return rows[:, : image.width(), :3].astype(int)


def painted(
    greys: NDArray[np.uint8], plane: QTransform, ratio: float, *, by_qt: bool
) -> NDArray[np.int64]:
    image = QImage(round(320 * ratio), round(240 * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(QColor(9, 9, 9))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    if by_qt:
        rows, columns = greys.shape
        kind = QImage.Format.Format_Grayscale8
        painter.setTransform(plane)
        painter.drawImage(QPoint(0, 0), QImage(greys.data, columns, rows, columns, kind))
    else:
        picture = Picture()
        picture.show_greys(greys, None, QRectF(0, 0, *greys.shape[::-1]))
        picture.paint(painter, plane)
        assert picture._smooth is not None, "scaled here, not by Qt"
    painter.end()
    return pixels(image)


@pytest.mark.parametrize("ratio", [1.0, 1.25, 2.0])
@pytest.mark.parametrize(
    ("scales", "shift"),
    [
        ((0.53125, 0.53125), (0.0, 20.0)),
        ((0.6, 0.75), (10.7, -30.2)),
        ((1.2, 1.2), (-40.5, 12.25)),
        ((2.0, 2.0), (1.25, 1.6)),
        ((3.3, 1.41), (-100.0, -200.7)),
        ((1.0, 3.9), (30.3, 0.4)),
    ],
)
def test_pixels_are_those_of_qt(
    qapp: Any, scales: tuple[float, float], shift: tuple[float, float], ratio: float
) -> None:
    greys = RNG.integers(0, 256, (180, 212)).astype(np.uint8)
    plane = QTransform.fromTranslate(*shift).scale(*scales)
    ours, qts = (painted(greys, plane, ratio, by_qt=qt) for qt in (False, True))
    assert ours.std() > 20, "there is a picture"
    away = np.abs(ours - qts)
    # Where the processor lacks what Qt counts with, its last bit may be another.
    assert away.max() <= 1
    assert (away > 0).mean() < 0.01


def test_greys_between_two_pixels_are_blended() -> None:
    ramp = np.tile(np.arange(0, 250, 10, np.uint8), (4, 1))
    out = np.empty((8, 75), np.uint32)
    SCALING.smooth(ramp, Run(3.0, 0.0, 25, 0, 75), Run(2.0, 0.0, 4, 0, 8), out)
    expected = np.clip((np.arange(75).astype(float) + 0.5) / 3 - 0.5, 0, 24) * 10
    assert np.abs((out & 255) - expected).max() <= 1
    assert (out == 0xFF000000 + (out & 255) * 0x010101).all(), "grey and opaque"
    assert (out == out[0]).all()


def test_a_part_is_cut_from_the_whole() -> None:
    greys = RNG.integers(0, 256, (40, 50)).astype(np.uint8)
    whole, part = np.empty((60, 75), np.uint32), np.empty((20, 30), np.uint32)
    SCALING.smooth(greys, Run(1.5, 0.0, 50, 0, 75), Run(1.5, 0.0, 40, 0, 60), whole)
    SCALING.smooth(greys, Run(1.5, 0.0, 50, 33, 30), Run(1.5, 0.0, 40, 31, 20), part)
    away = (part & 255).astype(int) - (whole[31:51, 33:63] & 255)
    assert np.abs(away).max() <= 1


def test_what_lies_around_is_all_but_the_middle() -> None:
    size = QSize(40, 30)
    for inner in (QRect(10, 5, 20, 9), QRect(-5, 4, 60, 9), QRect(0, 0, 40, 30), QRect()):
        painted_by = np.zeros((30, 40), int)
        for part in around(inner, size):
            painted_by[part.top() : part.bottom() + 1, part.left() : part.right() + 1] += 1
        seen = inner.intersected(QRect(0, 0, 40, 30))
        expected = np.ones((30, 40), int)
        if not seen.isEmpty():
            expected[seen.top() : seen.bottom() + 1, seen.left() : seen.right() + 1] = 0
        assert (painted_by == expected).all()


def test_what_is_covered_is_painted(qapp: Any) -> None:
    picture = Picture()
    greys = RNG.integers(20, 256, (50, 60)).astype(np.uint8)
    picture.show_greys(greys, None, QRectF(-30.2, -25.7, 60, 50))
    plane = QTransform.fromTranslate(70.3, 60.4).scale(1.7, 1.7)
    image = QImage(140, 120, QImage.Format.Format_RGB32)
    image.fill(QColor(0, 0, 0))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    picture.paint(painter, plane)
    painter.end()
    inner = picture.covers(plane)
    assert inner.width() > 90
    block = pixels(image)[inner.top() : inner.bottom() + 1, inner.left() : inner.right() + 1]
    assert block.min() >= 19
    picture.opacity = 0.5
    assert picture.covers(plane).isEmpty(), "what is behind it shines through"


@pytest.mark.parametrize("count", [255, 256])
def test_every_grey_has_its_colour(count: int) -> None:
    table = RNG.integers(0, 256, (count, 3)).astype(np.uint8)
    table.flags.writeable = False
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = Picture()
    picture.show_greys(greys, table, QRectF(0, 0, 16, 16))
    expected = table[np.minimum(greys, count - 1)]
    assert (pixels(picture._picture)[..., ::-1] == expected).all()
