"""A lens that shows all layers at the place under the mouse, enlarged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QWidget

from ctstudio.ct.label_pictures import paint
from ctstudio.ct.labels import LABEL_UNIT, NOT_ANNOTATED, Label
from ctstudio.ct.volume import Volume
from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_index, diverging_table
from ctstudio.gui import theme
from ctstudio.gui.comparing.second import Second, beside
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called, said
from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.places import Probe
from ctstudio.gui.viewer.slice_view import SliceView
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.gui.viewer.windows import default_window

TILE = 148  # px
HEAD = 34  # px of words below a tile
GAP = 4
AWAY = 18  # px from the cursor
MOST_TILES = 8
PIXELS = 25  # of the image, from side to side of a tile
HELD_MS = 350  # a key held so long shows the lens while it is held; a tap switches it


@dataclass(frozen=True)
class Tile:
    """One layer at the place: its pixels there, and the value in the middle."""

    name: str
    picture: QImage
    size: tuple[float, float]  # px upon the lens: width, height
    value: str


class Lens(QWidget):
    """Follows the mouse over the panes; the mouse does not feel it."""

    def __init__(self, grid: ViewGrid) -> None:
        super().__init__(grid)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(tr("Lens: all layers at one place"))
        self.tiles: list[Tile] = []
        self.hide()

    def show_tiles(self, tiles: list[Tile], at: QPoint) -> None:
        """Show ``tiles`` beside ``at``, which is in px of the grid."""
        self.tiles = tiles
        columns = self._columns
        rows = math.ceil(len(tiles) / columns)
        self.resize(
            columns * (TILE + GAP) + GAP,
            rows * (TILE + HEAD + GAP) + GAP,
        )
        parent = self.parentWidget()
        assert parent is not None
        room = parent.size()
        x, y = at.x() + AWAY, at.y() + AWAY
        if x + self.width() > room.width():
            x = max(at.x() - AWAY - self.width(), 0)
        if y + self.height() > room.height():
            y = max(at.y() - AWAY - self.height(), 0)
        self.move(x, y)
        self.raise_()
        self.setVisible(bool(tiles))
        self.update()

    @property
    def _columns(self) -> int:
        return max(min(len(self.tiles), 4), 1)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0))
        painter.setPen(QPen(QColor(theme.current().accent), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        font = theme.image_font(11)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        for number, tile in enumerate(self.tiles):
            x = GAP + (number % self._columns) * (TILE + GAP)
            y = GAP + (number // self._columns) * (TILE + HEAD + GAP)
            square = QRectF(x, y, TILE, TILE)
            width, height = tile.size
            place = QRectF(0, 0, width, height)
            place.moveCenter(square.center())
            painter.save()
            painter.setClipRect(square)
            painter.drawImage(place, tile.picture)
            pixel = QRectF(0, 0, width / tile.picture.width(), height / tile.picture.height())
            pixel.moveCenter(square.center())
            self._mark(painter, pixel)
            painter.restore()
            name = metrics.elidedText(tile.name, Qt.TextElideMode.ElideMiddle, TILE - 4)
            baseline = y + TILE + metrics.ascent() + 1
            overlay.outlined(painter, QPointF(x + 2, baseline), name, theme.ON_IMAGE_MUTED)
            overlay.outlined(painter, QPointF(x + 2, baseline + metrics.height()), tile.value)
        painter.end()

    @staticmethod
    def _mark(painter: QPainter, pixel: QRectF) -> None:
        """The pixel in the middle, whose value is told."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.CROSSHAIR), 1))
        painter.drawRect(pixel.adjusted(-1, -1, 0, 0))


