"""What a training learns from, step by step: batches, some of them drawn ahead."""

from __future__ import annotations

import torch

from ctstudio.learn.recipe import Recipe
from ctstudio.learn.tasks import Batch, Task

MOST_DRAWN = 16  # batches at once
DRAWN_PIXELS = 2**20
DRAWS_APART = 2**31  # so many draws of a training have seeds that no other seed's training has


class Draws:
    """The batches of a training that is shared by ``count`` processes.

    Some steps' batches are drawn at once. The number of the draw decides it, so that a resumed
    training needs to know no more than how many batches were taken.
    """

    def __init__(self, recipe: Recipe, task: Task, count: int) -> None:
        self._seed, self._task = recipe.seed * DRAWS_APART, task
        self._generator = torch.Generator()
        patches = recipe.batch * recipe.patch_px**2 * count
        self._ahead = min(max(DRAWN_PIXELS // patches, 1), MOST_DRAWN)
        self._drawn: list[Batch] = []

    def batch(self, number: int) -> Batch:
        """The batch after ``number`` others, the next one each time."""
        if not self._drawn:
            draw, taken = divmod(number, self._ahead)
            self._generator.manual_seed(self._seed + draw)
            self._drawn = self._task.draw(self._generator, self._ahead)[taken:]
        return self._drawn.pop(0)

    def forget(self) -> None:
        """Draw anew, since batches have got smaller."""
        self._drawn.clear()
