"""The one observed state of the window: series, layers, the training that runs, the jobs.

Panels and panes read it and listen to its signals; none of them knows another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Event, Look, Note, Preview
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Volume
from ctstudio.gui.job import Jobs
from ctstudio.gui.training.run_log import RunLog
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.undo.stack import UndoStack

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo, Skipped
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.learn.recipe import Recipe

LayerKind = Literal[
    "original", "mended", "simulated", "denoised", "residual", "live", "mask", "uncertainty"
]


@dataclass(eq=False)
class Layer:
    """Something a pane can show, with a name.

    ``parent`` is the layer it was made from; layers of one family are hung side by side and
    linked. ``complete`` turns true when every slice has arrived. ``noise_free`` is known of the
    phantom alone: a training on it adds all of the noise rather than what a lower dose lacks.
    ``likely`` is, of a mask that a network made, how likely voxels are of any label, from 0 to 1.
    """

    name: str
    kind: LayerKind
    stack: SliceStack
    parent: Layer | None = None
    series: SeriesInfo | None = None
    complete: bool = True
    note: str = ""
    noise_free: bool = False
    likely: SliceStack | None = None

    @property
    def root(self) -> Layer:
        layer = self
        while layer.parent is not None:
            layer = layer.parent
        return layer

    @property
    def scan(self) -> Layer:
        """The scan, as acquired or mended, that it was made from: itself, if it is one."""
        layer = self
        while layer.parent is not None and layer.kind != "mended":
            layer = layer.parent
        return layer

    @property
    def is_scan(self) -> bool:
        """Whether it is a scan, acquired, mended or simulated: what is denoised and learnt from."""
        return self.kind in ("original", "mended", "simulated")

    @property
    def exportable(self) -> bool:
        """Whether it was made here and is whole, so that it can be written as a series."""
        return self.complete and self.kind in ("mended", "simulated", "denoised", "mask")

    @property
    def signed(self) -> bool:
        """Whether the values are differences around zero, shown with the diverging map."""
        return self.kind == "residual"

    @property
    def volume(self) -> Volume | None:
        return self.stack if isinstance(self.stack, Volume) else None


MAX_PREVIEWS = 240
MAX_PREVIEW_BYTES = 128 * 2**20  # as many as 256 reconstructions of 512 x 512 pixels
FEWEST_PREVIEWS = 8


@dataclass(frozen=True)
class KeptPreview:
    """A preview for the timeline: the reconstruction, rounded to whole HU, ``(y, x)`` int16.

    ``inside`` ``(y, x)`` is how likely pixels are of any class, in steps of 1/255, where known.
    """

    step: int
    reconstruction: NDArray[np.int16]
    metrics: Mapping[str, float]
    number: int = 0  # of all the previews there were
    inside: NDArray[np.uint8] | None = None

    @property
    def score(self) -> float:
        """Better where greater: PSNR in dB, of classes Dice; minus infinity where not known."""
        return self.metrics.get("psnr", self.metrics.get("dice", -np.inf))


@dataclass(eq=False)
class Run:
    """A training in the window: what it trains, what it has told so far, what came out."""

    recipe: Recipe
    source: Layer
    slice_index: int
    folder: Path
    history: RunLog = field(default_factory=RunLog)
    newest: Preview | None = None
    previews: list[KeptPreview] = field(default_factory=list)
    model: TrainedModel | None = None
    state: Literal["running", "paused", "stopping", "finished", "stopped", "failed"] = "running"
    notes: list[str] = field(default_factory=list)
    best: KeptPreview | None = None  # with the greatest score, where there is one
    seen: int = 0  # previews there have been
    every: int = 1  # which of them are kept; the best and the newest always are
    look: Look | None = None  # what is watched closely while it runs

    def keep(self, preview: Preview) -> None:
        """Remember a preview for the timeline; when there are too many, every second one goes.

        The first, the best and the newest stay; of two of one step, as where a training is judged
        once more before it ends, the newer one.
        """
        self.newest = preview
        if self.previews and self.previews[-1].step == preview.step:
            self.seen -= 1
            if self.previews.pop() is self.best:
                scored = [kept for kept in self.previews if kept.score > -np.inf]
                self.best = max(scored, key=lambda kept: kept.score, default=None)
        self.seen += 1
        picture = np.clip(np.rint(preview.panels["reconstruction"]), -32768, 32767)
        picture = picture.astype(np.int16)
        inside = None
        if preview.inside is not None:
            inside = np.rint(255 * preview.inside).astype(np.uint8)
        kept = KeptPreview(preview.step, picture, preview.metrics, self.seen - 1, inside)
        if kept.score > (self.best.score if self.best is not None else -np.inf):
            self.best = kept
        if self.previews and not self._stays(self.previews[-1]):
            self.previews.pop()  # it was there as the newest
        self.previews.append(kept)
        size = picture.nbytes + (0 if inside is None else inside.nbytes)
        most = min(MAX_PREVIEWS, max(MAX_PREVIEW_BYTES // size, 1))
        if len(self.previews) > max(most, FEWEST_PREVIEWS):
            self.every *= 2
            self.previews[:] = [p for p in self.previews if self._stays(p) or p is kept]

    def _stays(self, kept: KeptPreview) -> bool:
        return kept.number % self.every == 0 or kept is self.best

    def panels(self, kept: KeptPreview) -> dict[str, NDArray[np.float32]]:
        """The panels of an earlier preview, as those of the newest."""
        assert self.newest is not None
        reconstruction = kept.reconstruction.astype(np.float32)
        panels = {**self.newest.panels, "reconstruction": reconstruction}
        return {**panels, "residual": self.residual(panels)}

    def residual(self, panels: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """What a reconstruction differs by, as in the run's previews."""
        from ctstudio.learn.run_folder import residual

        assert self.newest is not None
        return residual(panels, self.newest.labels)


