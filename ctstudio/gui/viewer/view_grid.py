"""The grid of panes: layout, what hangs where, and what is linked."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from ctstudio.ct.window import Window
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.viewer.cutting import Cutting
from ctstudio.gui.viewer.linking import (
    Links,
    carried,
    framing_in,
    matching_slice,
    parallel,
    patient_point,
    same_space,
)
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.picture_view import Framing, Probe
from ctstudio.gui.viewer.windows import default_window

LAYOUTS: dict[str, tuple[int, int]] = {
    "1": (1, 1),
    "1x2": (1, 2),
    "1x3": (1, 3),
    "2x2": (2, 2),
}
MAX_PANES = 4


class ViewGrid(QWidget):
    """Up to four panes. Gestures in one pane are passed on to the panes linked with it."""

    probed = Signal(object)  # list[tuple[Layer, Probe | None]], one entry a visible pane
    slice_changed = Signal(object, int)  # Layer of the active pane, index
    window_changed = Signal(object)  # Window of the active pane
    menu_requested = Signal(object, QPoint)  # Pane, global position
    layout_changed = Signal(str)
    activated = Signal(object)  # Pane
    hovered = Signal(object, object)  # Pane, QPointF (u, v) | None

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.links = Links()
        self.layout_name = "1"
        self._maximised: Pane | None = None
        self.panes = [Pane(session) for _ in range(MAX_PANES)]
        for pane in self.panes:  # also those that no layout has held yet
            pane.setParent(self)
        self._active = self.panes[0]
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Slice")
        self.slider.setToolTip("Slice (wheel, Up, Down)")
        self.slider.valueChanged.connect(self._slide)
        self._label = QLabel("")
        self._label.setMinimumWidth(72)
        self._label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bottom = QHBoxLayout()
        bottom.setContentsMargins(8, 0, 8, 0)
        bottom.addWidget(self.slider, 1)
        bottom.addWidget(self._label)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.bars = QVBoxLayout()  # what stands above the panes
        layout.addLayout(self.bars)
        layout.addLayout(self._grid, 1)
        layout.addLayout(bottom)
        self.cutting = Cutting(self)
        for pane in self.panes:
            self._connect(pane)
        self.set_layout("1")
        session.layer_changed.connect(self._layer_changed)
        session.layer_removed.connect(self._layer_removed)
        session.hang.connect(self.hang)

    def _connect(self, pane: Pane) -> None:
        view = pane.view
        # Lambdas are called in the GUI thread here: every signal of a pane is emitted in it.
        view.activated.connect(lambda: self.activate(pane))
        view.scrolled.connect(lambda steps: self._scroll(pane, steps))
        view.window_dragged.connect(lambda window: self._window(pane, window))
        view.framed.connect(lambda framing: self._frame(pane, framing))
        view.hovered.connect(lambda plane: self._hover(pane, plane))
        view.crosshair_set.connect(lambda plane: self._cross(pane, plane))
        view.maximise.connect(lambda: self.toggle_maximised(pane))
        view.menu_requested.connect(lambda at: self.menu_requested.emit(pane, at))
        pane.chosen.connect(lambda layer: self.show_in(pane, layer))
        pane.plane_chosen.connect(lambda plane: self.cutting.set_plane(pane, plane))
        pane.slab_chosen.connect(lambda slab: self.cutting.set_slab(pane, slab))

    # -- layout ----------------------------------------------------------------------------------

    @property
    def visible_panes(self) -> list[Pane]:
        if self._maximised is not None:
            return [self._maximised]
        rows, columns = LAYOUTS[self.layout_name]
        return self.panes[: rows * columns]

    @property
    def active_pane(self) -> Pane:
        return self._active

    def set_layout(self, name: str) -> None:
        self.layout_name = name
        self._maximised = None
        self._arrange()
        self.layout_changed.emit(name)

    def toggle_maximised(self, pane: Pane) -> None:
        """One pane over the whole grid, or back."""
        if self._maximised is None and len(self.visible_panes) > 1:
            self._maximised = pane
        else:
            self._maximised = None
        self._arrange()

    def _arrange(self) -> None:
        _, columns = LAYOUTS[self.layout_name]
        shown = self.visible_panes
        for pane in self.panes:
            self._grid.removeWidget(pane)
        for k, pane in enumerate(shown):
            self._grid.addWidget(pane, k // columns, k % columns)
        for row in range(2):
            used = row * columns < len(shown)
            self._grid.setRowStretch(row, 1 if used else 0)
        for column in range(3):
            self._grid.setColumnStretch(column, 1 if column < min(columns, len(shown)) else 0)
        for pane in self.panes:
            pane.setVisible(pane in shown)
        if self._active not in shown:
            self.activate(shown[0])
        self._mark_active()

    def activate(self, pane: Pane) -> None:
        self._active = pane
        self._mark_active()
        self._session.set_active(pane.layer)
        self.sync()
        self.activated.emit(pane)
        if pane.layer is not None:
            self.window_changed.emit(pane.view.window)

    def activate_next(self) -> None:
        shown = self.visible_panes
        position = shown.index(self._active) if self._active in shown else -1
        self.activate(shown[(position + 1) % len(shown)])

    def _mark_active(self) -> None:
        several = len(self.visible_panes) > 1
        for pane in self.panes:
            pane.view.set_active(several and pane is self._active)

    # -- content ---------------------------------------------------------------------------------

    def show_in(self, pane: Pane, layer: Layer) -> None:
        """Show ``layer`` in ``pane`` at the place and with the window of its family, if shown.

        The plane stays as long as the family does.
        """
        if pane.layer is not None and not same_space(pane.layer, layer):
            pane.view.plane = pane.view.slab = None
        seen = pane.view.as_seen(layer.stack)
        relative = next(
            (
                p.view
                for p in (pane, *self.visible_panes)
                if p.layer is not None
                and (p.layer is not layer or p is not pane)
                and parallel(p.view.stack, seen)
                and same_space(p.layer, layer)
            ),
            None,
        )
        twin = next(
            (
                p.view
                for p in self.visible_panes
                if p.layer is not None
                and p.layer.signed == layer.signed
                and p.layer.stack.unit == layer.stack.unit
                and p.layer.root is layer.root
            ),
            None,
        )
        first = pane.view.layer is None
        index = len(seen) // 2
        if relative is not None and relative.layer is not None:
            index = matching_slice(relative, seen)
        framing = None
        if relative is not None and not relative.fitted:
            framing = framing_in(seen.geometry, relative, relative.framing)
        own = index if seen.geometry is layer.stack.geometry else len(layer.stack) // 2
        window = twin.window if twin is not None else default_window(layer, own)
        pane.view.window = window  # the layer is drawn with it, once
        pane.set_layer(layer, index)
        if framing is not None:
            pane.view.set_framing(framing)
        else:
            pane.view.fit()
        if pane is self._active or first:
            self.activate(self._active)

    def arrange_now(self) -> None:
        """Give the panes their sizes, which are needed before something is fitted into them."""
        self._grid.activate()

    def hang(self, layers: list[Layer]) -> None:
        """Show layers side by side in the smallest layout that holds them."""
        layers = layers[:MAX_PANES]
        fitting = {1: "1", 2: "1x2", 3: "1x3", 4: "2x2"}[max(len(layers), 1)]
        if self.layout_name != fitting or self._maximised is not None:
            self.set_layout(fitting)
        self.arrange_now()
        # All in the plane that is being looked at.
        chosen = self._active.view
        for pane, layer in zip(self.panes, layers, strict=False):
            related = chosen.layer is not None and same_space(chosen.layer, layer)
            plane, slab = (chosen.plane, chosen.slab) if related else (None, None)
            changed = (pane.view.plane, pane.view.slab) != (plane, slab)
            if changed:
                pane.set_layer(None)  # its slice is counted in another plane
            pane.view.plane, pane.view.slab = plane, slab
            if pane.layer is not layer or changed:
                self.show_in(pane, layer)
        for pane in self.visible_panes:
            pane.view.set_crosshair(None)
        self.activate(self.panes[0])

    # -- linking ---------------------------------------------------------------------------------

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

    def step(self, steps: int) -> None:
        """Scroll the active pane (and those linked with it)."""
        self._scroll(self._active, steps)

    def go_to(self, index: int) -> None:
        """Show slice ``index`` in the active pane; negative counts from the end."""
        layer = self._active.layer
        if layer is not None:
            target = index if index >= 0 else len(self._active.view.stack) + index
            self._set_slice(self._active, target)

    def _scroll(self, pane: Pane, steps: int) -> None:
        if pane.layer is not None:
            self._set_slice(pane, pane.view.index + steps)

    def _set_slice(self, pane: Pane, index: int) -> None:
        if pane.layer is None:
            return
        before = pane.view.index
        index = min(max(index, 0), len(pane.view.stack) - 1)
        if index == before:
            return
        pane.view.show_slice(index)
        if self.links.scroll:
            for other in self.linked(pane):
                target = matching_slice(pane.view, other.view.stack)
                if target != other.view.index:
                    other.view.show_slice(target)
        self.sync()
        self.reprobe()

    def _slide(self, value: int) -> None:
        self._set_slice(self._active, value)

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
            self._label.setText(f"{view.index + 1} / {count}")
        self.slider.blockSignals(False)
        if layer is not None:
            self._session.slice_index = self._active.view.stored_index
            self.slice_changed.emit(layer, self._session.slice_index)

    def set_window(self, window: Window) -> None:
        """Set the window of the active pane (and those linked with it)."""
        self._window(self._active, window)

    def _window(self, pane: Pane, window: Window) -> None:
        if pane.layer is None:
            return
        pane.view.set_window(window)
        if self.links.window:
            for other in self.visible_panes:
                same_kind = (
                    other is not pane
                    and other.layer is not None
                    and other.layer.signed == pane.layer.signed
                    and other.layer.stack.unit == pane.layer.stack.unit
                )
                if same_kind:
                    other.view.set_window(window)
        if pane is self._active:
            self.window_changed.emit(window)

    def _frame(self, pane: Pane, framing: Framing) -> None:
        if self.links.framing:
            for other in self.linked(pane):
                geometry = other.view.stack.geometry
                other.view.set_framing(framing_in(geometry, pane.view, framing))

    def fit_all(self) -> None:
        """Show whole slices again."""
        for pane in self.visible_panes:
            if pane.layer is not None:
                pane.view.fit()

    def _cross(self, pane: Pane, plane: QPointF | None) -> None:
        if plane is None:
            for other in self.panes:
                other.view.set_crosshair(None)
            return
        pane.view.set_crosshair(plane)
        if self.links.crosshair:
            for other in self.neighbours(pane):
                geometry = other.view.stack.geometry
                if not parallel(other.view.stack, pane.view.stack):
                    # Another plane goes to the slice that the point lies in.
                    target = geometry.nearest_slice(patient_point(plane, pane.view))
                    if target != other.view.index:
                        other.view.show_slice(target)
                other.view.set_crosshair(carried(plane, pane.view, geometry))

    def _hover(self, pane: Pane, plane: QPointF | None) -> None:
        self._hovering = (pane, plane)
        self.reprobe()
        self.hovered.emit(pane, plane)

    _hovering: tuple[Pane, QPointF | None] | None = None

    def reprobe(self) -> None:
        """Tell the voxels under the cursor again."""
        if self._hovering is None:
            return
        pane, plane = self._hovering
        result: list[tuple[Layer, Probe | None]] = []
        if plane is not None:
            related = self.linked(pane)
            for other in self.visible_panes:
                if other.layer is not None and (other is pane or other in related):
                    place = carried(plane, pane.view, other.view.stack.geometry)
                    found = [(other.layer, other.view.probe(place))]
                    if other.view.comparison is not None:
                        found += other.view.comparison.probes(place)
                    result += [one for one in found if one[0] not in (la for la, _ in result)]
        self.probed.emit(result)

    # -- changes of the session ------------------------------------------------------------------

    def _layer_changed(self, layer: Layer, index: int) -> None:
        for pane in self.visible_panes:
            shown = pane.layer
            if shown is None:
                continue
            depends = shown is layer or (shown.parent is layer and shown.kind in ("residual",))
            if not depends:
                continue
            if pane.view.cut and index >= 0:
                # Each of many slices that arrive changes a little of it.
                self.cutting.refresh_soon()
            elif index < 0 or pane.view.index == index:
                pane.view.refresh()
                pane.refresh_header()
        if index < 0:
            self.sync()
        self.reprobe()

    def _layer_removed(self, layer: Layer) -> None:
        for pane in self.panes:
            if pane.layer is layer:
                pane.set_layer(None)
        self.sync()
