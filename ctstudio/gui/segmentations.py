"""DICOM segmentations that were found: read onto their series once that is open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from ctstudio.core.events import Event, Note, Work
from ctstudio.gui.opening import Opener
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr

if TYPE_CHECKING:
    from ctstudio.ct.volume import Volume


class Segmentations(QObject):
    """Waits for a segmentation and its series, whichever is opened first, and joins them."""

    def __init__(self, session: Session, opener: Opener) -> None:
        super().__init__(session)
        self._session = session
        self._found: list[Path] = []
        self._tried: set[tuple[Layer, Path]] = set()
        self._shown: set[Path] = set()
        self._noted = False  # the last job said why, in its own words
        self._layer: Layer | None = None
        opener.segmented.connect(self._add)
        opener.completed.connect(lambda _layer: self._next())

    def _add(self, paths: list[Path]) -> None:
        self._found += [path for path in paths if path not in self._found]
        if not self._next() and not self._session.jobs.busy("read"):
            self._session.message.emit(
                tr("A segmentation was found: open the series that it was made on."), 10000
            )

    def _next(self) -> bool:
        """Begin with the first series that was not tried yet; whether there is an open series."""
        session = self._session
        whole = [la for la in session.layers if la.kind == "original" and la.complete]
        if session.closing or session.jobs.busy("labels"):
            return bool(whole)
        for layer in whole:
            volume = layer.volume
            paths = [path for path in self._found if (layer, path) not in self._tried]
            if volume is None or not paths:
                continue
            self._tried.update((layer, path) for path in paths)
            self._begin(layer, volume, paths)
            break
        else:
            if whole and not self._noted:
                self._tell_of_the_rest()
        return bool(whole)

    def _tell_of_the_rest(self) -> None:
        """Say what still waits for its series, once every open series was tried."""
        waiting = [path for path in self._found if path not in self._shown]
        if waiting and not self._session.jobs.busy("scan") and not self._session.jobs.busy("read"):
            one = len(waiting) == 1
            self._session.message.emit(
                tr("A segmentation was made on another series: open that too.")
                if one
                else tr("{0} segmentations were made on another series: open that too.").format(
                    len(waiting)
                ),
                10000,
            )

    def _begin(self, layer: Layer, volume: Volume, paths: list[Path]) -> None:
        self._layer, self._noted = layer, False
        self._session.jobs.start(
            "labels",
            tr("Reading labels"),
            lambda: _read(paths, volume),
            stepped=self._stepped,
            succeeded=self._done,
            failed=self._failed,
        )

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Note):
                self._noted = True
                self._session.message.emit(event.text, 10000)

    def _done(self, found: list[tuple[Path, str, Volume]]) -> None:
        layer = self._layer
        if layer is not None and layer in self._session.layers:
            for path, title, volume in found:
                self._shown.add(path)
                self._session.add_layer(Layer(title, "mask", volume, parent=layer))
        self._next()

    def _failed(self, error: Exception) -> None:
        self._session.report(error)
        self._next()


# The DICOM library takes a while to import: the job does it.
def _read(paths: list[Path], volume: Volume) -> Work[list[tuple[Path, str, Volume]]]:
    from ctstudio.workflows.open import read_labels

    found: list[tuple[Path, str, Volume]] = []
    for path in paths:
        fitting = yield from read_labels([path], volume)
        found += [(path, title, labels) for title, labels in fitting]
    return found
