"""Drives long work on the command line: a bar with the time left, and a clean end on Ctrl+C.

The work does not end because nobody can read of its progress any more.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from ctstudio.core.events import Event, Note, Progress, Work

T = TypeVar("T")

SPARSE_SECONDS = 10.0
"""Without a terminal, at most one line in this time ..."""

QUIET_SECONDS = 2.0
"""... and none for a stage that is over within this time."""


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Stopped(KeyboardInterrupt):
    """The user (or the system) asked to stop, and the work has cleaned up.

    ``exit_code`` is 128 and the signal's number, as a shell expects it.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def drain(
    work: Work[T],
    title: str = "",
    *,
    on_event: Callable[[Event], str | None] | None = None,
    end: Callable[[], bool] | None = None,
) -> T:
    """Run ``work`` to its end, showing its progress on stderr, and return its result.

    Parameters
    ----------
    work
        A generator of events.
    title
        Stands before the bar where an event brings no text of its own.
    on_event
        Called with each event; a text that it returns is printed as a line above the bar.
    end
        Called at the first Ctrl+C or SIGTERM to ask the work to come to an end by itself; False
        where it cannot be asked yet.

    Raises
    ------
    Stopped
        After Ctrl+C, SIGTERM, or SIGHUP, which comes when a terminal is closed. The work has come
        to its own end, or is closed at its next event so that it can clean up; a second Ctrl+C
        does not wait for that.
    """
    ending = False
    meter = _meter(title)
    with _asked_to_stop() as asked:
        try:
            while True:
                try:
                    event = next(work)
                except StopIteration as stop:
                    _stop_if(asked())
                    result: T = stop.value
                    return result
                if asked() and not ending:
                    ending = end is not None and end()
                    _stop_if(0 if ending else asked())
                line = on_event(event) if on_event else None
                try:
                    if isinstance(event, Progress):
                        meter.update(event)
                    elif isinstance(event, Note):
                        meter.line(f"Note: {event.text}")
                    if line:
                        meter.line(line)
                except (OSError, ValueError):
                    meter = _Silence()
        finally:
            work.close()
            with suppress(OSError, ValueError):
                meter.close()


def _stop_if(number: int) -> None:
    if number:
        raise Stopped(number)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], int]]:
    """Turn the first Ctrl+C, SIGTERM or SIGHUP into a number to ask for, 0 until then.

    So no work is broken off between two events. What is ignored (nohup) stays ignored.
    """
    requests: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if requests:
            raise KeyboardInterrupt
        requests.append(number)
        with suppress(OSError, ValueError, RuntimeError):  # or in the midst of another print
            print("\nStopping (once more to stop at once) ...", file=sys.stderr, flush=True)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    heard = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    heard = [number for number in heard if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, ask) for number in heard}
    try:
        yield lambda: requests[0] if requests else 0
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _meter(title: str) -> _Bar | _Lines | _Silence:
    try:
        return _Bar(title) if sys.stderr.isatty() else _Lines(title)
    except (AttributeError, ValueError):  # there is none, or it is closed
        return _Silence()


class _Silence:
    """Nobody listens, and whatever is said from now on goes nowhere."""

    def __init__(self) -> None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  closed with the process

    def update(self, event: Progress) -> None:
        pass

    def line(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines:
    """Progress without a terminal: a line now and again."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._stage: tuple[str, int] | None = None
        self._started = self._printed = 0.0

    def update(self, event: Progress) -> None:
        now = time.monotonic()
        stage = (event.text or self._title, event.total)
        if stage != self._stage:
            self._stage, self._started = stage, now
            self._printed = now - SPARSE_SECONDS + QUIET_SECONDS
        if now - self._printed < SPARSE_SECONDS:
            return
        self._printed = now
        self.line(_describe(event, self._title, now - self._started))

    def line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


class _Bar:
    """tqdm's bar on a terminal; a new one when the stage changes."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None
        self._total = -1

    def update(self, event: Progress) -> None:
        from tqdm import tqdm

        text = event.text or self._title
        if self._bar is None or event.total != self._total or event.done < self._bar.n:
            self.close()
            self._total = event.total
            self._bar = tqdm(
                total=event.total or None, leave=False, file=sys.stderr, dynamic_ncols=True
            )
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(event.done - self._bar.n)

    def line(self, text: str) -> None:
        if self._bar is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _describe(event: Progress, title: str, seconds: float) -> str:
    text = event.text or title or "Working"
    if event.total <= 0:
        return f"{text} ..."
    line = f"{text}: {event.done}/{event.total} ({100 * event.done // event.total} %)"
    if event.done and seconds >= 1 and event.done < event.total:
        line += f", {_clock(seconds / event.done * (event.total - event.done))} left"
    return line


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
