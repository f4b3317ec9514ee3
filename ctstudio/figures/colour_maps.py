"""Colour maps for values in a window: equal steps of value are equal steps of lightness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ENTRIES = 256
WHITE = np.array([0.95047, 1.0, 1.08883])  # XYZ of D65
TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
SOFTENED = 24  # entries, over which chroma that gives way does so


@dataclass(frozen=True)
class ColourMap:
    """A path through CIELAB: lightness in equal steps, hue in degrees, chroma at most."""

    title: str
    lightness: tuple[float, float]
    hues: tuple[float, float]
    chroma: float


MAPS: dict[str, ColourMap] = {
    "grey": ColourMap("Grey", (0.0, 100.0), (0.0, 0.0), 0.0),
    "ember": ColourMap("Ember: black, red, yellow, white", (0.0, 99.0), (5.0, 112.0), 78.0),
    "ocean": ColourMap("Ocean: black, blue, green, white", (0.0, 99.0), (296.0, 140.0), 62.0),
    "viola": ColourMap("Viola: violet, green, yellow", (14.0, 93.0), (318.0, 98.0), 62.0),
}
"""By name. "grey" is no path of its own but the plain greys of a monitor."""


@lru_cache(maxsize=8)
def sequential_table(name: str) -> NDArray[np.uint8]:
    """The colours ``(256, 3)`` uint8 RGB of a map, the lowest value first.

    Chroma gives way where a monitor cannot show it, lightness never: it tells the value.

    Source: CIE 15:2018 (CIELAB) and IEC 61966-2-1 (sRGB).
    """
    path = MAPS[name]
    part = np.linspace(0.0, 1.0, ENTRIES)
    if name == "grey":
        table = np.repeat(np.arange(ENTRIES, dtype=np.uint8)[:, None], 3, axis=1)
    else:
        lightness = path.lightness[0] + np.ptp(path.lightness) * part
        hue = np.deg2rad(path.hues[0] + (path.hues[1] - path.hues[0]) * part)
        linear = _linear(lightness, _shown(lightness, path.chroma, hue), hue).clip(0.0, 1.0)
        coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        table = np.rint(coded * 255.0).astype(np.uint8)
    table.flags.writeable = False
    return table


def _linear(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    """CIELAB as linear RGB ``(n, 3)``; outside 0 to 1 no monitor shows it."""
    fy = (lightness + 16.0) / 116.0
    f = np.stack([fy + chroma * np.cos(hue) / 500, fy, fy - chroma * np.sin(hue) / 200], axis=1)
    limit = 6 / 29
    xyz = np.where(f > limit, f**3, 3 * limit**2 * (f - 4 / 29)) * WHITE
    rgb: NDArray[np.float64] = xyz @ TO_RGB.T
    return rgb


def _shown(
    lightness: NDArray[np.float64], most: float, hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    """As much chroma ``(n,)`` as a monitor can show, at most ``most``."""
    low, high = np.zeros(len(hue)), np.full(len(hue), most)
    for _ in range(24):
        middle = (low + high) / 2
        rgb = _linear(lightness, middle, hue)
        fits = ((rgb >= -1e-4) & (rgb <= 1.0001)).all(axis=1)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    # A kink in chroma would be seen as a line that is not in the values.
    reach = np.arange(-SOFTENED, SOFTENED + 1)
    around = np.pad(low, SOFTENED, mode="edge")
    least = np.stack([around[SOFTENED + k : SOFTENED + k + len(low)] for k in reach]).min(axis=0)
    even = np.ones(2 * SOFTENED + 1) / (2 * SOFTENED + 1)
    return np.convolve(np.pad(least, SOFTENED, mode="edge"), even, mode="valid")
