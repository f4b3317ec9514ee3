"""Losses against closed forms, scikit-image, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.losses import LOSSES, similarity


def images(size: int = 16, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(5)
    target = draw.normal(40, 60, (batch, 1, size, size))
    return torch.tensor(target + draw.normal(0, 25, target.shape)), torch.tensor(target)


@pytest.mark.parametrize("name", [entry.name for entry in LOSSES])
def test_gradients_agree_with_finite_differences(name: str) -> None:
    loss = LOSSES.make(Choice(name))
    prediction, target = images(12, 1)
    assert torch.autograd.gradcheck(
        lambda p: loss(p, target), prediction.requires_grad_(), eps=1e-5, atol=1e-9, rtol=1e-4
    )


@pytest.mark.parametrize("name", [entry.name for entry in LOSSES])
def test_nothing_is_lost_on_equal_images(name: str) -> None:
    _, target = images()
    assert float(LOSSES.make(Choice(name))(target, target)) == pytest.approx(0, abs=1e-9)


def test_sum_of_squares_is_the_articles_cost() -> None:
    prediction, target = images()
    for factor in (0.25, 0.5):
        value = LOSSES.make(Choice("sum_of_squares", {"factor": factor}))(prediction, target)
        each = [
            factor * np.sum(((p - t) / 100) ** 2)
            for p, t in zip(prediction.numpy(), target.numpy(), strict=True)
        ]
        assert float(value) == pytest.approx(np.mean(each), rel=1e-12)


def test_gradient_does_not_see_a_constant_and_sees_a_slope() -> None:
    loss = LOSSES.make(Choice("gradient"))
    _, target = images()
    assert float(loss(target + 30, target)) == pytest.approx(0, abs=1e-9)
    slope = 5.0 * torch.arange(16, dtype=torch.float64)
    assert float(loss(target + slope, target)) == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize("range_hu", [400.0, 2000.0])
def test_ssim_is_that_of_scikit_image(range_hu: float) -> None:
    prediction, target = images(40)
    _, whole = structural_similarity(
        target[0, 0].numpy(), prediction[0, 0].numpy(), data_range=range_hu, sigma=1.5,
        gaussian_weights=True, use_sample_covariance=False, full=True, win_size=11,
    )  # fmt: skip
    ours = similarity(prediction, target, range_hu)[0, 0].numpy()
    assert ours.shape == (30, 30)
    assert np.allclose(ours, whole[5:-5, 5:-5], atol=1e-9)
    loss = LOSSES.make(Choice("ssim", {"range_hu": range_hu}))(prediction[:1], target[:1])
    assert float(loss) == pytest.approx(1 - whole[5:-5, 5:-5].mean(), abs=1e-9)


def test_ssim_in_single_precision_is_close_enough() -> None:
    prediction, target = images(40)
    double = similarity(prediction, target, 400.0)
    single = similarity(prediction.float(), target.float(), 400.0)
    assert float((double - single).abs().max()) < 2e-3


def test_too_small_patches_are_refused_by_name() -> None:
    prediction, target = images(10)
    with pytest.raises(StudioError, match="10 px are too small"):
        LOSSES.make(Choice("ssim"))(prediction, target)
