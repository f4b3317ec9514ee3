"""Measuring, joined: actions, tools, the dock with the list, jumps and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDockWidget, QMenu, QToolBar, QToolButton

from ctstudio.core.errors import StudioError
from ctstudio.ct.measure import Kind, slice_of
from ctstudio.ct.planes import in_plane
from ctstudio.figures.panel import Mark
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.export_shots import PaneShot
from ctstudio.gui.forms.manners import leave_keys_to_the_images
from ctstudio.gui.masks.painter import Painter
from ctstudio.gui.measuring.drawing import marks_of
from ctstudio.gui.measuring.entries import Entry, Measurements
from ctstudio.gui.measuring.noise_tools import NoiseTools
from ctstudio.gui.measuring.numbers import Numbers
from ctstudio.gui.measuring.panel import MeasurePanel
from ctstudio.gui.measuring.tool import MeasureTool
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.workflows.measurements import public_name, save_columns, save_measurements

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow

ACTIONS: dict[str, Kind] = {
    "measure_distance": "distance",
    "measure_angle": "angle",
    "measure_rectangle": "rectangle",
    "measure_ellipse": "ellipse",
    "measure_freehand": "freehand",
    "measure_profile": "profile",
}
MENU = "Meas&ure"
HOW: dict[Kind, str] = {
    "distance": "Drag from end to end, or click both. Esc puts the tool away.",
    "angle": "Three clicks, the second at the vertex. Esc puts the tool away.",
    "rectangle": "Drag a rectangle. Esc puts the tool away.",
    "ellipse": "Drag an ellipse. Esc puts the tool away.",
    "freehand": "Draw around the region. Esc puts the tool away.",
    "profile": "Drag a line: its values in all layers are plotted. Esc puts the tool away.",
}


class Measuring(QObject):
    """Everything that has to do with measuring in one window."""

    def __init__(
        self,
        session: Session,
        grid: ViewGrid,
        painter: Painter,
        actions: dict[str, QAction],
        window: MainWindow,
    ) -> None:
        super().__init__(window)
        self._session, self._grid, self._painter = session, grid, painter
        self._actions, self._window = actions, window
        self.measurements = Measurements(session)
        self.numbers = Numbers(session, self.measurements)
        self.tool = MeasureTool(self.measurements, [pane.view for pane in grid.panes])
        self.panel = MeasurePanel(self.measurements, self.numbers)
        leave_keys_to_the_images(self.panel)
        self.dock = QDockWidget(tr("Measurements"), window)
        self.dock.setObjectName("measurements_dock")
        self.dock.setWidget(self.panel)
        self.noise = NoiseTools(session, grid, self.measurements, window)
        self._button: QToolButton | None = None
        self._in_pictures = True
        self.panel.jump_requested.connect(self.jump)
        self.panel.save_requested.connect(self.ask_file)
        self.panel.save_plot_requested.connect(self.ask_plot_file)
        self.tool.changed.connect(self._follow)
        self.measurements.selected.connect(self._selected)
        painter.changed.connect(self._painting)
        session.layer_changed.connect(self.panel.touch)
        session.layer_added.connect(self.panel.touch)
        actions["measurements"].setChecked(True)
        actions["measurements_in_pictures"].setChecked(True)
        window.exporter.marks = self._marks

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        table: dict[str, Callable[..., Any]] = {
            "measure_end": self.end,
            "measure_delete": self._delete,
            "measurement_list": self._toggle_list,
            "measurements": self.measurements.set_shown,
            "save_measurements": self.ask_file,
            "noise_tools": self.noise.show,
            "measurements_in_pictures": self._put_in_pictures,
        }
        for name, kind in ACTIONS.items():
            table[name] = lambda on, kind=kind: self._choose(kind, on)
        return table

    def join(self, bar: QToolBar) -> None:
        """Stand in the toolbar: the tool used last, the others below its arrow."""
        menu = self._window.menuBar().findChild(QMenu, MENU)
        assert isinstance(menu, QMenu)
        self._window.tabifyDockWidget(self.dock, self.noise.dock)
        self._button = QToolButton()
        self._button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._button.setMenu(menu)
        self._button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self._button.setDefaultAction(self._actions["measure_distance"])
        bar.insertWidget(self._actions["masks"], self._button)

    # -- tools -----------------------------------------------------------------------------------

    def _choose(self, kind: Kind, on: bool) -> None:
        if not on:
            if self.tool.kind == kind:
                self.end()
        elif self._session.active is None:
            self._session.message.emit(tr("Open a series first: it is what is measured."), 6000)
            self._follow()
        else:
            if self._painter.on:
                self._painter.set_on(False)
            self._actions["measurements"].setChecked(True)
            self.tool.set_kind(kind)
            self._session.message.emit(tr(HOW[kind]), 5000)

    def _toggle_list(self) -> None:
        """Show the list, or hide it where it is seen."""
        if self.dock.isVisible() and not self.dock.visibleRegion().isEmpty():
            self.dock.hide()
        else:
            self.dock.show()
            self.dock.raise_()

    def end(self) -> None:
        """No tool any more, nothing half drawn; where there is none, nothing selected."""
        if self.tool.kind is None:
            self.measurements.select(None)
        self.tool.set_kind(None)

    def _painting(self) -> None:
        if self._painter.on:
            self.tool.set_kind(None)

    def _follow(self) -> None:
        """The actions show which tool is on."""
        for name, kind in ACTIONS.items():
            action = self._actions[name]
            action.setChecked(kind == self.tool.kind)
            if self._button is not None and kind == self.tool.kind:
                self._button.setDefaultAction(action)

    def _delete(self) -> None:
        if self.measurements.selection is not None:
            self.measurements.delete([self.measurements.selection])

    def _selected(self, entry: Entry | None) -> None:
        # A line through the values says nothing without its plot.
        if entry is not None and entry.shape.kind == "profile" and self.tool.kind == "profile":
            self.dock.show()
            self.dock.raise_()

    # -- places ----------------------------------------------------------------------------------

    def jump(self, entry: Entry) -> None:
        """Show the slice of ``entry``: in a pane that shows its plane, else in the active one."""
        grid = self._grid
        panes = [grid.active_pane, *grid.visible_panes]
        related = [p for p in panes if p.layer is not None and entry.space.holds(p.layer)]
        pane = next(
            (p for p in related if slice_of(entry.shape, p.view.stack.geometry) is not None), None
        )
        if pane is None:
            layer = self._layer_with(entry)
            if layer is None:
                return
            pane = next((p for p in related if p.layer is layer), grid.active_pane)
            if pane.layer is not layer:
                grid.show_in(pane, layer)
            grid.cutting.set_plane(pane, entry.plane)
        index = slice_of(entry.shape, pane.view.stack.geometry)
        if index is not None:
            if pane is not grid.active_pane:
                grid.activate(pane)
            grid.go_to(index)

    def _layer_with(self, entry: Entry) -> Layer | None:
        """A layer that has the slice of ``entry``."""
        for layer in self.measurements.layers(entry):
            if slice_of(entry.shape, in_plane(layer.stack, entry.plane).geometry) is not None:
                return layer
        return None

    # -- files -----------------------------------------------------------------------------------

    def ask_file(self) -> None:
        """Save all measurements where the user says."""
        measured = [self.numbers.measured(entry) for entry in self.measurements.entries]
        if not measured:
            self._session.trouble.emit(
                tr("There is nothing to save."),
                tr("Measure something first: D, A, R or Shift+D."),
                "",
            )
            return
        kinds = "CSV (*.csv);;JSON (*.json)"
        try:
            path = ask_where_to_save(
                self._window, self._session, tr("Save measurements"), "measurements.csv", kinds
            )
            if path is not None:
                save_measurements(path, measured)
                self._session.message.emit(tr("Saved {0}").format(path), 10000)
        except StudioError as error:
            self._session.report(error)

    def ask_plot_file(self) -> None:
        """Save the curves of the plot where the user says."""
        columns = self.panel.plot.columns
        entry = self.measurements.selection
        if entry is None or not columns:
            return
        for layer in self.measurements.layers(entry):
            hidden = public_name(layer.name, layer.stack.source, layer.kind)
            columns = [(name.replace(called(layer), hidden), values) for name, values in columns]
        try:
            path = ask_where_to_save(
                self._window, self._session, tr("Save the curves"), "profile.csv", "CSV (*.csv)"
            )
            if path is not None:
                save_columns(path, columns)
                self._session.message.emit(tr("Saved {0}").format(path), 10000)
        except StudioError as error:
            self._session.report(error)

    def _put_in_pictures(self, on: bool) -> None:
        self._in_pictures = on

    def _marks(self, pane: Pane, shot: PaneShot, at: int) -> tuple[Mark, ...]:
        """What is measured upon slice ``at`` of ``pane``, for a picture of the part in view."""
        if not self._in_pictures:
            return ()
        top, left = (part.start or 0 for part in shot.crop)
        marks = marks_of(self.measurements.visible(pane.view, at), pane.view, at)
        return tuple(mark.moved(-top, -left) for mark in marks)

    def hide(self) -> None:
        """Close the docks: a window begins without them."""
        self.dock.hide()
        self.noise.dock.hide()

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        self.panel.plot.retheme()
        self.panel.read()
        self.noise.page.retheme()
