"""From dropped paths to layers: scan, read in the background, first slice at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Event, Gaze, Note, Partial, SliceReady, Work
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.workflows.demo_series import DemoSeries, ensure_demo

if TYPE_CHECKING:
    from ctstudio.ct.series import ScanResult, SeriesInfo


class Opener(QObject):
    """Opens paths and series; one scan and one read at a time, the newest request wins."""

    opened = Signal(object)  # Layer, when its first slice is on the screen
    completed = Signal(object)  # Layer, when every slice has arrived
    demo_begun = Signal()
    demo_opened = Signal(object, object)  # Layer: quarter dose, Layer: the truth
    scanned = Signal(object)  # list[Path] that held series
    segmented = Signal(object)  # list[Path]: DICOM segmentations

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._queue: list[tuple[list[Path], bool]] = []  # paths to scan, whether to show the first
        self._scanning: tuple[list[Path], bool] = ([], True)
        self._next: SeriesInfo | None = None
        self._reading: SeriesInfo | None = None
        self._layer: Layer | None = None
        self._gaze = Gaze()
        self._notes: list[str] = []
        self._demo_shown = False
        self._demo_paths: set[Path] = set()
        self._demo_twin: SeriesInfo | None = None
        self._demo_truth: Path | None = None
        self._after: SeriesInfo | None = None  # to be read when the current read has ended

    # -- paths -----------------------------------------------------------------------------------

    def open_paths(self, paths: list[Path], *, show: bool = True) -> None:
        """Find the series in ``paths`` and show the first."""
        self._queue.append((paths, show))
        self._scan_next()

    def _scan_next(self) -> None:
        if not self._queue or self._session.closing or self._session.jobs.busy("scan"):
            return
        self._scanning = self._queue.pop(0)
        paths = self._scanning[0]
        self._session.jobs.start(
            "scan",
            tr("Looking for series"),
            lambda: _scan(paths),
            succeeded=self._scanned,
            cancelled=self._scan_next,
            failed=self._scan_failed,
        )

    def _scanned(self, result: ScanResult) -> None:
        paths, show = self._scanning
        listed = self._session.add_series(list(result.series))
        self.scanned.emit(paths)
        left_out = {entry.path: entry for entry in (*self._session.left_out, *result.skipped)}
        self._session.left_out = list(left_out.values())
        if result.skipped:
            count = len(result.skipped)
            lines = "\n".join(f"{s.path}: {said(s.reason)}" for s in result.skipped[:500])
            what = tr("1 file was left out.") if count == 1 else tr("{0} files were left out.")
            self._session.trouble.emit(what.format(count), "", lines)
        if show and listed:
            self.open_series(listed[0])
        if result.segmentations:
            self.segmented.emit(list(result.segmentations))
        if listed and self._demo_paths and set(paths) <= self._demo_paths:
            self._open_demo_twin(listed[0])
        self._scan_next()

    def _scan_failed(self, error: Exception) -> None:
        self._session.report(error)
        self._scan_next()

    # -- series ----------------------------------------------------------------------------------

    def open_series(self, info: SeriesInfo) -> None:
        """Show a series: at once if it is open, else its middle slice as soon as it is read."""
        layer = self._session.layer_of(info)
        if layer is not None:
            self.opened.emit(layer)
            return
        self._next = info
        job = self._session.jobs["read"]
        if job is None:
            self._read_next()
        elif self._reading is not info and self._layer is None:
            job.cancel()  # nothing of it is on the screen yet

    def _read_next(self) -> None:
        info, self._next = self._next, None
        if info is None:
            info, self._after = self._after, None
        if info is None or self._session.closing:
            return
        if self._session.layer_of(info) is not None:
            return
        self._reading, self._layer, self._notes = info, None, []
        gaze = self._gaze = Gaze()
        self._session.jobs.start(
            "read",
            tr("Reading {0}").format(info.title),
            lambda: _read(info, gaze),
            stepped=self._read_stepped,
            succeeded=self._read_done,
            cancelled=self._read_stopped,
            failed=self._read_failed,
        )

    def _read_stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                assert self._reading is not None
                name = event.value.source.description or self._reading.title
                layer = Layer(name, "original", event.value, series=self._reading, complete=False)
                first = self._reading.source.files[:1]
                layer.noise_free = any(path.parent == self._demo_truth for path in first)
                self._layer = self._session.add_layer(layer)
                self.opened.emit(self._layer)
            elif isinstance(event, SliceReady) and self._layer is not None:
                self._session.layer_changed.emit(self._layer, event.index)
            elif isinstance(event, Note):
                self._notes.append(event.text)
        if self._layer is not None:
            self._gaze.slice = self._session.visible_slice(self._layer)

    def _read_done(self, volume: Volume) -> None:
        layer, info = self._layer, self._reading
        if layer is None or layer not in self._session.layers:
            self._read_next()
            return
        layer.stack = volume
        layer.complete = True
        self._session.layer_changed.emit(layer, -1)
        # What a bar of its own tells, with what helps, is not told here as well.
        told = {odd.sentence for odd in getattr(info, "irregularities", ())}
        warnings = [
            text for text in (info.warnings if info is not None else ()) if text not in told
        ]
        warnings += self._notes
        if warnings:
            warnings = [said(text) for text in warnings]
            more = tr(" ({0} more)").format(len(warnings) - 1) if len(warnings) > 1 else ""
            first = tr("{0}: {1}").format(layer.name, warnings[0])
            self._session.trouble.emit(f"{first}{more}", "", "\n".join(warnings))
        self.completed.emit(layer)
        if info is not None and info is self._demo_twin:
            self._demo_read(layer)
        self._read_next()

    def _read_stopped(self) -> None:
        if self._layer is not None:
            self._session.remove_layer(self._layer)
            self._layer = None
        self._read_next()

    def _read_failed(self, error: Exception) -> None:
        if self._layer is not None:
            self._session.remove_layer(self._layer)
            self._layer = None
        self._session.report(error)
        self._read_next()

    # -- the demo --------------------------------------------------------------------------------

    def open_demo(self) -> None:
        """Open the phantom: drawn on first use, the full-dose series at once, then its twin."""
        if self._session.jobs.busy("demo"):
            return
        self._demo_shown = False
        self.demo_begun.emit()
        self._session.jobs.start(
            "demo",
            tr("Preparing the demo"),
            lambda: ensure_demo(),
            stepped=self._demo_stepped,
            succeeded=self._demo_done,
            failed=self._session.fail,
        )

    def _demo_stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, DemoSeries):
                self._show_truth(event.value.truth)

    def _show_truth(self, folder: Path) -> None:
        if not self._demo_shown:
            self._demo_shown = True
            self._demo_truth = folder
            self.open_paths([folder])

    def _demo_done(self, demo: DemoSeries) -> None:
        self._show_truth(demo.truth)
        if demo.quarter_dose is not None:
            self._demo_paths = {demo.quarter_dose}
            self.open_paths([demo.quarter_dose], show=False)

    def _open_demo_twin(self, info: SeriesInfo) -> None:
        """The noisy series is what one came to denoise: show it once it is there."""
        self._demo_paths = set()
        self._demo_twin = info
        reading = self._session.jobs.busy("read")
        if reading and self._reading is not info:
            self._after = info  # the truth is still being read, and is wanted too
        else:
            self.open_series(info)

    def _demo_read(self, twin: Layer) -> None:
        """Noisy and true are there, unless the user has gone on to something else."""
        self._demo_twin = None
        truth = next((la for la in self._session.layers if la.noise_free), None)
        if truth is not None and self._session.active in (truth, twin):
            self.demo_opened.emit(twin, truth)


# The DICOM library takes a while to import; the first job does it, not the window's start.
def _scan(paths: list[Path]) -> Work[ScanResult]:
    from ctstudio.workflows.open import scan

    return (yield from scan(paths))


def _read(info: SeriesInfo, gaze: Gaze) -> Work[Volume]:
    from ctstudio.workflows.open import read

    return (yield from read(info, gaze=gaze))
