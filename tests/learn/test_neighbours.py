"""Networks that see neighbouring slices: what noise these have, in training and in the judging."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.context import Context
from ctstudio.learn.noise import NOISES
from ctstudio.learn.noise.bank import Bank, Plan
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.synthetic import SyntheticNoise

SIDE = 64


def _series(count: int = 12) -> Volume:
    """A cylinder of water whose brightness tells the slice."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    body = np.hypot(y, x) < 25
    hu = np.stack([np.where(body, 10.0 * z, -1000.0) for z in range(count)])
    return Volume.from_hu(hu.astype(np.float32), Geometry.axial(count, (3.0, 0.8, 0.8)))


def _recipe(noise: str = "gaussian", **settings: float) -> Recipe:
    recipe = bundled()["dncnn-low-dose"].with_setting("patch_px", 32).with_setting("batch", 64)
    recipe = recipe.with_setting("noise", noise)
    for key, value in settings.items():
        recipe = recipe.with_setting(f"noise.{key}", value)
    return recipe


def _drawn(task: SyntheticNoise, recipe: Recipe) -> torch.Tensor:
    """The noise ``(b, 3, p, p)`` of a batch."""
    task.context = Context(slices=3)
    finish(task.prepare(recipe, [_series()], None, torch.device("cpu")))
    where = task._where(task.series[0], torch.Generator().manual_seed(1), 64)
    batch = task.pieces(task.series[0], where, torch.Generator().manual_seed(2))
    return batch.inputs - task.cut(task.series[0], where)


def _correlation(noise: torch.Tensor, a: int, b: int) -> torch.Tensor:
    """Of two slices of each patch, ``(b,)``."""
    one, other = noise[:, a].flatten(1), noise[:, b].flatten(1)
    return torch.nn.functional.cosine_similarity(one, other, dim=1)


def test_draws_of_neighbours_are_at_right_angles() -> None:
    """Field k is 1 at pixel k alone: a patch's noise shows the weights themselves."""
    fields = torch.eye(4, dtype=torch.float16).view(1, 4, 2, 2)
    bank = Bank(Plan.of([5], (2, 2), 4), fields)
    where = torch.tensor([[5, 0, 0]] * 500)
    weights = bank.add_to(torch.zeros(500, 3, 2, 2), where, torch.Generator().manual_seed(1))
    weights = weights.flatten(2)
    same = torch.eye(3).expand(500, 3, 3)
    torch.testing.assert_close(weights @ weights.mT, same, atol=1e-5, rtol=0)
    # Every direction is as likely as its opposite and as any other.
    assert float(weights.mean((0, 1)).abs().max()) < 0.05
    assert float((weights.square().mean((0, 1)) - 0.25).abs().max()) < 0.03


def test_slices_that_have_more_neighbours_than_fields_still_get_noise() -> None:
    fields = torch.eye(2, dtype=torch.float16).view(1, 2, 1, 2)
    bank = Bank(Plan.of([0], (1, 2), 2), fields.expand(1, 2, 1, 2))
    weights = bank.add_to(torch.zeros(9, 5, 1, 1), torch.tensor([[0, 0, 0]] * 9),
                          torch.Generator().manual_seed(1))  # fmt: skip
    assert weights.shape == (9, 5, 1, 1)
    assert float(weights.abs().min()) > 0


def test_neighbours_have_noise_of_their_own() -> None:
    noise = _drawn(SyntheticNoise(augment=False), _recipe(sd=20.0))
    assert noise.std((2, 3)).numpy() == pytest.approx(np.full((64, 3), 20.0), rel=0.2)
    assert float(_correlation(noise, 0, 1).abs().max()) < 0.15
    assert float(_correlation(noise, 0, 2).abs().max()) < 0.15


def test_a_scan_has_one_kind_of_noise() -> None:
    """The slice that is shown and its neighbours are of one dose and kernel."""
    recipe = _recipe("low_doses", least=0.02, most=0.9, photons=2e4)
    task = SyntheticNoise(augment=False)
    noise = _drawn(task, recipe)
    spread = noise.std((2, 3))
    inside = spread[:, 1] > 0.1
    assert float((spread / spread[:, 1:2])[inside].log().abs().max()) < 0.4
    assert float(spread[inside, 1].max() / spread[inside, 1].min()) > 4
    for pair in task.validation:
        assert pair.around is not None
        shown = pair.around.numpy() - np.stack(
            [_series().slice_hu(z) for z in (pair.index - 1, pair.index, pair.index + 1)]
        )
        sds = shown[:, 22:42, 22:42].std((1, 2))
        assert sds.max() / sds.min() < 1.5
        np.testing.assert_array_equal(pair.around[1].numpy(), pair.noisy.numpy())


@pytest.mark.parametrize("name", ["low_dose", "low_doses", "gaussian", "article_gaussian"])
def test_several_slices_at_once_get_a_draw_each(name: str) -> None:
    clean = torch.from_numpy(_series(2).hu())
    noise = NOISES.make(Choice(name)).slice(clean, (0.8, 0.8), seed=3) - clean
    assert noise.shape == clean.shape
    flat = noise[:, 22:42, 22:42].flatten(1)
    assert abs(float(torch.corrcoef(flat)[0, 1])) < 0.3
