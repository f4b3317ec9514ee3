"""Long work in stages: each passes on what concerns whoever only waits for the end."""

from __future__ import annotations

from typing import TypeVar

from ctstudio.core.events import Event, Note, Progress, Work, relay

T = TypeVar("T")


def stage(work: Work[T], text: str) -> Work[T]:
    """Run ``work``, passing on its notes and its progress under the name ``text``."""

    def told(event: Event) -> Event | None:
        if isinstance(event, Progress):
            return Progress(event.done, event.total, text)
        return event if isinstance(event, Note) else None

    return relay(work, told)


def within(work: Work[T], whole: Progress) -> Work[T]:
    """Run ``work``, passing on its notes, and ``whole`` wherever else it may be stopped."""
    return relay(work, lambda event: event if isinstance(event, Note) else whole)
