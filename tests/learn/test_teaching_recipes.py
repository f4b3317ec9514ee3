"""The teaching recipes: each shows what it says, on small images and in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ctstudio.core.events import GradientNorms, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.train import train

TEACHING = {name: recipe for name, recipe in bundled().items() if name.startswith("teaching-")}
LEVELS = torch.tensor([-1000.0, -850.0, -100.0, 40.0, 700.0])  # air, lung, fat, soft tissue, bone
SHARES = torch.tensor([0.25, 0.25, 0.1, 0.35, 0.05])
SD = 150.0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slowed by a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recipe_of(name: str) -> Recipe:
    return TEACHING[f"teaching-{name}"]


def network(name: str, seed: int = 1) -> nn.Module:
    return checkpoint.build(replace(recipe_of(name), seed=seed)).train()


def patches(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy and clean HU ``(2, 1, 48, 48)`` of soft shapes."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(2, 1, 48, 48, generator=generator)
    clean = 2000 * nn.functional.avg_pool2d(rough, 9, 1, 4, count_include_pad=False) - 1000
    return clean + 60 * torch.randn(clean.shape, generator=generator), clean


def first_to_last(name: str, seed: int = 1) -> float:
    """The length of the first kernel's gradient over that of the last, by torch's own graph."""
    module = network(name, seed)
    noisy, clean = patches(seed)
    kernels = [p for p in module.parameters() if p.dim() == 4]
    loss = ((module(noisy) - clean) / 100).square().mean()
    found = torch.autograd.grad(loss, kernels)
    return float(found[0].double().norm() / found[-1].double().norm())


def test_every_recipe_says_what_to_look_for_and_reads_its_gradients() -> None:
    assert len(TEACHING) == 10
    for name, recipe in TEACHING.items():
        assert recipe.title.startswith("Teaching, "), name
        assert len(recipe.description) > 80
        assert "\n" not in recipe.description
        assert recipe.cadence.gradient_norms_every == 10
        assert recipe.stopping.seconds <= 180


@pytest.mark.parametrize("group", ["vanishing", "depth", "activation"])
def test_the_recipes_of_a_group_differ_in_the_network_alone(group: str) -> None:
    plain = []
    for name, recipe in TEACHING.items():
        if name.startswith(f"teaching-{group}"):
            data = recipe.to_dict()
            del data["title"], data["description"], data["phases"][0]["model"]
            plain.append(data)
    assert len(plain) >= 3
    assert all(data == plain[0] for data in plain)


# -- vanishing gradients ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gradients_vanish_in_a_chain_of_sigmoids_but_not_around_it(seed: int) -> None:
    names = ("sigmoid", "image", "relu", "shortcut")
    ratio = {name: first_to_last(f"vanishing-{name}", seed) for name in names}
    assert ratio["sigmoid"] < 1e-3 * ratio["shortcut"]
    assert ratio["sigmoid"] < 1e-6
    assert ratio["image"] < 1e-6  # what is added has no weights behind it
    assert ratio["shortcut"] > 3e-4
    assert ratio["relu"] > 0.02


def test_the_training_tells_of_it() -> None:
    hu = (patches()[1].numpy()[:, 0]).round().astype(np.int16)
    volume = Volume(hu, np.ones(2), np.zeros(2), "HU", Geometry.axial(2, (3, 1, 1)))
    ratios = {}
    for name in ("sigmoid", "shortcut"):
        recipe = recipe_of(f"vanishing-{name}")
        short = {"phases.0.steps": 3, "cadence.gradient_norms_every": 1, "device": "cpu"}
        for path, value in short.items():
            recipe = recipe.with_setting(path, value)
        told = [e for e in train(recipe, [volume]) if isinstance(e, GradientNorms)]
        assert list(told[0].norms) == [f"block {k}" for k in range(1, 13)]
        assert [event.step for event in told] == [1, 2, 3]
        ratios[name] = [event.norms["block 1"] / event.norms["block 12"] for event in told]
    for stuck, going in zip(ratios["sigmoid"], ratios["shortcut"], strict=True):
        assert stuck < 1e-3 * going


# -- depth against width ---------------------------------------------------------------------------

SHAPES = {"depth-1x24": (1, 24), "depth-3x8": (3, 8), "depth-6x4": (6, 4)}


@pytest.mark.parametrize("name", SHAPES)
def test_as_many_nodes_see_more_where_they_stand_behind_one_another(name: str) -> None:
    layers, width = SHAPES[name]
    module = network(name).eval()
    kernels = [p for p in module.parameters() if p.dim() == 4]
    assert [k.shape[0] for k in kernels] == [width] * layers + [1]
    assert sum(k.shape[0] for k in kernels[:-1]) == 24
    module.double()
    # Change one pixel after the other and see whether the middle one of the answer moves.
    middle, side = 10, 21
    generator = torch.Generator().manual_seed(1)
    image = 200 * torch.randn(1, 1, side, side, generator=generator, dtype=torch.float64)
    changed = image.repeat(side * side, 1, 1, 1)
    changed.view(side * side, -1).fill_diagonal_(3000.0)
    with torch.no_grad():
        moved = (module(changed) - module(image))[:, 0, middle, middle].abs() > 1e-9
    rows = moved.view(side, side).any(1).nonzero()
    # Each layer of 3 x 3 adds a pixel on each side.
    reach = layers + 1
    assert (int(rows.min()), int(rows.max())) == (middle - reach, middle + reach)


def test_depth_wins_where_many_pixels_have_to_be_averaged() -> None:
    left = {}
    for name in ("depth-1x24", "depth-6x4"):
        module, generator = network(name), torch.Generator().manual_seed(3)
        optimiser = torch.optim.Adam(module.parameters(), 5e-3)

        def error(module: nn.Module = module, draw: torch.Generator = generator) -> Tensor:
            """Of plain images of any level, in strong noise, away from the rim."""
            level = 800 * torch.rand(8, 1, 1, 1, generator=draw) - 400
            noisy = level + 200 * torch.randn(8, 1, 24, 24, generator=draw)
            answer: Tensor = module(noisy)
            return ((answer - level)[:, :, 8:-8, 8:-8] / 200).square().mean()

        for step in range(200):
            for group in optimiser.param_groups:
                group["lr"] = 5e-3 * (1 - step / 200)
            optimiser.zero_grad()
            error().backward()
            optimiser.step()
        with torch.no_grad():
            left[name] = float(torch.stack([error() for _ in range(20)]).mean()) ** 0.5
    assert left["depth-6x4"] < 0.95 * left["depth-1x24"]
    # The mean of 5 x 5 pixels is the best that the wide one could ever come to.
    assert left["depth-1x24"] > 1 / 5


# -- monotonic and other activations ---------------------------------------------------------------


def turns(name: str) -> int:
    """How often a node's response turns over the whole range of HU, at a weight of 1.

    Its constant is such that it answers 0 with 0, or for the Gaussian with its highest.
    """
    module = network(name).double()
    first = module.get_submodule("blocks.0")
    assert isinstance(first, nn.Conv2d)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        first.weight[0] = 1.0
        assert first.bias is not None
        first.bias[0] = -4.0  # the middle of 0 to 8, which 2048 HU make of 256 HU a unit
        last = module.get_submodule("blocks.1")
        assert isinstance(last, nn.Conv2d)
        last.weight[0, 0] = 1.0
        hu = torch.linspace(-1000, 1048, 400, dtype=torch.float64)[None, None, None]
        # The last block adds the image, and the first did so before it.
        response = (module(hu) - hu)[0, 0, 0] - (hu[0, 0, 0] + 1000)
    slopes = response.diff()
    slopes = torch.sign(slopes[slopes.abs() > 1e-9])
    return int((slopes[1:] != slopes[:-1]).sum())


def test_a_node_that_is_not_monotonic_turns() -> None:
    assert turns("activation-tanh") == 0
    assert turns("activation-gaussian") == 1
    assert turns("activation-sine") >= 2


def tissue(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noisy and clean HU ``(1, 1, 1, count)`` of pixels of five tissues."""
    generator = torch.Generator().manual_seed(seed)
    clean = LEVELS[torch.multinomial(SHARES, count, True, generator=generator)]
    noisy = clean + SD * torch.randn(count, generator=generator)
    return noisy[None, None, None], clean[None, None, None]


