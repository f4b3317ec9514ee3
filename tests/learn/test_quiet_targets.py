"""Noisy series are averaged before they are learnt from; what is shown stays as it is."""

from __future__ import annotations

import numpy as np
import torch

from ctstudio.core.events import finish
from ctstudio.ct.averaging import averaged_below
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.synthetic import SyntheticNoise


def _series(sd: float) -> Volume:
    y, x = np.mgrid[:128, :128] - 64
    body = np.where(x**2 + y**2 < 58**2, 40.0, -1000.0)
    noise = np.random.default_rng(3).normal(0, sd, (9, 128, 128))
    hu = np.rint(body + noise).astype(np.float32)
    return Volume.from_hu(hu, Geometry.axial(9, (3.0, 0.8, 0.8)))


def _recipe() -> Recipe:
    recipe = bundled()["dncnn-low-dose"].with_setting("patch_px", 32)
    return recipe.with_setting("noise", "gaussian").with_setting("noise.sd", 0.1)


def test_the_noisy_one_alone_is_averaged() -> None:
    noisy, quiet = _series(40), _series(5)
    task = SyntheticNoise(quiet_hu=14, augment=False)
    finish(task.prepare(_recipe(), [noisy, quiet], 3, torch.device("cpu")))

    expected = finish(averaged_below(noisy, 14)).hu()
    learnt = task.series[0].stack.numpy()
    assert learnt.shape[1:] == (64, 64)
    np.testing.assert_allclose(learnt[0], expected[0], atol=1e-3)
    assert task.series[1].stack.shape[1:] == (128, 128)

    judged = {tuple(pair.noisy.shape) for pair in task.validation}
    assert judged == {(64, 64), (128, 128)}
    assert task.preview.index == 3
    assert np.array_equal(task.preview.target.numpy(), noisy.slice_hu(3))

    generator = torch.Generator().manual_seed(1)
    for batch in task.draw(generator, 10):
        assert float((batch.inputs - batch.targets).abs().max()) < 1


def test_without_a_limit_all_are_learnt_from_as_they_are() -> None:
    task = SyntheticNoise()
    finish(task.prepare(_recipe(), [_series(40)], None, torch.device("cpu")))
    assert task.series[0].stack.shape[1:] == (128, 128)


def test_any_dose_is_the_recipe_that_asks_for_it() -> None:
    assert bundled()["drunet-any-dose"].task.params["quiet_hu"] == 14
