"""Densely connected dilated back-propagation: the gradient skips layers on its way back."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.gradients.base import GRADIENTS, Gradient, traced

if TYPE_CHECKING:
    from torch import Tensor, nn


@GRADIENTS.add("dilated", title="Densely connected dilated back-propagation", tags=["chain"])
def dilated(
    *,
    proportion: Annotated[
        float, Param("Weight of what skips layers, at the beginning", 0, 1e6, label="Proportion P")
    ] = 1000.0,
    decay: Annotated[
        float, Param("How fast it falls: P / (1 + D t) in epoch t", 0, 1000, label="Decay D")
    ] = 0.08,
    join: Annotated[
        Literal["sum", "product"], Param("How the gradients that skip layers are joined")
    ] = "sum",
) -> Gradient:
    """Each layer also receives what layers further on passed back (J. D. Seo, 2018).

    With ``g_k`` the gradient that layer ``k`` of ``n`` passes to its input, and
    ``r = P / (1 + D t)`` in epoch ``t``, layer ``n`` receives the objective's gradient, layer
    ``n - 1`` receives ``g_n``, and any layer ``k`` before::

        g_{k+1} + r (g_{k+2} + ... + g_n)        or the product of these, element by element

    What skips a layer is added as it is, without the derivative of the layer, so this is not the
    gradient of the objective but a rule of learning. The layers but the last need equally many
    channels.
    """

    def gradient(
        module: nn.Module,
        inputs: Tensor,
        objective: Callable[[Tensor], Tensor],
        epoch: float = 0.0,
    ) -> Tensor:
        weight = proportion / (1 + decay * math.floor(epoch))
        trace, received = traced(module, inputs, objective)
        earlier: list[Tensor] = []  # g_n, g_{n-1} ..., without the newest
        for number, back in reversed(list(enumerate(trace.layers))):
            passed = back(received, pass_on=number > 0)
            if number == 0:
                break
            if any(one.shape != passed.shape for one in earlier):
                sizes = " and ".join(
                    " x ".join(str(length) for length in one.shape[1:])
                    for one in (passed, earlier[0])
                )
                raise StudioError(
                    "The dilated gradient needs blocks that hand on images of one size and equally "
                    f"many channels; here they hand on {sizes} values.",
                    hint="Choose a network of such blocks; of a residual network, give all blocks "
                    "but the last the same number of channels.",
                )
            received = passed
            if earlier:
                skipped = reduce(_product if join == "product" else _sum, earlier)
                received = passed + weight * skipped
            earlier.append(passed)
        return trace.prediction

    return gradient


def _sum(one: Tensor, other: Tensor) -> Tensor:
    return one + other


def _product(one: Tensor, other: Tensor) -> Tensor:
    return one * other
