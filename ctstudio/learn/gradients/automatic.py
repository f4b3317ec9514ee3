"""The gradient by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ctstudio.learn.gradients.base import GRADIENTS, Gradient

if TYPE_CHECKING:
    from torch import Tensor, nn


@GRADIENTS.add("automatic", title="Automatic differentiation")
def automatic() -> Gradient:
    """Reverse-mode automatic differentiation by torch."""

    def gradient(
        module: nn.Module,
        inputs: Tensor,
        objective: Callable[[Tensor], Tensor],
        epoch: float = 0.0,
    ) -> Tensor:
        prediction: Tensor = module(inputs)
        objective(prediction).backward()  # type: ignore[no-untyped-call]
        return prediction.detach()

    return gradient
