"""Axes: powers of ten, and hours, minutes and seconds."""

from __future__ import annotations

import math
from itertools import pairwise

import pyqtgraph as pg

STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 240, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400,
)  # fmt: skip
PX_A_LABEL, PX_A_LINE, PX_A_VALUE = 42, 15, 22
DIGITS = ("123456789", "12357", "125", "13", "1")


class ValueAxis(pg.AxisItem):
    """An axis of values; a logarithmic one labels as many digits of a power of ten as fit."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        """Of a linear axis at least two values are labelled, however short it is."""
        if self.logMode or not high > low:
            return list(super().tickSpacing(low, high, size))
        span = high - low
        power = 10.0 ** math.floor(math.log10(span))
        steps = [n * p for p in (power / 10, power) for n in (1, 2, 5) if n * p <= span / 2]
        roomy = [step for step in steps if step * size >= span * PX_A_VALUE]
        return [(min(roomy) if roomy else max(steps), 0.0)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self.logMode or max((abs(value) for value in values), default=1.0) >= 0.01:
            return super().tickStrings(values, scale, spacing)
        return [compact(value) for value in values]

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        span = max(abs(self.range[1] - self.range[0]), 1e-9)
        shown = next((d for d in DIGITS if self._gap_px(d, span) >= PX_A_LINE), DIGITS[-1])
        numbers = [10.0 ** float(value) for value in values]
        return [f"{n:.3g}" if f"{n:.6e}"[0] in shown else "" for n in numbers]

    def _gap_px(self, digits: str, span: float) -> float:
        """Between the two nearest labels, where ``span`` powers of ten are in view."""
        steps = [*map(int, digits), 10]
        return min(math.log10(b / a) for a, b in pairwise(steps)) / span * self.height()


class RunAxis(pg.AxisItem):
    """The axis below: steps, or the time since the training's begin."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.time = False

    def show_time(self, on: bool) -> None:
        """Label seconds as hours, minutes and seconds; or steps as they are."""
        self.time = on
        self.picture = None
        self.update()

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        least = max((high - low) * PX_A_LABEL / max(size, PX_A_LABEL), 1.0)
        if not self.time:
            power = 10.0 ** math.floor(math.log10(least))
            return [(next(n * power for n in (1, 2, 5, 10) if n * power >= least * 0.999), 0.0)]
        step = next((s for s in STEPS_S if s >= least), None)
        return [(float(step or 86400 * math.ceil(least / 86400)), 0.0)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if not self.time:
            return [f"{value:g}" if abs(value) < 1e4 else _thousands(value) for value in values]
        return [clock(value) for value in values]


def clock(seconds: float) -> str:
    """``75`` -> "1:15", ``4000`` -> "1:06:40", ``8`` -> "0:08"."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{sign}{minutes}:{rest:02d}"
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def compact(value: float) -> str:
    """``0.0002`` -> "2e-4", which is narrower; zero and what is not small as it is."""
    if value == 0 or abs(value) >= 0.01:
        return f"{value:.3g}"
    front, _, power = f"{value:.1e}".partition("e")
    return f"{front.removesuffix('.0')}e{int(power)}"


def _thousands(value: float) -> str:
    return f"{value / 1000:g}k"
