"""The recipes of the residual network: the article's runs, and which faults each form has."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ctstudio.core.events import Step
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.gradients import GRADIENTS
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models.residual_net import ResidualNetwork
from ctstudio.learn.noise import NOISES
from ctstudio.learn.optimisers import OPTIMISERS
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.train import train

SHORT = {"s": "sigmoid", "at": "arctan", "tanh": "tanh", "ReLU": "relu"}
WIDE = ["13,1->5", "7,5->7", "3,7->9", "5,9->9", "3,9->3", "1,3->1"]
EVEN = ["13,1->3", "7,3->3", "3,3->3", "5,3->3", "3,3->3", "1,3->1"]
ONE, TWO = "multiplication", "multiplication_addition"
SUM, PRODUCT = "sum", "product"

# Case: function, gradient, kernels and channels, activations, learning rate.
CASES: dict[str, tuple[str, str, list[str], str, float]] = {
    "1a": (ONE, "manual", ["1,1->1", "3,1->3", "5,3->3", "3,3->5", "3,5->7", "1,7->1"],
           "at s at s s ReLU", 1e-9),
    "1b": (ONE, "manual", ["1,1->1", "3,1->1", "5,1->3", "5,3->3", "3,3->3", "1,3->1"],
           "s s s s s ReLU", 1e-9),
    "1c": (ONE, "manual", ["13,1->1", "7,1->1", "3,1->2", "5,2->3", "3,3->3", "1,3->1"],
           "s s s s s ReLU", 1e-9),
    "2a": (TWO, "manual", WIDE, "s at tanh ReLU tanh ReLU", 1e-6),
    "2b": (TWO, "manual", WIDE, "s tanh at ReLU tanh ReLU", 1e-6),
    "2c": (TWO, "manual", WIDE, "s tanh at ReLU ReLU ReLU", 1e-6),
    "3a": (TWO, "dilated", EVEN, "s tanh at ReLU tanh ReLU", 1e-9),
    "3b": (TWO, "dilated", EVEN, "s tanh at ReLU tanh ReLU", 1e-9),
    "3c": (TWO, "dilated", EVEN, "s tanh at ReLU tanh ReLU", 1e-9),
    "4": (TWO, "automatic", WIDE, "s tanh at ReLU ReLU ReLU", 1e-9),
}  # fmt: skip
SKIPS = {"3a": (1000, 0.08, SUM), "3b": (800, 0.064, SUM), "3c": (800, 0.064, PRODUCT)}

both_forms = pytest.mark.parametrize(
    ("case", "repaired"), [(case, form) for case in CASES for form in (False, True)]
)
every_case = pytest.mark.parametrize("case", CASES)


recipes = cache(bundled)


def recipe_of(case: str, repaired: bool) -> Recipe:
    return recipes()[f"residual-{case}{'-repaired' if repaired else ''}"]


def network_of(case: str, repaired: bool, seed: int = 1) -> ResidualNetwork:
    module = checkpoint.build(replace(recipe_of(case, repaired), seed=seed))
    assert isinstance(module, ResidualNetwork)
    return module


def phantom(size: int = 64) -> Tensor:
    """HU ``(1, 1, y, x)``: a chest of soft tissue with two lungs and a spine, in air."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    hu = np.where(np.hypot(y / 0.8, x) < 0.48, 20.0, -1000.0)
    for side in (-0.22, 0.22):
        hu[np.hypot(y / 1.4, x - side) < 0.15] = -850
    hu[np.hypot(y - 0.3, x) < 0.05] = 900
    return torch.from_numpy(hu).float()[None, None]


def noisy(clean: Tensor, seed: int = 3) -> Tensor:
    noise = NOISES.make(Choice("article_gaussian"))
    made: Tensor = noise.slice(clean[0, 0], (1.0, 1.0), seed=seed)[None, None]
    return made


@both_forms
def test_every_run_of_the_article_is_a_recipe(case: str, repaired: bool) -> None:
    function, gradient, shapes, activations, lr = CASES[case]
    recipe, module = recipe_of(case, repaired), network_of(case, repaired)
    phase = recipe.phases[0]
    assert phase.model.params["function"] == function
    kernels = [f"{w.shape[2]},{w.shape[1]}->{w.shape[0]}" for w in module.parameters()]
    assert kernels == shapes
    acts = [SHORT[word] for word in activations.split()]
    if repaired and function == TWO:
        acts[-1] = "tanh"  # the fault that is mended
    assert module.activations == acts
    assert recipe.gradient.name == gradient
    if case in SKIPS:
        p, d, join = SKIPS[case]
        assert recipe.gradient.params == {"proportion": p, "decay": d, "join": join}
    optimiser = phase.optimiser.choice
    assert recipe.noise.params["share"] == 0.3
    if repaired:
        assert optimiser.name == "adam"
        assert 1e-4 < optimiser.params["lr"] < 1e-1
        assert recipe.stopping.seconds <= 15 * 60
        assert recipe.validation.share > 0
    else:
        # 101 times 355 slices, five at a time, with the Adam of part 1 where gradients are manual.
        assert phase.steps == 101 * 355 // 5
        assert (recipe.batch, recipe.patch_px) == (5, 512)
        assert optimiser.name == ("adam" if gradient == "automatic" else "article_adam")
        assert optimiser.params["lr"] == lr
        assert phase.optimiser.schedule.name == "constant"


