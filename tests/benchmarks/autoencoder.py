"""The article's autoencoder: a step in NumPy beside the same manual-gradient step in torch.

Both are timed in one run, in turn, on one or more threads of torch and of NumPy's library (set
OPENBLAS_NUM_THREADS to as many). It prints milliseconds, and the ratio that must stay below 2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from ctstudio.core.registry import Choice
from ctstudio.learn.gradients import GRADIENTS
from ctstudio.learn.models import MODELS


def step_of(name: str, form: str, batch: int) -> Callable[[], tuple[float, float]]:
    """A step of learning; it returns the seconds of its gradient and of all of it."""
    module = MODELS.make(Choice(name, {"gradients": form}))
    optimiser = torch.optim.SGD(module.parameters(), 1e-6)
    gradient = GRADIENTS.make(Choice("manual"))
    noisy, clean = (500 * torch.randn(batch, 1, 512, 512) for _ in range(2))

    def step() -> tuple[float, float]:
        start = time.perf_counter()
        optimiser.zero_grad()
        gradient(module, noisy, lambda prediction: ((prediction - clean) / 100).square().mean())
        between = time.perf_counter()
        optimiser.step()
        return between - start, time.perf_counter() - start

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for form in ("exact", "article"):
        steps = {
            name: step_of(name, form, options.batch)
            for name in ("autoencoder_numpy", "autoencoder")
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
        for _ in range(options.steps + 2):
            for name, step in steps.items():
                times[name].append(step())
        numpy, torch_ = (np.median(times[name][2:], axis=0) * 1e3 for name in steps)
        for what, ours, theirs in zip(("gradient", "whole step"), numpy, torch_, strict=True):
            print(
                f"{form}, {what}: NumPy {ours:.0f} ms, torch {theirs:.0f} ms, "
                f"ratio {ours / theirs:.2f}"
            )


if __name__ == "__main__":
    main()
