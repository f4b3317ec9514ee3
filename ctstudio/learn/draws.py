"""What a training learns from, step by step: batches, some of them drawn ahead."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

import torch

from ctstudio.learn.recipe import Recipe
from ctstudio.learn.tasks import Batch, Task

MOST_DRAWN = 16  # batches at once
DRAWN_PIXELS = 2**20
DRAWS_APART = 2**31  # so many draws of a training have seeds that no other seed's training has


class Draws:
    """The batches of a training that is shared by ``count`` processes.

    Some steps' batches are drawn at once, and on a CPU the next ones by a thread of their own while
    the network learns from these. The number of the draw decides it, so that a resumed training
    needs to know no more than how many batches were taken.
    """

    def __init__(self, recipe: Recipe, task: Task, count: int, device: torch.device) -> None:
        self._seed, self._task = recipe.seed * DRAWS_APART, task
        patches = recipe.batch * recipe.patch_px**2 * count
        self._ahead = min(max(DRAWN_PIXELS // patches, 1), MOST_DRAWN)
        self._drawn: list[Batch] = []
        self._next: tuple[int, Future[list[Batch]]] | None = None
        self._thread: ThreadPoolExecutor | None = None
        if device.type == "cpu":
            self._thread = ThreadPoolExecutor(1, "draws")

    def batch(self, number: int) -> Batch:
        """The batch after ``number`` others, the next one each time.

        Raises what the task raises; MemoryError or RuntimeError where memory is short.
        """
        if not self._drawn:
            draw, taken = divmod(number, self._ahead)
            self._drawn = self._taken(draw)[taken:]
        return self._drawn.pop(0)

    def forget(self) -> None:
        """Draw anew from here; nothing is being drawn when it returns."""
        self._drawn.clear()
        if self._next is not None:
            _, drawn = self._next
            if not drawn.cancel():
                wait([drawn])
            self._next = None

    def close(self) -> None:
        """Draw no more."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _taken(self, draw: int) -> list[Batch]:
        if self._thread is None:
            return self._draw(draw)
        if self._next is not None and self._next[0] == draw:
            drawn = self._next[1]
        else:
            self.forget()
            drawn = self._thread.submit(self._draw, draw)
        self._next = None
        batches = drawn.result()
        self._next = draw + 1, self._thread.submit(self._draw, draw + 1)
        return batches

    def _draw(self, draw: int) -> list[Batch]:
        generator = torch.Generator().manual_seed(self._seed + draw)
        return self._task.draw(generator, self._ahead)
