"""The gradient by the chain rule written out by hand, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ctstudio.learn.gradients.base import GRADIENTS, Gradient, traced

if TYPE_CHECKING:
    from torch import Tensor, nn


@GRADIENTS.add("manual", title="Manual back-propagation", tags=["chain"])
def manual() -> Gradient:
    """Every layer's gradient by its own formula, from the last to the first."""

    def gradient(
        module: nn.Module,
        inputs: Tensor,
        objective: Callable[[Tensor], Tensor],
        epoch: float = 0.0,
    ) -> Tensor:
        trace, passed = traced(module, inputs, objective)
        for number, back in reversed(list(enumerate(trace.layers))):
            passed = back(passed, pass_on=number > 0)
        return trace.prediction

    return gradient
