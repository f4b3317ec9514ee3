"""The session kept while one works, so that a crash takes at most a few seconds of it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, QTimer

from ctstudio.core.events import Work
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.sessions.document import SUFFIX, Document
from ctstudio.workflows.sessions.writing import write

EVERY_MS = 10_000
ROLE = "autosave"
NAME = f"session{SUFFIX}"
LAYERS = "layers"


class Autosave(QObject):
    """Writes what is open into a folder of this process alone; a clean end removes the folder.

    A lock file beside it holds the process's number: a folder whose process is no more is what a
    crash left behind.
    """

    def __init__(
        self,
        session: Session,
        home: Path,
        document: Callable[[], tuple[Document, dict[str, Volume]]],
    ) -> None:
        super().__init__(session)
        self._session, self._home, self._document = session, home, document
        self._lock: QLockFile | None = None
        self._others: dict[Path, QLockFile] = {}  # left behind by crashes, and held
        self._superseded: list[Path] = []
        self._complained = False
        self._last = Document()
        self.folder = home / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.on = True  # off while a session is being opened
        self.wanted = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.save)

    # -- writing ---------------------------------------------------------------------------------

    def touch(self, *_: object) -> None:
        """Something has changed: write it before long."""
        if self.wanted and not self._timer.isActive() and not self._session.closing:
            self._timer.start()

    def set_wanted(self, on: bool) -> None:
        """Keep the session from now on, or not; what was kept goes then."""
        self.wanted = on
        if on:
            self.touch()
        else:
            self._timer.stop()
            self._last = Document()
            shutil.rmtree(self.folder, ignore_errors=True)

    def save(self) -> None:
        """Write the session as it is now, in the background."""
        session = self._session
        if session.closing:
            return
        if not self.on or session.jobs.busy(ROLE):
            self._timer.start()
            return
        document, volumes = self._document()
        if not document.layers:
            # What was left behind by a crash stays, until something takes its place.
            self._last = Document()
            self._remove(self.folder / NAME)
            return
        if not self._hold() or document == self._last:
            return
        self._last = document
        folder = self.folder
        session.jobs.start(
            ROLE,
            tr("Keeping the session"),
            lambda: _write(document, volumes, folder),
            succeeded=self._saved,
            cancelled=self._stopped,
            failed=self._failed,
        )

    def _hold(self) -> bool:
        """Make the folder, and the lock that says whose it is."""
        if self._lock is None:
            with suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(self.folder)
            if not lock.tryLock(0):
                self._failed(OSError(f"{self.folder} cannot be written to"))
                return False
            self._lock = lock
        return True

    def _saved(self, _document: Document) -> None:
        self._complained = False
        for folder in self._superseded:
            self.forget(folder)
        self._superseded.clear()

    def _stopped(self) -> None:
        self._last = Document()  # it was not written

    def _failed(self, error: Exception) -> None:
        self._stopped()
        if not self._complained:  # once: nobody asked for it
            self._complained = True
            self._session.message.emit(
                tr("The session is not kept against a crash: {0}").format(error), 15_000
            )

    # -- what crashes left behind ----------------------------------------------------------------

    def crashed(self) -> list[Path]:
        """The session files of processes that ended without leave, the newest first."""
        found: list[tuple[float, Path]] = []
        with suppress(OSError):
            for folder in self._home.iterdir():
                if not folder.is_dir() or folder == self.folder:
                    continue
                lock = self._others.get(folder) or _lock(folder)
                if folder not in self._others and not lock.tryLock(0):
                    continue  # its process is there
                self._others[folder] = lock
                if (folder / NAME).is_file():
                    found.append(((folder / NAME).stat().st_mtime, folder / NAME))
                else:
                    self.forget(folder)
        return [path for _, path in sorted(found, reverse=True)]

    def forget(self, folder: Path) -> None:
        """Remove what a crash left behind."""
        shutil.rmtree(folder, ignore_errors=True)
        lock = self._others.pop(folder, None)
        if lock is not None:
            lock.unlock()

    def supersede(self, folder: Path) -> None:
        """Remove it once what is open has been written anew."""
        self._superseded.append(folder)
        self.touch()

    def end(self) -> None:
        """The program ends as it should: nothing is left to be asked about."""
        self._timer.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in self._superseded:
            self.forget(folder)
        for lock in self._others.values():  # those that are to be asked about again
            lock.unlock()
        self._others.clear()
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None

    def _remove(self, path: Path) -> None:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _lock(folder: Path) -> QLockFile:
    lock = QLockFile(str(folder.with_name(f"{folder.name}.lock")))
    lock.setStaleLockTime(0)  # a session may last for weeks: the process's number alone tells
    return lock


def _write(document: Document, volumes: dict[str, Volume], folder: Path) -> Work[Document]:
    return (yield from write(document, folder / NAME, volumes, folder / LAYERS))
