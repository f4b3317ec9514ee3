"""What a way to the gradient is, and what a network offers that can be gone back through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


class Gradient(Protocol):
    """What an entry of `GRADIENTS` makes."""

    def __call__(
        self,
        module: nn.Module,
        inputs: Tensor,
        objective: Callable[[Tensor], Tensor],
        epoch: float = 0.0,
    ) -> Tensor:
        """Add the derivative of ``objective(module(inputs))`` to every parameter's ``grad``.

        ``objective`` turns a prediction into the scalar that is minimised; ``epoch`` says how
        often the data has been gone through. Returns the prediction, cut off from the graph. A
        derivation of one's own takes the objective's gradient at the prediction and carries it
        through the network itself.
        """
        ...


class WayBack(Protocol):
    """The way back through one layer, for one input that went through it."""

    def __call__(self, gradient: Tensor, pass_on: bool = True) -> Tensor:
        """Add to the ``grad`` of the layer's parameters, and return the gradient at its input.

        ``gradient`` is that at the layer's output ``(b, out, y, x)``; what is returned is
        ``(b, in, y, x)``, or empty where nobody wants it and ``pass_on`` is False.
        """
        ...


@dataclass(frozen=True)
class Trace:
    """What a network made of an input, and how to go back.

    ``prediction`` is HU ``(b, 1, y, x)``, ``unit`` the HU that count as 1 inside, and ``layers``
    the ways back through the layers, the first layer first, in the network's own range.
    """

    prediction: Tensor
    unit: float
    layers: Sequence[WayBack]


@runtime_checkable
class Chain(Protocol):
    """A network of layers one after the other, each of which can be gone back through."""

    def trace(self, inputs: Tensor) -> Trace:
        """The network's answer to HU ``(b, 1, y, x)`` and the ways back; records no graph."""
        ...


@runtime_checkable
class Faulty(Protocol):
    """A network that hands on something else than its derivative, as an article's program did."""

    def exact(self) -> nn.Module:
        """The same network on the same parameters, with its derivative."""
        ...


GRADIENTS: Registry[Callable[..., Gradient]] = Registry("gradient")
"""Every way to the gradient by name. An entry is called with its settings.

Tag: "chain" where it needs a network that is a `Chain`.
"""


def traced(
    module: nn.Module, inputs: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Trace, Tensor]:
    """A network's trace, and the objective's gradient at its output in the network's range.

    Raises
    ------
    StudioError
        Where the network is no `Chain`.
    """
    import torch

    if not isinstance(module, Chain):
        raise StudioError(
            f"The gradient of a {type(module).__name__} is not written out by hand.",
            hint="Choose the automatic gradient, or a network of the articles.",
        )
    # What is derived by hand has no rules about which operation may be rounded to 16 bit.
    with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
        trace = module.trace(inputs)
    prediction = trace.prediction.detach().requires_grad_()
    with torch.enable_grad():
        (seed,) = torch.autograd.grad(objective(prediction), prediction)
    return trace, seed * trace.unit
