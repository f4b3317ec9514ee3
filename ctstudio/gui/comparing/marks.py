"""What stands upon a pane in which two layers are compared: names, and the line."""

from __future__ import annotations

import math
from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen

from ctstudio.gui import theme
from ctstudio.gui.comparing.composer import Composer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.picture_view import PictureView

ROW = 62.0  # px from the top: below the letter of the upper edge and a word upon the image
KNOB = 9.0  # px: radius of the handle
KNOB_AT = 0.62  # of the line
GAP = 10.0


def paint(composer: Composer, view: PictureView, painter: QPainter) -> None:
    """Draw it upon ``view``, whose painter counts in px."""
    if composer.layer is None or view.layer is None:
        return
    font = theme.image_font(12)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    size = QRectF(view.viewport().rect())
    if composer.second is None:
        words = tr("compared with itself: choose another layer")
        if composer.fits:
            words = tr("{0} has no slice here").format(called(composer.layer))
        _centred(painter, metrics, size, words)
        return
    one, two = called(view.layer), called(composer.layer)
    if composer.mode == "swipe":
        _upright_line(painter, metrics, size, composer.line_px, one, two)
    elif composer.mode == "swipe_down":
        _level_line(painter, metrics, size, composer.line_px, one, two)
    elif composer.mode == "flicker":
        _centred(painter, metrics, size, two if composer.second_in_turn else one)
    elif composer.mode == "checkerboard":
        _centred(painter, metrics, size, f"{one} | {two}")
    elif composer.mode == "blend":
        share = composer.values.get("blend")
        _centred(painter, metrics, size, f"{one} {100 - share:.0f} %  +  {two} {share:.0f} %")
    else:
        _centred(painter, metrics, size, tr("{0}  \N{MINUS SIGN}  {1}").format(two, one))


def _centred(painter: QPainter, metrics: QFontMetricsF, size: QRectF, words: str) -> None:
    text = metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, size.width() - 2 * GAP)
    x = (size.width() - metrics.horizontalAdvance(text)) / 2
    overlay.outlined(painter, QPointF(x, ROW), text, theme.CROSSHAIR)


def _line(painter: QPainter, start: QPointF, end: QPointF, knob: QPointF, upright: bool) -> None:
    """A line with a handle that shows which way it can be dragged."""
    for colour, width in ((QColor(0, 0, 0, 170), 3.0), (QColor(theme.CROSSHAIR), 1.0)):
        painter.setPen(QPen(colour, width))
        painter.drawLine(start, end)
    ratio = painter.device().devicePixelRatioF()
    corner = (knob - QPointF(KNOB + 1, KNOB + 1)) * ratio
    place = QPointF(round(corner.x()) / ratio, round(corner.y()) / ratio)
    painter.drawImage(place, _knob(upright, ratio))


@lru_cache(maxsize=8)
def _knob(upright: bool, ratio: float) -> QImage:
    """The handle, for screens with ``ratio`` pixels a px."""
    side = math.ceil((2 * KNOB + 3) * ratio)
    image = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(QColor(0, 0, 0, 200), 1))
    painter.setBrush(QColor(theme.CROSSHAIR))
    knob = QPointF(KNOB + 1, KNOB + 1)
    painter.drawEllipse(knob, KNOB, KNOB)
    painter.setPen(QPen(QColor(0, 0, 0), 1.5))
    for sign in (-1, 1):
        along = QPointF(sign, 0) if upright else QPointF(0, sign)
        aside = QPointF(0, 1) if upright else QPointF(1, 0)
        tip = knob + along * (KNOB - 2.5)
        for way in (-1, 1):
            painter.drawLine(tip, knob + along * (KNOB - 6) + aside * (3 * way))
    painter.end()
    return image


def _upright_line(
    painter: QPainter, metrics: QFontMetricsF, size: QRectF, x: float, one: str, two: str
) -> None:
    knob = QPointF(x, size.height() * KNOB_AT)
    _line(painter, QPointF(x, 0), QPointF(x, size.height()), knob, True)
    elide = Qt.TextElideMode.ElideMiddle
    left = metrics.elidedText(one, elide, max(x - 2 * GAP, 0))
    right = metrics.elidedText(two, elide, max(size.width() - x - 2 * GAP, 0))
    at = QPointF(x - GAP - metrics.horizontalAdvance(left), ROW)
    overlay.outlined(painter, at, left, theme.CROSSHAIR)
    overlay.outlined(painter, QPointF(x + GAP, ROW), right, theme.CROSSHAIR)


def _level_line(
    painter: QPainter, metrics: QFontMetricsF, size: QRectF, y: float, one: str, two: str
) -> None:
    knob = QPointF(size.width() * KNOB_AT, y)
    _line(painter, QPointF(0, y), QPointF(size.width(), y), knob, False)
    for words, baseline in ((one, y - GAP), (two, y + GAP + metrics.ascent())):
        text = metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, size.width() * 0.5)
        at = QPointF(size.width() * 0.3 - metrics.horizontalAdvance(text) / 2, baseline)
        overlay.outlined(painter, at, text, theme.CROSSHAIR)
