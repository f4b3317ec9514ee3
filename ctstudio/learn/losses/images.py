"""Losses of images, pixel by pixel, reckoned in units of `UNIT_HU`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ctstudio.core.registry import Param
from ctstudio.learn.losses.base import LOSSES, UNIT_HU, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


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
