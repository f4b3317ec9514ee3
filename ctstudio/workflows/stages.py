"""Long work in stages: each passes on what concerns whoever only waits for the end."""

from __future__ import annotations

from typing import TypeVar

from ctstudio.core.events import Note, Progress, Work

T = TypeVar("T")


def stage(work: Work[T], text: str) -> Work[T]:
    """Run ``work``, passing on its notes and its progress under the name ``text``."""
    try:
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(event, Progress):
                yield Progress(event.done, event.total, text)
            elif isinstance(event, Note):
                yield event
    finally:
        work.close()
