"""Encoders that take turns, so that a film is written by as many cores as there are.

An encoder that answers every frame at once works on one core alone. Here several of them get runs
of frames, each of which begins with a picture that needs none before it, and so they work at the
same time; their packets are one stream.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ctstudio.figures.planes import Planes

LONGEST_RUN = 48
"""Frames; a picture that needs none before it takes three times the work of another."""
SHORTEST_RUN = 4
WAITING_BYTES = 128_000_000


class Turns:
    """Frames to packets, in order, by encoders each of which has a thread of its own.

    Parameters
    ----------
    contexts
        PyAV's codec contexts, alike. Several must answer each frame with its packet at once.
    frame_bytes
        About what a frame takes.
    total
        How many frames there will be, as far as it is known: the runs are such that all encoders
        end at about the same time.
    waiting_bytes
        Of frames that wait for their encoder at most. One that is slower than the drawing lets
        as many wait as it may.
    """

    def __init__(
        self,
        contexts: Sequence[Any],
        frame_bytes: int,
        total: int,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        self._contexts = contexts
        self._threads = [ThreadPoolExecutor(1, "film") for _ in contexts]
        room = waiting_bytes // (len(contexts) * frame_bytes)
        longest = min(max(room, SHORTEST_RUN), LONGEST_RUN)
        turns = len(contexts) * math.ceil(max(total, 1) / (len(contexts) * longest))
        self._run = max(math.ceil(total / turns), SHORTEST_RUN)
        self._waiting: deque[Future[list[Any]]] = deque()
        self.given = 0  # frames
        self._ended = False

    def add(self, planes: Planes) -> Iterator[list[Any]]:
        """Take the next frame; give the packets of earlier ones, a list for each, when done."""
        turn, place = divmod(self.given, self._run)
        number = turn % len(self._contexts)
        context, thread = self._contexts[number], self._threads[number]
        self._waiting.append(thread.submit(_encode, context, planes, self.given, place == 0))
        self.given += 1
        while self._waiting and (
            self._waiting[0].done() or len(self._waiting) > self._run * len(self._contexts)
        ):
            yield self._waiting.popleft().result()

    def rest(self) -> Iterator[list[Any]]:
        """The packets of all frames that are left."""
        while self._waiting:
            yield self._waiting.popleft().result()
        self._ended = True
        for context, thread in zip(self._contexts, self._threads, strict=True):
            if last := thread.submit(context.encode, None).result():
                yield last

    def close(self) -> None:
        """End the threads; what has not begun is dropped."""
        for thread in self._threads:
            thread.shutdown(wait=True, cancel_futures=True)
        from av.error import FFmpegError

        for context in self._contexts:
            if context.is_open and not self._ended:
                # An encoder that is not told of the end complains of it on the console.
                with suppress(FFmpegError):
                    context.encode(None)
        self._ended = True


def _encode(context: Any, planes: Planes, number: int, alone: bool) -> list[Any]:
    """The packets of a frame, which needs none before it where it stands ``alone``."""
    from av.video.frame import PictureType

    frame = planes.frame()
    frame.pts = number
    if alone:
        frame.pict_type = PictureType.I
    packets: list[Any] = context.encode(frame)
    return packets
