"""A series segmented in the background; the result is a mask that can be cut again and undone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Event, Note, Progress, Work
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.undo.deeds import Deed

if TYPE_CHECKING:
    from ctstudio.learn.blobs import Blobs
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.learn.segment import Segmented


class Segmenter(QObject):
    """Runs one network on one series at a time, and moves the threshold of what came out."""

    finished = Signal(object)  # Layer
    said = Signal(str)  # what goes on, in words
    ended = Signal()  # in whatever way

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._source: Layer | None = None
        self._title = ""
        self._made: WeakKeyDictionary[Layer, tuple[Segmented, Blobs, float | None]]
        self._made = WeakKeyDictionary()
        self._wanted: tuple[Layer, float] | None = None
        session.layer_removed.connect(self._layer_removed)

    # -- a new mask ------------------------------------------------------------------------------

    def start(
        self,
        source: Layer,
        volume: Volume,
        model: TrainedModel,
        blobs: Blobs,
        threshold: float | None,
        region: str | None,
        every: int,
    ) -> None:
        """Segment ``volume``, the stack of ``source``."""
        self._source, self._title = source, model.title
        self._session.jobs.start(
            "segment",
            tr("Segmenting: {0}").format(model.title),
            lambda: _segment(volume, model, blobs, threshold, region, every),
            stepped=self._stepped,
            succeeded=lambda made: self._done(source, blobs, threshold, *made),
            cancelled=self._stopped,
            failed=self._failed,
        )

    def cancel(self) -> None:
        """Stop; nothing is changed."""
        job = self._session.jobs["segment"]
        if job is not None:
            job.cancel()

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Note):
                self._session.message.emit(event.text, 8000)
            elif isinstance(event, Progress) and event.total:
                self.said.emit(
                    tr("Slice {0} of {1}").format(min(event.done + 1, event.total), event.total)
                )

    def _done(
        self,
        source: Layer,
        blobs: Blobs,
        threshold: float | None,
        told: Segmented,
        labels: Volume,
    ) -> None:
        if source not in self._session.layers:
            self._stopped()
            return
        name = f"Segmented: {self._title}"
        layer = Layer(name, "mask", labels, source, note=told.method, likely=told.likely)
        self._made[layer] = (told, blobs, threshold)
        session = self._session

        def add() -> None:
            if source in session.layers:
                session.add_layer(layer)

        session.undo.push(Deed(tr("Segment"), lambda: session.remove_layer(layer), add))
        voxels = int((np.asarray(labels.voxels) > 0).sum())
        self.said.emit(
            tr("{0}: {1:,} voxels.").format(called(layer), voxels)
            if voxels
            else tr("Nothing was found in this series.")
        )
        self.ended.emit()
        self.finished.emit(layer)

    def _stopped(self) -> None:
        self.said.emit(tr("Cancelled; nothing was changed."))
        self.ended.emit()

    def _failed(self, error: Exception) -> None:
        self.said.emit(" ")
        self.ended.emit()
        self._session.report(error)

    def _layer_removed(self, layer: Layer) -> None:
        if layer is self._source:
            self.cancel()

    # -- another threshold -----------------------------------------------------------------------

    def threshold_of(self, layer: Layer) -> float | None:
        """Where a mask that was made here was cut; None where the network decided, or it is not."""
        made = self._made.get(layer)
        return made[2] if made is not None else None

    def cut(self, layer: Layer, threshold: float) -> None:
        """Cut a mask that was made here at another probability."""
        made = self._made.get(layer)
        if made is None or layer.volume is None:
            return
        if self._session.jobs.busy("cut"):
            self._wanted = layer, threshold
            return
        told, blobs, before = made
        self._session.jobs.start(
            "cut",
            tr("Moving the threshold"),
            lambda: _cut(told, blobs, threshold),
            succeeded=lambda labels: self._cut_done(layer, labels, before, threshold),
            failed=self._session.fail,
        )

    def _cut_done(
        self, layer: Layer, labels: Volume, before: float | None, threshold: float
    ) -> None:
        session, old = self._session, layer.volume
        if layer in session.layers and old is not None:
            told, blobs, _ = self._made[layer]

            def put(volume: Volume, at: float | None) -> None:
                layer.stack = volume
                self._made[layer] = (told, blobs, at)
                session.layer_changed.emit(layer, -1)

            undo, redo = (lambda: put(old, before)), (lambda: put(labels, threshold))
            session.undo.push(Deed(tr("Move threshold"), undo, redo))
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.cut(*wanted)


def _segment(
    volume: Volume,
    model: TrainedModel,
    blobs: Blobs,
    threshold: float | None,
    region: str | None,
    every: int,
) -> Work[tuple[Segmented, Volume]]:
    from ctstudio.learn.segment import segmenting

    told = yield from segmenting(volume, model, region=region, every=every)
    return told, told.labels(blobs, threshold)


def _cut(told: Segmented, blobs: Blobs, threshold: float) -> Work[Volume]:
    yield Progress(0, 1, "Moving the threshold")
    return told.labels(blobs, threshold)
