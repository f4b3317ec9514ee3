"""Optimisers. Reading the settings loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

from ctstudio.core.registry import Param, Registry

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

Rate = Annotated[float, Param("Learning rate at its highest", 1e-8, 10, label="lr", log=True)]
Decay = Annotated[float, Param("Weight decay", 0, 1)]

OPTIMISERS: Registry[Callable[..., Optimizer]] = Registry("optimiser")
"""Every optimiser by name. An entry is called with the parameters and its settings."""


@OPTIMISERS.add("adam", title="Adam")
def adam(
    parameters: Iterable[Tensor],
    *,
    lr: Rate = 1e-3,
    beta1: Annotated[float, Param("Memory of the gradient", 0, 0.9999)] = 0.9,
    beta2: Annotated[float, Param("Memory of the squared gradient", 0, 0.99999)] = 0.99,
    epsilon: Annotated[float, Param("Added to the denominator", 1e-16, 1, log=True)] = 1e-8,
) -> Optimizer:
    """Adam (Kingma and Ba, ICLR 2015)."""
    from torch.optim import Adam

    return Adam(parameters, lr=lr, betas=(beta1, beta2), eps=epsilon)


@OPTIMISERS.add("adamw", title="AdamW")
def adamw(
    parameters: Iterable[Tensor],
    *,
    lr: Rate = 1e-3,
    beta1: Annotated[float, Param("Memory of the gradient", 0, 0.9999)] = 0.9,
    beta2: Annotated[float, Param("Memory of the squared gradient", 0, 0.99999)] = 0.99,
    epsilon: Annotated[float, Param("Added to the denominator", 1e-16, 1, log=True)] = 1e-8,
    weight_decay: Decay = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""
    from torch.optim import AdamW

    return AdamW(parameters, lr=lr, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay)


@OPTIMISERS.add("sgd", title="Gradient descent")
def sgd(
    parameters: Iterable[Tensor],
    *,
    lr: Rate = 0.01,
    momentum: Annotated[float, Param("Share of the last step that is kept", 0, 0.9999)] = 0.9,
    nesterov: Annotated[bool, Param("Look ahead along the momentum")] = False,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Stochastic gradient descent with momentum."""
    from torch.optim import SGD

    return SGD(
        parameters,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov and momentum > 0,
        weight_decay=weight_decay,
    )
