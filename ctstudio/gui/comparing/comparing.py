"""Which panes compare two layers, how, and what keys and mouse do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QAction

from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.gui.comparing.composer import Composer
from ctstudio.gui.comparing.marks import paint
from ctstudio.gui.comparing.modes import MODES, Mode, Values
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.linking import same_space
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.slice_view import SliceView
from ctstudio.gui.viewer.view_grid import ViewGrid

REACH = 8.0  # px: so near is upon the line
ACTIONS: dict[str, Mode] = {f"compare_{mode}": mode for mode in MODES}


class Comparing(QObject):
    """Compares layers in the panes; one pane one pair, the values are those of all."""

    changed = Signal()  # which panes compare what, or a value
    wanted = Signal(object, object)  # Pane, Mode: there is no second layer that is open

    def __init__(self, session: Session, grid: ViewGrid, actions: dict[str, QAction]) -> None:
        super().__init__(grid)
        self._session, self._grid, self._actions = session, grid, actions
        self.values = Values()
        self._composers: dict[PictureView, Composer] = {}
        self._flicker = QTimer(self)
        self._flicker.setTimerType(Qt.TimerType.PreciseTimer)
        self._flicker.timeout.connect(self._turn)
        self._second_in_turn = False
        for pane in grid.panes:
            pane.view.grips.append(self)
            pane.view.upon.append(self._paint)
        session.layer_removed.connect(self._layer_removed)
        session.layer_changed.connect(self._layer_changed)
        session.active_changed.connect(self._follow)
        grid.activated.connect(self._follow)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        table: dict[str, Callable[..., Any]] = {
            name: lambda on, mode=mode: self._choose(mode, on) for name, mode in ACTIONS.items()
        }
        table["compare_more"] = lambda: self.step(1)
        table["compare_less"] = lambda: self.step(-1)
        table["compare_next"] = self.next_layer
        table["compare_swap"] = self.swap
        table["compare_end"] = self._end
        return table

    # -- what is compared ------------------------------------------------------------------------

    @property
    def active(self) -> Composer | None:
        """The comparison in the active pane."""
        return self._composers.get(self._grid.active_pane.view)

    def composer(self, view: PictureView) -> Composer | None:
        """The comparison in a pane."""
        return self._composers.get(view)

    def candidates(self, pane: Pane) -> list[Layer]:
        """What the layer of ``pane`` can be compared with, the likeliest first."""
        shown = pane.layer
        if shown is None:
            return []
        beside = [p.layer for p in self._grid.visible_panes if p is not pane]
        fitting = [
            layer
            for layer in self._session.layers
            if layer is not shown and same_space(layer, shown) and layer.stack.unit != LABEL_UNIT
        ]
        # Images before differences, those on the screen before the rest, the newest first.
        order = {id(layer): n for n, layer in enumerate(self._session.layers)}
        return sorted(fitting, key=lambda la: (la.signed, la not in beside, -order[id(la)]))

    def set_mode(self, pane: Pane, mode: Mode | None, layer: Layer | None = None) -> None:
        """Compare the layer of ``pane`` with ``layer`` (by default a likely one), or no more."""
        view = pane.view
        before = self._composers.pop(view, None)
        if before is not None:
            before.remove()
        if mode is not None:
            second = layer or (before.layer if before is not None and before.fits else None)
            if second is None:
                second = next(iter(self.candidates(pane)), None)
            if second is None:
                self.wanted.emit(pane, mode)
            else:
                self._composers[view] = Composer(view, second, mode, self.values)
        self._time()
        self._follow()
        self._grid.reprobe()

    def compare(self, pane: Pane, mode: Mode, layer: Layer | None = None) -> None:
        """`set_mode` as the user does it: it can be taken back."""
        anew = pane.view in self._composers
        text = tr("Compare in another way") if anew else tr("Compare two layers")
        with self._session.undo.step(text):
            self.set_mode(pane, mode, layer)

    def set_layer(self, layer: Layer) -> None:
        """Compare the active pane's layer with another one."""
        if self.active is not None:
            with self._session.undo.step(tr("Compare with another layer")):
                self.set_mode(self._grid.active_pane, self.active.mode, layer)

    def next_layer(self) -> None:
        """Compare with the next of the layers that there are."""
        pane, active = self._grid.active_pane, self.active
        if active is None:
            return
        fitting = [la for la in self._session.layers if la in self.candidates(pane)]
        if fitting:
            at = fitting.index(active.layer) if active.layer in fitting else -1
            self.set_layer(fitting[(at + 1) % len(fitting)])

    def swap(self) -> None:
        """The second layer first, and the first second."""
        pane, active = self._grid.active_pane, self.active
        if active is None or pane.layer is None or not active.fits:
            return
        first, second, mode = pane.layer, active.layer, active.mode
        framing, fitted = pane.view.framing, pane.view.fitted
        with self._session.undo.step(tr("Swap both layers")):
            self.set_mode(pane, None)
            self._grid.show_in(pane, second)
            if not fitted:
                pane.view.set_framing(framing)
            self.set_mode(pane, mode, first)

    def _choose(self, mode: Mode, on: bool) -> None:
        now = self.active.mode if self.active is not None else None
        if on and now != mode:
            self.compare(self._grid.active_pane, mode)
        elif not on and now == mode:
            self._end()
        self._follow()

    def _end(self) -> None:
        with self._session.undo.step(tr("End the comparison")):
            self.set_mode(self._grid.active_pane, None)

    def _follow(self, *_: object) -> None:
        """The actions show how the active pane compares."""
        now = self.active.mode if self.active is not None else None
        for name, mode in ACTIONS.items():
            action = self._actions[name]
            if action.isChecked() != (mode == now):
                action.setChecked(mode == now)
        for name in ("compare_more", "compare_less", "compare_next", "compare_swap", "compare_end"):
            self._actions[name].setEnabled(now is not None)
        self.changed.emit()

    # -- values ----------------------------------------------------------------------------------

    def step(self, steps: int) -> None:
        """Set the value of the active pane's mode higher or lower, as a key does."""
        if self.active is not None:
            self.values.step(self.active.mode, steps)
            self._set_anew(self.active.mode)

    def set_value(self, mode: Mode, value: float) -> None:
        """Set a value: in % for swipe and blend, pictures a second, mm, or HU."""
        self.values.set(mode, value)
        self._set_anew(mode)

    def _set_anew(self, mode: Mode) -> None:
        for composer in self._composers.values():
            if mode == "difference":
                composer.recolour()
            else:
                composer.retouch()
        self._time()
        self.changed.emit()

    def _time(self) -> None:
        """Let the flicker run, while any pane flickers."""
        if not any(c.mode == "flicker" for c in self._composers.values()):
            self._flicker.stop()
            return
        interval = round(1000 / self.values.get("flicker"))
        if self._flicker.interval() != interval or not self._flicker.isActive():
            self._flicker.start(interval)

    def _turn(self) -> None:
        self._second_in_turn = not self._second_in_turn
        for composer in self._composers.values():
            if composer.mode == "flicker":
                composer.second_in_turn = self._second_in_turn
                composer.retouch()

    def stop(self) -> None:
        """End what runs by itself."""
        self._flicker.stop()

    # -- the line under the mouse ----------------------------------------------------------------

    def takes(self, view: SliceView, at: QPointF) -> bool:
        """Whether the line of a swipe is at (u, v)."""
        composer = self._composers.get(view)
        if composer is None or composer.second is None:
            return False
        place = view.to_viewport(at)
        if composer.mode == "swipe":
            return abs(place.x() - composer.line_px) <= REACH
        return composer.mode == "swipe_down" and abs(place.y() - composer.line_px) <= REACH

    def press(self, view: SliceView, at: QPointF) -> None:
        """The left button goes down upon the line."""
        self.drag(view, at)

    def drag(self, view: SliceView, at: QPointF) -> None:
        """The line follows the mouse."""
        composer = self._composers.get(view)
        if composer is None:
            return
        place, size = view.to_viewport(at), view.viewport().size()
        upright = composer.mode == "swipe"
        share = place.x() / size.width() if upright else place.y() / size.height()
        self.set_value(composer.mode, 100 * share)

    def release(self, view: SliceView) -> None:
        """The button goes up: the line stays."""

    def hover(self, view: SliceView, at: QPointF | None) -> None:
        """The mouse is over the line."""
        composer = self._composers.get(view)
        if composer is not None:
            upright = composer.mode == "swipe"
            shape = Qt.CursorShape.SplitHCursor if upright else Qt.CursorShape.SplitVCursor
            view.viewport().setCursor(shape)

    # -- the session -----------------------------------------------------------------------------

    def still(self, view: PictureView) -> bool:
        """Whether what is painted is the same upon every slice."""
        return view not in self._composers

    def _paint(self, view: PictureView, painter: Any) -> None:
        composer = self._composers.get(view)
        if composer is not None:
            paint(composer, view, painter)

    def _layer_removed(self, layer: Layer) -> None:
        for view, composer in list(self._composers.items()):
            if composer.layer is layer or view.layer is None:
                composer.remove()
                del self._composers[view]
        self._time()
        self._follow()

    def _layer_changed(self, layer: Layer, index: int) -> None:
        for composer in self._composers.values():
            second = composer.second
            if composer.layer is not layer:
                continue
            if second is None or index < 0 or index == second.index or composer.view.cut:
                composer.redraw()