class Session(QObject):
    """State and signals. Everything here happens in the GUI thread."""

    series_changed = Signal()
    layer_added = Signal(object)  # Layer
    layer_removed = Signal(object)  # Layer
    layer_changed = Signal(object, int)  # Layer, slice index or -1 for all of it
    active_changed = Signal(object)  # Layer | None: the layer of the pane that has the focus
    hang = Signal(object)  # list[Layer]: show these side by side
    run_changed = Signal(object)  # Run: begun, paused, ended; a picture, a validation
    run_grew = Signal(object)  # Run: more steps, many times a second
    privacy_changed = Signal()  # patient details are to be shown, or hidden
    metrics_wanted = Signal(bool)  # numbers are to stand upon the images, or no more
    metrics_changed = Signal()  # `metrics_of` says something else
    methods_changed = Signal()  # a network was trained or loaded
    message = Signal(str, int)  # text for the status bar, milliseconds (0: until the next)
    trouble = Signal(str, str, str)  # what happened, what to do, details

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.series: list[SeriesInfo] = []
        self.left_out: list[Skipped] = []  # files that were of no use to any scan so far
        self.layers: list[Layer] = []
        self.active: Layer | None = None
        self.slice_index = 0
        self.run: Run | None = None
        self.models: list[TrainedModel] = []
        self.show_patient = True
        self.export_folder = Path.cwd()  # where the last thing was saved
        self.closing = False  # the window waits for its jobs to end: nothing new starts
        self.jobs = Jobs(self)
        self.undo = UndoStack(self)  # what a user can do by mistake and take back
        # Set by the window: which slice of a layer is on screen (previews are made for it).
        self.visible_slice: Callable[[Layer], int] = lambda layer: len(layer.stack) // 2
        # And what its metrics are, in words, with their protocol and reference; empty: not known.
        self.metrics_of: Callable[[Layer], str] = lambda layer: ""
        # And which part of it, as (top, left, height, width), where somebody looks closely.
        self.region_in_view: Callable[[Layer], tuple[int, int, int, int] | None]
        self.region_in_view = lambda layer: None

    def add_series(self, found: list[SeriesInfo]) -> list[SeriesInfo]:
        """Add series that are not listed yet; returns the listed ones that match ``found``."""
        listed = []
        for info in found:
            match = next((s for s in self.series if _same(s, info)), None)
            if match is None:
                self.series.append(info)
                match = info
            listed.append(match)
        self.series_changed.emit()
        return listed

    def layer_of(self, series: SeriesInfo) -> Layer | None:
        return next(
            (la for la in self.layers if la.series is series and la.kind == "original"), None
        )

    def add_layer(self, layer: Layer, place: int | None = None) -> Layer:
        """Add a layer at the end, or where it was in the list."""
        layer.name = self._free_name(layer.name)
        self.layers.insert(len(self.layers) if place is None else place, layer)
        self.layer_added.emit(layer)
        return layer

    def remove_layer(self, layer: Layer) -> None:
        """Remove a layer and whatever was made from it."""
        if layer not in self.layers:
            return
        for child in [la for la in self.layers if la.parent is layer]:
            self.remove_layer(child)
        self.layers.remove(layer)
        if self.active is layer:
            self.set_active(None)
        self.layer_removed.emit(layer)

    def close_layer(self, layer: Layer) -> None:
        """`remove_layer` as the user does it: it can be taken back."""
        if not layer.complete:  # it would never become so
            self.remove_layer(layer)
            return
        with self.undo.step(tr("Close {0}").format(layer.name)):
            self.remove_layer(layer)

    def set_show_patient(self, on: bool) -> None:
        """Show or hide patient details everywhere in the window."""
        self.show_patient = on
        self.privacy_changed.emit()

    def set_active(self, layer: Layer | None) -> None:
        if layer is not self.active:
            self.active = layer
            self.active_changed.emit(layer)

    def family(self, layer: Layer) -> list[Layer]:
        return [la for la in self.layers if la.root is layer.root]

    def report(self, error: BaseException) -> None:
        """Show an error as a sentence with a way out; details unfold."""
        self.trouble.emit(*in_sentences(error))

    def tell(self, events: list[Event]) -> None:
        """Slot for jobs: show their notes."""
        for event in events:
            if isinstance(event, Note):
                self.message.emit(event.text, 10000)

    def fail(self, error: Any) -> None:
        """Slot for jobs: report what a job failed with."""
        self.report(error)

    def _free_name(self, name: str) -> str:
        taken = {la.name for la in self.layers}
        if name not in taken:
            return name
        return next(f"{name} ({n})" for n in range(2, 10_000) if f"{name} ({n})" not in taken)


def _same(one: SeriesInfo, other: SeriesInfo) -> bool:
    """Whether both are the same images; one file may hold several series."""
    if one.source.files != other.source.files:
        return False
    frames = ([h.frame for h in getattr(info, "headers", ())] for info in (one, other))
    return next(frames) == next(frames)


def in_sentences(error: BaseException) -> tuple[str, str, str]:
    """What happened, what to do, and the details."""
    from ctstudio.core.errors import StudioError

    if isinstance(error, StudioError):
        return error.message, error.hint, error.details
    import traceback

    details = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError):
        return (
            tr("There is not enough memory for this."),
            tr("Close other programs or layers and try again."),
            details,
        )
    return (
        tr("Something unexpected went wrong ({0}).").format(type(error).__name__),
        tr("Nothing was lost. Try again; the details help whoever mends it."),
        details,
    )
