"""A session opened: what is open goes, series and layers come back, then how they were seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Event, Note, Partial
from ctstudio.gui.opening import Opener
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.sessions.capture import Capture
from ctstudio.gui.sessions.parts import Part, restore_all
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.workflows.sessions.document import Document
from ctstudio.workflows.sessions.reopen import Reopened, reopen

ROLE = "session"


class Restorer(QObject):
    """Opens one session at a time."""

    restored = Signal(object, bool)  # Document; whether nothing of it is missing
    ended = Signal()  # in whatever way

    def __init__(
        self, session: Session, opener: Opener, capture: Capture, parts: Mapping[str, Part]
    ) -> None:
        super().__init__(session)
        self._session, self._opener = session, opener
        self._capture, self._parts = capture, parts
        self._layers: dict[str, Layer] = {}
        self._document = Document()

    def start(self, document: Document, store: Path) -> bool:
        """Close what is open and open ``document``; whether that has begun."""
        session = self._session
        if session.jobs.busy("train", "denoise", "simulate", "mend", ROLE):
            session.message.emit(
                tr("Wait for the running job, or stop it, and open it then."), 8000
            )
            return False
        for role in ("scan", "read"):
            if (job := session.jobs[role]) is not None:
                job.cancel()
        for layer in list(session.layers):
            session.remove_layer(layer)
        session.undo.clear()
        self._layers, self._document = {}, document
        session.jobs.start(
            ROLE,
            tr("Opening the session"),
            lambda: reopen(document, store),
            stepped=self._stepped,
            succeeded=self._done,
            cancelled=self._cancelled,
            failed=self._failed,
        )
        return True

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, Reopened):
                self._add(event.value)
            elif isinstance(event, Note):
                self._session.message.emit(event.text, 8000)

    def _add(self, found: Reopened) -> None:
        kept, session = found.kept, self._session
        series = None
        if found.series is not None:
            (series,) = session.add_series([found.series])
        parent = self._layers.get(kept.parent)
        if kept.parent and parent is None:
            return  # it was closed meanwhile
        layer = Layer(
            kept.name, kept.kind, found.stack, parent, series,
            note=kept.note, noise_free=kept.noise_free, likely=found.likely,
        )  # fmt: skip
        self._layers[kept.key] = layer
        self._capture.name(layer, kept)
        session.add_layer(layer)
        if kept.kind == "original":
            session.layer_changed.emit(layer, -1)  # all of it is there
            self._opener.opened.emit(layer)

    def _layer(self, key: str) -> Layer | None:
        layer = self._layers.get(key)
        return layer if layer in self._session.layers else None

    def _done(self, lost: tuple[str, ...]) -> None:
        session, document = self._session, self._document
        troubles = [*lost, *restore_all(self._parts, document.state, self._layer)]
        session.undo.clear()  # what was restored is where undoing begins
        if troubles:
            count = len(troubles)
            more = tr(" ({0} more)").format(count - 1) if count > 1 else ""
            session.trouble.emit(
                tr("Not all of the session could be restored. {0}{1}").format(
                    said(troubles[0]), more
                ),
                "",
                "\n".join(map(said, troubles)),
            )
        self._capture.note_opened(list(document.sources))
        self.restored.emit(document, not troubles)
        self._forget()

    def _cancelled(self) -> None:
        self._session.message.emit(tr("The rest of the session was not opened."), 8000)
        self._forget()

    def _failed(self, error: Exception) -> None:
        self._session.report(error)
        self._forget()

    def _forget(self) -> None:
        self._layers, self._document = {}, Document()
        self.ended.emit()
