"""Schedules: the course of the learning rate. Reading the settings loads no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeAlias

from ctstudio.core.registry import Param, Registry

Schedule: TypeAlias = Callable[[float], float]
"""From the share of the training that is over, 0 to 1, to a factor for the learning rate.

One that goes by the held-out images, too, has the methods of `Plateau`.
"""

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


@SCHEDULES.add("one_cycle", title="One cycle")
def one_cycle(
    *,
    rise: Annotated[float, Param("Share of the training over which it rises", 0.01, 0.99)] = 0.3,
    start: Annotated[float, Param("Rate at the start over the highest", 1e-6, 1, log=True)] = 0.04,
    end: Annotated[float, Param("Rate at the end over the highest", 1e-10, 1, log=True)] = 4e-6,
    shape: Annotated[Literal["cosine", "linear"], Param("Course between the corners")] = "cosine",
) -> Schedule:
    """Up to a high rate and down to almost none, once (Smith and Topin 2018, arXiv 1708.07120).

    The rate alone: the momentum, which they let fall and rise against it, stays as it is.
    """

    def factor(share: float) -> float:
        share = min(max(share, 0.0), 1.0)
        low, way = (start, share / rise) if share < rise else (end, (1 - share) / (1 - rise))
        if shape == "cosine":
            way = 0.5 * (1 - math.cos(math.pi * way))
        return low + (1 - low) * way

    return factor


class Plateau:
    """Lowers the rate whenever the held-out images have not improved for some time.

    ``patience`` judgements in a row may pass without the score falling by the share
    ``least_gain`` below its best; the next one multiplies the rate by ``factor``, down to
    ``floor`` of the highest.
    """

    def __init__(
        self, *, factor: float, patience: int, least_gain: float, floor: float, warmup: float
    ) -> None:
        self._factor = factor
        self._patience = patience
        self._least_gain = least_gain
        self._floor = floor
        self._best = math.inf
        self._waited = 0
        self._rate = 1.0
        self._course = _with_warmup(warmup, lambda share: self._rate)

    def __call__(self, share: float) -> float:
        """The factor of the learning rate."""
        return self._course(share)

    def observe(self, score: float) -> None:
        """Take in how the held-out images fared; lower is better."""
        asked = self._best
        if asked < math.inf:
            asked -= self._least_gain * abs(asked)
        if score < asked:
            self._best, self._waited = score, 0
            return
        self._waited += 1
        if self._waited > self._patience:
            self._waited = 0
            self._rate = max(self._rate * self._factor, self._floor)

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"best": self._best, "waited": self._waited, "rate": self._rate}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` returned."""
        self._best, self._rate = float(state["best"]), float(state["rate"])
        self._waited = int(state["waited"])


@SCHEDULES.add("plateau", title="Lower where it stands still")
def plateau(
    *,
    factor: Annotated[float, Param("What the rate is multiplied with", 0.001, 0.999)] = 0.5,
    patience: Annotated[
        int, Param("Judgements without an improvement that are borne", 0, 10**6)
    ] = 5,
    least_gain: Annotated[
        float, Param("Fall of the score, as a share of it, that is an improvement", 0, 0.5)
    ] = 1e-4,
    floor: Floor = 0.0,
    warmup: Warmup = 0.0,
) -> Plateau:
    """The rate drops whenever the score of the held-out images has not fallen for some time."""
    return Plateau(
        factor=factor, patience=patience, least_gain=least_gain, floor=floor, warmup=warmup
    )
