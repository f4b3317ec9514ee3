"""Adam as the programs of the articles on denoising lung CT have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class ArticleAdam(Optimizer):
    """Adam whose bias correction is the same at every step.

    With the gradient ``g`` of a weight ``w``::

        m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
        w = w - lr (m / (1 - b1)) / (sqrt(v / (1 - b2)) + epsilon)

    where Kingma and Ba divide by ``1 - b1^t`` and ``1 - b2^t`` at step ``t``. The first step is
    theirs. Under a steady gradient theirs stay ``lr``, while these tend to
    ``lr sqrt(1 - b2) / (1 - b1)``, a third of it for the usual memories.

    Parameters
    ----------
    parameters
        Tensors, or dicts with ``params`` and settings of their own.
    lr, beta1, beta2, epsilon
        As in the formulas.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        beta1: float,
        beta2: float,
        epsilon: float,
    ) -> None:
        settings = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change every weight that has a gradient; ``closure`` reckons the gradients anew."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight] |= {
                        "mean": torch.zeros_like(weight),
                        "square": torch.zeros_like(weight),
                    }
            gradients = [w.grad for w in weights]
            means = [self.state[w]["mean"] for w in weights]
            squares = [self.state[w]["square"] for w in weights]
            beta1, beta2 = group["beta1"], group["beta2"]
            # All tensors at once: one by one a small network would spend its time here.
            torch._foreach_mul_(means, beta1)
            torch._foreach_add_(means, gradients, alpha=1 - beta1)
            torch._foreach_mul_(squares, beta2)
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
            lengths = torch._foreach_div(squares, 1 - beta2)
            torch._foreach_sqrt_(lengths)
            torch._foreach_add_(lengths, group["epsilon"])
            torch._foreach_addcdiv_(weights, means, lengths, -group["lr"] / (1 - beta1))
        return loss
