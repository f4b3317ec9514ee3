"""The grid of panes: how they lie, and what hangs where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ctstudio.ct.oblique import Oblique
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.undo.deeds import Deed
from ctstudio.gui.viewer.arrangement import (
    Arranged,
    Node,
    as_data,
    divided,
    from_data,
    grid_of,
    numbers_of,
    same_shape,
    without,
)
from ctstudio.gui.viewer.cutting import Cutting
from ctstudio.gui.viewer.linked_panes import LinkedPanes
from ctstudio.gui.viewer.linking import (
    framing_in,
    joined,
    matching_slice,
    one_window_suits,
    parallel,
    same_space,
)
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.windows import default_window

LAYOUTS: dict[str, tuple[int, int]] = {
    "1": (1, 1),
    "1x2": (1, 2),
    "1x3": (1, 3),
    "2x2": (2, 2),
    "3x3": (3, 3),
}
FREE = "free"  # what a layout is called that is none of these
MAX_PANES = 9


class ViewGrid(LinkedPanes):
    """Up to nine panes, in a grid or freely split; the lines between them can be dragged."""

    layout_changed = Signal(str)  # its name, or FREE

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, MAX_PANES, parent)
        self._node: Node = 0
        self._maximised: Pane | None = None
        self._shown: list[Pane] = []  # as they were arranged last
        self._arranged = Arranged(self.panes)
        self._arranged.resized.connect(self._dragged)
        self._arranged.dropped.connect(self._dropped)
        self.bars = QVBoxLayout()  # what stands above the panes
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self.bars)
        layout.addWidget(self._arranged, 1)
        layout.addLayout(self.below)
        self.cutting = Cutting(self)
        for pane in self.panes:
            self._connect(pane)
        self.set_layout("1")
        session.layer_changed.connect(self._layer_changed)
        session.layer_removed.connect(self._layer_removed)
        session.hang.connect(self.hang)

    def _connect(self, pane: Pane) -> None:
        view = pane.view
        view.activated.connect(lambda: self.activate(pane))
        view.maximise.connect(lambda: self.toggle_maximised(pane))
        view.menu_requested.connect(lambda at: self.menu_requested.emit(pane, at))
        pane.touched.connect(lambda: self.activate(pane))
        pane.chosen.connect(lambda layer: self.choose(pane, layer))
        pane.plane_chosen.connect(lambda plane: self._cut(self.cutting.set_plane, pane, plane))
        pane.oblique_chosen.connect(lambda: self._cut(self.cutting.set_oblique, pane))
        pane.slab_chosen.connect(lambda slab: self._cut(self.cutting.set_slab, pane, slab))

    def _cut(self, how: Callable[..., None], *what: Any) -> None:
        with self._session.undo.step(tr("Change the plane")):
            how(*what)

    def turn(self, pane: Pane, plane: Oblique) -> None:
        """Show ``plane`` in ``pane`` as a key or a number does it: it can be taken back."""
        with self._session.undo.step(tr("Turn the plane")):
            self.cutting.turn(pane, plane)

    # -- layout ----------------------------------------------------------------------------------

    @property
    def visible_panes(self) -> list[Pane]:
        if self._maximised is not None:
            return [self._maximised]
        return [self.panes[number] for number in numbers_of(self._node)]

    @property
    def maximised(self) -> Pane | None:
        """The pane that lies over all others, if one does."""
        return self._maximised

    @property
    def layout_name(self) -> str:
        """The key of `LAYOUTS` that the panes lie in, or `FREE`."""
        node, panes = self._node, numbers_of(self._node)
        fitting = ((n, s) for n, s in LAYOUTS.items() if s[0] * s[1] == len(panes))
        return next((n for n, s in fitting if same_shape(node, grid_of(*s, panes))), FREE)

    def set_layout(self, name: str) -> None:
        """Lay the panes in one of `LAYOUTS`, all of one size.

        The active pane stays on the screen; the others keep what they show, and their order, for
        a layout that holds them again.
        """
        rows, columns = LAYOUTS[name]
        shown, own = numbers_of(self._node), self.panes.index(self._active)
        if len(shown) != rows * columns:
            others = [number for number in range(MAX_PANES) if number != own]
            shown = sorted([own, *others[: rows * columns - 1]])
        self._set_node(grid_of(rows, columns, shown))

    @property
    def arrangement(self) -> Any:
        """How the panes lie, also freely split, in numbers, lists and words alone."""
        return as_data(self._node)

    def set_arrangement(self, data: Any) -> bool:
        """Lay the panes as `arrangement` said; whether that was possible."""
        node = from_data(data, MAX_PANES)
        if node is not None:
            self._set_node(node)
        return node is not None

    def _set_node(self, node: Node) -> None:
        self._node = node
        self._maximised = None
        self._arrange()
        self.layout_changed.emit(self.layout_name)

    def _dragged(self) -> None:
        self._node = self._arranged.node

    def _dropped(self, before: Node) -> None:
        """A line was dragged and let go: the panes can have their sizes of before again."""
        after = self._node
        deed = Deed(
            tr("Move the line between panes"),
            lambda: self._lay_out_again(before),
            lambda: self._lay_out_again(after),
            done=True,
        )
        self._session.undo.push(deed)

    def _lay_out_again(self, node: Node) -> None:
        if same_shape(node, self._node):  # else the layout has been another one since
            self._set_node(node)

    def split(self, pane: Pane, across: bool) -> Pane | None:
        """A new pane on the right of ``pane`` (``across``) or below it; None where all are used."""
        used = numbers_of(self._node)
        new = next((n for n in range(MAX_PANES) if n not in used), None)
        if new is None:
            return None
        self._set_node(divided(self._node, self.panes.index(pane), new, across))
        return self.panes[new]

    def close_pane(self, pane: Pane) -> bool:
        """Give the place of ``pane`` to its neighbours; False where it is the only one."""
        left = without(self._node, self.panes.index(pane))
        if left is None:
            return False
        self._set_node(left)
        return True

    def toggle_maximised(self, pane: Pane) -> None:
        """One pane over the whole grid, or back."""
        if self._maximised is None and len(self.visible_panes) > 1:
            self._maximised = pane
        else:
            self._maximised = None
        self._arrange()

    def _arrange(self) -> None:
        before = self._shown
        only = self.panes.index(self._maximised) if self._maximised is not None else None
        focused = any(pane.view.hasFocus() for pane in self.panes)
        self._arranged.set_node(self._node, only)
        shown = self.visible_panes
        if self._active not in shown:
            self.activate(shown[0])
        if focused:  # a pane that is hidden, if only for a moment, loses the keys
            self._active.view.setFocus()
        self._shown = self.visible_panes
        self._catch_up([pane for pane in self._shown if pane not in before])
        self._mark_active()

    def _catch_up(self, panes: list[Pane]) -> None:
        """Panes that were hidden go to where those linked with them have gone meanwhile."""
        active = self._active
        missed = self.out_of_window.intersection(panes)
        self.out_of_window -= missed
        if active.layer is None or active in panes:
            return
        if self.links.window:
            # Pictures of one place are always compared; others follow what was changed.
            following = {*self.neighbours(active), *missed}
            for pane in self.same_kind(active):
                if pane in following and pane in panes:
                    pane.view.set_window(active.view.window)
        for pane in self.linked(active):
            if pane not in panes:
                continue
            if self.links.scroll:
                target = matching_slice(active.view, pane.view.stack)
                if target != pane.view.index:
                    pane.view.show_slice(target)
            if not active.view.fitted:
                self.frame_as(pane, active, active.view.framing)
            elif self.links.zoom and self.links.pan:
                pane.view.fit()

    def arrange_now(self) -> None:
        """Give the panes their sizes, which are needed before something is fitted into them."""
        layout = self.layout()
        if layout is not None:
            layout.activate()
        self._arranged.settle()

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
        self.show_links()

    # -- content ---------------------------------------------------------------------------------

    def choose(self, pane: Pane, layer: Layer) -> None:
        """`show_in` as the user does it: it can be taken back."""
        with self._session.undo.step(tr("Show another layer")):
            self.show_in(pane, layer)

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
        # The window of its family; beside others of its place theirs, as long as all change
        # together: pictures in two windows cannot be compared.
        twin = next(
            (
                p.view
                for p in self.visible_panes
                if p.layer is not None
                and one_window_suits(p.layer, layer)
                and (
                    p.layer.root is layer.root
                    or (p is not pane and self.links.window and same_space(p.layer, layer))
                )
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
        if twin is not None:
            pane.view.display = twin.display
        same = relative is pane.view
        pane.set_layer(layer, index)
        pane.view.fit()
        if framing is not None and (same or self.links.zoom or self.links.pan):
            pane.view.set_framing(
                framing if same else joined(self.links, pane.view.framing, framing)
            )
        if pane is self._active or first:
            self.activate(self._active)
        self.show_links()

    def hang(self, layers: list[Layer]) -> None:
        """Show layers side by side in the smallest layout that holds them."""
        layers = layers[:MAX_PANES]
        fitting = {1: "1", 2: "1x2", 3: "1x3", 4: "2x2"}.get(max(len(layers), 1), "3x3")
        if self.layout_name != fitting or self._maximised is not None:
            self.set_layout(fitting)
        self.arrange_now()
        # All in the plane that is being looked at.
        chosen = self._active.view
        panes = self.visible_panes
        for pane, layer in zip(panes, layers, strict=False):
            related = chosen.layer is not None and same_space(chosen.layer, layer)
            plane, slab = (chosen.plane, chosen.slab) if related else (None, None)
            changed = (pane.view.plane, pane.view.slab) != (plane, slab)
            if changed:
                pane.set_layer(None)  # its slice is counted in another plane
            pane.view.plane, pane.view.slab = plane, slab
            if pane.layer is not layer or changed:
                self.show_in(pane, layer)
        for pane in panes:
            pane.view.set_crosshair(None)
        self.activate(panes[0])

    # -- changes of the session ------------------------------------------------------------------

    def _layer_changed(self, layer: Layer, index: int) -> None:
        told = index < 0  # whether values that are told may be others now
        for pane in self.visible_panes:
            shown = pane.layer
            if shown is None:
                continue
            told |= pane.view.comparison is not None
            depends = shown is layer or (shown.parent is layer and shown.kind in ("residual",))
            if not depends:
                continue
            if pane.view.cut and index >= 0:
                # Each of many slices that arrive changes a little of it.
                self.cutting.refresh_soon()
            elif index < 0 or pane.view.index == index:
                pane.view.refresh()
                pane.refresh_header()
                told = True
        if index < 0:
            self.sync()
        if told:  # and not at each of the hundreds of slices that arrive unseen
            self.reprobe()

    def _layer_removed(self, layer: Layer) -> None:
        for pane in self.panes:
            if pane.layer is layer:
                pane.set_layer(None)
        self.activated.emit(self._active)  # what it shows has changed
        self.sync()
        self.show_links()
