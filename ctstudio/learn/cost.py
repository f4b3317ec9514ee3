"""What a network costs: its weights, how far it looks, and the work for a slice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ctstudio.core.registry import Choice
from ctstudio.learn import receptive_field
from ctstudio.learn.context import context_of
from ctstudio.learn.models import MODELS

SIDE_PX = 512
MOST_MEASURED = 2_000_000  # weights: the reach of larger networks takes too long to measure


@dataclass(frozen=True)
class Cost:
    """What one network takes.

    ``weights`` is the number of trained numbers. ``reach_px`` is how far beyond a pixel (or the
    cell of the grid that it lies in) the network looks to each side, None where that is further
    than can be measured. ``multiply_adds`` is the work for a slice of 512 x 512, None where it
    cannot be counted; ``slices`` is how many neighbouring slices it is shown.
    """

    weights: int
    reach_px: int | None
    multiply_adds: int | None
    slices: int

    def __str__(self) -> str:
        parts = [f"{self.weights:,} weights"]
        if self.reach_px is not None:
            parts.append(f"sees {self.reach_px} px around")
        if self.slices > 1:
            parts.append(f"{self.slices} slices")
        if self.multiply_adds is not None:
            parts.append(f"{_billions(self.multiply_adds)} multiplications a slice")
        return ", ".join(parts)


def cost_of(model: Choice) -> Cost:
    """The cost of the network that a recipe names.

    Seconds of work for a network that looks far: its reach is measured.

    Raises
    ------
    StudioError
        For an unknown name or setting.
    """
    with torch.random.fork_rng(devices=[]):
        with torch.device("meta"):
            ghost: nn.Module = MODELS.make(model)
        weights = sum(weight.numel() for weight in ghost.parameters())
        context = context_of(ghost)
        reach: int | None = None
        if context.patch_px > 1:
            reach = context.before_px
        elif "whole" not in MODELS[model.name].tags and weights <= MOST_MEASURED:
            field = receptive_field.measure(MODELS.make(model))
            reach = None if field is None else field.reach_px
    return Cost(weights, reach, multiply_adds(ghost), context.slices)


def multiply_adds(module: nn.Module, side_px: int = SIDE_PX) -> int | None:
    """Multiplications with an addition each of the convolutions and matrix products for one slice
    of ``side_px`` squared.

    ``module`` is on the device "meta", so nothing is computed. None where torch cannot follow it.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    context = context_of(module)
    side_px += context.patch_px - 1
    image = torch.empty(1, context.slices, side_px, side_px, device="meta")
    try:
        with torch.no_grad(), counter:
            module.eval()(image)
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return None
    return int(counter.get_total_flops()) // 2


def _billions(count: int) -> str:
    for unit, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:,}"
