"""What is opened or picked from a list: which pane shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeySequence

from ctstudio.gui.comparing.modes import Mode
from ctstudio.gui.session import Layer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.linking import same_space
from ctstudio.gui.viewer.pane import Pane

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.gui.main_window import MainWindow


class Showing(QObject):
    """Puts layers where they are expected: into an empty pane, else into the active one."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._grid = window, window.grid
        window.opener.opened.connect(self.opened)
        window.series_panel.open_requested.connect(lambda _info: self.aim_at(None))
        window.opener.demo_begun.connect(self._demo_begun)
        window.opener.demo_opened.connect(self._demo)
        window.series_panel.show_requested.connect(self.show)
        window.view_control.comparing.wanted.connect(self._compare)
        window.view_control.emptied.connect(self._fill)
        window.grid.layout_changed.connect(self._laid_out)
        self._hinted = False
        self._laid_for_later = False  # the panes, while there was nothing to show in them yet
        self._laid_since_demo = False
        self._aimed: Pane | None = None  # where the next series is to be seen
        self._pair: tuple[SeriesInfo, Pane, Mode] | None = None  # what waits for its second

    def aim_at(self, pane: Pane | None) -> None:
        """Show in ``pane`` what is opened next; None: wherever there is room."""
        self._aimed = pane

    def opened(self, layer: Layer) -> None:
        """A series was asked for: an empty pane beside the others waits for one."""
        grid = self._grid
        aimed, self._aimed = self._aimed, None
        pair, self._pair = self._pair, None
        if pair is not None and pair[0] is layer.series and pair[1].layer is not None:
            self._window.view_control.comparing.compare(pair[1], pair[2], layer)
            return
        panes = grid.visible_panes
        left_over = grid.layout_name != "1" and not self._laid_for_later
        if left_over and not any(pane.layer for pane in panes):
            grid.set_layout("1")
            panes = grid.visible_panes
            self._laid_since_demo = False  # but by what was left over
        self._laid_for_later = False
        empty = [pane for pane in panes if pane.layer is None]
        shown = [pane for pane in panes if pane.layer is layer]
        pane = next(iter([*shown, *empty]), grid.active_pane)
        if aimed in panes:
            pane, shown = aimed, []
        if not shown:
            grid.show_in(pane, layer)
        grid.activate(pane)
        pane.view.setFocus()
        self._hint(layer)

    def _laid_out(self, _name: str) -> None:
        self._laid_since_demo = True
        self._laid_for_later = not any(pane.layer for pane in self._grid.panes)

    def _hint(self, layer: Layer) -> None:
        """Once: how two series of one place are compared, when the second covers the first."""
        session = self._window.session
        others = [la for la in session.layers if la.root is not layer.root]
        if self._hinted or self._grid.layout_name != "1":
            return
        if any(same_space(other, layer) for other in others):
            self._hinted = True
            actions = self._window.actions_by_name
            keys = (
                actions[name].shortcut().toString(QKeySequence.SequenceFormat.NativeText)
                for name in ("layout_1x2", "compare_swipe")
            )
            told = tr("Two series of one place: {0} shows both, {1} compares them in one pane.")
            session.message.emit(told.format(*keys), 15000)

    def show(self, layer: Layer) -> None:
        """A layer was picked: the active pane shows it, and has the keys from now on."""
        grid = self._grid
        with self._window.session.undo.step(tr("Show another layer")):
            grid.show_in(grid.active_pane, layer)
        grid.activate(grid.active_pane)
        grid.active_pane.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def _compare(self, pane: Pane, mode: Mode) -> None:
        """A comparison lacks its second layer: another series of the place is opened for it."""
        other = self._other(pane.layer)
        if other is not None:
            self._pair = other, pane, mode
            self._window.opener.open_series(other)
        elif pane.layer is not None:
            self._window.session.message.emit(
                tr("There is no second layer of this place: denoise the series, or open another."),
                8000,
            )

    def _fill(self) -> None:
        """A layout has empty panes: another series of the place comes into the first of them."""
        other = self._other(self._grid.active_pane.layer)
        if other is not None:
            self._window.opener.open_series(other)

    def _other(self, layer: Layer | None) -> SeriesInfo | None:
        """A series of the list that lies where ``layer`` does and is not open yet."""
        frame = layer.stack.source.frame_of_reference_uid if layer is not None else ""
        session = self._window.session
        fitting = (
            info
            for info in session.series
            if frame and info.source.frame_of_reference_uid == frame and info.slices > 1
        )
        return next((info for info in fitting if session.layer_of(info) is None), None)

    def _demo_begun(self) -> None:
        self._laid_since_demo = False

    def _demo(self, twin: Layer, truth: Layer) -> None:
        """Noisy beside true, if nobody has laid the panes out meanwhile.

        The phantom's truth is known: learn from it, and judge by it.
        """
        if not self._laid_since_demo:
            self._window.session.hang.emit([twin, truth])
        self._window.train_panel.select_source(truth)
        self._window.compare_panel.set_reference(truth)
