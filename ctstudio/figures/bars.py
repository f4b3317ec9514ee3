"""A colour bar as things to draw, for every kind of file."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ctstudio.figures.colours import Theme, diverging_table
from ctstudio.figures.fonts import font
from ctstudio.figures.marks import bar_ticks, number
from ctstudio.figures.panel import Panel
from ctstudio.figures.scene import Box, Item, Strip, Text, text_length


@dataclass(frozen=True)
class Bar:
    """A vertical bar ``height`` px tall with its values; ``width`` includes these."""

    panel: Panel
    height: int
    em: int

    @property
    def ticks(self) -> list[float]:
        """The values that stand beside it."""
        return bar_ticks(*self.panel.bounds, room=int(self.height / (1.5 * self.em)))

    @property
    def thick(self) -> int:
        """How wide the colours alone are."""
        return max(round(0.6 * self.em), 3)

    @property
    def small(self) -> int:
        """The size of its text."""
        return max(round(0.8 * self.em), 5)

    @property
    def width(self) -> int:
        """Colours, ticks and the longest text."""
        lower, upper = self.panel.bounds
        shown = (*self.ticks, lower, upper)
        labels = [text_length(number(v), self.small, False) for v in shown]
        unit = text_length(self.panel.unit, self.small, False)
        return math.ceil(max(self.thick + 0.5 * self.em + max(labels), unit))

    def draw(self, left: int, top: int, theme: Theme) -> list[Item]:
        """With its upper left corner at ``left, top``; the unit stands above."""
        lower, upper = self.panel.bounds
        if self.panel.colormap == "grey":
            ramp = np.arange(255, -1, -1, dtype=np.uint8)
            table = self.panel.table
            colours = np.repeat(ramp[:, None], 3, axis=1) if table is None else table[ramp]
        else:
            colours = diverging_table(theme.name == "dark")[::-1]
        items: list[Item] = [
            Strip(colours[:, None, :], left, top, self.thick, self.height),
            Box(left, top, self.thick, self.height, stroke=theme.faint, line=1),
        ]
        if self.panel.unit:
            above = round(top - 0.45 * self.em)
            items.append(Text(left, above, self.panel.unit, self.small, theme.muted))
        cap = -font(self.small).getbbox("0", anchor="ls")[1]
        right, tick = left + self.thick, max(round(0.2 * self.em), 1)
        line = max(round(self.em / 16), 1)
        for value in self.ticks:
            at = top + round((upper - value) / (upper - lower) * (self.height - 1))
            edge = min(max(at - line // 2, top), top + self.height - line)
            items.append(Box(right, edge, tick, line, fill=theme.muted))
            baseline = round(min(max(at + cap / 2, top + cap), top + self.height))
            place = right + round(0.4 * self.em)
            items.append(Text(place, baseline, number(value), self.small, theme.muted))
        return items
