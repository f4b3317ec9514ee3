"""A picture that lies in a plane, drawn fast.

Greys that are scaled smoothly are scaled here (see `scaling`) and kept as they stand on the screen.
The rest is left to Qt; colours are given to it as 32-bit pixels, which it scales twice as fast as a
colour table. Where one picture is painted again and again at one place, as while something is drawn
upon it, what stands on the screen is kept and copied then, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QRegion, QTransform

from ctstudio.gui.viewer.scaling import COARSEST, FINEST, SCALING, Run

KEPT_FROM = 3  # paintings of one picture at one place


class Picture:
    """Draws pixels over a rectangle of the plane, in mm."""

    def __init__(self) -> None:
        self.image: NDArray[np.uint8] | None = None  # what is drawn: greys (y, x), or RGBA
        self.visible = True
        self.opacity = 1.0
        self.clip: Callable[[], QRegion | None] = lambda: None  # px of the viewport; None: all
        self._picture = QImage()
        self._pixels: NDArray[Any] = np.empty((0, 0), np.uint32)  # what it looks into
        self.rect = QRectF()  # where it lies, mm
        self._painted: tuple[object, ...] = ()
        self._times = 0
        self._kept: tuple[QImage, QRect] | None = None  # as it stands on the screen, and where
        self._scaled: NDArray[np.uint32] = np.empty((0, 0), np.uint32)
        self._smooth: tuple[QImage, QRect] | None = None  # looks into it; where on the screen

    def show_greys(
        self, grey: NDArray[np.uint8], table: NDArray[np.uint8] | None, rect: QRectF
    ) -> None:
        """Draw ``grey`` ``(y, x)``; ``table`` ``(n, 3)`` uint8, read-only, has their colours."""
        self.image = grey
        if table is None:
            self._pixels = np.ascontiguousarray(grey)
            self._look(QImage.Format.Format_Grayscale8, rect)
            return
        rows, columns = grey.shape
        self._pixels = np.ascontiguousarray(grey)
        kind = QImage.Format.Format_Indexed8
        indexed = QImage(self._pixels.data, columns, rows, columns, kind)
        indexed.setColorTable(_colours(table))
        self._picture = indexed.convertToFormat(QImage.Format.Format_RGB32)
        self.rect = rect
        self._forget()

    def show_colours(self, rgba: NDArray[np.uint8], rect: QRectF) -> None:
        """Draw ``rgba`` ``(y, x, 4)``, whose last value is its opacity."""
        self.image = rgba
        self._pixels = np.ascontiguousarray(rgba)
        self._look(QImage.Format.Format_RGBA8888, rect)

    def _look(self, kind: QImage.Format, rect: QRectF) -> None:
        rows, columns = self._pixels.shape[:2]
        line = self._pixels.strides[0]
        self._picture = QImage(self._pixels.data, columns, rows, line, kind)
        self.rect = rect
        self._forget()

    def clear(self) -> None:
        """Draw nothing."""
        self.image = None
        self._picture = QImage()
        self._forget()

    def covers(self, plane: QTransform) -> QRect:
        """A part of the viewport, px, of which `paint` leaves nothing as it was."""
        opaque = self._picture.format() != QImage.Format.Format_RGBA8888 and self.opacity == 1.0
        if self.image is None or not self.visible or not opaque or self.clip() is not None:
            return QRect()
        place = plane.mapRect(self.rect)
        left, top = math.ceil(place.left()) + 1, math.ceil(place.top()) + 1
        right, bottom = math.floor(place.right()) - 1, math.floor(place.bottom()) - 1
        return QRect(left, top, max(right - left, 0), max(bottom - top, 0))

    def paint(self, painter: QPainter, plane: QTransform) -> None:
        """Draw it; ``painter`` counts in px of the viewport, ``plane`` makes them of mm."""
        if self.image is None or not self.visible:
            return
        painter.save()
        region = self.clip()
        if region is not None:
            painter.setClipRegion(region)
        painter.setOpacity(self.opacity)
        rect, (rows, columns) = self.rect, self.image.shape[:2]
        placed = QTransform.fromTranslate(rect.left(), rect.top())
        placed = placed.scale(rect.width() / columns, rect.height() / rows) * plane
        size, ratio = painter.device(), painter.device().devicePixelRatioF()
        smooth = painter.testRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        screen = painter.deviceTransform()
        seen = QRectF(0, 0, size.width(), size.height())
        if region is not None:
            seen = seen.intersected(QRectF(region.boundingRect()))
        painted = (placed, screen, smooth, size.width(), size.height(), ratio, seen)
        if painted != self._painted:
            self._forget()
            self._painted = painted
            if smooth and self._picture.format() == QImage.Format.Format_Grayscale8:
                part = screen.mapRect(seen).toAlignedRect()
                self._smooth = self._scaled_smoothly(placed * screen, part)
        if self._smooth is not None:
            painter.setTransform(screen.inverted()[0])
            image, place = self._smooth
            # Within one rectangle lines are copied, elsewhere blended by several threads.
            painter.setClipRect(place, Qt.ClipOperation.IntersectClip)
            painter.drawImage(place.topLeft(), image)
            painter.restore()
            return
        self._times += 1
        if self._times >= KEPT_FROM:
            if self._kept is None:
                whole = QRect(0, 0, round(size.width() * ratio), round(size.height() * ratio))
                self._kept = self._as_on_screen(placed, smooth, whole, ratio)
            image, place = self._kept
            painter.drawImage(QPointF(place.left() / ratio, place.top() / ratio), image)
        else:
            painter.setTransform(placed)
            painter.drawImage(QRectF(self._picture.rect()), self._picture)
        painter.restore()

    def _scaled_smoothly(self, device: QTransform, seen: QRect) -> tuple[QImage, QRect] | None:
        """Pixels as they stand on the screen, and where; None where Qt is left to scale them.

        ``device`` makes pixels of the screen of those of the picture; ``seen`` are the former.
        """
        scales = device.m11(), device.m22()
        if device.type() != QTransform.TransformationType.TxScale:
            return None  # not scaled at all, or turned
        if not (min(scales) >= FINEST and max(scales) <= COARSEST):
            return None
        rows, columns = self._pixels.shape
        place = device.mapRect(QRectF(0, 0, columns, rows))
        left, right = _edge(place.left()), _edge(place.right())
        top, bottom = _edge(place.top()), _edge(place.bottom())
        shown = QRect(left, top, right - left, bottom - top).intersected(seen)
        wide, high = shown.width(), shown.height()
        if shown.isEmpty():
            return None
        if self._scaled.shape != (high, wide):
            self._scaled = np.empty((high, wide), np.uint32)
        across = Run(scales[0], device.dx(), columns, shown.left(), wide)
        down = Run(scales[1], device.dy(), rows, shown.top(), high)
        SCALING.smooth(self._pixels, across, down, self._scaled)
        return QImage(self._scaled.data, wide, high, 4 * wide, QImage.Format.Format_RGB32), shown

    def _as_on_screen(
        self, placed: QTransform, smooth: bool, screen: QRect, ratio: float
    ) -> tuple[QImage, QRect]:
        """The picture in pixels of the screen, nothing else there, and which pixels these are."""
        device = placed * QTransform.fromScale(ratio, ratio)
        whole = QRectF(self._picture.rect())
        place = device.mapRect(whole).toAlignedRect().intersected(screen)
        image = QImage(place.size(), QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        if not image.isNull():
            painter = QPainter(image)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
            painter.setTransform(device * QTransform.fromTranslate(-place.left(), -place.top()))
            painter.drawImage(whole, self._picture)
            painter.end()
        image.setDevicePixelRatio(ratio)
        return image, place

    def _forget(self) -> None:
        self._painted, self._times, self._kept, self._smooth = (), 0, None, None


def around(inner: QRect, size: QSize) -> list[QRect]:
    """What of a viewport lies outside of ``inner``."""
    wide, high = size.width(), size.height()
    inner = inner.intersected(QRect(0, 0, wide, high))
    if inner.isEmpty():
        return [QRect(0, 0, wide, high)]
    left, top, right, bottom = inner.x(), inner.y(), inner.right() + 1, inner.bottom() + 1
    parts = (
        QRect(0, 0, wide, top),
        QRect(0, bottom, wide, high - bottom),
        QRect(0, top, left, bottom - top),
        QRect(right, top, wide - right, bottom - top),
    )
    return [part for part in parts if not part.isEmpty()]


def _edge(at: float) -> int:
    """The first pixel whose middle lies beyond a place."""
    return math.floor(at + 0.5)


_TABLES: dict[int, tuple[NDArray[np.uint8], list[int]]] = {}
MOST_TABLES = 64


def _colours(table: NDArray[np.uint8]) -> list[int]:
    """Rows ``(n, 3)`` of a read-only table as Qt has them; made once a table.

    All 256 greys have one: those beyond the last that of the last.
    """
    known = _TABLES.get(id(table))
    if known is None or known[0] is not table:
        red, green, blue = (table[:, k].astype(np.uint32) for k in range(3))
        packed = np.uint32(0xFF000000) | red << np.uint32(16) | green << np.uint32(8) | blue
        if len(_TABLES) >= MOST_TABLES:
            _TABLES.clear()
        colours: list[int] = packed[np.minimum(np.arange(256), len(packed) - 1)].tolist()
        known = _TABLES[id(table)] = (table, colours)
    return known[1]
