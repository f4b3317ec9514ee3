"""The recipes of the article's autoencoder: its table of runs, and what its runs showed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core.registry import Choice
from ctstudio.learn.gradients import GRADIENTS
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models import MODELS
from ctstudio.learn.optimisers import OPTIMISERS
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.steering import parameter_groups

RECIPES = bundled()
TANH = "tanh arctan tanh arctan | arctan arctan arctan"
TABLE = {
    # activations, rates of encoder and decoder, SD of the first weights, latent, optimiser, epochs
    "sgd": (TANH, 7e-6, 1e-5, 0.04, 0.04, 1000, "sgd", 100),
    "adam-high": (TANH, 5e-4, 1e-3, 0.04, 0.04, 1000, "article_adam", 150),
    "relu-high": ("relu relu relu arctan | tanh tanh relu", 6e-6, 6e-7, 0.01, 0.1, 1000,
                  "article_adam", 100),
    "relu-low": ("relu relu relu sigmoid | arctan relu arctan", 1e-7, 1e-8, 0.01, 0.1, 2000,
                 "article_adam", 100),
    "tanh-arctan-high": (TANH, 6e-6, 6e-7, 0.01, 0.1, 1000, "article_adam", 100),
    "tanh-arctan-low": (TANH, 7e-7, 1e-7, 0.01, 0.1, 1000, "article_adam", 100),
}  # fmt: skip


def recipe(run: str, form: str = "faithful") -> Recipe:
    return RECIPES[f"autoencoder-{run}" + ("-repaired" if form == "repaired" else "")]


def test_every_run_has_its_two_recipes() -> None:
    names = {name for name in RECIPES if name.startswith("autoencoder-")}
    assert names == {f"autoencoder-{run}{end}" for run in TABLE for end in ("", "-repaired")}


@pytest.mark.parametrize("form", ["faithful", "repaired"])
@pytest.mark.parametrize("run", TABLE)
def test_the_architecture_is_that_of_the_table(run: str, form: str) -> None:
    activations, *_, latent, _, _ = TABLE[run]
    model = recipe(run, form).phases[0].model
    chosen = [model.params[f"{part}{stage}"] for part in "ed" for stage in (1, 2, 3, 4)]
    assert chosen == [*activations.replace("| ", "").split(), "sigmoid"]
    assert model.name == "autoencoder_numpy"
    assert (model.params["latent"], model.params["size_px"]) == (latent, 512)
    noise = recipe(run, form).noise
    assert (noise.name, noise.params["share"]) == ("article_gaussian", 0.3)
    assert (recipe(run, form).batch, recipe(run, form).patch_px) == (1, 512)


@pytest.mark.parametrize("run", TABLE)
def test_the_faithful_form_is_the_articles(run: str) -> None:
    _, rate, _, conv_sd, full_sd, _, optimiser, epochs = TABLE[run]
    article = recipe(run)
    (phase,) = article.phases
    model = phase.model.params
    assert (model["conv_sd"], model["full_sd"], model["conv_mean"]) == (conv_sd, full_sd, 0)
    assert (model["width"], model["black"], model["gradients"]) == (1, -1000, "article")
    assert phase.steps == 119 * epochs
    chosen = phase.optimiser
    assert (chosen.choice.name, chosen.schedule.name) == (optimiser, "constant")
    assert article.ema == 0
    # The decoder learns at the encoder's rate.
    groups = parameter_groups(MODELS.make(small(article)), chosen.rates)
    assert [group["factor"] for group in groups] == [1]
    assert chosen.choice.params["lr"] == rate


@pytest.mark.parametrize("run", TABLE)
def test_the_repaired_form_has_none_of_the_faults(run: str) -> None:
    _, encoder, decoder, *_, optimiser, _ = TABLE[run]
    repaired = recipe(run, "repaired")
    (phase,) = repaired.phases
    assert phase.model.params["gradients"] == "exact"
    assert phase.model.params["width"] > 1000
    assert phase.optimiser.choice.name == ("sgd" if optimiser == "sgd" else "adam")
    assert phase.optimiser.rates["decoder"] == pytest.approx(decoder / encoder, rel=1e-2)
    assert 0 < repaired.stopping.seconds <= 900
    assert repaired.validation.share > 0


@pytest.mark.parametrize("run", TABLE)
def test_the_articles_loss(run: str) -> None:
    (term,) = recipe(run).phases[0].losses
    prediction = torch.tensor([[[[3.0, -1.0], [0.0, 2.0]]]], requires_grad=True)
    target = torch.tensor([[[[1.0, -2.0], [5.0, 2.0]]]])
    loss = term.weight * LOSSES.make(term.choice)(prediction, target)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.25 * (4 + 1 + 25))
    torch.testing.assert_close(prediction.grad, 0.5 * (prediction - target).detach())


def small(made: Recipe) -> Choice:
    return Choice("autoencoder_numpy", {**made.phases[0].model.params, "size_px": 64, "latent": 50})


def body() -> torch.Tensor:
    """A disc of water with two lungs in air, HU ``(1, 1, 64, 64)``."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    hu = np.where(y**2 + x**2 < 0.6, 0.0, -1000.0)
    hu[(y**2 + (np.abs(x) - 0.35) ** 2 < 0.05)] = -850.0
    return torch.from_numpy(hu.astype(np.float32))[None, None]


