"""Small pictures of series for their list."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap

from ctstudio.ct.label_pictures import paint
from ctstudio.ct.volume import Volume
from ctstudio.ct.window import automatic
from ctstudio.gui.session import Layer

THUMBNAIL = 48
"""Length of the longer side, in pixels of the screen."""


def thumbnail(layer: Layer, index: int) -> QIcon:
    """One slice of a layer, in its window."""
    hu = layer.stack.slice_hu(index)
    hu = np.ascontiguousarray(hu[:: _step(hu.shape), :: _step(hu.shape)])
    grey = (layer.stack.source.window or automatic(hu)).to_uint8(hu)
    height, width = grey.shape
    image = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    return _icon(image, layer)


def mask_thumbnail(layer: Layer) -> QIcon:
    """The slice of a mask on which most is drawn, in the colours of its labels on black."""
    stack = layer.stack
    if isinstance(stack, Volume):
        by = _step(stack.shape[1:])
        drawn = (np.asarray(stack.voxels[:, ::by, ::by], np.int64) > 0).sum(axis=(1, 2))
        index, labels = int(np.argmax(drawn)), stack.labels
    else:
        index, labels = len(stack) // 2, ()
    numbers = stack.slice_hu(index)
    numbers = numbers[:: _step(numbers.shape), :: _step(numbers.shape)]
    colours = paint(np.maximum(numbers, 0), labels, opacity=1.0)
    colours[colours[..., 3] == 0] = (0, 0, 0, 255)
    height, width = numbers.shape
    image = QImage(colours.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    return _icon(image, layer)


def _step(shape: tuple[int, ...]) -> int:
    """One pixel in so many is enough."""
    return max(1, max(shape) // (2 * THUMBNAIL))


def _icon(image: QImage, layer: Layer) -> QIcon:
    """``image`` in the middle of a square, so that the words beside all of them begin below one
    another; of one look also where it is selected.
    """
    dy, dx = layer.stack.geometry.spacing_mm
    width, height = image.width() * dx, image.height() * dy
    scale = THUMBNAIL / max(width, height)
    across, down = max(round(width * scale), 1), max(round(height * scale), 1)
    square = QPixmap(THUMBNAIL, THUMBNAIL)
    square.fill(Qt.GlobalColor.transparent)
    painter = QPainter(square)
    smooth = Qt.TransformationMode.SmoothTransformation
    fitted = image.scaled(across, down, Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
    painter.drawImage((THUMBNAIL - across) // 2, (THUMBNAIL - down) // 2, fitted)
    painter.end()
    icon = QIcon(square)
    icon.addPixmap(square, QIcon.Mode.Selected)
    return icon
