"""Losses: how far a reconstruction is from its target.

They are reckoned in units of 100 HU, so that losses of different kinds have comparable sizes and
an optimiser's usual learning rates fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias

from ctstudio.core.registry import Param, Registry

if TYPE_CHECKING:
    from torch import Tensor

UNIT_HU = 100.0

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