@both_forms
def test_first_weights_are_blind_to_the_number_of_inputs_in_the_faithful_form_only(
    case: str, repaired: bool
) -> None:
    networks = [network_of(case, repaired, seed) for seed in range(6)]
    for layers in zip(*(network.blocks for network in networks), strict=True):
        weights = torch.stack([layer.weight.detach() for layer in layers])
        inputs = weights[0, 0].numel()
        expected = inputs**-0.5 if repaired else 1.0
        # The mean square of n normal numbers has a relative SD of sqrt(2 / n).
        slack = 5 * (2 / weights.numel()) ** 0.5
        share = float(weights.square().mean()) / expected**2
        assert share == pytest.approx(1, abs=slack)


@pytest.mark.parametrize("case", [c for c in CASES if CASES[c][0] == TWO])
def test_the_last_relu_can_only_brighten_and_is_in_the_faithful_form_only(case: str) -> None:
    image = noisy(phantom())
    for repaired in (False, True):
        darkened = []
        for seed in range(8):
            module = network_of(case, repaired, seed)
            with torch.no_grad():
                x, out = module.inside(image), module.inside(module(image))
            darkened.append(bool((out < x - 1e-4)[x > 0].any()))
        assert any(darkened) == repaired


def trained(recipe: Recipe, module: ResidualNetwork, clean: Tensor, steps: int) -> None:
    """Learn from one image as the recipe says."""
    phase = recipe.phases[0]
    optimiser = OPTIMISERS.make(phase.optimiser.choice, module.parameters())
    gradient, term = GRADIENTS.make(recipe.gradient), phase.losses[0]
    loss = LOSSES.make(term.choice)
    for step in range(steps):
        optimiser.zero_grad()
        gradient(module, noisy(clean, step), lambda p: term.weight * loss(p, clean))
        optimiser.step()


@both_forms
def test_steps_are_lost_in_single_precision_in_the_faithful_form_only(
    case: str, repaired: bool
) -> None:
    """At 1e-9 a weight of about 1 stays what it was, whatever the gradient."""
    recipe, module = recipe_of(case, repaired), network_of(case, repaired)
    before = torch.cat([p.detach().flatten() for p in module.parameters()])
    trained(recipe, module, phantom(32), steps=3)
    after = torch.cat([p.detach().flatten() for p in module.parameters()])
    moved = ((after - before).abs() / before.abs())[before.abs() > 0.1]
    if repaired:
        assert float((moved > 1e-3).float().mean()) > 0.5
    elif CASES[case][4] == 1e-9:
        assert not moved.any()
    else:
        assert 0 < float(moved.max()) < 1e-4


@every_case
def test_the_seed_of_the_faithful_form_is_the_difference_of_the_pictures(case: str) -> None:
    """out - y in the range 0 to 255, for a batch of five."""
    recipe, module = recipe_of(case, False), network_of(case, False)
    term = recipe.phases[0].losses[0]
    target = phantom(16).expand(5, 1, 16, 16).double()
    output = (target + torch.linspace(-300, 300, 16)).requires_grad_()
    cost = term.weight * LOSSES.make(term.choice)(output, target)
    (seed,) = torch.autograd.grad(cost, output)
    difference = module.inside(output) - module.inside(target)
    assert torch.allclose(seed * module.unit, difference, rtol=1e-9)
    assert float(cost.detach()) == pytest.approx(float((0.5 * difference**2).sum().detach()))


@pytest.mark.parametrize("case", ["2a", "2b", "2c"])
def test_outliers_crush_the_picture_to_black_in_the_faithful_form_only(case: str) -> None:
    """Shown from its least to its greatest value, soft tissue is all but black."""
    clean = phantom()
    shown = {}
    for repaired in (False, True):
        with torch.no_grad():
            out = network_of(case, repaired)(noisy(clean))
        picture = (out - out.min()) / (out.max() - out.min())
        shown[repaired] = float(picture[clean > -200].median())
    assert shown[False] < 0.1
    assert shown[True] > 0.35


@every_case
def test_the_repaired_form_learns(case: str) -> None:
    recipe, module, clean = recipe_of(case, True), network_of(case, True), phantom(32)
    held_out = noisy(clean, 99)
    errors = []
    for steps in (0, 30):
        trained(recipe, module, clean, steps)
        with torch.no_grad():
            errors.append(float((module(held_out) - clean).square().mean()))
    assert errors[1] < 0.95 * errors[0]


@pytest.mark.parametrize("case", ["1a", "3c", "4"])
def test_both_forms_go_through_the_trainer(case: str) -> None:
    slices = np.concatenate([phantom(32)[0].numpy()] * 4).astype(np.int16)
    ones = np.ones(4)
    series = Volume(slices, ones, 0 * ones, "HU", Geometry.axial(4, (3, 0.7, 0.7)))
    for repaired in (False, True):
        recipe = recipe_of(case, repaired)
        settings: dict[str, Any] = {
            "phases.0.steps": 2, "patch_px": 32, "batch": 1, "stopping.seconds": 0, "device": "cpu",
        }  # fmt: skip
        for path, value in settings.items():
            recipe = recipe.with_setting(path, value)
        seen = list(train(recipe, [series]))
        losses = [event.losses["loss"] for event in seen if isinstance(event, Step)]
        assert len(losses) == 2
        assert np.isfinite(losses).all()
