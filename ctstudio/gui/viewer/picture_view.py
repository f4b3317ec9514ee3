"""A slice of a layer, drawn as the geometry says.

The view's coordinates are patient millimetres in the slice's plane: u along the rows, v down the
columns (``position . row_direction`` and ``position . column_direction``). Panes whose layers share
a frame of reference therefore show the same place when they have the same centre and scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent, QTransform
from PySide6.QtWidgets import QAbstractScrollArea, QFrame

from ctstudio.ct.drafts import draft_of, value_at
from ctstudio.ct.planes import Plane, Projection, Slab, in_plane, stored_plane
from ctstudio.ct.views import SliceStack
from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_table
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.picture import Picture, around
from ctstudio.gui.viewer.places import Compared
from ctstudio.gui.viewer.places import Framing as Framing
from ctstudio.gui.viewer.places import Probe as Probe
from ctstudio.gui.viewer.places import slice_rect as slice_rect
from ctstudio.gui.viewer.together import TOGETHER
from ctstudio.gui.viewer.upon import of_slice, paint_upon, still
from ctstudio.gui.viewer.words import WORDS
from ctstudio.gui.windowing.display import PLAIN, Display

MasksOf = Callable[["PictureView"], list[tuple[QRectF, NDArray[np.uint8]]]]
PaintUpon = Callable[["PictureView", QPainter], None]
REST_MS = 100  # without another slice: the exact picture replaces a draft
NEAREST_FROM = 4.0  # screen pixels per image pixel from which pixels are shown as squares


class PictureView(QAbstractScrollArea):
    """Draws a slice and what stands upon it, and knows which place of the patient is where."""

    window: Window  # type: ignore[assignment]  # of its greys; that of Qt is not asked for

    def __init__(self) -> None:
        self.layer: Layer | None = None  # Qt resizes the view while it is being made
        super().__init__()
        self.setObjectName("pane")
        self.setFrameShape(QFrame.Shape.NoFrame)
        for way in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            way(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # All of it is painted here: nothing needs to be painted beneath.
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(80, 80)
        self._image = Picture()
        self._added: list[Picture] = []
        self._overlays: list[Picture] = []
        self.masks: MasksOf | None = None  # what lies over the image
        self.upon: list[PaintUpon] = []  # and what is drawn upon it, in viewport px
        self.comparison: Compared | None = None
        self.index = 0
        self.plane: Plane | None = None  # another one than that of the layer's slices
        self.slab: tuple[Projection, float] | None = None  # how, and over how many mm
        self.left_at: dict[Plane, int] = {}  # the slice last seen in each plane of the layer
        self._seen: tuple[object, SliceStack] | None = None
        self.window = Window(40, 400)
        self.display = PLAIN  # what its greys are shown as
        self.fitted = True
        self.active = False
        self.banner = ""  # a word upon the image: "computing ..."
        self._hu: NDArray[np.float32] | None = None
        self._drawn: NDArray[np.float32] | None = None  # what is on the screen: HU, or a draft
        self._drawn_rect = self._own_rect = QRectF()  # and where; and where it was before
        self._painted: SliceStack | None = None  # what the slice on the screen is one of
        self._partly = False  # what is drawn next is another slice and nothing else
        self._rest = QTimer(self)  # runs while one moves through slices that take long
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._come_to_rest)
        self._grey: NDArray[np.uint8] | None = None
        self._framing = Framing(0.0, 0.0, 1.0)
        self._crosshair: QPointF | None = None
        self._brush: tuple[QPointF, float] | None = None  # where, and its radius in mm
        self.show_info = True
        self.show_scale = True
        self.show_letters = True
        self.show_crosshair = True
        self.show_patient = True

    # -- what is shown ---------------------------------------------------------------------------

    def show_layer(self, layer: Layer | None, index: int = 0) -> None:
        """Show slice ``index`` of ``layer`` (None empties the pane)."""
        if layer is not self.layer:
            self.left_at.clear()
        self.layer = layer
        self._hu = self._drawn = self._grey = None
        if layer is None:
            self._image.clear()
            if self.comparison is not None:
                self.comparison.redraw()
            self.draw_masks()
            self.viewport().update()
            return
        self.show_slice(index)

    @property
    def stack(self) -> SliceStack:
        """The slices that can be scrolled through: the layer's, cut and projected as chosen."""
        assert self.layer is not None
        of = (self.layer.stack, self.plane, self.slab)
        if self._seen is None or self._seen[0] != of:
            self._seen = (of, self.as_seen(self.layer.stack))
        return self._seen[1]

    def as_seen(self, stack: SliceStack) -> SliceStack:
        """Another stack in this pane's plane and slab."""
        seen = stack if self.plane is None else in_plane(stack, self.plane)
        if self.slab is not None and len(stack) > 1:
            seen = Slab(seen, *self.slab)
        return seen

    @property
    def cut(self) -> bool:
        """Whether the slices shown are not those of the layer itself."""
        return self.layer is not None and self.stack is not self.layer.stack

    @property
    def shown_plane(self) -> Plane:
        """The plane that is shown."""
        if self.plane is not None and self.layer is not None and len(self.layer.stack) > 1:
            return self.plane
        return stored_plane(self.layer.stack.geometry) if self.layer is not None else "axial"

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """The patient point in the middle of the pane, ``(3,)``, on the slice shown."""
        geometry, rect = self.stack.geometry, self.image_rect()
        u = min(max(self._framing.u, rect.left()), rect.right())
        v = min(max(self._framing.v, rect.top()), rect.bottom())
        point: NDArray[np.float64] = (
            u * geometry.row_direction
            + v * geometry.column_direction
            + geometry.offsets_mm[self.index] * geometry.normal
        )
        return point

    @property
    def stored_index(self) -> int:
        """The layer's own slice that is shown, or that goes through the middle of the pane."""
        assert self.layer is not None
        if self.stack.geometry is self.layer.stack.geometry:
            return self.index
        return self.layer.stack.geometry.nearest_slice(self.centre_mm)

    def show_slice(self, index: int) -> None:
        if self.layer is None:
            return
        stack, before = self.stack, self.index
        self.index = min(max(index, 0), len(stack) - 1)
        # Of the same stack the next slice: what does not depend on it stays as it is.
        self._partly = stack is self._painted and self.index != before and self._drawn is not None
        self._painted = stack
        draft = draft_of(stack, self.index) if self.comparison is None else None
        moving = self._rest.isActive()
        if draft is not None:
            self._rest.start()
        if draft is not None and moving:
            self._hu = None
            self._drawn = TOGETHER.slice_hu(draft, self.index)
            self._drawn_rect = slice_rect(draft.geometry, draft.shape, self.index)
            self._redraw()
        else:
            self._hu = None  # its values may have changed
            self._draw_exactly()

    def _draw_exactly(self) -> None:
        self._drawn, self._drawn_rect = self.hu, self.image_rect()
        self._redraw()

    def _come_to_rest(self) -> None:
        if self.drafted:
            self._draw_exactly()

    @property
    def drafted(self) -> bool:
        """Whether a coarse picture is on the screen, until the pane comes to rest."""
        return self._drawn is not None and self._drawn is not self._hu

    def set_window(self, window: Window) -> None:
        self.window = window
        self._redraw()

    def set_display(self, display: Display) -> None:
        """Show the greys of the window in another way."""
        if display != self.display:
            self.display = display
            self._redraw()

    def refresh(self) -> None:
        """Fetch the slice again: its values have changed."""
        self.show_slice(self.index)

    @property
    def hu(self) -> NDArray[np.float32] | None:
        """The slice on screen, ``(y, x)`` float32; exact while a draft of it is shown, too."""
        if self._hu is None and self.layer is not None:
            self._hu = TOGETHER.slice_hu(self.stack, self.index)
        return self._hu

    @property
    def grey(self) -> NDArray[np.uint8] | None:
        """The display values on screen, ``(y, x)``: `Window.to_uint8` of the slice or its draft."""
        if self._grey is None and self._drawn is not None and self.layer is not None:
            self._grey = TOGETHER.greys(self._drawn, self.window, signed=self.layer.signed)
        return self._grey

    def _redraw(self) -> None:
        partly, self._partly = self._partly, False
        if self._drawn is None or self.layer is None:
            return
        self._grey = None
        if self._image.visible:
            self._draw_own()
        if self.comparison is not None:
            self.comparison.redraw()
        self.draw_masks()
        before, self._own_rect = self._own_rect, self._drawn_rect
        # Squares Qt may begin a pixel aside where it paints but a part.
        partly = partly and self._smooth and not self._added and self.comparison is None
        if partly and still(self):
            shown = self._plane_transform().mapRect(before.united(self._drawn_rect))
            self.viewport().update(of_slice(shown, self.viewport().size()))
        else:
            self.viewport().update()

    def _draw_own(self) -> None:
        grey = self.grey
        if grey is not None and self.layer is not None:
            table = diverging_table() if self.layer.signed else self.display.table
            self._image.show_greys(grey, table, self._drawn_rect)

    def add_picture(self, picture: Picture) -> None:
        """Another picture between the view's own and the masks."""
        self._added.append(picture)

    def remove_picture(self, picture: Picture) -> None:
        """It is not drawn any more."""
        self._added.remove(picture)
        self.viewport().update()

    def show_own(self, on: bool) -> None:
        """Draw the view's own picture, or not where another covers it."""
        if on and not self._image.visible:
            self._draw_own()  # which was left undone while nobody saw it
        self._image.visible = on

    def draw_masks(self) -> None:
        """Lay the masks over the image, anew."""
        pictures = self.masks(self) if self.masks is not None and self._drawn is not None else []
        while len(self._overlays) < len(pictures):
            self._overlays.append(Picture())
        for item in self._overlays[len(pictures) :]:
            item.clear()
        for item, (rect, picture) in zip(self._overlays, pictures, strict=False):
            item.show_colours(picture, rect)
        if self._overlays:
            self.viewport().update()

    def image_rect(self) -> QRectF:
        """The slice's place in the plane, mm; edges half a pixel outside the voxel centres."""
        if self.layer is None:
            return QRectF(0, 0, 1, 1)
        return slice_rect(self.stack.geometry, self.stack.shape, self.index)

    # -- framing ---------------------------------------------------------------------------------

    @property
    def framing(self) -> Framing:
        return self._framing

    def region_in_view(self) -> tuple[int, int, int, int]:
        """The part of the slice that can be seen, in pixels: top, left, height, width."""
        if self.layer is None:
            return 0, 0, 0, 0
        dy, dx = self.stack.geometry.spacing_mm
        size = self.viewport().size()
        corner = self.to_plane(QPointF(0, 0)) - self.image_rect().topLeft()
        far = self.to_plane(QPointF(size.width(), size.height())) - self.image_rect().topLeft()
        _, ny, nx = self.stack.shape
        top, left = max(math.floor(corner.y() / dy), 0), max(math.floor(corner.x() / dx), 0)
        bottom, right = min(math.ceil(far.y() / dy), ny), min(math.ceil(far.x() / dx), nx)
        return top, left, max(bottom - top, 0), max(right - left, 0)

    def fit(self) -> None:
        """Show the whole slice."""
        rect, size = self.image_rect(), self.viewport().size()
        scale = min(size.width() / rect.width(), size.height() / rect.height())
        self.set_framing(Framing(rect.center().x(), rect.center().y(), max(scale, 1e-6)))
        self.fitted = True

    def set_framing(self, framing: Framing) -> None:
        self._framing = framing
        self.fitted = False
        self.viewport().update()

    def to_plane(self, position: QPointF) -> QPointF:
        """Viewport pixels to (u, v) mm."""
        f, size = self._framing, self.viewport().size()
        return QPointF(
            f.u + (position.x() - size.width() / 2) / f.scale,
            f.v + (position.y() - size.height() / 2) / f.scale,
        )

    def to_viewport(self, plane: QPointF) -> QPointF:
        """(u, v) mm to viewport pixels."""
        f, size = self._framing, self.viewport().size()
        return QPointF(
            (plane.x() - f.u) * f.scale + size.width() / 2,
            (plane.y() - f.v) * f.scale + size.height() / 2,
        )

    def probe(self, plane: QPointF) -> Probe | None:
        """The voxel at (u, v), or None outside the slice."""
        if self.layer is None:
            return None
        stack, geometry = self.stack, self.stack.geometry
        dy, dx = geometry.spacing_mm
        rect = self.image_rect()
        x = math.floor((plane.x() - rect.left()) / dx)
        y = math.floor((plane.y() - rect.top()) / dy)
        _, ny, nx = stack.shape
        if not (0 <= x < nx and 0 <= y < ny):
            return None
        point = (
            geometry.positions_mm[self.index]
            + x * dx * geometry.row_direction
            + y * dy * geometry.column_direction
        )
        px, py, pz = (float(c) for c in point)
        voxel = (x, y, self.index)
        if self.cut:
            own = self.layer.stack
            k, row, column = own.geometry.to_voxel(point)
            voxel = (round(column), round(row), k)
        hu = self._hu
        value = float(hu[y, x]) if hu is not None else value_at(stack, self.index, y, x)
        return Probe(value, stack.unit, voxel, (px, py, pz))

    def set_brush(self, brush: tuple[QPointF, float] | None) -> None:
        """Show a circle about (u, v) with a radius in mm, or none."""
        if brush != self._brush:
            self._brush = brush
            self.viewport().update()

    def set_crosshair(self, plane: QPointF | None) -> None:
        self._crosshair = plane
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.layer is None:
            return
        if self.fitted:
            self.fit()
        else:
            self.set_framing(self._framing)

    # -- drawing upon the image ------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        plane = self._plane_transform()
        for beside in around(self._image.covers(plane), self.viewport().size()):
            painter.fillRect(beside, Qt.GlobalColor.black)  # behind images in every theme
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
        for picture in (self._image, *self._added, *self._overlays):
            picture.paint(painter, plane)
        with WORDS.within(event.region()):
            paint_upon(self, painter, self._crosshair, self._brush)
        painter.end()

    @property
    def _smooth(self) -> bool:
        """Whether pixels are blended into one another, or shown as squares."""
        pixel = min(self.stack.geometry.spacing_mm) if self.layer else 1.0
        return self._framing.scale * pixel < NEAREST_FROM

    def _plane_transform(self) -> QTransform:
        """Makes px of the viewport of (u, v) mm."""
        f, size = self._framing, self.viewport().size()
        plane = QTransform.fromTranslate(size.width() / 2, size.height() / 2)
        return plane.scale(f.scale, f.scale).translate(-f.u, -f.v)

    def set_active(self, active: bool) -> None:
        if active != self.active:
            self.active = active
            self.viewport().update()
