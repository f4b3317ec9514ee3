"""Parts 2 and 4 of the articles: their networks, their ways to the gradient, and their recipes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Step
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.device import cap_threads
from ctstudio.learn.gradients import GRADIENTS
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models import MODELS
from ctstudio.learn.noise import NOISES
from ctstudio.learn.optimisers import OPTIMISERS
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.tasks import Batch
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee

# Part 2, case: dilated, gradient noise. Part 4: dilated.
PART_2 = {
    "sgd": (False, False), "noise": (False, True), "dilated": (True, False),
    "dilated-noise": (True, True),
}  # fmt: skip
PART_4 = {"automatic": False, "dilated": True}
NAMES = [f"article2-{case}" for case in PART_2] + [f"article4-{case}" for case in PART_4]
every_name = pytest.mark.parametrize("name", NAMES)
recipes = cache(bundled)


def double(name: str, **settings: object) -> nn.Module:
    torch.manual_seed(5)
    module: nn.Module = MODELS.make(Choice(name, settings)).double()
    for key, parameter in module.named_parameters():
        if key.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    return module


def images() -> tuple[Tensor, Tensor]:
    """Noisy HU and its target, of unlike sides."""
    generator = torch.Generator().manual_seed(6)
    clean = 1500 * torch.rand(2, 1, 9, 12, generator=generator, dtype=torch.float64) - 900
    return clean + 300 * torch.randn(clean.shape, generator=generator, dtype=torch.float64), clean


def found(gradient: Choice, module: nn.Module, *, epoch: float = 0) -> list[Tensor]:
    """The parameters' gradient of half the sum of squares in the network's range."""
    noisy, clean = images()
    module.zero_grad(set_to_none=True)

    def objective(prediction: Tensor) -> Tensor:
        return 0.5 * (((prediction - clean) / module.unit) ** 2).sum()

    GRADIENTS.make(gradient)(module, noisy, objective, epoch)
    gradients = []
    for parameter in module.parameters():
        assert parameter.grad is not None
        gradients.append(parameter.grad.clone())
    return gradients


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("article_cnn", {"unit": 512.0}),
    ("article_cnn", {"layers": "9x9 3 relu, 3x3 3 relu, 5x5 1 linear", "first_mean": 0.0}),
    ("article_resnet", {"unit": 512.0}),
    ("article_resnet", {"blocks": 4, "features": 3, "last": "relu"}),
]
every_network = pytest.mark.parametrize(("name", "settings"), NETWORKS)


@every_network
def test_manual_equals_automatic(name: str, settings: dict[str, Any]) -> None:
    module = double(name, **settings)
    automatic = found(Choice("automatic"), module)
    assert all(bool(g.any()) for g in automatic)
    for ours, theirs in zip(found(Choice("manual"), module), automatic, strict=True):
        assert apart(ours, theirs) < 1e-9


def test_the_blocks_are_their_formula() -> None:
    module = double("article_resnet", features=2, last="linear")
    noisy, _ = images()
    x = (noisy + 1000) / 2048
    weights = [parameter.detach() for parameter in module.parameters()]
    assert [tuple(w.shape[:3]) for w in weights] == [
        (2, 1, 3), (2, 2, 3), (2, 1, 1), (2, 2, 3), (2, 2, 3), (2, 2, 1), (1, 2, 3), (1, 1, 3),
        (1, 2, 1),
    ]  # fmt: skip
    for number in range(3):
        first, second, short = weights[3 * number : 3 * number + 3]
        a = F.conv2d(F.conv2d(x, first, padding=1).clamp(min=0), second, padding=1)
        b = F.conv2d(x, short)
        x = a + b if number == 2 else a.clamp(min=0) + b.clamp(min=0)
    with torch.no_grad():
        assert torch.allclose(module(noisy), x * 2048 - 1000, rtol=1e-12)


def stages_of(name: str) -> list[Any]:
    """Three functions of an image and of weights, one a layer or block."""
    if name == "article_cnn":
        acts = [torch.relu, torch.relu, lambda z: z]
        return [
            lambda x, w, act=act: act(F.conv2d(x, w[0], w[1], padding=w[0].shape[-1] // 2))
            for act in acts
        ]
    return [
        lambda x, w, act=act: (
            act(F.conv2d(F.conv2d(x, w[0], padding=1).relu(), w[1], padding=1))
            + act(F.conv2d(x, w[2]))
        )
        for act in (torch.relu, torch.relu, lambda z: z)
    ]


@pytest.mark.parametrize("name", ["article_cnn", "article_resnet"])
@pytest.mark.parametrize(("p", "d", "epoch"), [(0.05, 0.07, 0), (1000, 0.08, 12.6), (2, 1, 1.5)])
def test_dilated_gradients_are_those_of_the_table(name: str, p, d, epoch) -> None:
    """The raw gradient of layer 3 is added before layer 1 too; the others receive what is due."""
    module = double(name)
    noisy, clean = images()
    x = (noisy + 1000) / 2048
    stages = stages_of(name)
    weights = [p.detach().clone().requires_grad_() for p in module.parameters()]
    size = len(weights) // 3
    parts = [weights[k * size : (k + 1) * size] for k in range(3)]
    entries = [x]
    for stage, part in zip(stages, parts, strict=True):
        entries.append(stage(entries[-1], part).detach())
    r = p / (1 + d * int(epoch))

    def through(k: int, received: Tensor) -> tuple[list[Tensor], Tensor]:
        entry = entries[k - 1].clone().requires_grad_()
        *own, passed = torch.autograd.grad(
            stages[k - 1](entry, parts[k - 1]), [*parts[k - 1], entry], received
        )
        return own, passed

    w3, g3 = through(3, entries[3] - (clean + 1000) / 2048)
    w2, g2 = through(2, g3)
    w1, _ = through(1, g2 + r * g3)
    ours = found(Choice("dilated", {"proportion": p, "decay": d}), module, epoch=epoch)
    for one, other in zip(ours, [*w1, *w2, *w3], strict=True):
        assert apart(one, other) < 1e-9


@every_name
@pytest.mark.parametrize("repaired", [False, True])
def test_every_run_is_a_recipe(name: str, repaired: bool) -> None:
    recipe = recipes()[name + ("-repaired" if repaired else "")]
    part, _, case = name.removeprefix("article").partition("-")
    assert recipe.title.startswith(f"Article part {part}{', repaired' if repaired else ''}: ")
    phase = recipe.phases[0]
    optimiser, module = phase.optimiser.choice, checkpoint.build(recipe)
    shapes = [tuple(p.shape[:3]) for p in module.parameters() if p.dim() == 4]
    if part == "2":
        dilated, noise = PART_2[case]
        assert shapes == [(1, 1, 3)] * 3
        assert sum(p.dim() == 1 for p in module.parameters()) == 3
        assert phase.model.params["layers"] == "3x3 1 relu, 3x3 1 relu, 3x3 1 linear"
        assert optimiser.name == "sgd"
        assert (recipe.gradient_noise > 0) == noise
        skips = {"proportion": 0.05, "decay": 0.07, "join": "sum"}
        assert recipe.noise.name == "article_gaussian"
        if not repaired:
            assert (recipe.patch_px, phase.steps) == (256, 100 * 119 * 4 // recipe.batch)
            assert optimiser.params["momentum"] == 0
    else:
        dilated = PART_4[case]
        assert len(shapes) == 9
        assert shapes[0] == (8, 1, 3)
        assert shapes[-1] == (1, 8, 1)
        skips = {"proportion": 1000, "decay": 0.08, "join": "sum"}
        assert {k: recipe.noise.params[k] for k in ("low", "high")} == {"low": -1, "high": 1.5}
        if not repaired:
            assert (recipe.batch, phase.steps) == (10, 100 * 220 // 10)
            assert recipe.validation.share == pytest.approx(110 / 330, abs=1e-3)
            assert optimiser.params["lr"] == 1e-4
    assert (recipe.gradient.name == "dilated") == dilated
    assert not dilated or recipe.gradient.params == skips
    if repaired:
        assert 0 < recipe.stopping.seconds <= 15 * 60
        assert recipe.validation.share > 0


def test_first_weights() -> None:
    """0.001 and 0.05 in the articles, constants included; the repaired ones know their inputs."""
    for name, sd in (("article2-sgd", 0.001), ("article4-automatic", 0.05)):
        drawn = [
            p.detach().flatten()
            for seed in range(40)
            for p in checkpoint.build(replace(recipes()[name], seed=seed)).parameters()
        ]
        everything = torch.cat(drawn)
        slack = 4 * (2 * len(everything)) ** -0.5
        assert float(everything.std()) == pytest.approx(sd, rel=slack)
        assert abs(float(everything.mean())) < 4 * sd / len(everything) ** 0.5
    module = checkpoint.build(recipes()["article4-automatic-repaired"])
    second = dict(module.named_parameters())["blocks.1.second.weight"]
    assert float(second.detach().std()) == pytest.approx(72**-0.5, rel=0.15)
    plain = checkpoint.build(recipes()["article2-sgd-repaired"])
    kernels = [p.detach().sum() for p in plain.parameters() if p.dim() == 4]
    assert torch.stack(kernels).tolist() == pytest.approx([1, 1, 1], abs=4 * 3 * 0.03)


def test_small_first_weights_may_leave_a_layer_silent_in_the_faithful_form_only() -> None:
    picture = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 1500 - 1000
    for name in ("article2-sgd", "article4-automatic"):
        for repaired in (False, True):
            silent = []
            for seed in range(12):
                recipe = recipes()[name + ("-repaired" if repaired else "")]
                module = checkpoint.build(replace(recipe, seed=seed))
                with torch.no_grad():
                    silent.append(float(module(picture).std()) < 1e-6)
            assert any(silent) != repaired


def test_the_last_relu_answers_nothing_below_black_in_the_faithful_form_only() -> None:
    picture = 600 * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(1)) - 500
    for repaired in (False, True):
        recipe = recipes()["article4-automatic" + ("-repaired" if repaired else "")]
        darker = []
        for seed in range(8):
            with torch.no_grad():
                answer = checkpoint.build(replace(recipe, seed=seed))(picture)
            darker.append(bool((answer < -1000.01).any()))
        assert any(darker) == repaired


def test_part_4_has_the_articles_noise() -> None:
    clean = torch.linspace(-1000, 1040, 64).expand(400, 64)
    noise = NOISES.make(recipes()["article4-automatic"].noise)
    shares = (noise.slice(clean, (1.0, 1.0), seed=2)[:, 1:] + 1000) / (clean[:, 1:] + 1000)
    assert float(shares.min()) >= -1e-3
    assert float(shares.max()) <= 2.5 + 1e-3
    assert float(shares.mean()) == pytest.approx(1.25, abs=0.02)
    assert float(shares.std()) == pytest.approx(2.5 / 12**0.5, rel=0.02)


@pytest.mark.parametrize("epoch", [0.0, 0.99, 9.3, 99.0])
@pytest.mark.parametrize("name", ["article2-noise", "article2-dilated-noise-repaired"])
def test_gradient_noise_has_the_sd_of_the_article(name: str, epoch: float) -> None:
    recipe = recipes()[name]
    settings: dict[str, Any] = {
        "phases.0.losses.0.weight": 0, "phases.0.optimiser.lr": 1, "device": "cpu",
        "phases.0.optimiser.momentum": 0, "gradient": "automatic",
        "phases.0.model.layers": "3x3 40 relu, 3x3 40 relu, 3x3 1 linear",
    }  # fmt: skip
    for path, value in settings.items():
        recipe = recipe.with_setting(path, value)
    trainee = Trainee(recipe, torch.device("cpu"))
    trainee.begin(recipe.phases[0])
    before = torch.cat([p.detach().flatten() for p in trainee.module.parameters()])
    image = torch.zeros(1, 1, 8, 8)
    trainee.learn(Batch(image, image), epoch)
    after = torch.cat([p.detach().flatten() for p in trainee.module.parameters()])
    sd = float((after - before).double().std())
    expected = 0.01 / (1 + int(epoch)) ** 0.55
    assert sd == pytest.approx(expected, rel=4 * (2 * len(before)) ** -0.5 + 1e-4)


def test_the_usual_gradient_noise_falls_with_the_steps() -> None:
    recipe = recipes()["article2-noise"]
    for path in ("gradient_noise_fall", "gradient_noise_time"):
        default = getattr(Recipe(), path)
        recipe = recipe.with_setting(path, default)
    assert recipe.gradient_noise_fall == 0.55
    recipe = recipe.with_setting("phases.0.losses.0.weight", 0)
    recipe = recipe.with_setting("phases.0.optimiser.lr", 1).with_setting("gradient", "automatic")
    recipe = recipe.with_setting("phases.0.model.layers", "3x3 40 relu, 3x3 40 relu, 3x3 1 linear")
    trainee = Trainee(recipe, torch.device("cpu"))
    trainee.begin(recipe.phases[0])
    trainee.step = 30
    before = torch.cat([p.detach().flatten() for p in trainee.module.parameters()])
    image = torch.zeros(1, 1, 8, 8)
    trainee.learn(Batch(image, image), 0.0)
    after = torch.cat([p.detach().flatten() for p in trainee.module.parameters()])
    expected = (1e-4 / 31**0.55) ** 0.5
    assert float((after - before).double().std()) == pytest.approx(expected, rel=0.03)


def phantom(size: int = 24) -> Tensor:
    """HU ``(1, 1, y, x)``: a disc of soft tissue with a hole, in air."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    hu = np.where(np.hypot(y, x) < 0.45, 20.0, -1000.0)
    hu[np.hypot(y, x - 0.2) < 0.12] = -850
    return torch.from_numpy(hu).float()[None, None]


