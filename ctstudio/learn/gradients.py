"""How the gradient is found: by automatic differentiation, or by a derivation of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ctstudio.core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


class Gradient(Protocol):
    """What an entry of `GRADIENTS` makes."""

    def __call__(
        self, module: nn.Module, inputs: Tensor, objective: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Add the derivative of ``objective(module(inputs))`` to every parameter's ``grad``.

        ``objective`` turns a prediction into the scalar that is minimised. Returns the
        prediction, cut off from the graph. A derivation of one's own takes the objective's
        gradient at the prediction and carries it through the network itself.
        """
        ...


GRADIENTS: Registry[Callable[..., Gradient]] = Registry("gradient")
"""Every way to the gradient by name. An entry is called with its settings."""


@GRADIENTS.add("automatic", title="Automatic differentiation")
def automatic() -> Gradient:
    """Reverse-mode automatic differentiation by torch."""

    def gradient(
        module: nn.Module, inputs: Tensor, objective: Callable[[Tensor], Tensor]
    ) -> Tensor:
        prediction: Tensor = module(inputs)
        objective(prediction).backward()  # type: ignore[no-untyped-call]
        return prediction.detach()

    return gradient
