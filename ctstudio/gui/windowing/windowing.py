"""How the panes show their values, joined: presets, colours, gamma, a window from a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QDialog, QMenu

from ctstudio.ct.measure import values
from ctstudio.ct.window import Window
from ctstudio.figures.colour_maps import MAPS
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.undo.deeds import Deed
from ctstudio.gui.viewer.linking import one_window_suits
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.slice_view import SliceView
from ctstudio.gui.windowing import colour_bar
from ctstudio.gui.windowing.display import PLAIN, Display
from ctstudio.gui.windowing.preset_box import PresetBox as PresetBox
from ctstudio.gui.windowing.preset_dialog import PresetDialog
from ctstudio.gui.windowing.region_tool import RegionTool, window_of

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow

COLOURS_MENU = "colours"


class Windowing(QObject):
    """Everything about windows and colours but dragging, in one window.

    Colours, inversion and gamma belong to the active pane, and to those of one kind with it while
    windows are linked.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._grid = window, window.grid
        self._session, self._actions = window.session, window.actions_by_name
        self.region = RegionTool(self._views, self._use_window)
        self.region.setParent(self)
        self.show_bar = True
        self._known: list[SliceView] = []
        self._adopt()
        self._fill_menu()
        self._grid.layout_changed.connect(self._adopt)
        self._grid.activated.connect(self._activated)
        self._session.hang.connect(self._spread)
        self._session.layer_added.connect(self._spread)
        self.region.ended.connect(self._region_ended)
        self._actions["measure_end"].triggered.connect(self.region.end)
        for name in ("paint", *(n for n in self._actions if n.startswith("measure_"))):
            if self._actions[name].isCheckable():
                self._actions[name].toggled.connect(self._other_tool)
        self._actions["colour_bar"].setChecked(True)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {
            "window_presets": self.edit_presets,
            "window_region": self._from_region,
            "invert": lambda: self.change(lambda d: replace(d, inverted=not d.inverted)),
            "next_colours": lambda: self.change(Display.next_colours),
            "gamma_up": lambda: self.change(lambda d: d.brighter(1)),
            "gamma_down": lambda: self.change(lambda d: d.brighter(-1)),
            "plain_display": lambda: self.change(lambda _: PLAIN),
            "colour_bar": self._show_bar,
        }

    # -- panes -----------------------------------------------------------------------------------

    def _views(self) -> list[SliceView]:
        return [pane.view for pane in self._grid.panes]

    def _adopt(self, *_: object) -> None:
        """Draw upon panes that are new."""
        for view in self._views():
            if view not in self._known:
                self._known.append(view)
                view.upon.append(self._paint)

    def still(self, view: Any) -> bool:
        """The colour bar and a region that is being drawn are the same upon every slice."""
        return True

    def _paint(self, view: Any, painter: Any) -> None:
        if self.show_bar:
            colour_bar.paint(view, painter)
        self.region.paint(view, painter)

    def _kin(self, pane: Pane) -> list[Pane]:
        """The pane, and those that follow it while windows are linked, hidden ones as well."""
        own = pane.layer
        if own is None:
            return []
        others = [p for p in self._grid.panes if p is not pane] if self._grid.links.window else []
        return [
            pane, *(p for p in others if p.layer is not None and one_window_suits(p.layer, own))
        ]  # fmt: skip

    def _spread(self, *_: object) -> None:
        """What was added looks as that which is looked at, where both lie in one place."""
        pane = self._grid.active_pane
        near = self._grid.neighbours(pane)
        for other in self._kin(pane):
            if other in near:
                other.view.set_display(pane.view.display)

    def _activated(self, _pane: Pane) -> None:
        display = self._grid.active_pane.view.display
        for action in self._maps.actions():
            action.setChecked(action.data() == display.colours)

    # -- colours ---------------------------------------------------------------------------------

    def _fill_menu(self) -> None:
        """Image > Colours: a choice of maps, and what goes with them."""
        image = self._window.menuBar().findChild(QMenu, "&Image")
        assert isinstance(image, QMenu)
        menu = image.addMenu(tr("Colours"))
        menu.setObjectName(COLOURS_MENU)
        self._maps = QActionGroup(menu)
        for name, colour_map in MAPS.items():
            action = QAction(tr(colour_map.title), menu)
            action.setCheckable(True)
            action.setData(name)
            self._maps.addAction(action)
            menu.addAction(action)
        self._maps.actions()[0].setChecked(True)
        self._maps.triggered.connect(
            lambda action: self.change(lambda d: replace(d, colours=action.data()))
        )
        menu.addSeparator()
        for name in ("next_colours", "invert", "gamma_up", "gamma_down", "plain_display",
                     "colour_bar"):  # fmt: skip
            menu.addAction(self._actions[name])
        for name in ("window_region", "window_presets"):
            image.addAction(self._actions[name])

    def change(self, how: Callable[[Display], Display]) -> None:
        """Let the active pane, and those that follow it, show values in another way."""
        pane = self._grid.active_pane
        if pane.layer is None:
            return
        if pane.layer.signed:
            self._session.message.emit(
                tr("Differences keep their colours: zero is always the neutral one."), 5000
            )
            self._activated(pane)
            return
        display = how(pane.view.display)
        with self._session.undo.step(tr("Change the colours")):
            for other in self._kin(pane):
                other.view.set_display(display)
        self._activated(pane)
        self._session.message.emit(str(display), 3000)

    def _show_bar(self, on: bool) -> None:
        self.show_bar = on
        for view in self._views():
            view.viewport().update()

    # -- a window from a region ------------------------------------------------------------------

    def _from_region(self, on: bool) -> None:
        if not on:
            self.region.end()
            return
        pane = self._grid.active_pane
        if pane.layer is None or pane.layer.signed:
            self._session.message.emit(tr("Activate a pane that shows an image first."), 5000)
            self._region_ended()
            return
        entry = self._window.measuring.measurements.selection
        if entry is not None and entry.shape.is_region and entry.shown_in(pane.view):
            view = pane.view
            assert view.hu is not None
            found = window_of(values(entry.shape, view.hu, view.stack.geometry, view.index))
            if found is not None:
                self._use_window(view, found)
            self._region_ended()
            return
        self._window.measuring.end()
        self._actions["paint"].setChecked(False)
        self.region.begin()
        self._session.message.emit(tr("Drag a box around what is to be seen."), 5000)

    def _use_window(self, view: SliceView, window: Window) -> None:
        pane = next((p for p in self._grid.panes if p.view is view), None)
        if pane is not None:
            self._grid.activate(pane)
            self._grid.set_window(window)
            unit = view.stack.unit if view.layer is not None else ""
            self._session.message.emit(f"{window} {unit}".rstrip(), 3000)

    def _region_ended(self) -> None:
        self._actions["window_region"].setChecked(False)

    def _other_tool(self, on: bool) -> None:
        if on:
            self.region.end()

    # -- presets ---------------------------------------------------------------------------------

    def edit_presets(self) -> None:
        """Show the dialog, and take its presets on OK."""
        presets = self._window.preset.presets
        dialog = PresetDialog(self._window, presets.all, self._grid.active_pane.view.window)
        if dialog.exec() == QDialog.DialogCode.Accepted.value:
            before, after = presets.all, tuple(dialog.presets)
            if after != before:
                deed = Deed(
                    tr("Change the window presets"),
                    lambda: presets.replace(before),
                    lambda: presets.replace(after),
                )
                self._session.undo.push(deed)
        dialog.deleteLater()

    # -- what is kept ----------------------------------------------------------------------------

    def state(self) -> Mapping[str, Any]:
        """How each pane shows its values, for a session file."""
        shown = [view.display for view in self._views()]
        return {"panes": [[d.colours, d.inverted, d.gamma] for d in shown]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it back; what cannot be read is left as it is."""
        kept = state.get("panes")
        for view, item in zip(self._views(), kept if isinstance(kept, list) else [], strict=False):
            match item:
                case [str(colours), bool(inverted), int() | float() as gamma]:
                    if colours in MAPS and 0.1 <= gamma <= 10:
                        view.set_display(Display(colours, inverted, float(gamma)))
        self._activated(self._grid.active_pane)
