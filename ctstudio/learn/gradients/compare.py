"""The three gradients of one network side by side, layer by layer, on the same images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.gradients.base import GRADIENTS, Chain, Faulty, Trace, WayBack
from ctstudio.learn.gradients.norms import layers_of

MODES = ("automatic", "manual", "dilated")
NAN = float("nan")


@dataclass(frozen=True)
class LayerGradients:
    """What one layer of a chain gets under each gradient.

    ``norms`` are the Euclidean norms of the gradient of its weights, and ``cosines`` those of the
    angles to the automatic one, both in the order of `MODES`; not a number where there is none.
    ``received`` is the norm of the gradient at the layer's output by the chain rule, and
    ``received_dilated`` that under dilation, of which ``skipped`` came past the layer behind it.
    """

    name: str
    norms: tuple[float, float, float]
    cosines: tuple[float, float, float]
    received: float
    received_dilated: float
    skipped: float


@dataclass(frozen=True)
class Comparison:
    """The layers, the first one first; ``why_not`` says why there is no dilated gradient."""

    layers: tuple[LayerGradients, ...]
    epoch: float
    dilated: Choice
    why_not: str = ""


@dataclass
class _Seen:
    """What a chain's layers received and were left with, the first layer first."""

    weights: list[list[Tensor]] = field(default_factory=list)
    received: list[Tensor] = field(default_factory=list)
    passed: list[Tensor] = field(default_factory=list)


class _Watched(nn.Module):
    """A chain, of which is seen what goes back through each of its layers."""

    def __init__(self, chain: nn.Module) -> None:
        super().__init__()
        self.chain = chain
        self.seen = _Seen()
        self.owned: list[list[nn.Parameter]] = []

    def trace(self, inputs: Tensor) -> Trace:
        assert isinstance(self.chain, Chain)
        trace = self.chain.trace(inputs)
        empty: list[Tensor] = [torch.empty(0)] * len(trace.layers)
        self.seen = _Seen([[] for _ in empty], list(empty), list(empty))
        self.owned = [[] for _ in empty]
        return replace(trace, layers=[self._watch(k, w) for k, w in enumerate(trace.layers)])

    def _watch(self, number: int, way: WayBack) -> WayBack:
        def back(gradient: Tensor, pass_on: bool = True) -> Tensor:
            before = [p for p in self.chain.parameters() if p.grad is None]
            passed = way(gradient, pass_on)
            # Whose gradient is new belongs to this layer.
            self.owned[number] = [p for p in before if p.grad is not None and p.dim() > 1]
            found = [p.grad for p in self.owned[number] if p.grad is not None]
            self.seen.weights[number] = [grad.clone() for grad in found]
            self.seen.received[number], self.seen.passed[number] = gradient, passed
            return passed

        return back


def compare(
    module: nn.Module,
    inputs: Tensor,
    objective: Callable[[Tensor], Tensor],
    *,
    epoch: float = 0.0,
    dilated: Choice | None = None,
) -> Comparison:
    """The automatic, the manual and the dilated gradient of a network on the same images.

    The automatic one is the derivative, also of a network that trains with something else.

    Parameters
    ----------
    module
        A network that is a `Chain`. Its parameters' ``grad`` is lost.
    inputs
        HU ``(b, 1, y, x)``.
    objective
        Turns a prediction into the scalar that is minimised.
    epoch
        How often the data has been gone through, by which dilation weakens.
    dilated
        Settings of the dilated gradient; by default its own.

    Raises
    ------
    StudioError
        Where the network is no `Chain`.
    """
    choice = GRADIENTS.resolve(dilated or Choice("dilated"))
    watched = _Watched(module)
    manual = _run(Choice("manual"), watched, module, inputs, objective, epoch)
    names, owned = _names(module, watched.owned), watched.owned
    why_not = ""
    try:
        skipping = _run(choice, watched, module, inputs, objective, epoch)
    except StudioError as error:
        why_not = error.message
    module.zero_grad(set_to_none=True)
    true = module.exact() if isinstance(module, Faulty) else module
    GRADIENTS.make(Choice("automatic"))(true, inputs, objective, epoch)
    automatic = [[_grad(p) for p in parameters] for parameters in owned]
    module.zero_grad(set_to_none=True)
    layers = []
    for k, name in enumerate(names):
        ways = [automatic[k], manual.weights[k]]
        received = dilated_received = skipped = NAN
        received = _norm([manual.received[k]])
        if not why_not:
            ways.append(skipping.weights[k])
            dilated_received = _norm([skipping.received[k]])
            last = k == len(names) - 1
            behind = skipping.received[k] if last else skipping.passed[k + 1]
            skipped = _norm([skipping.received[k] - behind])
        norms = [_norm(way) for way in ways] + [NAN] * (3 - len(ways))
        cosines = [_cosine(way, automatic[k]) for way in ways] + [NAN] * (3 - len(ways))
        layers.append(
            LayerGradients(
                name,
                (norms[0], norms[1], norms[2]),
                (cosines[0], cosines[1], cosines[2]),
                received,
                dilated_received,
                skipped,
            )
        )
    return Comparison(tuple(layers), epoch, choice, why_not)


def _run(
    choice: Choice,
    watched: _Watched,
    module: nn.Module,
    inputs: Tensor,
    objective: Callable[[Tensor], Tensor],
    epoch: float,
) -> _Seen:
    if not isinstance(module, Chain):
        raise StudioError(
            f"The gradients of a {type(module).__name__} cannot be compared: it has no way back "
            "of its own.",
            hint="Choose a residual network or an autoencoder of the articles.",
        )
    module.zero_grad(set_to_none=True)
    GRADIENTS.make(choice)(watched, inputs, objective, epoch)
    return watched.seen


def _names(module: nn.Module, owned: Sequence[Sequence[nn.Parameter]]) -> list[str]:
    """A name for each layer of a chain: what the names of all its weights begin with."""
    by_id = {id(p): name for name, found in layers_of(module).items() for p in found}
    names = []
    for number, parameters in enumerate(owned, 1):
        words = [by_id[id(p)].split() for p in parameters if id(p) in by_id]
        common: list[str] = []
        for parts in zip(*words, strict=False):
            if len(set(parts)) > 1:
                break
            common.append(parts[0])
        names.append(" ".join(common) or f"layer {number}")
    return names


def _grad(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.hypot(*(float(torch.linalg.vector_norm(t.cpu().double())) for t in tensors))


def _cosine(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Between two gradients of a layer; not a number where one of them is zero."""
    lengths = _norm(one), _norm(other)
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        return NAN
    pairs = zip(one, other, strict=True)
    return sum(
        float(((a.cpu().double() / lengths[0]) * (b.cpu().double() / lengths[1])).sum())
        for a, b in pairs
    )
