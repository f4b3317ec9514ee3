"""The log of this start: what Python's logging is told, and what the window tells."""

from __future__ import annotations

import logging
from collections import deque

from PySide6.QtCore import QObject, Signal, Slot

from ctstudio.gui.job import Job
from ctstudio.gui.session import Layer, Session
from ctstudio.workflows.problem_report import LogLine

MOST = 5000  # entries; the oldest go
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class LogBook(QObject):
    """Keeps the newest entries. Any thread may log; `added` arrives in the GUI thread."""

    added = Signal(object)  # LogLine
    _came = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.lines: deque[LogLine] = deque(maxlen=MOST)
        self._handler = _Handler(self)
        self._came.connect(self._add)  # from other threads: queued
        for name in ("ctstudio", "py.warnings"):
            logger = logging.getLogger(name)
            logger.addHandler(self._handler)
        self._log = logging.getLogger("ctstudio.window")
        self._before = logging.getLogger("ctstudio").level
        logging.getLogger("ctstudio").setLevel(logging.DEBUG)
        session.message.connect(self._message)
        session.trouble.connect(self._trouble)
        session.layer_added.connect(self._layer_added)
        session.jobs.started.connect(self._job_started)
        session.jobs.stopped.connect(self._job_stopped)

    def take(self, record: logging.LogRecord) -> None:
        """Take what was logged, in whatever thread."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        self._came.emit(LogLine(record.created, record.levelname, record.name, text))

    def clear(self) -> None:
        """Forget what was logged so far."""
        self.lines.clear()

    def end(self) -> None:
        """Listen no more."""
        for name in ("ctstudio", "py.warnings"):
            logging.getLogger(name).removeHandler(self._handler)
        logging.getLogger("ctstudio").setLevel(self._before)

    @Slot(object)
    def _add(self, line: LogLine) -> None:
        self.lines.append(line)
        self.added.emit(line)

    def _message(self, text: str, _milliseconds: int) -> None:
        self._log.info("%s", text)

    def _trouble(self, what: str, hint: str, details: str) -> None:
        self._log.warning("%s", "\n".join(part for part in (f"{what} {hint}", details) if part))

    def _layer_added(self, layer: Layer) -> None:
        size = " x ".join(str(n) for n in layer.stack.shape)
        self._log.debug("layer added: %s, %s %s", layer.kind, size, layer.stack.unit)

    def _job_started(self, job: Job) -> None:
        self._log.debug("job started: %s", job.objectName())

    def _job_stopped(self, job: Job) -> None:
        self._log.debug("job ended: %s", job.objectName())


class _Handler(logging.Handler):
    def __init__(self, book: LogBook) -> None:
        super().__init__(logging.DEBUG)
        self._book = book

    def emit(self, record: logging.LogRecord) -> None:
        self._book.take(record)
