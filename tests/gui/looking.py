"""What is shown, and where: for tests that look at pixels, press on voxels and answer questions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractButton, QMessageBox


def pixels(image: QImage) -> NDArray[np.uint8]:
    """Red, green and blue, ``(y, x, 3)``."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def place_of(view: Any, y: float, x: float) -> QPointF:
    """Where the middle of voxel (y, x) of the slice that ``view`` shows lies in its viewport."""
    rect = view.image_rect()
    dy, dx = view.stack.geometry.spacing_mm
    return view.to_viewport(QPointF(rect.left() + (x + 0.5) * dx, rect.top() + (y + 0.5) * dy))


def button_of(box: QMessageBox, text: str) -> QAbstractButton:
    """The button of a question by its words, without the mark of its key."""
    return next(b for b in box.buttons() if b.text().replace("&", "") == text)
