"""Which plots there are, and the lines that a run's log draws into each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.figures.curves import smoothed
from ctstudio.gui.run_log import RunLog

Kind = Literal["raw", "value", "term", "validation", "noisy"]
"""How a line is drawn: faint, plain, in a colour of its own, with dots, dashed."""


@dataclass(frozen=True)
class PlotSpec:
    """One plot: its key, its name, its unit, and whether it begins with a logarithmic axis."""

    key: str
    name: str
    unit: str = ""
    log: bool = False
    judged: bool = False  # a metric on held-out slices, under a protocol

    def title(self, protocol: str = "") -> str:
        """What stands above the plot."""
        text = f"{self.name} ({self.unit})" if self.unit else self.name
        return f"{text}, protocol {protocol}" if self.judged and protocol else text


PLOTS = (
    PlotSpec("loss", "Loss", log=True),
    PlotSpec("psnr", "PSNR", "dB", judged=True),
    PlotSpec("ssim", "SSIM", judged=True),
    PlotSpec("rmse", "RMSE", "HU", judged=True),
    PlotSpec("lr", "Learning rate"),
)


@dataclass(frozen=True, eq=False)
class Line:
    """A line ``(n,)`` over ``x``; ``name`` tells it from others of its run in the same plot.

    ``number`` counts the terms of a loss.
    """

    name: str
    kind: Kind
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    number: int = 0


@dataclass(frozen=True)
class Manner:
    """How lines are to be made: over time or steps, smoothed over how many, alone or not."""

    time: bool = False
    smoothing: int = 25
    terms: bool = True
    alone: bool = True  # only one run is shown: there is room for what is not smoothed


def has(log: RunLog, key: str) -> bool:
    """Whether ``log`` has anything to show in the plot ``key``."""
    if key in ("loss", "lr"):
        return bool(log.step) or (key == "loss" and "loss" in log.metrics)
    return bool(np.isfinite(np.asarray(log.metrics.get(key, ()), float)).any())


def extent(log: RunLog, key: str) -> tuple[int, int]:
    """Grows when the plot ``key`` has more to show."""
    judged = len(log.validation_step)
    return (len(log.step) if key in ("loss", "lr") else 0, judged)


def steps_of(log: RunLog) -> NDArray[np.float64]:
    """Step numbers ``(n,)``."""
    return np.array(log.step, float)


def seconds_at(log: RunLog, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """When ``steps`` were done, in seconds since the training's begin."""
    if not log.step:
        return np.zeros(len(steps))
    return np.interp(steps, np.array(log.step, float), np.array(log.seconds))


def lines(log: RunLog, key: str, manner: Manner) -> Iterator[Line]:
    """What ``log`` draws into the plot ``key``, from the back to the front."""
    if key in ("loss", "lr") and log.step:
        x = np.array(log.seconds) if manner.time else steps_of(log)
        if key == "lr":
            yield Line("learning rate", "value", x, np.array(log.lr))
        else:
            yield from _losses(log, x, manner)
    judged = np.array(log.validation_step, float)
    if not len(judged):
        return
    x = seconds_at(log, judged) if manner.time else judged
    if key in log.metrics:
        values = np.array(log.metrics[key])
        if key == "loss":
            yield Line("validation", "validation", x, values)
        else:
            yield Line("network", "value", x, values)
    if key in log.baseline:
        # Where there is one validation, its noisy input still is a line that can be seen.
        ends = np.array([0.0 if len(x) == 1 else x[0], x[-1]])
        yield Line("noisy input", "noisy", ends, np.full(2, log.baseline[key]))


def _losses(log: RunLog, x: NDArray[np.float64], manner: Manner) -> Iterator[Line]:
    total = np.array(log.total_loss)
    smooth = manner.smoothing > 1
    if smooth and manner.alone:
        yield Line("each step", "raw", x, total)
    if manner.terms:
        for number, name in enumerate(log.terms):
            values = np.array(log.losses[name])
            yield Line(name, "term", x, _smooth(values, manner.smoothing), number)
    yield Line("loss", "value", x, _smooth(total, manner.smoothing))


def _smooth(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    return smoothed(values, window) if window > 1 else values
