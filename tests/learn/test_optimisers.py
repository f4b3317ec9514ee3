"""Optimisers against sequences reckoned by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ctstudio.core.registry import Choice
from ctstudio.learn.optimisers import OPTIMISERS


def test_optimisers_agree_with_closed_forms() -> None:
    def two_steps(choice: Choice) -> list[float]:
        weight = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
        optimiser = OPTIMISERS.make(choice, [weight])
        path = []
        for _ in range(2):
            optimiser.zero_grad()
            (weight**2).sum().backward()
            optimiser.step()
            path.append(weight.item())
        return path

    lr = 0.1
    first = 1 - lr * 2
    second = first - lr * (0.9 * 2 + 2 * first)
    sgd = Choice("sgd", {"lr": lr, "momentum": 0.9})
    assert two_steps(sgd) == pytest.approx([first, second])

    def adam(decay: float) -> list[float]:
        w, m, v, path = 1.0, 0.0, 0.0, []
        for t in (1, 2):
            g = 2 * w
            w -= lr * decay * w
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
            w -= lr * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.99**t)) + 1e-8)
            path.append(w)
        return path

    assert two_steps(Choice("adam", {"lr": lr})) == pytest.approx(adam(0.0))
    adamw = Choice("adamw", {"lr": lr, "weight_decay": 0.05})
    assert two_steps(adamw) == pytest.approx(adam(0.05))


@pytest.mark.parametrize("name", [entry.name for entry in OPTIMISERS])
def test_every_optimiser_lowers_a_parabola(name: str) -> None:
    weight = torch.tensor([3.0, -2.0], requires_grad=True)
    optimiser = OPTIMISERS.make(Choice(name, {"lr": 0.05}), [weight])
    for _ in range(100):
        optimiser.zero_grad()
        (weight**2).sum().backward()
        optimiser.step()
    assert float((weight**2).sum().detach()) < 1.0
