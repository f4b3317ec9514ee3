"""Which plots there are, and the lines that a run's log draws into each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.gui.training.run_log import RunLog
from ctstudio.gui.translation.catalogue import tr

Kind = Literal["raw", "value", "term", "validation", "noisy", "layer"]
"""How a line is drawn: faint, plain, in a colour of its own, with dots, dashed, in the colour of
its place among the layers."""


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
        name = tr(self.name)
        text = f"{name} ({self.unit})" if self.unit else name
        if not (self.judged and protocol):
            return text
        return tr("{0}, protocol {1}").format(text, protocol)


PLOTS = (
    PlotSpec("loss", "Loss", log=True),
    PlotSpec("psnr", "PSNR", "dB", judged=True),
    PlotSpec("ssim", "SSIM", judged=True),
    PlotSpec("rmse", "RMSE", "HU", judged=True),
    PlotSpec("dice", "Dice"),
    PlotSpec("lr", "Learning rate"),
)
GRADIENTS = PlotSpec("gradients", "Length of the gradient of each layer's weights", log=True)
"""It has a page of its own."""


@dataclass(frozen=True, eq=False)
class Line:
    """A line ``(n,)`` over rising ``x``; ``name`` tells it from others of its run in the plot.

    ``number`` counts the terms of a loss, or the layers, of ``count``. ``window`` is how many
    values are averaged.
    """

    name: str
    kind: Kind
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    number: int = 0
    window: int = 1
    count: int = 1

    def at(self, x: float) -> float:
        """The value at the place nearest to ``x``."""
        k = nearest(self.x, x)
        if self.window == 1:
            return float(self.y[k])
        part = self.y[max(k - self.window // 2, 0) : k + self.window // 2 + 1]
        part = part[np.isfinite(part)]
        return float(part.mean()) if len(part) else float("nan")

    def drawn(
        self, low: float, high: float, columns: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points that look the same between ``low`` and ``high`` on so many columns of pixels.

        What is averaged is sampled twice a column; of other lines each column keeps the least and
        the greatest value. The time to paint a curve does not grow with its length then.
        """
        first = max(int(np.searchsorted(self.x, low)) - 1, 0)
        last = min(int(np.searchsorted(self.x, high, "right")) + 1, len(self.x))
        many = last - first > 4 * columns
        if self.window > 1:
            at = np.linspace(first, last - 1, 2 * columns).astype(int) if many else None
            at = np.arange(first, last) if at is None else at
            return self.x[at], _means(self.y, at, self.window)
        x, y = self.x[first:last], self.y[first:last]
        return _envelope(x, y, columns) if many else (x, y)


