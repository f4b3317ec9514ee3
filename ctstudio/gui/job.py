"""The one class that starts a thread."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from ctstudio.core.events import Closed, Detail, Event, Partial, Preview, Progress, closing_when

DRAIN_MS = 33
NICE = 5  # more than the window's thread: where cores are short, that one goes first
STACK_BYTES = 16 * 2**20  # macOS gives a secondary thread 512 KB, too little for NumPy and torch


class Job(QThread):
    """Runs a generator of events in a thread and hands them to the GUI thread.

    ``run`` only stores events under a lock. A timer in the GUI thread drains them about 30 times
    a second: every event but pictures in order, and of the pictures only the newest, so that a
    slow screen never makes a queue grow. A `Partial`, the first thing there is to see, is handed
    over at once. After the thread's end there is one last drain and then
    exactly one of ``succeeded``, ``cancelled`` and ``failed``.

    Parameters
    ----------
    work
        Called in the thread; returns a generator of events whose return value is the result.
    title
        What the status bar shows.
    """

    stepped = Signal(object)  # list[Event]: all events but previews since the last drain, in order
    previewed = Signal(object)  # Preview: the newest
    detailed = Signal(object)  # Detail: the newest
    succeeded = Signal(object)
    cancelled = Signal()
    failed = Signal(object)
    ending = Signal()  # after the last drain, before exactly one of the three above
    ended = Signal()  # after it
    _hurried = Signal()

    def __init__(
        self,
        work: Callable[[], Generator[Event, None, Any]],
        title: str = "",
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.title = title
        self.progress = Progress(0, 0)
        # Work that knows better than its Progress events: (share done, seconds left), or None.
        self.estimate: Callable[[], tuple[float, float] | None] = lambda: None
        self.started_at = time.monotonic()
        self._work = work
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._preview: Preview | None = None
        self._detail: Detail | None = None
        self._cancel = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._outcome: tuple[str, Any] = ("cancelled", None)
        self.setStackSize(STACK_BYTES)
        self._timer = QTimer(self)
        self._timer.setInterval(DRAIN_MS)
        self._timer.timeout.connect(self._drain)
        self._hurried.connect(self._drain)  # from the thread to this object's: queued
        # `finished` is queued to this object's thread, the GUI's; isRunning() turns false earlier.
        self.finished.connect(self._end)

    def launch(self) -> None:
        """Start the thread and the drain. Call from the GUI thread."""
        self.started_at = time.monotonic()
        self._timer.start()
        self.start(QThread.Priority.LowPriority)

    def cancel(self) -> None:
        """Ask for the end; the generator is closed before its next step, or within one that asks
        (`go_on`). Returns at once."""
        self._cancel.set()
        self._running.set()

    @property
    def cancelling(self) -> bool:
        return self._cancel.is_set()

    def pause(self) -> None:
        """Do not ask for the next event until `resume`."""
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    def run(self) -> None:
        generator: Generator[Event, None, Any] | None = None
        _give_way()
        try:
            generator = self._work()
            while True:
                self._running.wait()
                if self._cancel.is_set():
                    break
                with closing_when(self._cancel.is_set):
                    event = next(generator)
                with self._lock:
                    if isinstance(event, Preview):
                        self._preview = event
                    elif isinstance(event, Detail):
                        self._detail = event
                    else:
                        self._events.append(event)
                if isinstance(event, Partial):
                    self._hurried.emit()
        except Closed:
            pass
        except StopIteration as stop:
            self._outcome = ("succeeded", stop.value)
        except Exception as error:
            self._outcome = ("failed", error)
        finally:
            if generator is not None:
                try:
                    generator.close()
                except Exception as error:  # a failing clean-up must not be silent
                    self._outcome = ("failed", error)

    @Slot()
    def _drain(self) -> None:
        with self._lock:
            events, self._events = self._events, []
            preview, self._preview = self._preview, None
            detail, self._detail = self._detail, None
        if events:
            for event in events:
                if isinstance(event, Progress):
                    self.progress = event
            self.stepped.emit(events)
        if preview is not None:
            self.previewed.emit(preview)
        if detail is not None and (preview is None or preview.step <= detail.step):
            self.detailed.emit(detail)

    @Slot()
    def _end(self) -> None:
        # The thread says that it has finished a moment before it has; whoever destroyed it in
        # between (the program's end does) would end the process.
        self.wait()
        self._timer.stop()
        self._drain()
        kind, value = self._outcome
        self._outcome = ("cancelled", None)
        self._work = _nothing  # the closure may hold volumes
        self.ending.emit()
        if kind == "succeeded":
            self.succeeded.emit(value)
        elif kind == "failed":
            self.failed.emit(value)
        else:
            self.cancelled.emit()
        self.ended.emit()


def _give_way() -> None:
    """Lower this thread's priority where Qt cannot, on Linux; threads that it starts inherit it."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)


def _nothing() -> Generator[Event, None, None]:
    yield from ()


class Jobs(QObject):
    """The running jobs, at most one a role ("read", "preview", "train", "export" ...)."""

    started = Signal(object)  # Job
    stopped = Signal(object)  # Job
    all_ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs: dict[str, Job] = {}
        self._ending: set[Job] = set()

    def __getitem__(self, role: str) -> Job | None:
        return self._jobs.get(role)

    def busy(self, *roles: str) -> bool:
        """Whether any job (of ``roles``, or at all) is running."""
        names = roles or tuple(self._jobs)
        return any(name in self._jobs for name in names)

    def start(
        self,
        role: str,
        title: str,
        work: Callable[[], Generator[Event, None, Any]],
        *,
        stepped: Callable[[list[Event]], None] | None = None,
        previewed: Callable[[Preview], None] | None = None,
        detailed: Callable[[Detail], None] | None = None,
        succeeded: Callable[[Any], None] | None = None,
        cancelled: Callable[[], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> Job:
        """Start ``work``; the callbacks run in the GUI thread (they must be QObject methods).

        Raises
        ------
        RuntimeError
            When the role is taken; callers disable their button or queue instead.
        """
        if role in self._jobs:
            raise RuntimeError(f"a {role} job is running already")
        job = Job(work, title, self)
        for signal, callback in (
            (job.stepped, stepped),
            (job.previewed, previewed),
            (job.detailed, detailed),
            (job.succeeded, succeeded),
            (job.cancelled, cancelled),
            (job.failed, failed),
        ):
            if callback is not None:
                signal.connect(callback)
        job.setObjectName(role)
        self._jobs[role] = job
        job.ending.connect(self._release)
        job.ended.connect(self._forget)
        self.started.emit(job)
        job.launch()
        return job

    @Slot()
    def _release(self) -> None:
        """Free the role before the ending's callbacks run, so that they may start the next job."""
        job = self.sender()
        if isinstance(job, Job) and self._jobs.get(job.objectName()) is job:
            del self._jobs[job.objectName()]
            self._ending.add(job)

    @Slot()
    def _forget(self) -> None:
        job = self.sender()
        if isinstance(job, Job):
            self._ending.discard(job)
            self.stopped.emit(job)
            job.deleteLater()
            if not self._jobs:
                self.all_ended.emit()

    def cancel_all(self) -> None:
        for job in list(self._jobs.values()):
            job.cancel()

    def wait(self) -> None:
        """Block until every thread has ended (after `cancel_all`, on the way out)."""
        for job in [*self._jobs.values(), *self._ending]:
            job.wait()
