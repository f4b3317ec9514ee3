"""One picture of a run, as large as its place allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_index, diverging_table
from ctstudio.gui import theme


def classes_window(labels: NDArray[np.float32]) -> Window:
    """One that shows class numbers: 0 black, the highest white."""
    return Window.from_range(0.0, max(float(np.abs(labels).max()), 1.0))


def grey_image(hu: NDArray[np.float32], window: Window) -> QImage:
    """A slice ``(y, x)`` in HU as a picture of its own."""
    grey = np.ascontiguousarray(window.to_uint8(np.nan_to_num(hu)))
    rows, columns = grey.shape
    return QImage(grey.data, columns, rows, columns, QImage.Format.Format_Grayscale8).copy()


def signed_image(hu: NDArray[np.float32], window: Window) -> QImage:
    """Differences ``(y, x)`` in HU with the diverging map, zero in its middle."""
    colours = diverging_table()[diverging_index(np.nan_to_num(hu), window.width_hu / 2)]
    rows, columns = hu.shape
    colours = np.ascontiguousarray(colours)
    return QImage(colours.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()


class Picture(QWidget):
    """A slice on black, whole and undistorted; or a word why there is none."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 120)
        self.image = QImage()
        self._word = ""

    def sizeHint(self) -> QSize:
        return QSize(280, 280)

    def show_image(self, image: QImage) -> None:
        self.image, self._word = image, ""
        self.update()

    def show_word(self, word: str) -> None:
        """Say why there is no picture."""
        self.image, self._word = QImage(), word
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self.image.isNull():
            painter.setPen(QColor(theme.ON_IMAGE_MUTED))
            painter.setFont(theme.image_font())
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, self._word)
        else:
            size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRect(0, 0, size.width(), size.height())
            place.moveCenter(self.rect().center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, self.image)
        painter.end()
