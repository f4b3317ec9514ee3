"""How long the gradient of each layer's weights is, read now and again while a network learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ctstudio.core.events import GradientNorms

if TYPE_CHECKING:
    from torch import Tensor, nn


def layers_of(module: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The trained weights of each layer, by a name for people, in the order of the network.

    A layer is what holds kernels or matrices of its own: "block 1", "body 3", "encoder conv 2".
    Constants and the factors of normalisations are not among its weights; what has nothing but
    these is no layer. Where layers stand in a numbered list among others without weights, they
    alone are counted.
    """
    from torch import nn

    owners: dict[str, list[nn.Parameter]] = {}
    for path, parameter in module.named_parameters():
        if parameter.requires_grad and parameter.dim() > 1:
            owner = path.rpartition(".")[0]
            # Such a container is no layer, but each of what it holds is.
            held = isinstance(module.get_submodule(owner), nn.ParameterDict | nn.ParameterList)
            owners.setdefault(path if held else owner, []).append(parameter)
    counted: dict[str, list[str]] = {}  # the numbers in use, by what stands before them
    for path in owners:
        parts = path.split(".")
        for k, part in enumerate(parts):
            numbers = counted.setdefault(".".join(parts[:k]), [])
            if part.isdigit() and part not in numbers:
                numbers.append(part)
    named = {_name(path, counted): owned for path, owned in owners.items()}
    # Two layers of one name would be one: then paths tell them apart.
    return named if len(named) == len(owners) else owners


def _name(path: str, counted: Mapping[str, Sequence[str]]) -> str:
    words: list[str] = []
    parts = path.split(".")
    for k, part in enumerate(parts):
        if not part.isdigit():
            words.append(part.replace("_", " "))
            continue
        words = words or ["layers"]
        if words[-1].endswith("s"):
            words[-1] = words[-1][:-1]
        words.append(str(counted[".".join(parts[:k])].index(part) + 1))
    return " ".join(words) or "layer"


class NormReader:
    """Takes the norms after the steps that are asked for; on the device, until they are read.

    ``every`` steps, and after the first; 0 takes none.
    """

    def __init__(self, module: nn.Module, every: int) -> None:
        self.every = every
        self._layers = layers_of(module) if every else {}
        self._waiting: list[tuple[int, float, Tensor]] = []

    def take(self, step: int, epoch: float) -> None:
        """Take the norms of the gradients that the parameters hold, if it is time to."""
        if self.every and self._layers and (step == 1 or step % self.every == 0):
            self._waiting.append((step, epoch, norms_of(list(self._layers.values()))))

    def read(self) -> list[GradientNorms]:
        """What was taken since the last call; waits for the device, once for all of it."""
        if not self._waiting:
            return []
        import torch

        waiting, self._waiting = self._waiting, []
        rows = torch.stack([norms for *_, norms in waiting]).tolist()
        return [
            GradientNorms(step, epoch, dict(zip(self._layers, row, strict=True)))
            for (step, epoch, _), row in zip(waiting, rows, strict=True)
        ]


def norms_of(layers: Sequence[Sequence[nn.Parameter]]) -> Tensor:
    """The Euclidean norm of each layer's gradient, ``(layers,)`` on their device.

    A layer that has none has 0.
    """
    import torch

    found = []
    with torch.no_grad():
        for parameters in layers:
            # Squares of what the articles' runs pass back leave the range of single precision.
            device = parameters[0].device
            wide = torch.float32 if device.type == "mps" else torch.float64
            grads = [p.grad for p in parameters if p.grad is not None]
            norms = [torch.linalg.vector_norm(grad, dtype=wide) for grad in grads]
            none = torch.zeros((), dtype=wide, device=device)
            found.append(torch.linalg.vector_norm(torch.stack([none, *norms])))
        return torch.stack(found)
