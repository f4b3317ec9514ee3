"""How grey values are shown: colour map, inversion, gamma. HU stay what they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctstudio.figures.colour_maps import MAPS, sequential_table
from ctstudio.gui.translation.catalogue import tr

GAMMAS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.0, 2.5)


@dataclass(frozen=True)
class Display:
    """What a window's 256 greys are shown as.

    ``gamma`` above 1 brightens the middle of the window, below 1 it darkens it; black and white
    stay.
    """

    colours: str = "grey"
    inverted: bool = False
    gamma: float = 1.0

    @property
    def plain(self) -> bool:
        """Whether greys are shown as they are."""
        return self == PLAIN

    @property
    def table(self) -> NDArray[np.uint8] | None:
        """The colour ``(256, 3)`` uint8 of each grey; None where it is the grey itself."""
        return None if self.plain else _table(self)

    def brighter(self, steps: int) -> Display:
        """The next gamma above, or below."""
        near = min(range(len(GAMMAS)), key=lambda k: abs(GAMMAS[k] - self.gamma))
        gamma = GAMMAS[min(max(near + steps, 0), len(GAMMAS) - 1)]
        return Display(self.colours, self.inverted, gamma)

    def next_colours(self) -> Display:
        """The next colour map."""
        names = list(MAPS)
        after = names[(names.index(self.colours) + 1) % len(names)]
        return Display(after, self.inverted, self.gamma)

    def __str__(self) -> str:
        parts = [re.split("[:：]", tr(MAPS[self.colours].title))[0]]
        parts += [tr("inverted")] if self.inverted else []
        parts += [tr("gamma {0}").format(f"{self.gamma:g}")] if self.gamma != 1.0 else []
        return tr(", ").join(parts)


PLAIN = Display()


@lru_cache(maxsize=32)
def _table(display: Display) -> NDArray[np.uint8]:
    part = np.linspace(0.0, 1.0, 256) ** (1.0 / display.gamma)
    if display.inverted:
        part = 1.0 - part
    table = np.ascontiguousarray(sequential_table(display.colours)[np.rint(part * 255).astype(int)])
    table.flags.writeable = False
    return table
