"""What long work tells whoever drives it.

Every long function is a generator of these events and returns its result
(``result = yield from work()``). The command line prints them, the window's job drains them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` units are finished; ``total`` 0 means that the end is not known."""

    done: int
    total: int
    text: str = ""


@dataclass(frozen=True)
class Step:
    """One optimiser step: its losses by name, the learning rate and the seconds since the start."""

    step: int
    epoch: float
    losses: Mapping[str, float]
    lr: float
    seconds: float


@dataclass(frozen=True)
class Preview:
    """A live picture: named panels, each ``(y, x)`` float32 in ``unit``, read-only.

    ``slice`` is the index of the slice shown; ``panels`` keep their order, left to right. Where
    ``labels`` is set, the panels but the first hold class numbers and differences of them, and
    ``inside`` ``(y, x)`` float32 tells how likely a pixel is of any class but 0.
    """

    step: int
    slice: int
    panels: Mapping[str, NDArray[np.float32]]
    unit: str = "HU"
    metrics: Mapping[str, float] = field(default_factory=dict)
    labels: bool = False
    inside: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Detail:
    """A part of a live picture, made more often than the whole: ``(y, x)`` float32 in HU.

    Its first pixel lies at ``top``, ``left`` of the slice shown by `Preview`.
    """

    step: int
    top: int
    left: int
    reconstruction: NDArray[np.float32]


@dataclass(eq=False)
class Look:
    """What whoever watches a training looks at closely; may be changed at any time.

    ``region`` is (top, left, height, width) in pixels of the slice shown, or None. ``save`` asks
    for a checkpoint as soon as may be; it turns false when that was tried. ``end`` asks the
    training to end after its present step: it is judged and shown once more.
    """

    region: tuple[int, int, int, int] | None = None
    save: bool = False
    end: bool = False


@dataclass(eq=False)
class Gaze:
    """The slice that somebody looks at while a volume is read; may be changed at any time."""

    slice: int | None = None


@dataclass(frozen=True)
class Validation:
    """Metrics on held-out slices under a named protocol; ``baseline`` is the noisy input's."""

    step: int
    protocol: str
    metrics: Mapping[str, float]
    baseline: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class GradientNorms:
    """How long the gradient of each layer's weights is (Euclidean norm), the first layer first."""

    step: int
    epoch: float
    norms: Mapping[str, float]


@dataclass(frozen=True)
class SliceReady:
    """Slice ``index`` of the volume that is being read or made has arrived."""

    index: int


@dataclass(frozen=True)
class Partial:
    """The result so far, usable while the rest arrives (a volume whose slices stream in)."""

    value: object


@dataclass(frozen=True)
class Saved:
    """A file was written."""

    step: int
    path: Path


@dataclass(frozen=True)
class Note:
    """Something that the user should know: a warning, a decision taken on their behalf."""

    text: str


Event: TypeAlias = (
    Progress
    | Step
    | Preview
    | Detail
    | Validation
    | GradientNorms
    | SliceReady
    | Partial
    | Saved
    | Note
)

T = TypeVar("T")
Work: TypeAlias = Generator[Event, None, T]


def relay(work: Work[T], change: Callable[[Event], Event | None]) -> Work[T]:
    """Run ``work``, passing on what ``change`` makes of each event; None is passed over.

    Whoever ends this early ends ``work``.
    """
    try:
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if (told := change(event)) is not None:
                yield told
    finally:
        work.close()


def finish(work: Work[T]) -> T:
    """Run ``work`` to its end, dropping its events, and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


class Closed(GeneratorExit):
    """Work was closed within a step and not between two; it ends as if it had been between."""


_unwanted: ContextVar[Callable[[], bool] | None] = ContextVar("unwanted", default=None)


@contextmanager
def closing_when(unwanted: Callable[[], bool]) -> Iterator[None]:
    """Let `go_on` close the work that is driven herein, and in this thread, once ``unwanted``."""
    token = _unwanted.set(unwanted)
    try:
        yield
    finally:
        _unwanted.reset(token)


def go_on() -> None:
    """To be called now and then within a step that takes seconds, where it can be given up.

    Raises
    ------
    Closed
        When whoever drives the work wants no more of it. Once only: what is done on the way out is
        not disturbed.
    """
    unwanted = _unwanted.get()
    if unwanted is not None and unwanted():
        _unwanted.set(None)
        raise Closed