def _means(y: NDArray[np.float64], at: NDArray[np.int_], window: int) -> NDArray[np.float64]:
    """Centred means of ``window`` finite values at the indices ``at``; shorter at the ends."""
    if len(at) * window < len(y):  # a few short means: take the values of each by hand
        near = at[:, None] + np.arange(-(window // 2), window // 2 + 1)
        part = y[np.clip(near, 0, len(y) - 1)]
        good = np.isfinite(part) & (near >= 0) & (near < len(y))
        sums, number = np.where(good, part, 0.0).sum(axis=1), good.sum(axis=1)
        return np.where(number > 0, sums / np.maximum(number, 1), np.nan)
    low = max(int(at[0]) - window, 0) if len(at) else 0
    high = min(int(at[-1]) + window, len(y)) if len(at) else 0
    part = y[low:high]
    good = np.isfinite(part)
    sums = np.concatenate([[0.0], np.cumsum(np.where(good, part, 0.0))])
    counts = np.concatenate([[0], np.cumsum(good)])
    start = np.maximum(at - window // 2 - low, 0)
    stop = np.minimum(at + window // 2 + 1 - low, len(part))
    number = counts[stop] - counts[start]
    means = (sums[stop] - sums[start]) / np.maximum(number, 1)
    return np.where(number > 0, means, np.nan)


def _envelope(
    x: NDArray[np.float64], y: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest value of each column; the last point stays as it is."""
    wide = len(x) // columns
    whole = len(x) // wide * wide
    blocks = y[:whole].reshape(-1, wide)
    ends = np.stack([np.fmin.reduce(blocks, axis=1), np.fmax.reduce(blocks, axis=1)], axis=1)
    places = np.repeat(x[:whole:wide], 2)
    return np.append(places, x[-1]), np.append(ends.ravel(), y[-1])


def nearest(values: NDArray[np.float64], x: float) -> int:
    """Index of the value that lies nearest to ``x`` in a rising row ``(n,)``."""
    at = int(np.searchsorted(values, x))
    if at == 0:
        return 0
    if at == len(values) or x - values[at - 1] <= values[at] - x:
        return at - 1
    return at


@dataclass(frozen=True)
class Manner:
    """How lines are to be made: over time or steps, smoothed over how many, alone or not."""

    time: bool = False
    smoothing: int = 25
    terms: bool = True
    alone: bool = True  # only one run is shown: there is room for what is not smoothed
    hidden: frozenset[str] = frozenset()  # layers


def has(log: RunLog, key: str) -> bool:
    """Whether ``log`` has anything to show in the plot ``key``."""
    if key == GRADIENTS.key:
        return bool(log.gradient_step)
    if key in ("loss", "lr"):
        return bool(log.step) or (key == "loss" and "loss" in log.metrics)
    return key in log.metrics and bool(np.isfinite(log.metrics[key].values).any())


def extent(log: RunLog, key: str) -> tuple[int, int]:
    """Grows when the plot ``key`` has more to show."""
    if key == GRADIENTS.key:
        return len(log.gradient_step), 0
    judged = len(log.validation_step)
    return (len(log.step) if key in ("loss", "lr") else 0, judged)


def steps_of(log: RunLog) -> NDArray[np.float64]:
    """Step numbers ``(n,)``."""
    return log.step.values.astype(float)


def seconds_at(log: RunLog, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """When ``steps`` were done, in seconds since the training's begin."""
    if not log.step:
        return np.zeros(len(steps))
    return np.interp(steps, log.step.values.astype(float), log.seconds.values)


def lines(log: RunLog, key: str, manner: Manner) -> Iterator[Line]:
    """What ``log`` draws into the plot ``key``, from the back to the front."""
    if key == GRADIENTS.key:
        yield from _layers(log, manner)
        return
    if key in ("loss", "lr") and log.step:
        x = log.seconds.values if manner.time else steps_of(log)
        if key == "lr":
            yield Line("rate", "value", x, log.lr.values)
        else:
            yield from _losses(log, x, manner)
    judged = log.validation_step.values.astype(float)
    if not len(judged):
        return
    x = seconds_at(log, judged) if manner.time else judged
    if key in log.metrics:
        values = log.metrics[key].values
        if key == "loss":
            yield Line("validation", "validation", x, values)
        else:
            yield Line("network", "value", x, values)
    if key in log.baseline:
        # Where there is one validation, its noisy input still is a line that can be seen.
        ends = np.array([0.0 if len(x) == 1 else x[0], x[-1]])
        yield Line("noisy input", "noisy", ends, np.full(2, log.baseline[key]))


def _layers(log: RunLog, manner: Manner) -> Iterator[Line]:
    steps = log.gradient_step.values.astype(float)
    x = seconds_at(log, steps) if manner.time else steps
    for number, (name, norms) in enumerate(log.gradients.items()):
        if name not in manner.hidden:
            yield Line(name, "layer", x, norms.values, number, count=len(log.gradients))


def _losses(log: RunLog, x: NDArray[np.float64], manner: Manner) -> Iterator[Line]:
    total = log.total_loss.values
    if manner.smoothing > 1 and manner.alone:
        yield Line("each step", "raw", x, total)
    if manner.terms:
        for number, name in enumerate(log.terms):
            values = log.losses[name].values
            yield Line(name, "term", x, values, number, manner.smoothing)
    yield Line("loss", "value", x, total, window=manner.smoothing)
