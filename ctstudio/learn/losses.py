"""Losses: how far a reconstruction is from its target.

They are reckoned in units of 100 HU, so that losses of different kinds have comparable sizes and
an optimiser's usual learning rates fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param, Registry

if TYPE_CHECKING:
    from torch import Tensor

UNIT_HU = 100.0
SSIM_WINDOW_PX, SSIM_SIGMA_PX = 11, 1.5

LossFunction: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""(prediction, target), both HU of one shape, to a scalar tensor."""

LOSSES: Registry[Callable[..., LossFunction]] = Registry("loss")
"""Every loss by name. An entry is called with its settings and makes a `LossFunction`."""


@LOSSES.add("mse", title="Mean squared error")
def mse() -> LossFunction:
    """Mean squared difference. Its best answer is the mean, so it keeps HU unbiased."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target) / UNIT_HU).square().mean()

    return loss


@LOSSES.add("l1", title="Mean absolute error")
def l1() -> LossFunction:
    """Mean absolute difference. Its best answer is the median."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target) / UNIT_HU).abs().mean()

    return loss


@LOSSES.add("charbonnier", title="Charbonnier")
def charbonnier(
    *,
    softness: Annotated[
        float, Param("Below this difference it is quadratic", 0.01, 1000, "HU", log=True)
    ] = 10.0,
) -> LossFunction:
    """Square root of the squared difference plus a softness: linear for large differences."""
    epsilon = softness / UNIT_HU

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        difference = (prediction - target) / UNIT_HU
        return ((difference.square() + epsilon**2).sqrt() - epsilon).mean()

    return loss


@LOSSES.add("sum_of_squares", title="Sum of squares")
def sum_of_squares(
    *,
    factor: Annotated[
        float, Param("What the sum is multiplied with; the articles have 1/4 and 1/2", 1e-6, 10)
    ] = 0.5,
) -> LossFunction:
    """Sum, not mean, of squared differences over each image, averaged over the batch."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        squares = ((prediction - target) / UNIT_HU).square()
        return factor * squares.sum() / len(prediction)

    return loss


@LOSSES.add("gradient", title="Gradient of the image")
def gradient() -> LossFunction:
    """Mean absolute difference of the finite differences along rows and columns: keeps edges."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        difference = (prediction - target) / UNIT_HU
        down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
        across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
        return down + across

    return loss


@LOSSES.add("ssim", title="Structural similarity")
def ssim(
    *,
    range_hu: Annotated[
        float, Param("Width of the values that count", 1, 10_000, "HU", label="Range", log=True)
    ] = 400.0,
) -> LossFunction:
    """One minus the mean SSIM (Wang et al. 2004, doi 10.1109/TIP.2003.819861).

    The window is a Gaussian of 1.5 px, cut at 11 x 11 px, and only where it lies wholly inside.
    """

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        return 1 - similarity(prediction, target, range_hu).mean()

    return loss


def similarity(one: Tensor, other: Tensor, range_hu: float) -> Tensor:
    """Local SSIM of ``(b, 1, y, x)`` HU, on the pixels whose window lies inside the images.

    Raises
    ------
    StudioError
        When the images are smaller than the window of 11 px.
    """
    import torch
    import torch.nn.functional as F

    if min(one.shape[-2:]) < SSIM_WINDOW_PX:
        raise StudioError(
            f"Patches of {min(one.shape[-2:])} px are too small for the structural similarity.",
            hint=f"Make them at least {SSIM_WINDOW_PX} px.",
        )
    at = torch.arange(SSIM_WINDOW_PX, dtype=one.dtype, device=one.device) - SSIM_WINDOW_PX // 2
    line = torch.exp(-at.square() / (2 * SSIM_SIGMA_PX**2))
    line = line / line.sum()
    # The means of five images, blurred along the columns and then along the rows.
    images = torch.cat([one, other, one * one, other * other, one * other], dim=1)
    count = images.shape[1]
    kernel = line.expand(count, 1, -1)
    images = F.conv2d(images, kernel.unsqueeze(-1), groups=count)
    images = F.conv2d(images, kernel.unsqueeze(-2), groups=count)
    mean_1, mean_2, square_1, square_2, product = torch.unbind(images, 1)
    variance_1, variance_2 = square_1 - mean_1**2, square_2 - mean_2**2
    c1, c2 = (0.01 * range_hu) ** 2, (0.03 * range_hu) ** 2
    likeness: Tensor = (2 * mean_1 * mean_2 + c1) * (2 * (product - mean_1 * mean_2) + c2)
    likeness = likeness / ((mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2))
    return likeness.unsqueeze(1)
