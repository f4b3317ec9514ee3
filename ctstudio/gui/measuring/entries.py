"""The measurements of the session: what there is, what is selected, what can be taken back."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand

from ctstudio.ct.measure import Kind, Shape, slice_of
from ctstudio.ct.planes import Plane
from ctstudio.ct.volume import Geometry
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.words import plain_title

NAMES: dict[Kind, str] = {
    "distance": "Distance",
    "angle": "Angle",
    "rectangle": "Rectangle",
    "ellipse": "Ellipse",
    "freehand": "Outline",
    "profile": "Profile",
}


@dataclass(frozen=True)
class Space:
    """A patient space, without keeping the layers in it alive."""

    frame: str
    root: weakref.ref[Layer]

    @classmethod
    def of(cls, layer: Layer) -> Space:
        return cls(layer.stack.source.frame_of_reference_uid, weakref.ref(layer.root))

    def holds(self, layer: Layer) -> bool:
        """Whether ``layer`` lies in it."""
        frame = layer.stack.source.frame_of_reference_uid
        return layer.root is self.root() or (bool(self.frame) and self.frame == frame)


@dataclass(frozen=True, eq=False)
class Entry:
    """A measurement with a name, in the plane and space in which it was drawn."""

    number: int
    name: str
    shape: Shape
    plane: Plane
    space: Space
    spacing_known: bool

    @property
    def length_unit(self) -> str:
        return "mm" if self.spacing_known else "px"

    def shown_in(self, view: PictureView) -> bool:
        """Whether ``view`` shows the slice that it was drawn on."""
        if view.layer is None or not self.space.holds(view.layer):
            return False
        return slice_of(self.shape, view.stack.geometry) == view.index


class Measurements(QObject):
    """Every change of it, but for those of a drag that goes on, can be taken back."""

    changed = Signal()  # which there are, or how they are called
    moved = Signal(object)  # Entry: its shape, many times a second
    selected = Signal(object)  # Entry | None

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._entries: dict[int, Entry] = {}
        self._drawn = 0
        self._selected: int | None = None
        self.shown = True
        self.dragging: int | None = None  # the number of what is being dragged
        self._slices: dict[tuple[int, int], tuple[Shape, Geometry, int | None]] = {}
        session.layer_removed.connect(self._layer_removed)

    @property
    def entries(self) -> list[Entry]:
        """All there are, in the order in which they were drawn."""
        return [self._entries[number] for number in sorted(self._entries)]

    @property
    def selection(self) -> Entry | None:
        return self._entries.get(self._selected) if self._selected is not None else None

    def layers(self, entry: Entry) -> list[Layer]:
        """The layers in the space of ``entry``."""
        return [layer for layer in self._session.layers if entry.space.holds(layer)]

    def visible(self, view: PictureView, at: int | None = None) -> list[Entry]:
        """What is drawn upon ``view``, the selected one on top; or upon its slice ``at``."""
        if not self.shown:
            return []
        index = view.index if at is None else at
        found = [entry for entry in self.entries if self._shown_in(entry, view, index)]
        return sorted(found, key=lambda entry: entry.number == self._selected)

    def _shown_in(self, entry: Entry, view: PictureView, index: int) -> bool:
        """`Entry.shown_in`, which every repaint asks for, remembered."""
        if view.layer is None or not entry.space.holds(view.layer):
            return False
        key, geometry = (entry.number, id(view)), view.stack.geometry
        known = self._slices.get(key)
        if known is None or known[0] is not entry.shape or known[1] is not geometry:
            known = (entry.shape, geometry, slice_of(entry.shape, geometry))
            self._slices[key] = known
        return known[2] == index

    def set_shown(self, on: bool) -> None:
        """Show the measurements upon the images, or not."""
        self.shown = on
        self.changed.emit()

    def select(self, entry: Entry | None) -> None:
        number = entry.number if entry is not None else None
        if number != self._selected:
            self._selected = number
            self.selected.emit(self.selection)

    def add(self, shape: Shape, plane: Plane, layer: Layer) -> None:
        """A measurement that was just drawn upon ``layer``; it is selected."""
        self._drawn += 1
        same = sum(entry.shape.kind == shape.kind for entry in self._entries.values())
        taken = {entry.name for entry in self._entries.values()}
        name = tr(NAMES[shape.kind])
        name = next(n for k in range(same + 1, 10**6) if (n := f"{name} {k}") not in taken)
        known = layer.stack.geometry.spacing_known
        entry = Entry(self._drawn, name, shape, plane, Space.of(layer), known)
        self._do(tr("Draw {0}").format(name), [(None, entry)])
        self.select(self._entries.get(entry.number))

    def rename(self, entry: Entry, name: str) -> None:
        """Another name; none is no name."""
        before = self._entries.get(entry.number)
        if before is not None and name.strip() and name.strip() != before.name:
            text = tr("Rename {0}").format(before.name)
            self._do(text, [(before, replace(before, name=name.strip()))])

    def drag(self, entry: Entry, shape: Shape) -> None:
        """Show ``entry`` with another shape while it is dragged."""
        if entry.number in self._entries:
            moved = replace(self._entries[entry.number], shape=shape)
            self._entries[entry.number] = moved
            self.dragging = entry.number
            self.moved.emit(moved)

    def drop(self, before: Entry) -> None:
        """The drag that began at ``before`` has ended."""
        self.dragging = None
        after = self._entries.get(before.number)
        if after is not None and after.shape is not before.shape:
            self._do(tr("Move {0}").format(after.name), [(before, after)])
        elif after is not None:
            self.moved.emit(after)

    def delete(self, entries: list[Entry]) -> None:
        """Remove measurements."""
        gone = [self._entries[e.number] for e in entries if e.number in self._entries]
        if gone:
            what = gone[0].name if len(gone) == 1 else tr("measurements")
            self._do(tr("Delete {0}").format(what), [(entry, None) for entry in gone])

    def _do(self, text: str, changes: list[tuple[Entry | None, Entry | None]]) -> None:
        """Make changes, each from what there is before to what there is after."""

        def redo() -> None:
            for before, after in changes:
                self._put(before, after)
            self.changed.emit()

        def undo() -> None:
            for before, after in changes:
                self._put(after, before)
            self.changed.emit()

        self._session.undo.push(_Change(plain_title(text), undo, redo))

    def _put(self, old: Entry | None, new: Entry | None) -> None:
        if new is None:
            if old is not None:
                self._entries.pop(old.number, None)
                for key in [key for key in self._slices if key[0] == old.number]:
                    del self._slices[key]
                if old.number == self._selected:
                    self.select(None)
                if old.number == self.dragging:
                    self.dragging = None
        elif self.layers(new):  # else its series was closed meanwhile
            self._entries[new.number] = new

    def state(self) -> tuple[Entry, ...]:
        """All there are, to be compared with what there is later."""
        return tuple(self.entries)

    def change(self, old: tuple[Entry, ...], new: tuple[Entry, ...]) -> None:
        """Go from one `state` to another."""
        for entry in old:
            if entry not in new:
                self._put(entry, None)
        for entry in new:
            if entry not in old:
                self._put(None, entry)
        self.changed.emit()

    def _layer_removed(self, _layer: Layer) -> None:
        gone = [entry for entry in self.entries if not self.layers(entry)]
        for entry in gone:
            self._put(entry, None)
        self.changed.emit()


class _Change(QUndoCommand):
    def __init__(self, text: str, undo: Callable[[], None], redo: Callable[[], None]) -> None:
        super().__init__(text)
        self._undo, self._redo = undo, redo

    def undo(self) -> None:
        self._undo()

    def redo(self) -> None:
        self._redo()
