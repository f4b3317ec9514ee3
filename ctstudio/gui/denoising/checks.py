"""Works done upon results: the guards after each, and on demand how sure the method is."""

from __future__ import annotations

from functools import partial
from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Event, Note, Partial, SliceReady
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.learn.cards import Card
from ctstudio.workflows.denoise import Method
from ctstudio.workflows.guards import Finding, examine
from ctstudio.workflows.uncertainty import uncertainty

GUARDS, UNCERTAINTY = "guards", "uncertainty"


class Guards(QObject):
    """Examines each series when it has been denoised, one after another."""

    found = Signal(object)  # Layer

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._found: WeakKeyDictionary[Layer, list[Finding]] = WeakKeyDictionary()
        self._waiting: list[tuple[Layer, Card | None]] = []
        self._now: Layer | None = None

    def of(self, layer: Layer | None) -> list[Finding]:
        """What was found of a layer so far."""
        return self._found.get(layer, []) if layer is not None else []

    def examine(self, layer: Layer, card: Card | None) -> None:
        """Examine a denoised layer, with the card of the network that made it, if it has one."""
        self._waiting.append((layer, card))
        self._start()

    def _start(self) -> None:
        jobs = self._session.jobs
        while self._waiting and not jobs.busy(GUARDS) and not self._session.closing:
            layer, card = self._waiting.pop(0)
            source = layer.parent
            if layer not in self._session.layers or source is None or source.stack.unit != "HU":
                continue
            self._now = layer
            jobs.start(
                GUARDS,
                tr("Checking the result"),
                partial(examine, source.stack, layer.stack, card),
                succeeded=self._done,
                cancelled=self._ended,
                failed=self._failed,
            )

    def _done(self, findings: list[Finding]) -> None:
        layer = self._now
        self._ended()
        if layer is not None:
            self._found[layer] = findings
            self.found.emit(layer)

    def _ended(self) -> None:
        self._now = None
        self._start()

    def _failed(self, error: Exception) -> None:
        self._ended()
        self._session.report(error)


class Uncertainty(QObject):
    """Asks a method eight times for every slice; the spread of its answers grows as a layer."""

    ended = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._parent: Layer | None = None
        self._layer: Layer | None = None
        self._volume: Volume | None = None
        session.layer_removed.connect(self._layer_removed)

    def start(self, parent: Layer, source: Volume, method: Method, first: int) -> None:
        """``parent`` is the layer beside which the result is shown, ``first`` the slice on it."""
        self._parent, self._layer, self._volume = parent, None, None
        self._session.jobs.start(
            UNCERTAINTY,
            tr("Uncertainty: {0}").format(method.title),
            lambda: uncertainty(source, method, first=first),
            stepped=self._stepped,
            succeeded=self._done,
            cancelled=self._stopped,
            failed=self._failed,
        )

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                self._volume = event.value
            elif isinstance(event, SliceReady):
                if self._layer is None:
                    self._show()  # only now is there a slice to find a window by
                elif self._layer in self._session.layers:
                    self._session.layer_changed.emit(self._layer, event.index)
            elif isinstance(event, Note):
                self._session.message.emit(event.text, 8000)

    def _show(self) -> None:
        parent, volume = self._parent, self._volume
        if parent is None or volume is None or parent not in self._session.layers:
            return
        name = f"Uncertainty: {parent.name}"
        note = volume.derivation[-1]
        layer = Layer(name, "uncertainty", volume, parent, complete=False, note=note)
        self._layer = self._session.add_layer(layer)
        beside = [la for la in (parent.parent, parent, self._layer) if la is not None]
        self._session.hang.emit(beside)

    def _done(self, _volume: Volume) -> None:
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._session.layers:
            layer.complete = True
            self._session.layer_changed.emit(layer, -1)
        self.ended.emit()

    def _stopped(self) -> None:
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._session.layers:
            self._session.remove_layer(layer)
        self.ended.emit()

    def _failed(self, error: Exception) -> None:
        self._stopped()
        self._session.report(error)

    def _layer_removed(self, layer: Layer) -> None:
        job = self._session.jobs[UNCERTAINTY]
        if job is not None and layer in (self._layer, self._parent):
            job.cancel()
