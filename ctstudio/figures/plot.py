"""A small plot in a figure: curves of a training beside its pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.figures.colours import Theme
from ctstudio.figures.fonts import font
from ctstudio.figures.marks import nice_length, number
from ctstudio.figures.scene import Box, Colour, Item, Path, Text

# Okabe and Ito's palette, which people with colour blindness tell apart; for dark ground, too.
LINES: tuple[Colour, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))
MOST_POINTS = 600
FEWEST = 3
"""So many labels tell how a logarithmic axis goes."""


@dataclass(frozen=True, eq=False)
class Plot:
    """Curves over the steps of a training.

    Parameters
    ----------
    lines
        By name: steps and values, ``(n,)`` each.
    level
        A value that a dashed line marks, and what it is called.
    mark
        A step that a thin upright line marks.
    """

    lines: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]]
    title: str = ""
    caption: str = ""
    label: str = ""
    logarithmic: bool = False
    level: tuple[float, str] | None = None
    mark: float | None = None

    def _values(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        data = np.asarray(values, np.float64)
        if not self.logarithmic:
            return data
        return np.log10(np.where(data > 0, data, np.nan))

    def _range(self) -> tuple[float, float, float, float] | None:
        """Least and greatest step and value that are finite."""
        xs, ys = [], []
        for steps, values in self.lines.values():
            known = self._values(values)
            good = np.isfinite(known)
            xs.append(np.asarray(steps, float)[good])
            ys.append(known[good])
        if not xs or not sum(map(len, xs)):
            return None
        x, y = np.concatenate(xs), np.concatenate(ys)
        low, high = float(y.min()), float(y.max())
        if self.level is not None and math.isfinite(self.level[0]):
            level = float(self._values(np.array([self.level[0]]))[0])
            low, high = min(low, level), max(high, level)
        room = 0.06 * (high - low) or 0.5
        return float(x.min()), max(float(x.max()), float(x.min()) + 1), low - room, high + room

    def draw(
        self, left: int, top: int, width: int, height: int, em: int, theme: Theme
    ) -> list[Item]:
        """In a box of ``width`` x ``height`` px, axes and numbers included."""
        small = max(round(0.8 * em), 5)
        face = font(small)
        span = self._range()
        if span is None:
            middle = (left + width / 2, top + height // 2)
            return [Text(*middle, "nothing logged yet", small, theme.muted, align="middle")]
        x0, x1, y0, y1 = span
        ticks = _ticks(y0, y1, max(int(height / (3 * em)), 2), self.logarithmic)
        labels = [_label(v, self.logarithmic) for v in ticks]
        west = left + math.ceil(max((face.getlength(t) for t in labels), default=0) + 0.6 * em)
        north = top + (round(1.2 * em) if self.label else round(0.4 * em))
        south, east = top + height - round(1.5 * em), left + width - round(0.3 * em)

        def at(x: float, y: float) -> tuple[float, float]:
            return (
                west + (x - x0) / (x1 - x0) * (east - west),
                south - (y - y0) / (y1 - y0) * (south - north),
            )

        thin = max(round(em / 16), 1)
        items: list[Item] = []
        if self.label:
            items.append(Text(left, top + round(0.7 * em), self.label, small, theme.muted))
        cap = -face.getbbox("0", anchor="ls")[1]
        for value, text in zip(ticks, labels, strict=True):
            rule = round(at(x0, value)[1])
            items.append(Box(west, rule, east - west, thin, fill=_faded(theme)))
            end = west - round(0.4 * em)
            items.append(Text(end, round(rule + cap / 2), text, small, theme.muted, align="right"))
        for value in (x0, x1):
            x = at(value, y0)[0]
            align = "left" if value == x0 else "right"
            text = f"{value:,.0f}"
            items.append(
                Text(x, south + round(1.1 * em), text, small, theme.muted, align=align)  # type: ignore[arg-type]
            )
        middle = ((west + east) / 2, south + round(1.1 * em))
        items.append(Text(*middle, "step", small, theme.muted, align="middle"))
        items.append(Box(west, south, east - west, thin, fill=theme.muted))
        if self.level is not None and math.isfinite(self.level[0]):
            y = at(x0, float(self._values(np.array([self.level[0]]))[0]))[1]
            dash = 0.5 * em
            for k in range(int((east - west) / (2 * dash))):
                start = west + 2 * k * dash
                items.append(Path(((start, y), (start + dash, y)), theme.muted, max(em / 12, 1)))
            words = Text(
                east, round(y - 0.3 * em), self.level[1], small, theme.muted, align="right"
            )
            items.append(words)
        for index, (name, (steps, values)) in enumerate(self.lines.items()):
            colour = LINES[index % len(LINES)]
            known = self._values(values)
            good = np.flatnonzero(np.isfinite(known))
            good = good[:: max(-(-len(good) // MOST_POINTS), 1)]
            points = tuple(at(float(steps[k]), float(known[k])) for k in good)
            if len(points) > 1:
                # Noise drawn with a broad pen is an area.
                items.append(Path(points, colour, max(em / (8 if len(points) < 200 else 14), 1.0)))
            if len(self.lines) > 1:
                x, y = east, north + (index + 0.9) * em
                items.append(Text(x, round(y), name, small, colour, align="right"))
        if self.mark is not None and x0 <= self.mark <= x1:
            x = at(self.mark, y0)[0]
            items.append(Box(x, north, thin, south - north, fill=theme.muted))
        return items


def _ticks(low: float, high: float, room: int, logarithmic: bool) -> list[float]:
    """Values to label, at most ``room``; those of a logarithmic axis as powers of ten."""
    if not logarithmic:
        return _round_values(low, high, room)
    for first in ((1,), (1, 2, 5), (1, 2, 3, 5, 7)):
        powers = range(math.floor(low), math.floor(high) + 1)
        found = [power + math.log10(digit) for power in powers for digit in first]
        found = [value for value in found if low <= value <= high]
        if len(found) >= FEWEST:
            return found[:: -(-len(found) // max(room, FEWEST))]
    return [math.log10(value) for value in _round_values(10**low, 10**high, room)]


def _round_values(low: float, high: float, room: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, as many as fit."""
    step = nice_length((high - low) / max(room, 1))
    while True:
        numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        if len(numbers) <= max(room, 2):
            return [k * step for k in numbers] if len(numbers) > 1 else [low, high]
        step = nice_length(2.6 * step)


def _label(value: float, logarithmic: bool) -> str:
    if not logarithmic:
        return number(round(value, 10))
    return number(float(f"{10**value:.4g}"))


def _faded(theme: Theme) -> Colour:
    """Between ground and faint text: rules that do not compete with the curves."""
    red, green, blue = (
        round(0.8 * g + 0.2 * f) for g, f in zip(theme.background, theme.faint, strict=True)
    )
    return red, green, blue
