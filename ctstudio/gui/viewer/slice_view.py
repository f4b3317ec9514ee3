"""One pane: a slice under the mouse of a DICOM workstation."""

from __future__ import annotations

import math
from typing import Protocol

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QEnterEvent, QKeyEvent, QMouseEvent, QWheelEvent

from ctstudio.ct.window import Window
from ctstudio.gui.viewer.picture_view import Framing, PictureView

ZOOM_STEP = 1.2
CLICK_SLOP = 4  # px: a press that moves less is a click


class MouseTool(Protocol):
    """What takes the left button in place of the window; places are (u, v) in mm."""

    def press(self, view: SliceView, at: QPointF) -> None: ...

    def drag(self, view: SliceView, at: QPointF) -> None: ...

    def release(self, view: SliceView) -> None: ...

    def hover(self, view: SliceView, at: QPointF | None) -> None: ...


class Grips(MouseTool, Protocol):
    """What takes the left button where something lies upon the image that can be dragged."""

    def takes(self, view: SliceView, at: QPointF) -> bool: ...


class SliceView(PictureView):
    """A pane. It draws and reports gestures; what they mean for other panes the grid decides."""

    activated = Signal()
    scrolled = Signal(int)  # slices, + towards the last
    window_dragged = Signal(object)  # Window
    framed = Signal(object)  # Framing
    hovered = Signal(object)  # QPointF (u, v) | None
    crosshair_set = Signal(object)  # QPointF (u, v) | None
    maximise = Signal()
    brush_scrolled = Signal(float)  # notches of the wheel with Ctrl, over a brush
    menu_requested = Signal(QPoint)  # global position

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.viewport().setMouseTracking(True)
        self.tool: MouseTool | None = None
        self.grips: list[Grips] = []  # the first that takes a place has it
        self._drawing: MouseTool | None = None  # what has the button
        self._press: QPointF | None = None
        self._last = QPointF()
        self._button = Qt.MouseButton.NoButton
        self._moved = False
        self._wheel = 0

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self.activated.emit()
        self._press = self._last = event.position()
        self._button = event.button()
        self._moved = False
        if self._button == Qt.MouseButton.LeftButton and self.layer is not None:
            plane = self.to_plane(event.position())
            self._drawing = self.tool
            if self.tool is None:
                self._drawing = self._grip_at(plane)
            if self._drawing is not None:
                self._drawing.press(self, plane)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position()
        if self._press is None:
            plane = self.to_plane(position)
            self.hovered.emit(plane if self.layer else None)
            self._hover(plane if self.layer else None)
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self.layer:
                self.crosshair_set.emit(plane)
            elif self._crosshair is not None:
                self.crosshair_set.emit(None)
            event.accept()
            return
        if self._drawing is not None:
            if self._drawing is self.tool or self._drawing in self.grips:
                self._drawing.drag(self, self.to_plane(position))
            self.hovered.emit(self.to_plane(position))
            event.accept()
            return
        step = position - self._last
        self._last = position
        travelled = position - self._press
        if not self._moved and abs(travelled.x()) + abs(travelled.y()) < CLICK_SLOP:
            return
        if not self._moved:
            step, self._moved = travelled, True
        if self.layer is None:
            return
        if self._button == Qt.MouseButton.LeftButton:
            self._drag_window(step.x(), step.y())
        elif self._button == Qt.MouseButton.MiddleButton:
            f = self._framing
            self._frame(Framing(f.u - step.x() / f.scale, f.v - step.y() / f.scale, f.scale))
        elif self._button == Qt.MouseButton.RightButton:
            self._zoom(math.exp(-step.y() / 150), self._press)
        self.hovered.emit(self.to_plane(position))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        clicked = self._press is not None and not self._moved
        self._press = None
        if self._drawing is not None and event.button() == Qt.MouseButton.LeftButton:
            drawing, self._drawing = self._drawing, None
            drawing.release(self)
        if clicked and event.button() == Qt.MouseButton.RightButton:
            self.menu_requested.emit(event.globalPosition().toPoint())
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.tool is not None:
            self.mousePressEvent(event)  # two dabs, not a wish for a larger pane
        elif event.button() == Qt.MouseButton.LeftButton:
            self.maximise.emit()
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.layer is None:
            event.ignore()
            return
        delta = event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and self._brush is not None:
            self.brush_scrolled.emit(delta / 120)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(ZOOM_STEP ** (delta / 120), event.position())
        else:
            # touch pads send fractions of a notch: collect them
            self._wheel += delta
            steps = int(self._wheel / 120)
            if steps:
                self._wheel -= steps * 120
                self.scrolled.emit(steps)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()  # shortcuts belong to the window, so that they work wherever the focus is

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        event.ignore()

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(None)
        self._hover(None)
        super().leaveEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        self.hovered.emit(self.to_plane(event.position()) if self.layer else None)

    def _grip_at(self, plane: QPointF) -> Grips | None:
        """What can be dragged at (u, v)."""
        return next((grips for grips in self.grips if grips.takes(self, plane)), None)

    def _hover(self, plane: QPointF | None) -> None:
        if self.tool is not None:
            self.tool.hover(self, plane)
            return
        over = self._grip_at(plane) if plane is not None else None
        if over is None:
            self.viewport().unsetCursor()
        else:
            over.hover(self, plane)

    def _drag_window(self, dx: float, dy: float) -> None:
        if self.comparison is not None and self.comparison.adjust(dx):
            return
        # The speed follows the width: a narrow window is adjusted finely, a wide one quickly.
        speed = max(self.window.width_hu, 1.0) / 300
        width = max(self.window.width_hu + dx * speed, 1.0)
        centre = self.window.centre_hu
        if not (self.layer is not None and self.layer.signed):
            centre += dy * speed
        self.window_dragged.emit(Window(centre, min(width, 100_000.0)))

    def _zoom(self, factor: float, at: QPointF) -> None:
        f = self._framing
        fixed = self.to_plane(at)
        scale = min(max(f.scale * factor, 0.02), 400.0)
        factor = scale / f.scale
        self._frame(
            Framing(
                fixed.x() + (f.u - fixed.x()) / factor,
                fixed.y() + (f.v - fixed.y()) / factor,
                scale,
            )
        )

    def zoom_by(self, factor: float) -> None:
        """Zoom about the middle of the pane."""
        if self.layer is not None:
            self._zoom(factor, QPointF(self.viewport().rect().center()))

    def _frame(self, framing: Framing) -> None:
        self.set_framing(framing)
        self.framed.emit(framing)
