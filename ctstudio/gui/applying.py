"""A whole series denoised in the background; the result grows as a layer."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Event, Note, Partial, Progress, SliceReady
from ctstudio.ct.views import Blend, Difference
from ctstudio.ct.volume import Volume
from ctstudio.gui.job import Job
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.denoise import Method, NetworkMethod
from ctstudio.workflows.figures.naming import difference_title, series_title
from ctstudio.workflows.scan_alone import ScanAlone
from ctstudio.workflows.sparing import Sparing


class Applier(QObject):
    """Runs one method on one series at a time."""

    started = Signal(object)  # Layer, when its first slices are on the way
    finished = Signal(object)  # Layer, with every slice
    said = Signal(str)  # what goes on, in words
    ended = Signal()  # in whatever way

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._source: Layer | None = None
        self._method: Method | None = None
        self._layer: Layer | None = None
        self._fraction = 1.0
        self._of: WeakKeyDictionary[Layer, Method] = WeakKeyDictionary()
        session.layer_removed.connect(self._layer_removed)

    def start(self, source: Layer, volume: Volume, method: Method, fraction: float = 1.0) -> Job:
        """Denoise ``volume``, the stack of ``source``; ``fraction`` is the blend to show first."""
        shown = self._session.visible_slice(source)
        job = self._session.jobs.start(  # raises where one is running, whose layer is kept
            "denoise",
            tr("Denoising: {0}").format(method.title),
            lambda: method.denoise(volume, first=shown),
            stepped=self._stepped,
            succeeded=self._done,
            cancelled=self._stopped,
            failed=self._failed,
        )
        self._source, self._method, self._layer = source, method, None
        self._fraction = fraction
        return job

    @property
    def _plain(self) -> Method | None:
        """The method without the places that it spares."""
        method = self._method
        return method.method if isinstance(method, Sparing) else method

    def method_of(self, layer: Layer) -> Method | None:
        """The method that made a layer here, able to denoise single slices; None where not known.

        A method that learns is replaced by the network that it made.
        """
        return self._of.get(layer)

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                if self._source in self._session.layers:
                    self._make_layers(event.value)
            elif isinstance(event, Partial) and isinstance(event.value, NetworkMethod):
                if self._layer is not None:
                    self._of[self._layer] = event.value  # it has learnt
            elif isinstance(event, SliceReady) and self._layer is not None:
                self._session.layer_changed.emit(self._layer, event.index)
            elif isinstance(event, Note):
                self._session.message.emit(event.text, 8000)
            elif isinstance(event, Progress) and isinstance(self._plain, ScanAlone):
                self.said.emit(tr(event.text))
            elif isinstance(event, Progress) and self._source is not None:
                # A network may count in tiles, several to a slice.
                count = len(self._source.stack)
                self.said.emit(
                    tr("Slice {0} of {1}").format(event.done * count // max(1, event.total), count)
                )

    def _make_layers(self, volume: Volume) -> Layer:
        source, method = self._source, self._method
        assert source is not None
        assert method is not None
        blend = Blend(source.stack, volume, self._fraction)
        layer = self._session.add_layer(
            Layer(method.title, "denoised", blend, source, complete=False, note=method.description)
        )
        name = difference_title(layer.name, series_title(source.stack, 1))
        residual = self._session.add_layer(
            Layer(name, "residual", Difference(source.stack, blend), layer)
        )
        self._layer = layer
        self._of[layer] = method
        self.started.emit(layer)
        self._session.hang.emit([source, layer, residual])
        return layer

    def _done(self, volume: Volume) -> None:
        if self._source not in self._session.layers:
            self._stopped()
            return
        layer = self._layer or self._make_layers(volume)
        assert isinstance(layer.stack, Blend)
        layer.stack.other = volume
        layer.complete = True
        self._layer = None
        self._session.layer_changed.emit(layer, -1)
        told = tr("{0}: all {1} slices are done.").format(layer.name, len(volume))
        self.said.emit(told if len(volume) > 1 else tr("{0}: done.").format(layer.name))
        self.ended.emit()
        self.finished.emit(layer)

    def _stopped(self) -> None:
        layer, self._layer = self._layer, None
        if layer is not None:
            source = layer.parent
            self._session.remove_layer(layer)
            if source in self._session.layers:
                self._session.hang.emit([source])
        self.said.emit(tr("Cancelled; nothing was changed."))
        self.ended.emit()

    def _failed(self, error: Exception) -> None:
        self._stopped()
        self.said.emit(" ")
        self._session.report(error)

    def _layer_removed(self, layer: Layer) -> None:
        """The layer that grows, or its source, was closed: the work is no longer wanted."""
        job = self._session.jobs["denoise"]
        if job is not None and layer in (self._layer, self._source):
            job.cancel()