def learnt(made: Recipe, steps: int, **settings: Any) -> tuple[list[float], np.ndarray]:
    """The losses, and the last picture, counted from air; the network is a small one."""
    torch.manual_seed(3)
    phase = made.phases[0]
    module = MODELS.make(Choice("autoencoder_numpy", {**small(made).params, **settings}))
    optimiser = OPTIMISERS.make(
        phase.optimiser.choice, parameter_groups(module, phase.optimiser.rates)
    )
    (term,) = phase.losses
    measure = LOSSES.make(term.choice)
    gradient, clean = GRADIENTS.make(made.gradient), body()
    losses: list[float] = []

    def objective(prediction: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = term.weight * measure(prediction, clean)
        losses.append(float(value.detach()))
        return value

    for _ in range(steps):
        optimiser.zero_grad()
        noisy = clean + 0.3 * 1000 * torch.randn_like(clean)
        prediction = gradient(module, noisy, objective)
        optimiser.step()
    return losses, (prediction[0, 0] + 1000).numpy()


def test_the_faithful_run_saturates_to_a_disc_and_never_comes_near() -> None:
    losses, picture = learnt(recipe("adam-high"), 150)
    assert picture.min() >= 0
    assert picture.max() <= 1  # where the targets are 1000
    assert losses[-1] < losses[0]
    assert losses[-1] > 0.99 * losses[0]
    # A white disc: the body's inside is at the end of what a sigmoid has.
    assert picture[24:40, 30:34].mean() > 0.95
    # The lungs cannot be told from the rest of the body.
    lungs = (body()[0, 0] == -850).numpy()
    assert picture[lungs].mean() > 0.95


def test_the_first_pictures_of_a_faithful_run_stand_on_their_head() -> None:
    """Three convolutions on the way back to the decoder's first layer turn its gradient once."""
    clean = torch.full((1, 1, 64, 64), -1000.0)
    clean[..., 8:24, 12:52] = 0  # a bar in the upper half

    def upper_share(gradients: str) -> float:
        torch.manual_seed(3)
        settings = {**small(recipe("adam-high")).params, "gradients": gradients}
        module = MODELS.make(Choice("autoencoder_numpy", settings))
        GRADIENTS.make(Choice("manual"))(module, clean, lambda p: (p - clean).square().sum())
        found = module.get_parameter("decoder.full").grad
        each = found.square().sum(0).reshape(8, 8)
        return float(each[:4].sum() / each.sum())

    assert upper_share("exact") > 0.8
    assert upper_share("article") < 0.2


@pytest.mark.parametrize("run", TABLE)
def test_no_faithful_run_leaves_what_a_sigmoid_can_give(run: str) -> None:
    losses, picture = learnt(recipe(run), 20)
    assert picture.min() >= 0
    assert picture.max() <= 1
    # Black throughout would cost as much as the values as stored are worth.
    black = 0.25 * float(((body() + 1000) ** 2).sum())
    assert np.all(np.array(losses) > 0.99 * black)


@pytest.mark.parametrize("run", TABLE)
def test_every_repaired_run_comes_near(run: str) -> None:
    losses, picture = learnt(recipe(run, "repaired"), 150)
    assert losses[-1] < 0.2 * losses[0]
    air, lungs = ((body()[0, 0] == hu).numpy() for hu in (-1000, -850))
    assert picture[air].mean() < 200
    assert picture[24:40, 30:34].mean() > 700
    assert picture[lungs].mean() < 600
    # Nearer than what it was given, although fine detail is lost at so few pixels.
    error = picture - (body()[0, 0] + 1000).numpy()
    assert error.std() < 0.8 * 300


@pytest.mark.parametrize("run", ["relu-high", "relu-low"])
def test_a_last_kernel_that_begins_bright_silences_the_relu_before_it(run: str) -> None:
    """A sigmoid of what is never negative says a half and more; the air pulls the ReLU to 0."""
    _, picture = learnt(recipe(run, "repaired"), 120, last_factor=1.0)
    assert picture.std() < 10
    assert picture.mean() == pytest.approx(1000, abs=20)  # half of the width
