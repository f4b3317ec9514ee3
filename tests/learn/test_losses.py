"""Losses of images against closed forms, scikit-image, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.losses import LOSSES, similarity, structure
from ctstudio.learn.losses.structure import SCALES_PX, fitting_levels

ALONE = [e.name for e in LOSSES if not e.tags and e.name != "deep_features"]
"""The losses of images that need no trained network."""


def images(size: int = 16, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(5)
    target = draw.normal(40, 60, (batch, 1, size, size))
    return torch.tensor(target + draw.normal(0, 25, target.shape)), torch.tensor(target)


@pytest.mark.parametrize("name", ALONE)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    loss = LOSSES.make(Choice(name))
    prediction, target = images(12, 1)
    assert torch.autograd.gradcheck(
        lambda p: loss(p, target), prediction.requires_grad_(), eps=1e-5, atol=1e-9, rtol=1e-4
    )


@pytest.mark.parametrize("name", ALONE)
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


def of_scikit_image(one: np.ndarray, other: np.ndarray, range_hu: float) -> np.ndarray:
    """The product over the scales of an image of 80 px, where the coarsest window fits."""

    def scale(sigma: float, k1: float) -> np.ndarray:
        _, whole = structural_similarity(
            one, other, data_range=range_hu, sigma=sigma, gaussian_weights=True,
            use_sample_covariance=False, full=True, K1=k1,
        )  # fmt: skip
        return whole[14:-14, 14:-14]

    # With a huge constant the luminance counts for nothing; the coarsest scale alone has it.
    contrasts = [scale(sigma, 1e6) for sigma in SCALES_PX[:3]]
    return np.prod([*contrasts, scale(SCALES_PX[3], 0.01)], axis=0)


@pytest.mark.parametrize("range_hu", [400.0, 2000.0])
def test_multi_scale_similarity_is_that_of_scikit_image_scale_by_scale(range_hu: float) -> None:
    prediction, target = images(80)
    expected = [
        1 - of_scikit_image(p[0], t[0], range_hu).mean()
        for p, t in zip(prediction.numpy(), target.numpy(), strict=True)
    ]
    choice = Choice("ms_ssim_l1", {"alpha": 1, "range_hu": range_hu})
    assert float(LOSSES.make(choice)(prediction, target)) == pytest.approx(
        np.mean(expected), abs=1e-8
    )


def test_the_error_beside_it_is_weighted_with_the_coarsest_window() -> None:
    prediction, target = images(80)
    loss = LOSSES.make(Choice("ms_ssim_l1", {"alpha": 0, "range_hu": 500.0}))
    blurred = [
        gaussian_filter(d, SCALES_PX[3], truncate=3.5)[14:-14, 14:-14]
        for d in (prediction - target).abs().numpy()[:, 0]
    ]
    assert float(loss(prediction, target)) == pytest.approx(np.mean(blurred) / 500, rel=1e-9)
    mixed = LOSSES.make(Choice("ms_ssim_l1", {"alpha": 0.3, "range_hu": 500.0}))
    alike = LOSSES.make(Choice("ms_ssim_l1", {"alpha": 1, "range_hu": 500.0}))
    parts = 0.3 * alike(prediction, target) + 0.7 * loss(prediction, target)
    assert float(mixed(prediction, target)) == pytest.approx(float(parts), rel=1e-12)


def test_the_scales_fit_half_the_patch() -> None:
    sizes = {5: 1, 17: 1, 18: 2, 29: 2, 30: 3, 32: 3, 57: 3, 58: 4, 64: 4, 113: 4, 114: 5, 512: 5}
    assert {size: fitting_levels(size) for size in sizes} == sizes
    assert fitting_levels(512, 2) == 2
    # One scale is the SSIM with a window of 0.5 px, whatever was asked for.
    prediction, target = images(17)
    five, one = (LOSSES.make(Choice("ms_ssim_l1", {"levels": n})) for n in (5, 1))
    assert float(five(prediction, target)) == float(one(prediction, target))


def test_gradients_of_several_scales_agree_with_finite_differences() -> None:
    loss = LOSSES.make(Choice("ms_ssim_l1"))
    prediction, target = images(30, 1)
    prediction.requires_grad_()
    loss(prediction, target).backward()
    direction = torch.tensor(np.random.default_rng(2).normal(0, 1, prediction.shape))
    with torch.no_grad():
        up, down = (float(loss(prediction + s * direction, target)) for s in (1e-4, -1e-4))
    assert prediction.grad is not None
    along = float((prediction.grad * direction).sum())
    assert along == pytest.approx((up - down) / 2e-4, rel=1e-6)


@pytest.mark.parametrize("name", ["ssim", "ms_ssim_l1"])
def test_similarity_keeps_its_digits_in_mixed_precision(name: str) -> None:
    prediction, target = (image.float() - 900 for image in images(40))
    loss = LOSSES.make(Choice(name))
    exact = float(loss(prediction, target))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(loss(prediction, target)) == pytest.approx(exact, rel=1e-6)


def test_both_ways_to_blur_are_one() -> None:
    draw = torch.Generator().manual_seed(3)
    images = torch.randn(2, 5, 20, 31, generator=draw, dtype=torch.float64)
    for side in (1, 5, 20):
        line = torch.rand(side, generator=draw, dtype=torch.float64)
        one, other = structure._by_matrices(images, line), structure._by_convolution(images, line)
        assert one.shape == other.shape == (2, 5, 21 - side, 32 - side)
        assert torch.allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "size"), [("ssim", 10), ("ms_ssim_l1", 4)])
def test_too_small_patches_are_refused_by_name(name: str, size: int) -> None:
    prediction, target = images(size)
    with pytest.raises(StudioError, match=f"{size} px are too small"):
        LOSSES.make(Choice(name))(prediction, target)
