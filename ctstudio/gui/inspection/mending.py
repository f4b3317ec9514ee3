"""What is odd about a layer, and layers mended in the background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Event, Note, Work
from ctstudio.ct.resample import Fix
from ctstudio.ct.volume import Volume
from ctstudio.gui.job import Job
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr

if TYPE_CHECKING:
    from ctstudio.dicom.irregularities import Irregularity


def oddities_of(layer: Layer) -> tuple[Irregularity, ...]:
    """What is odd about ``layer``: of a scan as acquired also what its files mixed or left out."""
    from ctstudio.dicom.irregularities import OF_STACKS
    from ctstudio.workflows.mend import oddities

    series, volume = layer.root.series, layer.volume
    if series is None or volume is None or not layer.complete:
        return ()
    found = oddities(series, volume.geometry)
    if layer.kind == "original":
        return found
    return tuple(odd for odd in found if odd.kind in OF_STACKS)


class Mender(QObject):
    """Mends one layer at a time; what comes of it are layers beside it."""

    mended = Signal(object)  # list[Layer]
    changed = Signal()  # it has begun, or ended in whatever way

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._source: Layer | None = None
        self._fixes: tuple[Fix, ...] = ()
        self._job: Job | None = None
        session.layer_removed.connect(self._layer_removed)

    @property
    def busy(self) -> bool:
        """Whether a layer is being mended."""
        return self._session.jobs.busy("mend")

    def start(self, source: Layer, fixes: Sequence[Fix]) -> Job | None:
        """Apply ``fixes`` to ``source`` in the background."""
        volume = source.volume
        if volume is None or not source.complete or self.busy:
            self._session.message.emit(tr("Wait until the series is read, or mended."), 6000)
            return None
        self._source, self._fixes = source, tuple(fixes)
        self._job = self._session.jobs.start(
            "mend",
            tr("Mending {0}").format(source.name),
            lambda: _mend(volume, fixes),
            stepped=self._stepped,
            succeeded=self._done,
            cancelled=self.changed.emit,
            failed=self._failed,
        )
        self.changed.emit()
        return self._job

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Note):
                self._session.message.emit(event.text, 8000)

    def _done(self, volumes: list[Volume]) -> None:
        from ctstudio.workflows.mend import names

        source = self._source
        # Cancelled in its last moment it ends well, but is wanted no more.
        unwanted = self._job is not None and self._job.cancelling
        if unwanted or source is None or source not in self._session.layers:
            self.changed.emit()
            return
        titles = names(source.name, self._fixes, len(volumes))
        layers = [
            self._session.add_layer(
                Layer(title, "mended", volume, source, note=volume.derivation[-1])
            )
            for volume, title in zip(volumes, titles, strict=True)
        ]
        self._session.hang.emit([source, *layers])
        self.mended.emit(layers)
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        self._session.report(error)
        self.changed.emit()

    def _layer_removed(self, layer: Layer) -> None:
        """The layer that is being mended was closed: the work is no longer wanted."""
        job = self._session.jobs["mend"]
        if job is not None and layer is self._source:
            job.cancel()


def _mend(volume: Volume, fixes: Sequence[Fix]) -> Work[list[Volume]]:
    from ctstudio.workflows.mend import mend

    return (yield from mend(volume, fixes))
