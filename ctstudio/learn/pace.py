"""The training's clock, and budgets for what interrupts it."""

from __future__ import annotations

import time
from typing import TypeVar

from ctstudio.core.events import Work

T = TypeVar("T")


class Clock:
    """Seconds since `start`, without those in which nobody asked for the next event.

    A paused training does not use up its time, and a slow screen does not either.
    """

    def __init__(self) -> None:
        self._away = 0.0
        self._origin = time.perf_counter()

    def start(self, at: float = 0.0) -> None:
        """Begin at ``at`` seconds."""
        self._away = 0.0
        self._origin = time.perf_counter() - at

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._origin - self._away

    def drive(self, work: Work[T]) -> Work[T]:
        """Run ``work`` with the clock stopped while its events are out."""
        try:
            while True:
                event = next(work)
                left = time.perf_counter()
                yield event
                self._away += time.perf_counter() - left
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            work.close()


class Budget:
    """Says when a costly side job is due, so that it takes at most a share of the time.

    One early turn is granted on credit: the first picture of a training matters most.

    Parameters
    ----------
    share
        Of the time, 0 to 1; 0 for never.
    least_s
        Never more often than this.
    """

    def __init__(self, share: float, least_s: float = 0.5) -> None:
        self.share = share
        self.least_s = least_s
        self._spent = 0.0
        self._cost = 0.0
        self._last = 0.0

    def due(self, seconds: float) -> bool:
        """Whether the job may run now, ``seconds`` into the training."""
        return (
            self.share > 0
            and seconds - self._last >= self.least_s
            and self._spent <= self.share * seconds
        )

    def spent(self, began: float, ended: float) -> None:
        """Tell that the job ran from ``began`` to ``ended`` seconds into the training."""
        self._spent += ended - began
        self._last = ended
