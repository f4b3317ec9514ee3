"""Painting masks with the mouse: brush, eraser, fill; every stroke can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QCoreApplication, QObject, QPointF, Qt, QTimer, Signal

from ctstudio.ct import painting
from ctstudio.ct.labels import (
    BACKGROUND,
    NOT_ANNOTATED,
    UNKNOWN,
    Label,
    default_colour,
    is_sparse,
    label_map,
)
from ctstudio.ct.painting import Change
from ctstudio.ct.volume import Volume
from ctstudio.gui.masks.overlay import Masks, is_mask
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.undo.deeds import Deed
from ctstudio.gui.viewer.linking import carried, same_space
from ctstudio.gui.viewer.slice_view import SliceView

Tool = Literal["brush", "eraser", "fill"]
LEAST_MM, MOST_MM = 0.5, 100.0
MOST_LABELS = 255
REDRAW_MS = 16
WHEEL_STEP = 1.15  # of the brush's radius, a notch


class Painter(QObject):
    """Changes the labels of one mask; panes hand it the left mouse button while it is on."""

    changed = Signal()  # the mask, its labels or a setting

    def __init__(self, session: Session, masks: Masks, views: list[SliceView]) -> None:
        super().__init__(session)
        self._session, self._masks, self.views = session, masks, views
        self.on = False
        self.mask: Layer | None = None
        self.tool: Tool = "brush"
        self.number = 1
        self.radius_mm = 5.0
        self.limits: tuple[float, float] | None = None  # HU that alone are painted
        self._arrays: dict[int, NDArray[Any]] = {}
        self._before: NDArray[Any] | None = None
        self._index = 0
        self._last: tuple[float, float] | None = None
        self._hovered: tuple[SliceView, QPointF | None] | None = None
        self._soon = QTimer(self)  # a fast mouse moves more often than a picture can be drawn
        self._soon.setSingleShot(True)
        self._soon.setInterval(REDRAW_MS)
        self._soon.timeout.connect(lambda: self._show(self._index))
        session.layer_removed.connect(self._removed)
        for view in views:
            view.brush_scrolled.connect(lambda notches: self.resize_brush(WHEEL_STEP**notches))

    # -- what is painted -------------------------------------------------------------------------

    def set_on(self, on: bool) -> bool:
        """Begin with a mask of the active layer, a new one if it has none; or end.

        Returns whether painting is on.
        """
        if on:
            layer = self._session.active
            if layer is None or layer.volume is None or not layer.complete:
                self._session.message.emit(
                    tr("Open a series first: a mask is painted upon it."), 6000
                )
                on = False
            elif is_mask(layer):
                self.choose(layer)
            else:
                fitting = [m for m in self._masks.layers if self._fits(m, layer)]
                truth = self._masks.roles.truth(layer)
                best = truth if truth in fitting else fitting[-1] if fitting else None
                self.choose(best) if best is not None else self.new_mask(layer)
        self.on = on
        # Where moves of the mouse are left out, a stroke cuts corners.
        compress = Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents
        QCoreApplication.setAttribute(compress, not on)
        for view in self.views:
            view.tool = self if on else None
            view.set_brush(None)
        self._hovered = None
        self.changed.emit()
        return on

    def _fits(self, mask: Layer, layer: Layer) -> bool:
        return (
            mask.volume is not None
            and mask.stack.shape == layer.stack.shape
            and (mask.root is layer.root)
        )

    def new_mask(self, layer: Layer | None = None) -> None:
        """An empty mask for ``layer``, or for the series of the mask that is painted."""
        layer = layer or (self.mask.parent if self.mask is not None else None)
        volume = layer.volume if layer is not None else None
        if layer is None or volume is None:
            return
        numbers = np.zeros(volume.shape, np.uint8)
        first = (Label(1, "Label 1", default_colour(1)),)
        made = label_map(numbers, volume.geometry, volume.source, first)
        self.choose(self._session.add_layer(Layer("Mask", "mask", made, layer)))

    def choose(self, mask: Layer) -> None:
        """Paint ``mask`` from now on."""
        volume = mask.volume
        if volume is None:
            return
        if id(mask) not in self._arrays:
            # With a sign, so that what is not annotated has a number at any time.
            wide = volume.voxels.dtype == np.uint16 and int(volume.voxels.max(initial=0)) > 32767
            array = np.array(volume.voxels, np.int32 if wide else np.int16)
            self._arrays[id(mask)] = array
            mask.stack = replace(volume, voxels=array)
        self.mask = mask
        self._masks.style(mask).visible = True
        self._choose_a_label()
        self.changed.emit()

    def _choose_a_label(self) -> None:
        numbers = [label.number for label in self.paintable]
        if self.number not in numbers:
            self.number = numbers[0] if numbers else 1

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels of the mask that is painted."""
        return self._masks.labels(self.mask) if self.mask is not None else ()

    @property
    def paintable(self) -> tuple[Label, ...]:
        """What can be painted: labels, and where not all is annotated the background, too."""
        found = tuple(label for label in self.labels if label.number > 0)
        return (*found, BACKGROUND) if self.sparse else found

    @property
    def sparse(self) -> bool:
        """Whether voxels of the mask may be without annotation."""
        return self.mask is not None and self.mask.volume is not None and is_sparse(self._stack)

    @property
    def empty(self) -> int:
        """The number of voxels that nobody has painted."""
        return UNKNOWN if self.sparse else 0

    @property
    def unpainted_slices(self) -> int:
        """How many slices have no label at all."""
        return 0 if self.mask is None else sum(not (each > 0).any() for each in self._array)

    def set_tool(self, tool: Tool) -> None:
        """Use another tool, and show what it would cover."""
        self.tool = tool
        if self._hovered is not None:
            self.hover(*self._hovered)
        self.changed.emit()

    def set_sparse(self, on: bool, *, whole_slices: bool = False) -> None:
        """Let what was not painted count as not annotated, or as background again.

        With ``whole_slices`` only in slices without any label.
        """
        if self.mask is None or on == self.sparse:
            return
        array, mask = self._array, self.mask
        was, becomes = (0, UNKNOWN) if on else (UNKNOWN, 0)
        changed = array == was
        if whole_slices:
            changed &= ~(array > 0).any((1, 2), keepdims=True)
        bits = np.packbits(changed)
        labels = self.labels
        new = tuple(label for label in labels if label.number != UNKNOWN)
        new = (NOT_ANNOTATED, *new) if on else new

        def put(number: int, named: tuple[Label, ...]) -> None:
            if mask not in self._session.layers or mask.volume is None:
                return
            where = np.unpackbits(bits, count=array.size).view(bool).reshape(array.shape)
            array[where] = number
            mask.stack = replace(mask.volume, labels=named)
            self._choose_a_label()
            self._session.layer_changed.emit(mask, -1)
            self.changed.emit()

        text = "Annotate in part" if on else "Annotate all"
        self._session.undo.push(Deed(text, lambda: put(was, labels), lambda: put(becomes, new)))

    def add_label(self, name: str) -> None:
        """A label of its own, to be painted next."""
        if self.mask is None or self.mask.volume is None:
            return
        taken = {label.number for label in self.labels}
        number = next((n for n in range(1, MOST_LABELS + 1) if n not in taken), None)
        if number is None:
            self._session.message.emit(
                tr("A mask has at most {0} labels.").format(MOST_LABELS), 6000
            )
            return
        label = Label(number, name.strip() or f"Label {number}", default_colour(number))
        labels = tuple(sorted((*self.labels, label), key=lambda la: la.number))
        self.mask.stack = replace(self.mask.volume, labels=labels)
        self.number = number
        self.changed.emit()

    def rename_label(self, name: str) -> None:
        """Another name for the label that is painted."""
        if self.mask is not None and self.mask.volume is not None and name.strip():
            labels = tuple(
                replace(label, name=name.strip()) if label.number == self.number else label
                for label in self.labels
            )
            self.mask.stack = replace(self.mask.volume, labels=labels)
            self.changed.emit()

    def tell(self, text: str) -> None:
        """Say something in the status bar."""
        self._session.message.emit(text, 6000)

    def _removed(self, layer: Layer) -> None:
        self._arrays.pop(id(layer), None)
        if layer is self.mask:
            self.mask = None
            if self.on:
                self.set_on(False)

    # -- the mouse -------------------------------------------------------------------------------

    def press(self, view: SliceView, at: QPointF) -> None:
        """The left button goes down at (u, v) mm of ``view``."""
        place = self._place(view, at)
        if place is None:
            return
        self._index, y, x = place
        slice_ = self._array[self._index]
        self._before = slice_.copy()
        self._last = (y, x)
        if self.tool == "fill":
            self._fill(view, y, x)
        else:
            self._mark((y, x), (y, x))

    def drag(self, view: SliceView, at: QPointF) -> None:
        """The mouse moves with the button down."""
        place = self._place(view, at)
        if place is None or self._before is None or self._last is None or self.tool == "fill":
            return
        _, y, x = place
        self._mark(self._last, (y, x))
        self._last = (y, x)
        self.hover(view, at)

    def release(self, view: SliceView) -> None:
        """The button goes up: the stroke is whole, and can be taken back."""
        if self._before is None or self.mask is None:
            return
        change = painting.difference(self._before, self._array[self._index], self._index)
        self._before = self._last = None
        self._soon.stop()
        self._show(self._index)
        if change is not None:
            self._remember(change, {"brush": "Paint", "eraser": "Erase", "fill": "Fill"}[self.tool])

    def hover(self, view: SliceView, at: QPointF | None) -> None:
        """Show what the brush would cover."""
        self._hovered = view, at
        for other in self.views:
            shown = other is view and at is not None and self.tool != "fill"
            other.set_brush((at, self.radius_mm) if shown and at is not None else None)

    def resize_brush(self, factor: float) -> None:
        """Make the brush larger or smaller, and show it so."""
        self.radius_mm = min(max(self.radius_mm * factor, LEAST_MM), MOST_MM)
        if self._hovered is not None:
            self.hover(*self._hovered)
        self.changed.emit()

    def fill_between(self) -> None:
        """Make the label in the empty slices between those where it is drawn."""
        if self.mask is None or self.mask.volume is None:
            return
        geometry, labels = self.mask.stack.geometry, self._array
        made = painting.between(labels, self.number, geometry.offsets_mm, geometry.spacing_mm)
        if not made:
            self._session.message.emit(
                tr("Draw the label in two slices that are not neighbours first."), 6000
            )
            return
        numbers = tuple(made)
        before = np.stack([labels[z] for z in numbers])
        after = before.copy()
        for picture, inside in zip(after, made.values(), strict=True):
            picture[inside & (picture == self.empty)] = self.number
        whole = (slice(0, labels.shape[1]), slice(0, labels.shape[2]))
        change = Change(numbers, whole, before, after)
        change.redo(labels)
        self._remember(change, "Fill between slices")
        self._show(-1)

    @property
    def _array(self) -> NDArray[Any]:
        assert self.mask is not None
        return self._arrays[id(self.mask)]

    def _place(self, view: SliceView, at: QPointF) -> tuple[int, float, float] | None:
        """Slice and fractional row and column of the mask under (u, v) of ``view``."""
        mask, layer = self.mask, view.layer
        if mask is None or layer is None or not same_space(mask, layer):
            return None
        geometry = mask.stack.geometry
        if view.cut:
            self._session.message.emit(tr("Masks are painted in the plane of the slices."), 4000)
            return None
        here = view.stack.geometry
        index = geometry.nearest_slice(here.positions_mm[view.index])
        plane = carried(at, view, geometry)
        origin = geometry.positions_mm[index]
        dy, dx = geometry.spacing_mm
        y = (plane.y() - float(origin @ geometry.column_direction)) / dy
        x = (plane.x() - float(origin @ geometry.row_direction)) / dx
        return index, y, x

    def _mark(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        slice_ = self._array[self._index]
        spacing = self._stack.geometry.spacing_mm
        marked = painting.stroke(slice_.shape, start, end, self.radius_mm, spacing)
        if self.tool == "eraser":
            slice_[marked & (slice_ == self.number)] = self.empty
        else:
            slice_[marked & self._allowed()] = self.number
        if not self._soon.isActive():
            self._soon.start()

    def _fill(self, view: SliceView, y: float, x: float) -> None:
        slice_ = self._array[self._index]
        seed = (round(y), round(x))
        if not (0 <= seed[0] < slice_.shape[0] and 0 <= seed[1] < slice_.shape[1]):
            return
        if self.limits is not None:
            hu = self._image_slice()
            slice_[painting.region(hu, seed, *self.limits)] = self.number
        else:
            slice_[painting.enclosed(slice_, seed)] = self.number
        self._show(self._index)

    def _allowed(self) -> NDArray[np.bool_] | bool:
        if self.limits is None:
            return True
        hu = self._image_slice()
        inside: NDArray[np.bool_] = (hu >= self.limits[0]) & (hu <= self.limits[1])
        return inside

    def _image_slice(self) -> NDArray[np.float32]:
        assert self.mask is not None
        image = self.mask.parent or self.mask
        return image.stack.slice_hu(self._index)

    @property
    def _stack(self) -> Volume:
        assert self.mask is not None
        assert self.mask.volume is not None
        return self.mask.volume

    def _remember(self, change: Change, text: str) -> None:
        mask, array = self.mask, self._array
        assert mask is not None

        def made(do: Callable[[NDArray[Any]], None]) -> None:
            if mask in self._session.layers:
                do(array)
                self._session.layer_changed.emit(mask, -1)

        undo, redo = (lambda: made(change.undo)), (lambda: made(change.redo))
        self._session.undo.push(Deed(text, undo, redo, done=True))

    def _show(self, index: int) -> None:
        if self.mask is not None:
            self._session.layer_changed.emit(self.mask, index)
