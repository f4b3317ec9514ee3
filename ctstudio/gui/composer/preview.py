"""The figure on the screen: click a cell to change it, drag a box, click an arrow's place."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ctstudio.figures.room import require_room
from ctstudio.figures.scene import Place, Scene, draw
from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said

Tool = Literal["select", "inset", "arrow"]
ROOM = 16
PATIENCE_MS = 400
LEAST_DRAG_PX = 8
"""A shorter way is a click with an unsteady hand."""


class FigureView(QWidget):
    """Shows a scene as large as fits."""

    cell_picked = Signal(int, int)  # row, column
    box_drawn = Signal(float, float, float, float)  # left, top, width, height: parts of a picture
    # Parts of a picture's width and height; whence the arrow comes, degrees, or below 0: as usual.
    spot_picked = Signal(float, float, float)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("Figure"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 240)
        self.setMouseTracking(True)
        self.tool: Tool = "select"
        self.selected = (0, 0)
        self.words = ""
        self._scene: Scene | None = None
        self._image: QImage | None = None
        self._shown: QImage | None = None  # the same, as large as it is drawn
        self._drag: tuple[Place, QPointF, QPointF] | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._tell_busy)
        self._late = False

    def sizeHint(self) -> QSize:
        return QSize(760, 560)

    def show_scene(self, scene: Scene, image: QImage) -> None:
        """Show a figure and its picture."""
        self._scene, self._image, self.words = scene, image, ""
        self._shown = None
        self.update()

    def say(self, words: str) -> None:
        """Show words in place of a figure."""
        self._scene, self._image, self.words = None, None, said(words)
        self.update()

    def set_busy(self, busy: bool) -> None:
        """Whether a new figure is being drawn; where that takes long, it is said."""
        self._late = False
        self._patience.start() if busy else self._patience.stop()
        self.update()

    def _tell_busy(self) -> None:
        self._late = True
        self.update()

    @property
    def scene(self) -> Scene | None:
        """What is shown."""
        return self._scene

    def box(self) -> QRectF:
        """Where the figure is drawn."""
        if self._image is None:
            return QRectF()
        room = self.rect().adjusted(ROOM, ROOM, -ROOM, -ROOM)
        # Never larger than the figure has px: what is seen is what the file will hold.
        scale = min(room.width() / self._image.width(), room.height() / self._image.height(), 1.0)
        width, height = self._image.width() * scale, self._image.height() * scale
        centre = QRectF(room).center()
        # On whole px of the screen: nothing is blurred by half of one.
        left, top = round(centre.x() - width / 2), round(centre.y() - height / 2)
        return QRectF(left, top, round(width), round(height))

    def rect_of(self, place: Place) -> QRectF:
        """Where a cell's picture is drawn."""
        assert self._scene is not None
        box = self.box()
        scale = box.width() / self._scene.width
        return QRectF(
            box.left() + place.left * scale, box.top() + place.top * scale,
            place.width * scale, place.height * scale,
        )  # fmt: skip

    def _place_at(self, at: QPointF) -> Place | None:
        if self._scene is None:
            return None
        return next((p for p in self._scene.places if self.rect_of(p).contains(at)), None)

    def _part(self, place: Place, at: QPointF) -> tuple[float, float]:
        rect = self.rect_of(place)
        x, y = (at.x() - rect.left()) / rect.width(), (at.y() - rect.top()) / rect.height()
        return float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = theme.current()
        painter.fillRect(self.rect(), QColor(colours.window))
        if self._late:
            painter.setPen(QColor(colours.muted))
            corner = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
            painter.drawText(self.rect().adjusted(ROOM, 0, 0, -2), corner, tr("Drawing ..."))
        if self._image is None or self._scene is None:
            painter.setPen(QColor(colours.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(40, 40, -40, -40), flags, self.words)
            return
        box = self.box()
        painter.drawImage(box, self._sized(self._image, box))
        painter.setPen(QColor(colours.line))  # where the page ends, whatever its colour
        painter.drawRect(box.adjusted(-1, -1, 0, 0))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        accent = QColor(colours.accent)
        for place in self._scene.places:
            if (place.row, place.column) == self.selected:
                painter.setPen(QPen(accent, 2))
                painter.drawRect(self.rect_of(place).adjusted(-1, -1, 1, 1))
        if self._drag is not None:
            painter.setPen(QPen(accent, 1, Qt.PenStyle.DashLine))
            if self.tool == "arrow":
                painter.drawLine(self._drag[1], self._drag[2])
            else:
                painter.drawRect(QRectF(self._drag[1], self._drag[2]).normalized())

    def _sized(self, image: QImage, box: QRectF) -> QImage:
        """A figure at the resolution of the screen; every px of it counts, so text stays clean."""
        ratio = self.devicePixelRatioF()
        size = (box.size() * ratio).toSize()
        if self._shown is None or self._shown.size() != size:
            smooth = Qt.TransformationMode.SmoothTransformation
            self._shown = image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
        return self._shown

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = self._place_at(event.position())
        if place is None:
            return
        if self.tool != "select":
            self._drag = (place, event.position(), event.position())
        else:
            self.selected = (place.row, place.column)
            self.cell_picked.emit(place.row, place.column)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        over = self._place_at(event.position()) is not None
        cross = over and self.tool != "select"
        shape = Qt.CursorShape.CrossCursor if cross else Qt.CursorShape.ArrowCursor
        self.setCursor(Qt.CursorShape.PointingHandCursor if over and not cross else shape)
        if self._drag is not None:
            self._drag = (*self._drag[:2], event.position())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._drag is None:
            return
        place, start, _ = self._drag
        self._drag = None
        self.update()
        if self.tool == "arrow":
            way = event.position() - start
            long = math.hypot(way.x(), way.y()) >= LEAST_DRAG_PX
            angle = math.degrees(math.atan2(-way.y(), way.x())) % 360 if long else -1.0
            self.spot_picked.emit(*self._part(place, start), angle)
            return
        (x0, y0), (x1, y1) = self._part(place, start), self._part(place, event.position())
        width, height = abs(x1 - x0), abs(y1 - y0)
        if min(width, height) > 0.01:
            self.box_drawn.emit(min(x0, x1), min(y0, y1), width, height)


def to_qimage(scene: Scene) -> QImage:
    """The figure's pixels for Qt; made in a thread.

    Raises
    ------
    StudioError
        When there is no memory for so many.
    """
    require_room(scene)
    rgb = np.ascontiguousarray(np.asarray(draw(scene)))
    height, width = rgb.shape[:2]
    image = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    result: QImage = image.copy()  # the pixels are NumPy's
    dots = round(scene.dpi / 0.0254)
    result.setDotsPerMeterX(dots)
    result.setDotsPerMeterY(dots)
    return result