class LensTool(QObject):
    """Shows the lens while its key is held, or from a tap to the next."""

    shown = Signal(bool)

    def __init__(self, session: Session, grid: ViewGrid, key: Qt.Key) -> None:
        super().__init__(grid)
        self._session, self._grid, self._key = session, grid, key
        self.lens = Lens(grid)
        self.on = False
        self._at: tuple[Pane, QPointF] | None = None
        self._held = QTimer(self)
        self._held.setSingleShot(True)
        self._held.setInterval(HELD_MS)
        self._windows: dict[int, Window] = {}
        grid.hovered.connect(self._hovered)
        grid.slice_changed.connect(self._renew)
        grid.window_changed.connect(self._renew)
        session.undo.indexChanged.connect(self._renew)  # colours, among others
        session.layer_removed.connect(self._forget)

    def set_on(self, on: bool) -> None:
        """Show the lens, or no more."""
        if on == self.on:
            return
        self.on = on
        app = QApplication.instance()
        if on and app is not None:
            self._held.start()
            app.installEventFilter(self)
        elif app is not None:
            app.removeEventFilter(self)
        self._renew()
        self.shown.emit(on)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A key that was held long and is let go takes the lens away."""
        if (
            event.type() == QEvent.Type.KeyRelease
            and isinstance(event, QKeyEvent)
            and event.key() == self._key
            and not event.isAutoRepeat()
            and not self._held.isActive()
        ):
            self._held.start()  # the event is seen by several objects
            self.set_on(False)
        return False

    def _hovered(self, pane: Pane, plane: QPointF | None) -> None:
        self._at = (pane, plane) if plane is not None else None
        self._renew()

    def _renew(self, *_: object) -> None:
        if not self.on or self._at is None or self._at[0].layer is None:
            self.lens.hide()
            return
        pane, plane = self._at
        view = pane.view
        port = view.viewport().mapTo(self._grid, view.to_viewport(plane).toPoint())
        self.lens.show_tiles(self.tiles(view, plane), port)

    def _forget(self, _layer: Layer) -> None:
        self._windows.clear()
        self._renew()

    def tiles(self, view: SliceView, plane: QPointF) -> list[Tile]:
        """All layers of the place at (u, v) of ``view``: that of the view first."""
        layers = [la for la in self._session.layers if la is not view.layer]
        if view.layer is not None:
            layers.insert(0, view.layer)
        found = []
        for layer in layers:
            second = beside(layer, view)
            if second is not None:
                found.append(self._tile(second, view, plane))
        return found[:MOST_TILES]

    def _tile(self, second: Second, view: SliceView, plane: QPointF) -> Tile:
        probe, part, layer = second.probe(plane, view), _around(second, plane), second.layer
        value = tr("outside")
        if second.stack.unit == LABEL_UNIT:
            labels = layer.stack.labels if isinstance(layer.stack, Volume) else ()
            value = _label(probe, labels) if probe is not None else value
            painted = paint(part, labels, opacity=1.0)
            table = (painted[..., :3] * (painted[..., 3:] / 255)).astype(np.uint8)
            return self._framed(second, table, value)
        if probe is not None:
            digits = 0 if probe.value == round(probe.value) else 1
            value = f"{probe.value:.{digits}f} {probe.unit}".rstrip()
        if layer.signed:
            grey = diverging_index(part, self._window(layer, second).width_hu / 2)
            table = diverging_table()[grey]
        else:
            same = second.stack.unit == view.stack.unit and not (view.layer and view.layer.signed)
            window = view.window if same else self._window(layer, second)
            grey, colours = window.to_uint8(part), view.display.table
            table = np.repeat(grey[..., None], 3, axis=2) if colours is None else colours[grey]
        return self._framed(second, table, value)

    @staticmethod
    def _framed(second: Second, colours: NDArray[np.uint8], value: str) -> Tile:
        """A tile of ``colours (y, x, 3)``, as large as its pixels are upon the patient."""
        pixels = np.ascontiguousarray(colours)
        ny, nx, _ = pixels.shape
        picture = QImage(pixels.data, nx, ny, 3 * nx, QImage.Format.Format_RGB888).copy()
        dy, dx = second.stack.geometry.spacing_mm
        scale = TILE / (PIXELS * min(dy, dx))
        return Tile(called(second.layer), picture, (nx * dx * scale, ny * dy * scale), value)

    def _window(self, layer: Layer, second: Second) -> Window:
        """The window of a layer that is in none of the panes."""
        shown = next((p.view for p in self._grid.visible_panes if p.layer is layer), None)
        if shown is not None:
            return shown.window
        if id(layer) not in self._windows:
            self._windows[id(layer)] = default_window(layer, len(layer.stack) // 2)
        return self._windows[id(layer)]


def _label(probe: Probe, labels: tuple[Label, ...]) -> str:
    """What a mask says of a voxel."""
    number = round(probe.value)
    if number == 0:
        return tr("no label")
    name = NOT_ANNOTATED.name if number < 0 else f"Label {number}"
    return said(next((label.name for label in labels if label.number == number), name))


def _around(second: Second, plane: QPointF) -> NDArray[np.float32]:
    """The pixels of ``second`` about (u, v), that one in the middle, NaN outside of it.

    They fill a square of the patient as wide as ``PIXELS`` of its finer spacing.
    """
    ny, nx = second.hu.shape
    dy, dx = second.stack.geometry.spacing_mm
    x = math.floor((plane.x() - second.rect.left()) / dx)
    y = math.floor((plane.y() - second.rect.top()) / dy)
    side = PIXELS * min(dy, dx) / 2
    down, right = math.ceil(side / dy - 0.5), math.ceil(side / dx - 0.5)
    part = np.full((2 * down + 1, 2 * right + 1), np.nan, np.float32)
    rows, columns = np.arange(y - down, y + down + 1), np.arange(x - right, x + right + 1)
    here_y, here_x = (rows >= 0) & (rows < ny), (columns >= 0) & (columns < nx)
    part[np.ix_(here_y, here_x)] = second.hu[np.ix_(rows[here_y], columns[here_x])]
    return part
