"""Batches that are drawn ahead are those that would be drawn in time."""

from __future__ import annotations

import threading

import pytest
import torch

from ctstudio.learn.draws import DRAWS_APART, Draws
from ctstudio.learn.recipe import bundled
from ctstudio.learn.tasks import Batch


class Numbers:
    """A task whose batches are random numbers."""

    def __init__(self) -> None:
        self.size, self.error = 2, None

    def draw(self, generator: torch.Generator, count: int) -> list[Batch]:
        if self.error:
            raise self.error
        drawn = torch.randn(count, self.size, 1, 1, 1, generator=generator)
        return [Batch(one, one) for one in drawn]


@pytest.fixture
def task():
    return Numbers()


@pytest.fixture
def draws(task):
    made = Draws(_recipe(), task, 1, torch.device("cpu"))
    yield made
    made.close()


def _recipe():
    recipe = bundled()["dncnn-low-dose"]
    return recipe.with_setting("patch_px", 256).with_setting("batch", 4).with_setting("seed", 5)


def _expected(number: int, size: int = 2) -> torch.Tensor:
    """By the promise that the number of the draw decides it: here four batches at once."""
    generator = torch.Generator().manual_seed(5 * DRAWS_APART + number // 4)
    return torch.randn(4, size, 1, 1, 1, generator=generator)[number % 4]


def test_the_number_decides_the_batch(draws):
    for number in range(11):
        assert torch.equal(draws.batch(number).inputs, _expected(number))


def test_it_begins_anywhere(draws):
    for number in (6, 7, 8, 9):
        assert torch.equal(draws.batch(number).inputs, _expected(number))


def test_after_forgetting_it_draws_as_the_task_has_become(draws, task):
    draws.batch(0)
    draws.forget()
    task.size = 3
    for number in range(1, 9):
        assert torch.equal(draws.batch(number).inputs, _expected(number, size=3))


def test_an_error_of_the_task_comes_when_the_batch_is_asked_for(draws, task):
    draws.batch(0)
    draws.forget()
    task.error = MemoryError("used up")
    with pytest.raises(MemoryError, match="used up"):
        draws.batch(1)
    task.error = None
    assert torch.equal(draws.batch(1).inputs, _expected(1))


def test_no_thread_stays_behind(draws):
    draws.batch(0)
    draws.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("draws")]
