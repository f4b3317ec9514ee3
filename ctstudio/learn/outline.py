"""A network's weights before there is any memory for them: what they are called, and their shapes.

Whoever reads a file asks here first, since a small file may tell of a network of any size.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.learn.device import total_memory
from ctstudio.learn.models import MODELS
from ctstudio.learn.recipe import Recipe

LEAST_COPIES = 5
"""Of its weights a training keeps the present ones, their mean, both as they were when all was
well, and the gradient; most optimisers keep two more."""


def outline(recipe: Recipe) -> Mapping[str, Tensor]:
    """The weights of a recipe's network, on the device "meta": they take no memory."""
    choice = recipe.phases[-1].model
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                module: nn.Module = MODELS.make(choice)
        except (StudioError, MemoryError):
            raise
        except Exception:  # a network of somebody else's that looks into its first weights
            module = MODELS.make(choice)
    weights: Mapping[str, Tensor] = module.state_dict()
    return weights


def require_memory(recipe: Recipe, device: torch.device) -> None:
    """Make sure that a training can fit into the memory that there is.

    Raises
    ------
    StudioError
        With the figures, where it cannot.
    """
    weights = outline(recipe).values()
    least = LEAST_COPIES * sum(w.numel() * w.element_size() for w in weights)
    there = total_memory(device)
    if least > there:
        count = sum(w.numel() for w in weights)
        raise StudioError(
            f"There is not enough memory to train this network: its {count:,} weights take at "
            f"least {least / 1e9:.1f} GB, and there are {there / 1e9:.1f} GB.",
            hint="Choose a smaller network.",
        )


def misfit(weights: Any, wanted: Mapping[str, Tensor]) -> str:
    """What is wrong with weights that were read, where a network's are ``wanted``; else ""."""
    if not isinstance(weights, Mapping):
        return "there are no weights"
    for what, names in (
        ("missing", [name for name in wanted if name not in weights]),
        ("unknown", [str(name) for name in weights if name not in wanted]),
    ):
        if names:
            more = ", ..." if len(names) > 3 else ""
            return f"{what} weights: {', '.join(names[:3])}{more}"
    for name, like in wanted.items():
        if why := _misfit(weights[name], like):
            return f"the weights {name} {why}"
    return ""


def _misfit(value: Any, like: Tensor) -> str:
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta:
        return "are no table of numbers"
    if value.shape != like.shape:
        return f"are {tuple(value.shape)}, not {tuple(like.shape)}"
    if value.is_complex() or value.is_floating_point() != like.is_floating_point():
        return f"are {str(value.dtype).removeprefix('torch.')}"
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        return "are fewer than they seem"
    return "" if bool(torch.isfinite(value).all()) else "are not all numbers"


def is_finite(part: Any, *, endless: Container[str] = ()) -> bool:
    """Whether all tensors of nested lists and dicts hold numbers alone.

    Those that stand under a name of ``endless`` may be infinite.
    """
    if isinstance(part, Tensor):
        return not part.is_floating_point() or bool(torch.isfinite(part).all())
    if isinstance(part, Mapping):
        return all(
            not _holds_nan(value) if name in endless else is_finite(value, endless=endless)
            for name, value in part.items()
        )
    if isinstance(part, list | tuple):
        return all(is_finite(value, endless=endless) for value in part)
    return True


def _holds_nan(value: Any) -> bool:
    return isinstance(value, Tensor) and bool(torch.isnan(value).any())
