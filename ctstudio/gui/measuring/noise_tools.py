"""The noise tools, joined: what they look at, the job that computes, the dock, the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QDockWidget, QMainWindow

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.export_shots import frozen
from ctstudio.gui.forms.manners import leave_keys_to_the_images
from ctstudio.gui.masks.overlay import is_mask
from ctstudio.gui.measuring.entries import Entry, Measurements
from ctstudio.gui.measuring.noise_page import NoisePage
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.linking import same_space
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.workflows.measurements import public_name
from ctstudio.workflows.noise_files import save_findings, save_plots
from ctstudio.workflows.noise_measures import TITLES, Finding, Place, Subject, Tool, look

ROLE, EXPORT = "noise", "export"
SETTLE_MS = 150
KINDS = "PNG (*.png);;CSV (*.csv);;JSON (*.json)"


class NoiseTools(QObject):
    """Keeps the page up to date with the selected region and the layers, while it is seen."""

    def __init__(
        self, session: Session, grid: ViewGrid, measurements: Measurements, window: QMainWindow
    ) -> None:
        super().__init__(window)
        self._session, self._grid = session, grid
        self._measurements, self._window = measurements, window
        self._again = False
        self._what: tuple[str, dict[str, Any]] = ("", {})  # told in the files
        self.page = NoisePage()
        leave_keys_to_the_images(self.page)
        self.dock = QDockWidget(tr("Noise and sharpness"), window)
        self.dock.setObjectName("noise_dock")
        self.dock.setWidget(self.page)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLE_MS)
        self._timer.timeout.connect(self._look)
        self.page.changed.connect(self.touch)
        self.page.shown.connect(self.touch)
        self.page.done.connect(lambda: grid.active_pane.view.setFocus())
        self.page.save_requested.connect(self.ask_file)
        measurements.changed.connect(self._offer)
        measurements.selected.connect(self._selected)
        session.layer_changed.connect(self.touch)
        session.layer_added.connect(self.touch)
        session.layer_removed.connect(self.touch)
        session.active_changed.connect(self.touch)
        grid.slice_changed.connect(self._slice_changed)
        self._offer()

    def show(self) -> None:
        """Bring the page to the front."""
        self.dock.show()
        self.dock.raise_()

    def touch(self, *_: object) -> None:
        """Look again before long, where that can be seen."""
        if self.page.isVisible() and not self._timer.isActive():
            self._timer.start()

    def _slice_changed(self, *_: object) -> None:
        if self.page.tool == "map":
            self.touch()

    def _regions(self) -> list[Entry]:
        return [entry for entry in self._measurements.entries if entry.shape.is_region]

    def _offer(self) -> None:
        selected = self._measurements.selection
        region = selected if selected is not None and selected.shape.is_region else None
        self.page.offer(self._regions(), region)

    def _selected(self, entry: Entry | None) -> None:
        if entry is not None and entry.shape.is_region:
            self.page.offer(self._regions(), entry)

    # -- looking ---------------------------------------------------------------------------------

    def _entry(self, number: int | None) -> Entry | None:
        return next((e for e in self._regions() if e.number == number), None)

    def _look(self) -> None:
        if not self.page.isVisible() or self._session.closing:
            return
        if self._session.jobs.busy(ROLE):
            self._again = True
            return
        self._again = False
        page = self.page
        tool, settings = page.tool, page.settings
        entry, other = (self._entry(box.currentData()) for box in (page.region, page.other))
        layers, where = self._where(entry)
        if where is None:
            page.show_findings([])
            return
        beside = Place(other.plane, other.shape) if other is not None else None
        names = [e.name for e in (entry, other if tool == "contrast" else None) if e is not None]
        if tool == "map" and where.shape is None:
            names = []
        about: dict[str, Any] = {"region": tr(" and ").join(names) or tr("whole slice")}
        if tool != "map":
            about["slices_together"] = settings.slices
        self._what = (tool, about)
        subjects = [Subject(called(layer), frozen(layer.stack)) for layer in layers]
        page.wait()
        self._session.jobs.start(
            ROLE,
            tr(TITLES[tool]),
            lambda: look(tool, subjects, where, settings, beside),
            succeeded=self._found,
            cancelled=self._rest,
            failed=self._failed,
        )

    def _where(self, entry: Entry | None) -> tuple[list[Layer], Place | None]:
        """The layers to look at, and where."""
        if self.page.tool == "map":
            pane = self._grid.active_pane
            if pane.layer is None:
                return [], None
            layers = [la for la in self._session.layers if same_space(la, pane.layer)]
            view = pane.view
            place = Place(view.shown_plane, point_mm=view.stack.geometry.positions_mm[view.index])
            if entry is not None and entry.shown_in(view):
                place = Place(entry.plane, entry.shape)
        elif entry is not None:
            layers, place = self._measurements.layers(entry), Place(entry.plane, entry.shape)
        else:
            return [], None
        return [layer for layer in layers if not is_mask(layer)], place

    def _found(self, findings: list[Finding]) -> None:
        if self._what[0] == self.page.tool:
            self.page.show_findings(findings)
        self._rest()

    def _failed(self, error: Exception) -> None:
        self._session.report(error)
        self._rest()

    def _rest(self) -> None:
        if self._again:
            self._look()

    # -- files -----------------------------------------------------------------------------------

    def ask_file(self) -> None:
        """Save what was found where the user says; no name in it tells who the patient is."""
        findings = [self._public(finding) for finding in self.page.findings]
        tool, about = self.page.tool, dict(self._what[1])
        if not any(f.numbers for f in findings):
            return
        name = TITLES[tool].lower().replace(" ", "-")
        try:
            path = ask_where_to_save(
                self._window,
                self._session,
                tr("Save: {0}").format(TITLES[tool]),
                f"{name}.png",
                KINDS,
            )
            if path is None:
                return
            if self._session.jobs.busy(EXPORT):
                raise StudioError(
                    "An export is running already.", hint="Wait for it, or cancel it."
                )
            self._session.jobs.start(
                EXPORT,
                tr("Export: {0}").format(TITLES[tool]),
                lambda: _write(path, tool, findings, about),
                succeeded=self._saved,
                failed=self._session.fail,
            )
        except StudioError as error:
            self._session.report(error)

    def _saved(self, path: Path) -> None:
        self._session.message.emit(tr("Saved {0}").format(path), 10000)

    def _public(self, finding: Finding) -> Finding:
        for layer in self._session.layers:
            if called(layer) == finding.layer:
                name = public_name(layer.name, layer.stack.source, layer.kind)
                return replace(finding, layer=name)
        return finding


def _write(path: Path, tool: Tool, findings: list[Finding], about: dict[str, Any]) -> Work[Path]:
    yield Progress(0, 1, "Writing")
    if path.suffix.lower() == ".png":
        footer = ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in about.items())
        return save_plots(path, tool, findings, footer)
    return save_findings(path, tool, findings, about)
