"""The three adversarial recipes: which networks play which game, and that they denoise."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from ctstudio.core.registry import Choice
from ctstudio.learn import wording
from ctstudio.learn.critics import CRITICS
from ctstudio.learn.device import cap_threads
from ctstudio.learn.models.residual_net import ResidualNetwork
from ctstudio.learn.noise import NOISES
from ctstudio.learn.recipe import ADVERSARY, bundled
from ctstudio.learn.recipe_check import refuse_what_cannot_be_trained
from ctstudio.learn.tasks import Batch
from ctstudio.learn.trainee import Trainee

CASES = {
    "vanilla": ("connected", "adversarial", "Linear"),
    "autoencoder": ("autoencoding", "adversarial_equilibrium", "Conv2d"),
    "all-convolutional": ("convolutional", "adversarial", "Conv2d"),
}
every_case = pytest.mark.parametrize("case", CASES)
recipes = cache(bundled)


@every_case
def test_the_recipe_is_what_its_name_says(case: str) -> None:
    critic, game, layer = CASES[case]
    recipe = recipes()[f"adversarial-{case}"]
    phase = recipe.phases[0]
    assert phase.models[ADVERSARY].name == critic
    assert [term.choice.name for term in phase.losses] == ["mse", game]
    kinds = {type(part).__name__ for part in CRITICS.make(phase.models[ADVERSARY]).modules()}
    assert kinds & {"Linear", "Conv2d"} == {layer}
    assert recipe.noise.name == "article_gaussian"
    assert recipe.noise.params["share"] == 0.3
    assert 0 < recipe.stopping.seconds <= 300
    refuse_what_cannot_be_trained(recipe)
    told = wording.trained(recipe, 10)
    assert f"against an adversary ({CRITICS[critic].title.lower()})" in told
    assert "adversary" not in wording.trained(recipes()["residual-addition"], 10)


@every_case
def test_the_generator_has_residual_blocks_and_a_signed_last_activation(case: str) -> None:
    recipe = recipes()[f"adversarial-{case}"]
    trainee = Trainee(recipe, torch.device("cpu"))
    assert isinstance(trainee.module, ResidualNetwork)
    assert trainee.module.function == "addition"
    assert trainee.module.activations[-1] == "linear"
    assert len(trainee.module.blocks) == 6
    inside = trainee.module.inside(torch.tensor([-1000.0, 1048.0]))
    assert inside.tolist() == [0, 1]


@every_case
def test_both_sides_learn(case: str) -> None:
    recipe = recipes()[f"adversarial-{case}"].with_setting("ema", 0)
    recipe = recipe.with_setting("phases.0.optimisers.discriminator.lr", 2e-3)
    y, x = np.mgrid[:32, :32] / 32 - 0.5
    hu = np.where(np.hypot(y, x) < 0.45, 20.0, -1000.0)
    clean = torch.from_numpy(hu).float()
    noise = NOISES.make(Choice("article_gaussian", recipe.noise.params))
    target = clean.expand(2, 1, 32, 32)

    def noisy(seed: int) -> torch.Tensor:
        return torch.stack([noise.slice(clean, (1.0, 1.0), seed=2 * seed + k) for k in (0, 1)])

    cap_threads()  # as a training does
    trainee = Trainee(recipe, torch.device("cpu"))
    trainee.begin(recipe.phases[0])
    told = []
    for step in range(40):
        trainee.set_rate(0.05)
        told.append(trainee.learn(Batch(noisy(step)[:, None], target)))
    losses = {name: np.array([float(values[name]) for values in told]) for name in told[0]}
    assert set(losses) == {"mse", "generator", "adversary", "loss"}
    assert losses["mse"][-5:].mean() < 0.2 * losses["mse"][:2].mean()
    assert losses["adversary"][-5:].mean() < 0.95 * losses["adversary"][:2].mean()
