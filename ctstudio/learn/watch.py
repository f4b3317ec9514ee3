"""Watches the loss: a training that runs away is taken back, and at last stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MOST_ROLL_BACKS = 3
MEMORY = 0.98  # of the smoothed loss, about 50 readings
SETTLED = 50  # readings until the smoothed loss means something
RUNAWAY = 30.0  # times the lowest smoothed loss; a noisy batch is rarely 5 times


class Watch:
    """Tells whether a loss is still sound.

    It is not when it is no number, or when its running mean has grown to `RUNAWAY` times the
    lowest that it had.
    """

    def __init__(self) -> None:
        self.roll_backs = 0
        self._count = 0
        self._mean = 0.0
        self._lowest = math.inf

    def complaint(self, losses: Mapping[str, float]) -> str:
        """Take a reading; what is wrong where the training has to go back, else ""."""
        if not all(map(math.isfinite, losses.values())):
            return "The loss was not a number"
        self._count += 1
        keep = min(MEMORY, (self._count - 1) / self._count)
        self._mean = keep * self._mean + (1 - keep) * losses["loss"]
        if self._count < SETTLED:
            return ""
        self._lowest = min(self._lowest, self._mean)
        # A sum of losses may be negative (an entropy is): then there is no factor to speak of.
        if self._lowest <= 0 or self._mean < RUNAWAY * self._lowest:
            return ""
        return f"The loss had grown to {RUNAWAY:g} times its lowest"

    def went_back(self) -> bool:
        """Count a way back and begin anew; True where it was one too many."""
        self.roll_backs += 1
        self._count, self._mean = 0, 0.0
        return self.roll_backs > MOST_ROLL_BACKS

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on watching."""
        return {
            "roll_backs": self.roll_backs,
            "count": self._count,
            "mean": self._mean,
            "lowest": self._lowest,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.roll_backs, self._count = int(state["roll_backs"]), int(state["count"])
        self._mean, self._lowest = float(state["mean"]), float(state["lowest"])
