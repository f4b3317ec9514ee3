"""The main window: panes in the middle, series on the left, panels on the right, curves below."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import platformdirs
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QCloseEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QLabel,
    QMainWindow,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Preview
from ctstudio.gui import actions as action_table
from ctstudio.gui import chrome, dialogs, theme
from ctstudio.gui.asking import Asker
from ctstudio.gui.curves.view import CurvesView
from ctstudio.gui.denoising import desk as denoising
from ctstudio.gui.dropping import Dropping
from ctstudio.gui.empty_state import EmptyState
from ctstudio.gui.export import Exporter
from ctstudio.gui.forms.manners import leave_keys_to_the_images
from ctstudio.gui.history.history import History
from ctstudio.gui.inspection.inspector import Inspector
from ctstudio.gui.masks.desk import MaskDesk
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.masks.paint_bar import PaintBar
from ctstudio.gui.masks.painter import Painter
from ctstudio.gui.measuring.measuring import Measuring
from ctstudio.gui.opening import Opener
from ctstudio.gui.panels.compare import ComparePanel
from ctstudio.gui.panels.denoise import DenoisePanel
from ctstudio.gui.panels.series import SeriesPanel
from ctstudio.gui.panels.train import TrainPanel
from ctstudio.gui.reproducing import Reproducer
from ctstudio.gui.services import Services
from ctstudio.gui.session import Layer, Run, Session
from ctstudio.gui.settings import Settings
from ctstudio.gui.showing import Showing
from ctstudio.gui.simulating import Simulator
from ctstudio.gui.status import Banner, DeviceBadge, JobStrip, MessageLabel, ProbeLabel
from ctstudio.gui.training.timeline import Timeline
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.undo.undoing import Undoing
from ctstudio.gui.viewer.control import ViewControl
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.gui.windowing.windowing import PresetBox, Windowing

STATE_VERSION = 1


class MainWindow(QMainWindow):
    """CT Studio's window. It joins session, grid and panels; each does its own work."""

    def __init__(self, settings: Settings | None = None, runs_folder: Path | None = None) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.session = Session(self)
        self.opener = Opener(self.session)
        self.simulator = Simulator(self.session)
        self.grid = ViewGrid(self.session)
        self.exporter = Exporter(self.session, self.grid)
        views = [pane.view for pane in self.grid.panes]
        self.masks = Masks(self.session, views)
        self.painter = Painter(self.session, self.masks, views)
        self.inspector = Inspector(self.session, self.grid, self)
        self._newest: Preview | None = None  # what the timeline was last told of
        self._closing = False
        self._engine = False  # whether torch is loaded
        self._laid_out = False  # whether the docks have their sizes
        self.setWindowTitle(tr("CT Studio"))
        self.setDockNestingEnabled(True)
        self.resize(1440, 900)
        self.actions_by_name = action_table.make_actions(self, self.grid)
        self._build_centre()
        folder = Path(platformdirs.user_data_dir("ctstudio", False)) / "runs"
        self.runs_folder = runs_folder or folder
        self._build_docks(self.runs_folder)
        self._build_chrome()
        self._build_status()
        self._connect()
        for area in (self.tabs, self.timeline, self.curves.bar, self.statusBar()):
            leave_keys_to_the_images(area)
        self._restore()
        self._update_enabled()
        for trouble in self.denoise_panel.methods.troubles:
            self.session.report(trouble)

    # -- building --------------------------------------------------------------------------------

    def _build_centre(self) -> None:
        self.empty = EmptyState()
        self.asker = Asker(self.opener, self.settings, self.empty, self)
        self.banner = Banner()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.grid)
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(0)
        layout.addWidget(self.banner)
        layout.addWidget(self.inspector.bar)
        layout.addWidget(PaintBar(self.painter, self.masks))
        layout.addWidget(self._stack, 1)
        self.setCentralWidget(centre)

    def _build_docks(self, runs_folder: Path) -> None:
        self.series_panel = SeriesPanel(self.session)
        self.denoise_panel = DenoisePanel(self.session)
        self.train_panel = TrainPanel(self.session, runs_folder)
        self.history = History(self.session, self.train_panel, runs_folder, self)
        self.compare_panel = ComparePanel(self.session, self.grid, self.exporter)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for panel, title in (
            (chrome.scrolling(self.denoise_panel), "Denoise"),
            (self.train_panel, "Train"),
            (chrome.scrolling(self.compare_panel), "Compare"),
        ):
            self.tabs.addTab(panel, title)
        self.tabs.setMinimumWidth(340)
        self.curves = CurvesView(self.session, runs_folder)
        self.timeline = Timeline(self.session, self.exporter)
        bottom = QWidget()
        layout = QVBoxLayout(bottom)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(4)
        layout.addWidget(self.curves, 1)
        layout.addWidget(self.timeline)
        self.series_dock = self._dock("Series and layers", self.series_panel, "series")
        self.panel_dock = self._dock("Tools", self.tabs, "panels")
        self.curves_dock = self._dock("Training curves", bottom, "curves")
        self.curves_dock.setTitleBarWidget(self.curves.bar)  # no row is lost to a title alone
        areas = Qt.DockWidgetArea
        first, last = areas.LeftDockWidgetArea, areas.RightDockWidgetArea
        if self.isRightToLeft():  # Qt turns what is in a dock, but not the sides of the docks
            first, last = last, first
        self.addDockWidget(first, self.series_dock)
        self.addDockWidget(last, self.panel_dock)
        self.addDockWidget(areas.BottomDockWidgetArea, self.curves_dock)
        self.measuring = Measuring(
            self.session, self.grid, self.painter, self.actions_by_name, self
        )
        self.tabifyDockWidget(self.curves_dock, self.measuring.dock)
        left, right = Qt.Corner.BottomLeftCorner, Qt.Corner.BottomRightCorner
        below, beside = (right, left) if self.isRightToLeft() else (left, right)
        self.setCorner(below, areas.BottomDockWidgetArea)
        self.setCorner(beside, last)

    def _dock(self, title: str, widget: QWidget, name: str) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(widget)
        return dock

    def _build_chrome(self) -> None:
        self.preset = PresetBox(self.settings)
        self.view_control = ViewControl(self.session, self.grid, self.actions_by_name, self.preset)
        self.toolbar = chrome.build_toolbar(self, self.actions_by_name, self.preset)
        docks = (self.series_dock, self.panel_dock, self.curves_dock)
        self.recent_menu = chrome.build_menus(
            self, self.actions_by_name, [dock.toggleViewAction() for dock in docks]
        )
        self.asker.keep_filled(self.recent_menu)
        self.mask_desk = MaskDesk(self)
        self.mask_menu = self.mask_desk.menu
        self.undoing = Undoing(self)
        self.mask_menu.join(self.toolbar)
        self.measuring.join(self.toolbar)
        self.view_control.join(self.toolbar, self.menuBar())
        presets = self.preset.actions_in(self, self.grid)
        self.windowing = Windowing(self)
        self.services = Services(self, presets)

    def _build_status(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        self.probe_label = ProbeLabel()
        self.message_label = MessageLabel()
        self.job_strip = JobStrip(self.session.jobs)
        self.device_badge = DeviceBadge()
        purpose = QLabel(tr("For research use, not for diagnosis"))
        purpose.setProperty("role", "muted")
        bar.addWidget(self.probe_label, 1)
        for widget in (self.message_label, self.job_strip, purpose, self.device_badge):
            bar.addPermanentWidget(widget)

    def _connect(self) -> None:
        session, grid = self.session, self.grid
        self.empty.open_demo.connect(self.open_demo)
        self.showing = Showing(self)
        self.dropping = Dropping(self)
        self.series_panel.open_requested.connect(self.opener.open_series)
        self.denoise_panel.applied.connect(
            lambda layer: self.session.message.emit(tr("{0}: done").format(called(layer)), 6000)
        )
        self.train_panel.use_requested.connect(self._use_network)
        self.history.use_requested.connect(self._use_network)
        self.history.train_shown.connect(lambda: self.tabs.setCurrentIndex(1))
        grid.slice_changed.connect(self.denoise_panel.slice_shown)
        grid.slice_changed.connect(self.inspector.slice_shown)
        grid.slice_changed.connect(self._update_enabled)
        grid.probed.connect(self.probe_label.show_probes)
        session.layer_added.connect(self._layer_added)
        session.layer_removed.connect(self._layer_removed)
        session.active_changed.connect(self._update_enabled)
        session.run_changed.connect(self._run_changed)
        session.run_grew.connect(self.curves.touch)
        session.trouble.connect(self.banner.show_trouble)
        session.message.connect(self.message_label.say)
        self.banner.details_requested.connect(partial(dialogs.show_details, self))
        self.timeline.picked.connect(self.train_panel.show_panels)
        self.timeline.picked.connect(self.compare_panel.show_step)
        handlers: dict[str, Any] = {
            "open_folder": self.asker.ask_folder,
            "open_files": self.asker.ask_files,
            "open_demo": self.open_demo,
            "close_layer": self._close_layer,
            "quit": self.close,
            "series_next": lambda: self.series_panel.step_series(1),
            "series_previous": lambda: self.series_panel.step_series(-1),
            "screenshot": self.compare_panel.ask_picture,
            "slices_gif": self.compare_panel.ask_slices_gif,
            "training_gif": self.compare_panel.ask_training_gif,
            "curves": self.compare_panel.ask_curves,
            "export_dicom": self.compare_panel.ask_dicom,
            "simulate": self._simulate,
            "history": self.history.show,
            "preview_back": lambda: self.timeline.step(-1),
            "preview_on": lambda: self.timeline.step(1),
            "theme": self._set_light,
            "full_screen": lambda on: self.showFullScreen() if on else self.showNormal(),
        }
        handlers |= self.view_control.handlers() | self.inspector.handlers()
        handlers |= self.mask_desk.handlers() | self.undoing.handlers() | self.measuring.handlers()
        handlers |= Reproducer(session, self.masks.roles.truth).handlers(self)
        handlers |= denoising.join(self) | self.services.handlers()
        action_table.connect(self.actions_by_name, handlers)

    # -- opening ---------------------------------------------------------------------------------

    def open_paths(self, paths: list[Path]) -> None:
        """Find and show the series in folders or files."""
        if paths := self.services.sessions.take(paths):
            self.opener.open_paths(paths)

    def open_demo(self) -> None:
        """Show the built-in phantom."""
        self.opener.open_demo()

    def _close_layer(self) -> None:
        if self.session.active is not None:
            self.session.close_layer(self.session.active)

    def _layer_added(self, _layer: Layer) -> None:
        self._stack.setCurrentWidget(self.grid)
        self._update_enabled()

    def _layer_removed(self, _layer: Layer) -> None:
        if not self.session.layers:
            self._stack.setCurrentWidget(self.empty)
        self._update_enabled()

    # -- view ------------------------------------------------------------------------------------

    def _update_enabled(self, *_: object) -> None:
        a = self.actions_by_name
        some = bool(self.session.layers)
        for name in (
            "fit", "zoom_in", "zoom_out", "cine", "screenshot", "slices_gif", "close_layer",
            "maximise", "planes", "axial", "coronal", "sagittal",
        ):  # fmt: skip
            a[name].setEnabled(some)
        a["simulate"].setEnabled(some and self._engine)
        self.preset.setEnabled(some)
        run = self.session.run
        a["training_gif"].setEnabled(run is not None and bool(run.previews))
        a["curves"].setEnabled(run is not None and bool(run.history.step))
        active = self.session.active
        a["export_dicom"].setEnabled(active is not None and active.exportable)
        name = called(active) if active is not None else ""
        self.setWindowTitle(tr("{0} - CT Studio").format(name) if name else tr("CT Studio"))

    # -- training and simulation -----------------------------------------------------------------

    def _run_changed(self, run: Run) -> None:
        if self.timeline.property("run") is not run:
            self.timeline.setProperty("run", run)
            self.timeline.set_run(run)
            self.curves.show_run(run)
            self.curves_dock.show()
        newest = run.newest
        if newest is not None and newest is not self._newest:
            self._newest = newest
            self.timeline.grew()
            if self.timeline.following:
                self.train_panel.show_panels(None)
        self._update_enabled()

    def _use_network(self, model: object) -> None:
        if not self.mask_desk.use(model):
            self.tabs.setCurrentIndex(0)
            self.denoise_panel.choose("network")

    def _simulate(self) -> None:
        layer = self.session.active
        if layer is not None:
            self.simulator.ask(self, layer.scan)

    def engine_ready(self, device: str, reason: str) -> None:
        """Torch is loaded: fill what needed it."""
        self.device_badge.show_device(device, reason)
        self.train_panel.engine_ready()
        self.history.engine_ready()
        self._engine = True
        self._update_enabled()

    # -- theme, places, end ----------------------------------------------------------------------

    def _set_light(self, on: bool) -> None:
        self.settings.set("theme", "light" if on else "dark")
        self.paint(theme.LIGHT if on else theme.DARK)

    def paint(self, chosen: theme.Theme) -> None:
        """Show everything in a theme, with the size of texts in force."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme.apply(app, chosen)
            for part in (self.curves, self.history, self.measuring):
                part.retheme()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._laid_out:
            self._laid_out = True
            # Docks take a size only in a window that has its own.
            docks = [self.series_dock, self.panel_dock]
            self.resizeDocks(docks, [256, 352], Qt.Orientation.Horizontal)
            self.resizeDocks([self.curves_dock], [224], Qt.Orientation.Vertical)

    @property
    def _state_key(self) -> str:
        return "window/state_mirrored" if self.isRightToLeft() else "window/state"

    def _restore(self) -> None:
        folder = Path(self.settings.get("export/folder", ""))
        if str(folder) != "." and folder.is_dir():
            self.session.export_folder = folder
        geometry = self.settings.bytes("window/geometry")
        if not geometry.isEmpty():
            self.restoreGeometry(geometry)
        state = self.settings.bytes(self._state_key)
        if not state.isEmpty():
            self._laid_out = self.restoreState(state, STATE_VERSION)
        self.curves_dock.hide()
        self.measuring.hide()
        with QSignalBlocker(self.actions_by_name["theme"]):
            self.actions_by_name["theme"].setChecked(theme.current() is theme.LIGHT)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Cancel what runs, wait for it without freezing, then close."""
        jobs = self.session.jobs
        if jobs.busy():
            event.ignore()
            if not self._closing:
                self._closing = self.session.closing = True
                self.session.message.emit(
                    tr("Closing: waiting for the running job to save its work ..."), 0
                )
                jobs.all_ended.connect(self.close)
                jobs.cancel_all()
            return
        self.session.closing = True
        self.view_control.stop()
        self.settings.set("export/folder", str(self.session.export_folder))
        self.settings.set("window/geometry", self.saveGeometry())
        self.settings.set(self._state_key, self.saveState(STATE_VERSION))
        self.settings.sync()
        self.services.end()
        event.accept()
