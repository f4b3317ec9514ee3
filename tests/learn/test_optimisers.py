"""Optimisers against sequences reckoned by hand."""

from __future__ import annotations

import io
import math

import numpy as np
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


def course(choice: Choice, slopes: np.ndarray, start: np.ndarray) -> list[np.ndarray]:
    """Where an optimiser goes from ``start`` when the gradients are ``slopes``."""
    weight = torch.tensor(start, requires_grad=True)
    optimiser = OPTIMISERS.make(choice, [weight])
    path = []
    for slope in slopes:
        weight.grad = torch.tensor(slope)
        optimiser.step()
        path.append(weight.detach().numpy().copy())
    return path


def test_adam_of_the_articles_step_by_step() -> None:
    draw = np.random.default_rng(8)
    slopes, start = draw.normal(0.3, 1, (40, 5)), draw.normal(0, 1, 5)
    slopes[3] = 0
    settings = {"lr": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}
    path = course(Choice("article_adam", settings), slopes, start)
    w, m, v = start.copy(), np.zeros(5), np.zeros(5)
    for g, ours in zip(slopes, path, strict=True):
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g * g
        w = w - 0.02 * (m / 0.2) / (np.sqrt(v / 0.05) + 1e-3)
        assert np.allclose(ours, w, rtol=0, atol=1e-13)


def test_adam_of_the_articles_begins_as_adam_and_slows_down() -> None:
    slopes, start = np.full((2000, 1), 3.0), np.zeros(1)
    settings = {"lr": 0.01, "beta1": 0.5, "beta2": 0.99}
    articles = course(Choice("article_adam", settings), slopes, start)
    usual = course(Choice("adam", settings), slopes, start)
    assert articles[0] == pytest.approx(usual[0], rel=1e-12)
    assert usual[-1] - usual[-2] == pytest.approx(-0.01, rel=1e-6)
    assert articles[-1] - articles[-2] == pytest.approx(-0.01 * 0.1 / 0.5, rel=1e-6)


def test_rprop_step_by_step() -> None:
    draw = np.random.default_rng(9)
    slopes, start = draw.normal(0.5, 1, (40, 6)), draw.normal(0, 1, 6)
    slopes[5, :3] = 0
    settings = {"lr": 0.02, "shrink": 0.4, "grow": 1.3, "shortest": 0.004, "longest": 0.05}
    path = course(Choice("rprop", settings), slopes, start)
    w, length, before = start.copy(), np.full(6, 0.02), np.zeros(6)
    seen = set()
    for slope, ours in zip(slopes, path, strict=True):
        for i, g in enumerate(slope):
            turned = g * before[i]
            if turned > 0:
                length[i] = min(1.3 * length[i], 0.05)
            elif turned < 0:
                length[i] = max(0.4 * length[i], 0.004)
                g = 0  # not this step: only the next one goes back
            w[i] -= np.sign(g) * length[i]
            before[i] = g
        seen |= set(length)
        assert np.allclose(ours, w, rtol=0, atol=1e-13)
    assert {0.004, 0.05} < seen  # both limits were met


def test_gradient_descent_with_momentum_step_by_step() -> None:
    draw = np.random.default_rng(10)
    slopes, start = draw.normal(0.3, 1, (30, 4)), draw.normal(0, 1, 4)
    for nesterov in (False, True):
        settings = {"lr": 0.05, "momentum": 0.8, "nesterov": nesterov, "weight_decay": 0.1}
        path = course(Choice("sgd", settings), slopes, start)
        w, velocity = start.copy(), np.zeros(4)
        for slope, ours in zip(slopes, path, strict=True):
            g = slope + 0.1 * w
            velocity = 0.8 * velocity + g
            w = w - 0.05 * (g + 0.8 * velocity if nesterov else velocity)
            assert np.allclose(ours, w, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", [entry.name for entry in OPTIMISERS])
def test_every_optimiser_goes_on_exactly_from_what_was_saved(name: str) -> None:
    def begun() -> tuple[list[torch.Tensor], torch.optim.Optimizer]:
        one, other = torch.ones(3, 2, requires_grad=True), torch.ones(4, requires_grad=True)
        rates = [{"params": [one], "factor": 1.0}, {"params": [other], "factor": 0.5}]
        return [one, other], OPTIMISERS.make(Choice(name), rates)

    def learn(weights: list[torch.Tensor], optimiser: torch.optim.Optimizer, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(5):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=generator)
            optimiser.step()

    unbroken, optimiser = begun()
    learn(unbroken, optimiser, 1)
    file = io.BytesIO()
    torch.save({"optimiser": optimiser.state_dict(), "weights": unbroken}, file)
    learn(unbroken, optimiser, 2)

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed, second = begun()
    with torch.no_grad():
        for weight, value in zip(resumed, saved["weights"], strict=True):
            weight.copy_(value)
    second.load_state_dict(saved["optimiser"])
    learn(resumed, second, 2)
    for one, other in zip(unbroken, resumed, strict=True):
        assert torch.equal(one, other)
    assert second.param_groups[1]["factor"] == 0.5


def test_what_has_no_gradient_stays_and_a_closure_is_asked() -> None:
    moved, still = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimiser = OPTIMISERS.make(
        Choice("article_adam", {"lr": 0.1}), [{"params": [moved]}, {"params": [still]}]
    )

    def closure() -> float:
        optimiser.zero_grad()
        lost = (moved**2).sum()
        lost.backward()
        return lost.item()

    assert optimiser.step(closure) == 2
    assert torch.equal(still, torch.ones(2))
    assert moved.tolist() == pytest.approx([0.9, 0.9])
