"""Colours of figures: themes, and the two diverging maps for residuals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; all neutral greys, so that a GIF keeps them exactly."""

    name: str
    background: tuple[int, int, int]
    text: tuple[int, int, int]
    muted: tuple[int, int, int]
    faint: tuple[int, int, int]


DARK = Theme("dark", (0, 0, 0), (242, 242, 242), (184, 184, 184), (128, 128, 128))
LIGHT = Theme("light", (255, 255, 255), (20, 20, 20), (80, 80, 80), (120, 120, 120))
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}

DIVERGING_ENTRIES = 255


@lru_cache(maxsize=2)
def diverging_table(dark: bool = True) -> NDArray[np.uint8]:
    """The diverging map, ``(255, 3)`` uint8 RGB; entry 127 is zero and neutral.

    Blue for negative and orange to red for positive values, a pair that people with colour
    blindness tell apart. Lightness grows (``dark``) or falls evenly from the centre to both ends,
    alike on either side, so that equal magnitudes catch the eye equally.

    Source: B. Ottosson, "A perceptual color space for image processing" (OKLab), 2020.
    """
    position = np.linspace(-1.0, 1.0, DIVERGING_ENTRIES)
    amount = np.abs(position)
    if dark:
        lightness, chroma = 0.12 + 0.70 * amount, 0.125 * np.minimum(amount * 1.6, 1.0)
        hues = np.deg2rad(np.where(position < 0, 242.0, 62.0))
    else:
        lightness, chroma = 0.985 - 0.50 * amount, 0.165 * np.sin(np.pi / 2 * amount)
        hues = np.deg2rad(np.where(position < 0, 255.0, 35.0))
    lab = np.stack([lightness, chroma * np.cos(hues), chroma * np.sin(hues)], axis=1)
    table = _oklab_to_srgb(lab)
    table.flags.writeable = False
    return table


def diverging_index(values: NDArray[np.floating], limit: float) -> NDArray[np.uint8]:
    """Rows of `diverging_table` for ``values``: ``-limit`` is the first, zero the middle one."""
    half = DIVERGING_ENTRIES // 2
    scaled = np.asarray(values, np.float32) * np.float32(half / limit)
    np.clip(scaled, -half, half, out=scaled)
    if np.isnan(scaled.min(initial=0)):
        scaled[np.isnan(scaled)] = 0.0  # nothing is known there: no difference
    np.rint(scaled, out=scaled)
    scaled += half
    return scaled.astype(np.uint8)


@lru_cache(maxsize=64)
def sequence(count: int, dark: bool = True) -> tuple[str, ...]:
    """So many colours in an order that shows, as "#rrggbb"; for lines on dark or light ground.

    Lightness changes evenly from violet to yellow, so that the order is seen without colour, too;
    on light ground they end before yellow gets lost.
    """
    position = np.linspace(0.0, 1.0, max(count, 2))[:count]
    lightness = 0.50 + 0.42 * position if dark else 0.28 + 0.46 * position
    hues = np.deg2rad(305.0 - 200.0 * position)
    chroma = 0.16 - 0.02 * position
    lab = np.stack([lightness, chroma * np.cos(hues), chroma * np.sin(hues)], axis=1)
    return tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in _oklab_to_srgb(lab).tolist())


def _oklab_to_srgb(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """OKLab ``(n, 3)`` to sRGB ``(n, 3)`` uint8; colours outside the gamut are clipped."""
    to_lms = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((lab @ to_lms.T) ** 3 @ to_rgb.T, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    result: NDArray[np.uint8] = np.rint(encoded * 255.0).astype(np.uint8)
    return result