def best_possible(noisy: Tensor) -> Tensor:
    """The mean of what a pixel may be, by Bayes' rule: no function of it alone does better."""
    likely = SHARES * torch.exp(-0.5 * ((noisy[..., None] - LEVELS) / SD) ** 2)
    return (likely * LEVELS).sum(-1) / likely.sum(-1)


def test_training_finds_the_turns_that_sines_bring_along() -> None:
    held, truth = tissue(20_000, 9)
    least = float((best_possible(held) - truth).square().mean()) ** 0.5
    left: dict[str, list[float]] = {"tanh": [], "sine": []}
    for name, errors in left.items():
        for seed in (1, 2):
            module = network(f"activation-{name}", seed)
            optimiser = torch.optim.Adam(module.parameters(), 0.02)
            for step in range(700):
                noisy, clean = tissue(1024, step)
                optimiser.zero_grad()
                ((module(noisy) - clean) / 100).square().mean().backward()
                optimiser.step()
            with torch.no_grad():
                errors.append(float((module(held) - truth).square().mean()) ** 0.5)
    assert max(left["sine"]) < 0.9 * min(left["tanh"])
    assert least < min(left["sine"]) < 1.3 * least
    assert max(left["tanh"]) < SD


def test_they_run_on_any_series() -> None:
    hu = np.random.default_rng(1).integers(0, 255, (3, 40, 52)).astype(np.int16)
    volume = Volume(hu, np.ones(3), np.zeros(3), "HU", Geometry.axial(3, (1, 1, 1)))
    for recipe in TEACHING.values():
        short = recipe.with_setting("phases.0.steps", 1).with_setting("device", "cpu")
        assert finish(train(short, [volume])).metrics["rmse"] > 0
