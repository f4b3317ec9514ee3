"""Works done upon results: the guards after each, and on demand how sure the method is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject, QTimer, Signal

from ctstudio.core.events import Event, Note, Partial, SliceReady
from ctstudio.ct.views import Blend
from ctstudio.ct.volume import Volume
from ctstudio.gui.export_shots import frozen
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.learn.cards import Card
from ctstudio.workflows.denoise import Method
from ctstudio.workflows.guards import Finding, examine
from ctstudio.workflows.uncertainty import uncertainty

GUARDS, UNCERTAINTY = "guards", "uncertainty"
SETTLE_MS = 400  # a slider that is being dragged asks for one examination, not for fifty


@dataclass(frozen=True)
class Asked:
    """What a layer is examined with: the card of the network that made it, if it has one."""

    card: Card | None
    learnt: bool


@dataclass(frozen=True)
class Told:
    """What was found of a layer, as it was blended then."""

    share: float
    findings: list[Finding]


class Guards(QObject):
    """Examines each series when it has been denoised, and anew when it has been blended anew."""

    changed = Signal(object)  # Layer: something was found of it, or is out of date

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._asked: WeakKeyDictionary[Layer, Asked] = WeakKeyDictionary()
        self._told: WeakKeyDictionary[Layer, Told] = WeakKeyDictionary()
        self._waiting: list[Layer] = []
        self._now: Layer | None = None
        self._share = 1.0  # to which the layer was blended that is examined now
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._rested)
        session.layer_changed.connect(self._layer_changed)
        session.layer_added.connect(self._layer_back)
        session.layer_removed.connect(self._layer_removed)

    @property
    def pending(self) -> bool:
        """Whether a layer is examined, or will be in a moment."""
        return self._settle.isActive() or bool(self._waiting) or self._session.jobs.busy(GUARDS)

    def of(self, layer: Layer | None) -> list[Finding]:
        """What was found of a layer the last time."""
        told = self._told.get(layer) if layer is not None else None
        return told.findings if told is not None else []

    def share(self, layer: Layer) -> float:
        """How much of the denoised counted, from 0 to 1, when that was found."""
        told = self._told.get(layer)
        return told.share if told is not None else _share(layer)

    def current(self, layer: Layer) -> bool:
        """Whether that was found of the layer as it is blended now."""
        told = self._told.get(layer)
        return told is not None and told.share == _share(layer)

    def examine(self, layer: Layer, card: Card | None, *, learnt: bool = False) -> None:
        """Examine a denoised layer; ``learnt`` where a network made it that knows other scans."""
        self._asked[layer] = Asked(card, learnt)
        self._told.pop(layer, None)
        self._waiting.append(layer)
        self._start()

    def _start(self) -> None:
        jobs = self._session.jobs
        while self._waiting and not jobs.busy(GUARDS) and not self._session.closing:
            layer = self._waiting.pop(0)
            source = layer.parent
            if layer not in self._session.layers or source is None or self.current(layer):
                continue
            asked = self._asked[layer]
            self._now, self._share = layer, _share(layer)
            # The slider may move meanwhile; one list must not tell of two blends.
            result = frozen(layer.stack)
            jobs.start(
                GUARDS,
                tr("Checking the result"),
                partial(examine, source.stack, result, asked.card, learnt=asked.learnt),
                succeeded=self._done,
                cancelled=self._cancelled,
                failed=self._failed,
            )

    def _done(self, findings: list[Finding]) -> None:
        layer, self._now = self._now, None
        if layer is not None:
            self._told[layer] = Told(self._share, findings)
            self.changed.emit(layer)
        self._start()

    def _cancelled(self) -> None:
        layer, self._now = self._now, None
        if layer is not None and not (self._settle.isActive() or layer in self._waiting):
            # The user stopped it: what is known is of another blend and would stay so.
            self._told[layer] = Told(_share(layer), [])
            self.changed.emit(layer)
        self._start()

    def _failed(self, error: Exception) -> None:
        self._done([])
        self._session.report(error)

    # -- what happens to the layers --------------------------------------------------------------

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index >= 0 or layer not in self._asked:
            return
        if layer is self._now and self._share != _share(layer):
            self._stop()
        if not self.current(layer) and layer is not self._now:
            self._settle.start()
        self.changed.emit(layer)

    def _layer_back(self, layer: Layer) -> None:
        """A layer that was closed is there again, perhaps never examined to the end."""
        if layer in self._asked and not self.current(layer):
            self._settle.start()

    def _layer_removed(self, layer: Layer) -> None:
        if layer is self._now:
            self._stop()

    def _rested(self) -> None:
        for layer in self._session.layers:
            known = layer not in self._asked or self.current(layer)
            if not known and layer not in (self._now, *self._waiting):
                self._waiting.append(layer)
        self._start()

    def _stop(self) -> None:
        self._now = None
        job = self._session.jobs[GUARDS]
        if job is not None:
            job.cancel()


def _share(layer: Layer) -> float:
    """How much of the denoised counts in a layer."""
    return layer.stack.fraction if isinstance(layer.stack, Blend) else 1.0


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
        self._session.jobs.start(  # raises where one is running, whose layer is kept
            UNCERTAINTY,
            tr("Uncertainty: {0}").format(method.title),
            lambda: uncertainty(source, method, first=first),
            stepped=self._stepped,
            succeeded=self._done,
            cancelled=self._stopped,
            failed=self._failed,
        )
        self._parent, self._layer, self._volume = parent, None, None

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
