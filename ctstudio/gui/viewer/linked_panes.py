"""Panes that do together what is linked: scroll, window, zoom, pan, crosshair, values."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from ctstudio.ct.window import Window
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.linking import (
    Links,
    carried,
    framing_in,
    joined,
    matching_slice,
    one_window_suits,
    parallel,
    patient_point,
    same_space,
)
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.places import Framing, Probe
from ctstudio.gui.viewer.together import TOGETHER

LABEL = 72  # px: the number of the slice, at least


class LinkedPanes(QWidget):
    """Gestures in one pane are passed on to the panes linked with it."""

    probed = Signal(object)  # list[tuple[Layer, Probe | None]], one entry a visible pane
    slice_changed = Signal(object, int)  # Layer of the active pane, index
    window_changing = Signal()  # it is about to
    window_changed = Signal(object)  # Window of the active pane
    menu_requested = Signal(object, QPoint)  # Pane, global position
    activated = Signal(object)  # Pane
    hovered = Signal(object, object)  # Pane, QPointF (u, v) | None
    moved = Signal(object)  # Pane: another slice or plane; those linked with it have followed

    def __init__(self, session: Session, panes: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.links = Links()
        self.panes = [Pane(session) for _ in range(panes)]
        self._active = self.panes[0]
        self.out_of_window: set[Pane] = set()  # hidden while those they follow changed theirs
        self._hovering: tuple[Pane, QPointF | None] | None = None
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Slice"))
        self.slider.setToolTip(tr("Slice (wheel, Up, Down)"))
        self.slider.valueChanged.connect(self._slide)
        self._label = QLabel("")
        self._label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._label.setFixedSize(LABEL, self._label.fontMetrics().height())
        self.below = QHBoxLayout()  # what stands below the panes
        self.below.setContentsMargins(8, 0, 8, 0)
        self.below.addWidget(self.slider, 1)
        self.below.addWidget(self._label)
        for pane in self.panes:
            view = pane.view
            # Lambdas are called in the GUI thread here: every signal of a pane is emitted in it.
            view.scrolled.connect(lambda steps, pane=pane: self._scroll(pane, steps))
            view.window_dragged.connect(lambda window, pane=pane: self._window(pane, window))
            view.framed.connect(lambda framing, pane=pane: self._frame(pane, framing))
            view.hovered.connect(lambda plane, pane=pane: self._hover(pane, plane))
            view.crosshair_set.connect(lambda plane, pane=pane: self.cross(pane, plane))

    @property
    def visible_panes(self) -> list[Pane]:
        """The panes on the screen, from left to right and from top to bottom."""
        return self.panes

    @property
    def active_pane(self) -> Pane:
        return self._active

    def linked(self, pane: Pane) -> list[Pane]:
        """The other visible panes in the same patient space and plane."""
        return [p for p in self.neighbours(pane) if parallel(p.view.stack, pane.view.stack)]

    def neighbours(self, pane: Pane) -> list[Pane]:
        """The other visible panes in the same patient space, whichever plane they show."""
        layer = pane.layer
        if layer is None:
            return []
        return [
            p
            for p in self.visible_panes
            if p is not pane and p.layer is not None and same_space(p.layer, layer)
        ]

    def same_kind(self, pane: Pane) -> list[Pane]:
        """The other visible panes whose values one window suits as well."""
        if pane.layer is None:
            return []
        own, others = pane.layer, [p for p in self.visible_panes if p is not pane]
        return [p for p in others if p.layer is not None and one_window_suits(p.layer, own)]

    def set_link(self, name: str, on: bool) -> None:
        """Do something together from now on, or no more; ``name`` is that of a field of `Links`.

        What is linked agrees at once: the other panes follow the active one.
        """
        before = getattr(self.links, name)
        setattr(self.links, name, on)
        if on and not before:
            self._agree(name)
        self.show_links()

    def _agree(self, name: str) -> None:
        pane = self._active
        if pane.layer is None:
            return
        if name == "window":
            self._window(pane, pane.view.window)
        elif name in ("zoom", "pan"):
            self._frame(pane, pane.view.framing)
        elif name == "scroll":
            with TOGETHER:
                for other in self.linked(pane):
                    target = matching_slice(pane.view, other.view.stack)
                    if target != other.view.index:
                        other.view.show_slice(target)
            self.moved.emit(pane)
            self.reprobe()

    def show_links(self) -> None:
        """Say in each header what the pane does with the active one."""
        active = self._active
        together = [active, *self.linked(active)]
        words = self.links.words
        for pane in self.panes:
            several = pane in together and len(together) > 1
            pane.show_links(words if several else None)

    # -- slices ----------------------------------------------------------------------------------

    def step(self, steps: int) -> None:
        """Scroll the active pane (and those linked with it)."""
        self._scroll(self._active, steps)

    def go_to(self, index: int) -> None:
        """Show slice ``index`` in the active pane; negative counts from the end."""
        layer = self._active.layer
        if layer is not None:
            target = index if index >= 0 else len(self._active.view.stack) + index
            self.set_slice(self._active, target)

    def _scroll(self, pane: Pane, steps: int) -> None:
        if pane.layer is not None:
            self.set_slice(pane, pane.view.index + steps)

    def set_slice(self, pane: Pane, index: int) -> None:
        """Show a slice in ``pane``, and the same place in the panes that scroll with it."""
        if pane.layer is None:
            return
        before = pane.view.index
        index = min(max(index, 0), len(pane.view.stack) - 1)
        if index == before:
            return
        with TOGETHER:
            pane.view.show_slice(index)
            if self.links.scroll:
                for other in self.linked(pane):
                    target = matching_slice(pane.view, other.view.stack)
                    if target != other.view.index:
                        other.view.show_slice(target)
        self.moved.emit(pane)
        self.sync()
        self.reprobe()

    def _slide(self, value: int) -> None:
        self.set_slice(self._active, value)

    def sync(self) -> None:
        """Let the slider and whoever follows the slice know where the active pane is."""
        layer = self._active.layer
        self.slider.blockSignals(True)
        if layer is None:
            self.slider.setRange(0, 0)
            self.slider.setEnabled(False)
            self._label.setText("")
        else:
            view, count = self._active.view, len(self._active.view.stack)
            self.slider.setEnabled(count > 1)
            self.slider.setRange(0, count - 1)
            self.slider.setPageStep(10)
            self.slider.setValue(view.index)
            # Of one size whatever it says: the window's layout is not asked at every slice.
            widest = self._label.fontMetrics().horizontalAdvance(f"{count} / {count} ")
            self._label.setFixedWidth(max(LABEL, widest))
            self._label.setText(f"{view.index + 1} / {count}")
        self.slider.blockSignals(False)
        if layer is not None:
            self._session.slice_index = self._active.view.stored_index
            self.slice_changed.emit(layer, self._session.slice_index)

    # -- window, zoom, pan -----------------------------------------------------------------------

    def set_window(self, window: Window) -> None:
        """Set the window of the active pane (and those linked with it)."""
        self._window(self._active, window)

    def _window(self, pane: Pane, window: Window) -> None:
        if pane.layer is None:
            return
        self.window_changing.emit()
        with TOGETHER:
            pane.view.set_window(window)
            if self.links.window:
                for other in self.same_kind(pane):
                    other.view.set_window(window)
                self.out_of_window.update(p for p in self.panes if not p.isVisible())
        if pane is self._active:
            self.window_changed.emit(window)

    def _frame(self, pane: Pane, framing: Framing) -> None:
        if not (self.links.zoom or self.links.pan):
            return
        for other in self.linked(pane):
            self.frame_as(other, pane, framing)

    def frame_as(self, other: Pane, pane: Pane, framing: Framing) -> None:
        """Show in ``other`` what ``framing`` shows in ``pane``, as far as that is linked."""
        if self.links.zoom or self.links.pan:
            there = framing_in(other.view.stack.geometry, pane.view, framing)
            other.view.set_framing(joined(self.links, other.view.framing, there))

    def fit_all(self) -> None:
        """Show whole slices again."""
        for pane in self.visible_panes:
            if pane.layer is not None:
                pane.view.fit()

    # -- places ----------------------------------------------------------------------------------

    def cross(self, pane: Pane, plane: QPointF | None) -> None:
        """Mark (u, v) of ``pane`` in every pane; other planes go to the slice it lies in."""
        if plane is None:
            for other in self.panes:
                other.view.set_crosshair(None)
            return
        pane.view.set_crosshair(plane)
        if self.links.crosshair:
            for other in self.neighbours(pane):
                geometry = other.view.stack.geometry
                if not parallel(other.view.stack, pane.view.stack):
                    target = geometry.nearest_slice(patient_point(plane, pane.view))
                    if target != other.view.index:
                        other.view.show_slice(target)
                other.view.set_crosshair(carried(plane, pane.view, geometry))
            self.moved.emit(pane)

    def _hover(self, pane: Pane, plane: QPointF | None) -> None:
        self._hovering = (pane, plane)
        self.reprobe()
        self.hovered.emit(pane, plane)

    def reprobe(self) -> None:
        """Tell the voxels under the cursor again."""
        if self._hovering is None:
            return
        pane, plane = self._hovering
        result: list[tuple[Layer, Probe | None]] = []
        if plane is not None and pane.layer is not None:
            related = self.linked(pane)
            for other in self.visible_panes:
                if other.layer is not None and (other is pane or other in related):
                    place = carried(plane, pane.view, other.view.stack.geometry)
                    found = [(other.layer, other.view.probe(place))]
                    if other.view.comparison is not None:
                        found += other.view.comparison.probes(place)
                    result += [one for one in found if one[0] not in (la for la, _ in result)]
        self.probed.emit(result)