@every_name
def test_the_repaired_form_learns(name: str) -> None:
    recipe, clean = recipes()[f"{name}-repaired"], phantom()
    module, phase = checkpoint.build(recipe), recipe.phases[0]
    optimiser = OPTIMISERS.make(phase.optimiser.choice, module.parameters())
    gradient, loss = GRADIENTS.make(recipe.gradient), LOSSES.make(phase.losses[0].choice)
    noise = NOISES.make(recipe.noise)

    def noisy(seed: int) -> Tensor:
        made: Tensor = noise.slice(clean[0, 0], (1.0, 1.0), seed=seed)[None, None]
        return made

    def error() -> float:
        with torch.no_grad():
            return float((module(noisy(99)) - clean).square().mean())

    cap_threads()  # as a training does
    before = error()
    for step in range(30):
        optimiser.zero_grad()
        gradient(module, noisy(step), lambda p: loss(p, clean))
        optimiser.step()
    assert error() < 0.95 * before


@every_name
def test_both_forms_go_through_the_trainer(name: str) -> None:
    slices = np.concatenate([phantom()[0].numpy()] * 4).astype(np.int16)
    ones = np.ones(4)
    series = Volume(slices, ones, 0 * ones, "HU", Geometry.axial(4, (3, 0.7, 0.7)))
    for form in ("", "-repaired"):
        recipe = recipes()[name + form]
        settings: dict[str, Any] = {
            "phases.0.steps": 2, "patch_px": 32, "batch": 1, "stopping.seconds": 0, "device": "cpu",
        }  # fmt: skip
        for path, value in settings.items():
            recipe = recipe.with_setting(path, value)
        losses = [e.losses["loss"] for e in train(recipe, [series]) if isinstance(e, Step)]
        assert len(losses) == 2
        assert np.isfinite(losses).all()


def test_mistakes_in_the_layers_are_named() -> None:
    with pytest.raises(StudioError, match=r"article_cnn\.layers: block 2, '3x3 1'"):
        recipes()["article2-sgd"].with_setting("phases.0.model.layers", "3x3 8 relu, 3x3 1")
