"""Words upon images, each drawn once and kept as a picture."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QRegion

BENEATH = QColor(0, 0, 0, 200)
AROUND = ((1, 1), (-1, 1), (1, -1), (-1, -1))
ROOM = 3.0  # px around the letters, for what reaches out of them
MOST = 256  # pictures that are kept, some 10 kB each


@dataclass(frozen=True)
class Drawn:
    """Words as a picture; ``ascent`` px of the font lie above the baseline."""

    image: QImage
    ascent: float
    size: tuple[int, int]  # px that it takes at most, wherever it begins


class Words:
    """Draws outlined words; those that were drawn before are copied."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str, float], Drawn] = OrderedDict()
        self._region: QRegion | None = None

    @contextmanager
    def within(self, region: QRegion) -> Iterator[None]:
        """Words outside of ``region``, px of what is painted on, are left out: they are there."""
        self._region = region
        try:
            yield
        finally:
            self._region = None

    def draw(self, painter: QPainter, baseline: QPointF, text: str, colour: str) -> None:
        """Draw ``text`` in the painter's font, its baseline beginning at ``baseline`` (px)."""
        font, ratio = painter.font(), painter.device().devicePixelRatioF()
        key = (text, colour, font.key(), ratio)
        drawn = self._known.get(key)
        if drawn is None:
            drawn = self._known[key] = _drawn(text, colour, font, ratio)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        left, top = baseline.x() - ROOM, baseline.y() - ROOM - drawn.ascent
        if self._region is not None:
            place = QRect(int(left) - 1, int(top) - 1, *drawn.size)
            if not self._region.intersects(place):
                return
        # Upon whole pixels of the screen: between them letters would be blurred.
        corner = QPointF(round(left * ratio) / ratio, round(top * ratio) / ratio)
        painter.drawImage(corner, drawn.image)


def _drawn(text: str, colour: str, font: QFont, ratio: float) -> Drawn:
    metrics = QFontMetricsF(font)
    ascent = float(round(metrics.ascent()))
    width = metrics.horizontalAdvance(text) + 2 * ROOM
    height = ascent + metrics.descent() + 2 * ROOM
    size = round(width * ratio + 1), round(height * ratio + 1)
    image = QImage(*size, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing, True)
    painter.setFont(font)
    at = QPointF(ROOM, ROOM + ascent)
    painter.setPen(BENEATH)
    for dx, dy in AROUND:
        painter.drawText(at + QPointF(dx, dy), text)
    painter.setPen(QColor(colour))
    painter.drawText(at, text)
    painter.end()
    return Drawn(image, ascent, (math.ceil(size[0] / ratio) + 3, math.ceil(size[1] / ratio) + 3))


WORDS = Words()
