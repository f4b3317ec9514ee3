"""The ways to compare two layers in one pane, and what can be set of each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["swipe", "swipe_down", "flicker", "checkerboard", "blend", "difference"]


@dataclass(frozen=True)
class Kind:
    """A way to compare: its words, and the one value that can be set."""

    title: str
    label: str  # of the value
    unit: str
    low: float
    high: float
    first: float
    evenly: bool  # steps of the value are equal; else each is so many per cent of it
    shared: str = ""  # the mode whose value it has
    either_side: bool = False  # the value counts on either side of zero; its digits are read

    def place(self, value: float) -> float:
        """Where ``value`` stands between lowest and highest, 0 to 1."""
        if self.evenly:
            return (value - self.low) / (self.high - self.low)
        return math.log(value / self.low) / math.log(self.high / self.low)

    def at(self, place: float) -> float:
        """The value that stands at ``place``, 0 to 1."""
        place = min(max(place, 0.0), 1.0)
        if self.evenly:
            return self.low + place * (self.high - self.low)
        value = self.low * (self.high / self.low) ** place
        return float(f"{value:.2g}") if self.either_side else value

    def words(self, value: float, unit: str = "") -> str:
        """The value as it is shown; ``unit`` in place of its own."""
        digits = 1 if value < 10 and not self.evenly else 0
        number = f"{value:.{digits}f}"
        prefix = "± " if self.either_side else ""
        return f"{prefix}{number} {unit or self.unit}"


MODES: dict[Mode, Kind] = {
    "swipe": Kind("Swipe", "Line", "%", 0, 100, 50, True),
    "swipe_down": Kind("Swipe up and down", "Line", "%", 0, 100, 50, True, "swipe"),
    "flicker": Kind("Flicker", "Rate", "pictures a second", 0.5, 16, 3, False),
    "checkerboard": Kind("Checkerboard", "Squares", "mm", 2, 100, 20, False),
    "blend": Kind("Blend", "Second", "%", 0, 100, 50, True),
    "difference": Kind("Difference", "Scale", "HU", 5, 2000, 100, False, either_side=True),
}

STEPS = 50  # from the lowest value to the highest, by key


@dataclass
class Values:
    """What is set of each mode, for all panes alike."""

    of: dict[str, float] = field(
        default_factory=lambda: {name: kind.first for name, kind in MODES.items()}
    )
    scale_chosen: bool = False  # the scale of differences is the user's, not the pictures'

    def get(self, mode: Mode) -> float:
        return self.of[MODES[mode].shared or mode]

    def set(self, mode: Mode, value: float) -> None:
        kind = MODES[mode]
        self.of[kind.shared or mode] = min(max(value, kind.low), kind.high)
        if mode == "difference":
            self.scale_chosen = True

    def step(self, mode: Mode, steps: int) -> None:
        """Set the value so many of `STEPS` higher or lower."""
        kind = MODES[mode]
        self.set(mode, kind.at(kind.place(self.get(mode)) + steps / STEPS))
