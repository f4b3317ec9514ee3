"""The training loop beside a bare torch loop of the same network; and its memory over many steps.

Both run in one process, in turn, a second each: a machine whose speed drifts slows both alike.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from ctstudio.core.events import Step, Work, finish
from ctstudio.ct.phantom import phantom
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models import MODELS
from ctstudio.learn.optimisers import OPTIMISERS
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.train import train

FOREVER = 10**8
BATCHES = 64


class Bare:
    """The network, loss and optimiser of a recipe on batches that were made beforehand."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(0)
        phase = recipe.phases[0]
        module = MODELS.make(phase.model)
        self.module = module.to(memory_format=torch.channels_last)
        self.loss = LOSSES.make(phase.losses[0].choice)
        self.optimiser = OPTIMISERS.make(phase.optimiser.choice, self.module.parameters())
        side = recipe.patch_px
        clean = 50 * torch.randn(BATCHES, recipe.batch, 1, side, side)
        self.batches = list(zip(clean + 25 * torch.randn_like(clean), clean, strict=True))
        self.count = 0

    def step(self) -> None:
        noisy, target = self.batches[self.count % BATCHES]
        self.count += 1
        self.optimiser.zero_grad(set_to_none=True)
        self.loss(self.module(noisy), target).backward()
        self.optimiser.step()


def next_step(work: Work[object]) -> None:
    while not isinstance(next(work), Step):
        pass


def rate(step, seconds: float) -> float:
    """Calls of ``step`` a second."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        step()
        count += 1
    return count / passed


def overhead(recipe: Recipe, rounds: int) -> None:
    volume = finish(phantom(slices=16))
    bare = Bare(recipe)
    with tempfile.TemporaryDirectory() as folder:
        work = train(recipe, [volume], run_folder=Path(folder) / "run")
        for _ in range(20):
            next_step(work)
            bare.step()
        ratios = []
        for _ in range(rounds):
            before = rate(bare.step, 1.0)
            inside = rate(lambda: next_step(work), 1.0)
            ratios.append(inside / ((before + rate(bare.step, 1.0)) / 2))
        work.close()
    quartiles = np.percentile(ratios, [25, 50, 75])
    print(
        f"steps a second over those of a bare loop, {rounds} rounds: median {quartiles[1]:.3f} "
        f"(quartiles {quartiles[0]:.3f} to {quartiles[2]:.3f}); last bare {before:.1f}/s"
    )


def memory(recipe: Recipe, steps: int) -> None:
    """Resident memory after the first tenth of the steps and at the end."""
    volume = finish(phantom(slices=16))
    small = recipe.with_setting("patch_px", 16).with_setting("batch", 2)
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        work = train(small, [volume], run_folder=Path(folder) / "run")
        sizes = []
        for number in range(1, steps + 1):
            next_step(work)
            if number % (steps // 10) == 0:
                gc.collect()
                sizes.append(process.memory_info().rss / 2**20)
        work.close()
    print(f"memory, MB, at every tenth of {steps} steps: {' '.join(f'{s:.1f}' for s in sizes)}")
    print(f"growth {sizes[-1] - sizes[0]:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="dncnn-low-dose")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = bundled()[options.recipe]
    for path, value in (("stopping.seconds", 0), ("phases.0.steps", FOREVER)):
        recipe = recipe.with_setting(path, value)
    quiet = recipe.with_setting("cadence.preview_time_share", 0)
    quiet = quiet.with_setting("validation.time_share", 0)
    overhead(quiet, options.rounds)
    memory(recipe, options.steps)


if __name__ == "__main__":
    main()
