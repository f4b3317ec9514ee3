"""The window presets: those of the program and one's own, in one's own order, kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from ctstudio.ct.window import PRESETS, Window
from ctstudio.gui.settings import Settings
from ctstudio.gui.translation.catalogue import tr

KEY = "windows/presets"
FULL_RANGE = "Full range"
MOST = 99
WIDEST_HU = 100_000.0


@dataclass(frozen=True)
class Preset:
    """A window with a name; None is all values of the slice."""

    name: str
    window: Window | None

    @property
    def words(self) -> str:
        """The window, width first."""
        w = self.window
        return f"{w.width_hu:g} / {w.centre_hu:g}" if w is not None else tr("all values")


BUILT_IN: tuple[Preset, ...] = (
    *(Preset(name, window) for name, window in PRESETS.items()),
    Preset(FULL_RANGE, None),
)


class WindowPresets(QObject):
    """The presets in order; the first nine have the number keys."""

    changed = Signal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._all = _read(settings.get(KEY, "")) or BUILT_IN

    @property
    def all(self) -> tuple[Preset, ...]:
        """Every preset, in order."""
        return self._all

    def named(self, name: str) -> Preset | None:
        """The preset of that name."""
        return next((preset for preset in self._all if preset.name == name), None)

    def name_of(self, window: Window) -> str:
        """The first preset that is that window; "" where none is."""
        return next((preset.name for preset in self._all if preset.window == window), "")

    def replace(self, presets: Sequence[Preset]) -> None:
        """Have these from now on, and keep them."""
        self._all = tuple(presets)[:MOST]
        kept = [
            [p.name, None if p.window is None else [p.window.centre_hu, p.window.width_hu]]
            for p in self._all
        ]
        self._settings.set(KEY, "" if self._all == BUILT_IN else json.dumps(kept))
        self.changed.emit()


def _read(text: str) -> tuple[Preset, ...]:
    """What was kept; nothing where it is damaged: it must not block a start."""
    try:
        found = [_preset(item) for item in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        return ()
    return tuple({preset.name: preset for preset in found}.values())[:MOST]


def _preset(item: Any) -> Preset:
    name, window = item
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a preset without a name")
    if window is None:
        return Preset(name, None)
    centre, width = (float(value) for value in window)
    if not (math.isfinite(centre) and 0 < width <= WIDEST_HU):
        raise ValueError(f"{centre} and {width} are no window")
    return Preset(name, Window(centre, width))
