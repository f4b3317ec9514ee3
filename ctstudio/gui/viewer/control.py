"""The viewer's commands: what toolbar, menus and keys do to the panes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QMenuBar, QToolBar

from ctstudio.ct.planes import PLANES, Plane
from ctstudio.ct.window import Window, full_range
from ctstudio.gui.comparing.bar import CompareBar, CompareButton
from ctstudio.gui.comparing.comparing import Comparing
from ctstudio.gui.comparing.lens import LensTool
from ctstudio.gui.forms.manners import leave_keys_to_the_images
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.boxes import Boxes
from ctstudio.gui.viewer.choosing import Choosing
from ctstudio.gui.viewer.cine import Cine
from ctstudio.gui.viewer.oblique_bar import ObliqueBar
from ctstudio.gui.viewer.overlays import Overlays
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.plane_lines import PlaneLines, as_oblique, turning_point
from ctstudio.gui.viewer.view_grid import LAYOUTS, MAX_PANES, ViewGrid
from ctstudio.gui.viewer.windows import default_window
from ctstudio.gui.windowing.preset_box import PresetBox
from ctstudio.gui.words import plain_title

ZOOM = 1.25
TILT = 5.0  # degrees by one key
OF_SEVERAL = (
    "coronal", "sagittal", "planes", "oblique", "tilt_up", "tilt_down", "turn_left", "turn_right",
    "slab_next", "slab_thicker", "slab_thinner", "cine",
)  # fmt: skip
"""What is done to several slices only."""
CLOSE = 0.4  # of a slice: who sees no more of it looks at a part


class ViewControl(QObject):
    """Joins the actions, the preset box and the grid."""

    emptied = Signal()  # a layout was chosen that has more panes than there are layers

    def __init__(
        self, session: Session, grid: ViewGrid, actions: dict[str, QAction], preset: PresetBox
    ) -> None:
        super().__init__(grid)
        self._session = session
        self._grid = grid
        self._actions = actions
        self._preset = preset
        self.cine = Cine(grid, actions)
        leave_keys_to_the_images(self.cine.strip)
        grid.below.addWidget(self.cine.strip)
        self.comparing = Comparing(session, grid, actions)
        bar = CompareBar(self.comparing, grid, actions)
        leave_keys_to_the_images(bar)
        angles = ObliqueBar(grid)
        leave_keys_to_the_images(angles)
        for widget in (bar, angles):
            grid.bars.addWidget(widget)
        self.overlays = Overlays(session, grid, actions)
        self.boxes = Boxes(session, grid)
        self.choosing = Choosing(session, grid)
        self.lines = PlaneLines(grid, grid.cutting.turn, session.undo)
        self.lens = LensTool(session, grid, Qt.Key.Key_Q)
        self.lens.shown.connect(actions["lens"].setChecked)
        actions["lens"].setAutoRepeat(False)
        session.visible_slice = self.visible_slice
        session.region_in_view = self.region_in_view
        grid.window_changed.connect(self._window_changed)
        grid.menu_requested.connect(self._pane_menu)
        grid.layout_changed.connect(self._layout_changed)
        preset.picked.connect(self.set_preset)

    def join(self, bar: QToolBar, menus: QMenuBar) -> None:
        """Stand in the toolbar with the ways to compare."""
        CompareButton(self.comparing, self._actions, menus, bar)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action of the viewer does, by the action's name."""
        grid = self._grid
        table: dict[str, Callable[..., Any]] = {
            "fit": self.reset,
            "zoom_in": lambda: grid.active_pane.view.zoom_by(ZOOM),
            "zoom_out": lambda: grid.active_pane.view.zoom_by(1 / ZOOM),
            "maximise": lambda: grid.toggle_maximised(grid.active_pane),
            "next_pane": grid.activate_next,
            "slice_up": lambda: grid.step(1),
            "slice_down": lambda: grid.step(-1),
            "slice_up_10": lambda: grid.step(10),
            "slice_down_10": lambda: grid.step(-10),
            "slice_first": lambda: grid.go_to(0),
            "slice_last": lambda: grid.go_to(-1),
            "oblique": self._stepped(
                tr("Change the plane"), lambda: grid.cutting.set_oblique(grid.active_pane)
            ),
            "tilt_up": lambda: self._tilt(0, TILT),
            "tilt_down": lambda: self._tilt(0, -TILT),
            "turn_left": lambda: self._tilt(1, -TILT),
            "turn_right": lambda: self._tilt(1, TILT),
            "plane_lines": self.lines.set_shown,
            "split_across": self._stepped(tr("Split the pane"), lambda: self._split(True)),
            "split_down": self._stepped(tr("Split the pane"), lambda: self._split(False)),
            "close_pane": self._stepped(tr("Close the pane"), self._close_pane),
        }
        table |= self.comparing.handlers() | self.cine.handlers() | self.overlays.handlers()
        table |= self.boxes.handlers() | self.choosing.handlers()
        table["lens"] = self.lens.set_on
        for name in ("scroll", "window", "zoom", "pan", "crosshair"):
            table[f"link_{name}"] = lambda on, name=name: grid.set_link(name, on)
        for plane in PLANES:
            turn = partial(self._set_plane, plane)
            table[plane] = self._stepped(tr("Change the plane"), turn)
        table["planes"] = self._stepped(tr("Three planes"), grid.cutting.show_planes)
        for name in LAYOUTS:
            table[f"layout_{name}"] = lambda on, name=name: self._pick_layout(name, on)
        for name in OF_SEVERAL:
            table[name] = self._of_several(table[name])
        return table

    def _of_several(self, deed: Callable[..., object]) -> Callable[..., None]:
        """``deed``, which does nothing to a single slice, and says so."""

        def done(*on: bool) -> None:
            layer = self._grid.active_pane.layer
            if layer is not None and len(layer.stack) < 2 and on != (False,):
                told = tr("A single slice has no other planes, no slabs and no cine.")
                self._session.message.emit(told, 6000)
            deed(*on)

        return done

    def _stepped(self, text: str, deed: Callable[[], object]) -> Callable[[], None]:
        """``deed``, such that it can be taken back."""

        def done() -> None:
            with self._session.undo.step(text):
                deed()

        return done

    def _set_plane(self, plane: Plane) -> None:
        self._grid.cutting.set_plane(self._grid.active_pane, plane)

    def _tilt(self, axis: int, degrees: float) -> None:
        """Turn the active pane's plane about the screen's horizontal (0) or vertical (1) line."""
        pane = self._grid.active_pane
        if pane.layer is None or len(pane.layer.stack) < 2:
            return
        geometry = pane.view.stack.geometry
        plane = as_oblique(pane.view, turning_point(pane.view))
        about = (geometry.row_direction, geometry.column_direction)[axis]
        self._grid.turn(pane, plane.turned(about, degrees))

    def visible_slice(self, layer: Layer) -> int:
        """The slice of ``layer`` that lies where the active (or a linked) pane looks."""
        panes = [self._grid.active_pane, *self._grid.visible_panes]
        for pane in panes:
            if pane.layer is layer:
                return pane.view.stored_index
        for pane in panes:
            shown = pane.layer
            if shown is not None and shown.root is layer.root:
                point = shown.stack.geometry.positions_mm[pane.view.stored_index]
                return layer.stack.geometry.nearest_slice(point)
        return len(layer.stack) // 2

    def region_in_view(self, layer: Layer) -> tuple[int, int, int, int] | None:
        """The part of ``layer`` that a pane shows, where that is zoomed in; else None."""
        for pane in self._grid.visible_panes:
            if pane.layer is layer and not pane.view.cut:
                region = pane.view.region_in_view()
                _, rows, columns = layer.stack.shape
                close = 0 < region[2] * region[3] <= CLOSE * rows * columns
                return region if close else None
        return None

    def set_preset(self, name: str) -> None:
        """Apply a named window to the active pane and those linked with it."""
        if self._session.active is None or self._session.active.signed:
            return
        hu = self._grid.active_pane.view.hu
        preset = self._preset.presets.named(name)
        if preset is not None and hu is not None:
            self._grid.set_window(preset.window or full_range(hu))

    def reset(self) -> None:
        """Whole slices, and the window with which the series opened."""
        self._grid.fit_all()
        layer = self._session.active
        if layer is not None:
            index = self._grid.active_pane.view.stored_index
            self._grid.set_window(default_window(layer, index))

    def stop(self) -> None:
        """End what runs by itself."""
        self.cine.stop()
        self.comparing.stop()

    def _window_changed(self, window: Window) -> None:
        self._preset.show_window(window)

    def _pick_layout(self, name: str, on: bool) -> None:
        with self._session.undo.step(tr("Change the layout")):
            if on and self._grid.layout_name != name:
                self._grid.set_layout(name)
                self._fill_new_panes()
            elif not on and self._grid.layout_name == name:
                self._grid.set_layout(name)  # once more: lines that were dragged stand evenly again

    def _split(self, across: bool) -> None:
        made = self._grid.split(self._grid.active_pane, across)
        if made is None:
            self._session.message.emit(tr("There are at most {0} panes.").format(MAX_PANES), 6000)
        elif made.layer is None:
            self._fill_new_panes()
            active = self._session.active
            if made.layer is None and active is not None:
                self._grid.show_in(made, active)  # the same once more, for another plane

    def _close_pane(self) -> None:
        if not self._grid.close_pane(self._grid.active_pane):
            self._session.message.emit(tr("The last pane stays."), 6000)

    def _fill_new_panes(self) -> None:
        """Give empty panes something related to see: the family's other layers, then others."""
        layers = list(self._session.layers)
        active = self._session.active
        if active is not None:
            layers.sort(key=lambda la: la.root is not active.root)
        shown = [pane.layer for pane in self._grid.visible_panes]
        for pane in self._grid.visible_panes:
            if pane.layer is None:
                spare = next((la for la in layers if la not in shown), None)
                if spare is not None:
                    self._grid.show_in(pane, spare)
                    shown.append(spare)
        if not all(pane.layer for pane in self._grid.visible_panes):
            self.emptied.emit()

    def _layout_changed(self, name: str) -> None:
        for known in LAYOUTS:
            action = self._actions[f"layout_{known}"]
            if action.isChecked() != (known == name):
                with QSignalBlocker(action):
                    action.setChecked(known == name)

    def _pane_menu(self, pane: Pane, at: QPoint) -> None:
        menu = QMenu(self._grid)
        for layer in self._session.layers:
            action = menu.addAction(plain_title(called(layer)))
            action.setCheckable(True)
            action.setChecked(layer is pane.layer)
            action.setData(layer)
        menu.addSeparator()
        presets = menu.addMenu(tr("Window preset"))
        for known in self._preset.presets.all:
            presets.addAction(plain_title(tr(known.name))).setData(known.name)
        for name in ("fit", "maximise", "split_across", "split_down", "close_pane"):
            menu.addAction(self._actions[name])
        menu.addSeparator()
        for name in ("screenshot", "close_layer"):
            menu.addAction(self._actions[name])
        picked = menu.exec(at)
        menu.deleteLater()
        data = picked.data() if picked is not None else None
        if isinstance(data, Layer):
            self._grid.choose(pane, data)
        elif isinstance(data, str):
            self.set_preset(data)
