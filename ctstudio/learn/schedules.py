"""Schedules: the course of the learning rate. Reading the settings loads no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, TypeAlias

from ctstudio.core.registry import Param, Registry

Schedule: TypeAlias = Callable[[float], float]
"""From the share of the training that is over, 0 to 1, to a factor for the learning rate."""

Warmup = Annotated[float, Param("Share of the training over which the rate rises", 0, 0.9)]
Floor = Annotated[float, Param("Rate at the end over the highest", 0, 1)]

SCHEDULES: Registry[Callable[..., Schedule]] = Registry("schedule")
"""Every schedule by name. An entry is called with its settings and makes a `Schedule`."""


def _with_warmup(warmup: float, after: Schedule) -> Schedule:
    """Rise linearly over ``warmup``, then run ``after`` over what is left."""

    def factor(share: float) -> float:
        share = min(max(share, 0.0), 1.0)
        if share < warmup:
            # The very first step already learns: a rate of exactly 0 would waste it.
            return max(share / warmup, 0.01)
        return after((share - warmup) / (1 - warmup))

    return factor


@SCHEDULES.add("constant", title="Constant")
def constant(*, warmup: Warmup = 0.0) -> Schedule:
    """The same rate throughout."""
    return _with_warmup(warmup, lambda share: 1.0)


@SCHEDULES.add("cosine", title="Cosine")
def cosine(*, warmup: Warmup = 0.05, floor: Floor = 0.0) -> Schedule:
    """Half a cosine from the highest rate to the floor (Loshchilov and Hutter, ICLR 2017)."""
    return _with_warmup(
        warmup, lambda share: floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))
    )


@SCHEDULES.add("linear", title="Linear")
def linear(*, warmup: Warmup = 0.0, floor: Floor = 0.0) -> Schedule:
    """A straight line from the highest rate to the floor."""
    return _with_warmup(warmup, lambda share: 1 - (1 - floor) * share)


@SCHEDULES.add("steps", title="In steps")
def steps(
    *,
    drops: Annotated[int, Param("How often the rate drops", 1, 20)] = 3,
    factor: Annotated[float, Param("What it is multiplied with at a drop", 0.001, 1)] = 0.5,
    warmup: Warmup = 0.0,
) -> Schedule:
    """The rate drops at equal distances."""
    return _with_warmup(warmup, lambda share: factor ** min(int(share * (drops + 1)), drops))


@SCHEDULES.add("exponential", title="Exponential")
def exponential(
    *, end: Annotated[float, Param("Rate at the end over the highest", 1e-6, 1, log=True)] = 0.01
) -> Schedule:
    """The rate falls by the same factor in equal times."""
    return _with_warmup(0.0, lambda share: end**share)
