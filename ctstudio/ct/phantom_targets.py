"""What is to be found in the thorax phantom: nodules and low-contrast inserts of known truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ctstudio.ct.phantom_shapes import Array


@dataclass(frozen=True)
class Nodule:
    """A ball in the lung: centre ``(x, y, z)`` in patient mm, diameter in mm, HU inside.

    A part-solid nodule is ground glass of ``hu`` around a solid core of 40 HU, half as wide.
    """

    centre_mm: tuple[float, float, float]
    diameter_mm: float
    hu: float
    kind: Literal["solid", "part-solid", "ground-glass", "calcified", "spiculated"]


NODULES: tuple[Nodule, ...] = (
    Nodule((-88.0, 20.0, 42.5), 8.0, 40, "solid"),
    Nodule((-60.0, -42.0, 27.5), 6.0, 40, "solid"),
    Nodule((-108.0, -8.0, -7.5), 12.0, 35, "solid"),
    Nodule((-76.0, 58.0, -27.5), 5.0, 40, "solid"),
    Nodule((-42.0, 24.0, 77.5), 18.0, 45, "spiculated"),
    Nodule((72.0, 46.0, 17.5), 10.0, 40, "solid"),
    Nodule((96.0, 4.0, -12.5), 4.0, 40, "solid"),
    Nodule((60.0, -46.0, 47.5), 15.0, -620, "ground-glass"),
    Nodule((78.0, 10.0, 57.5), 16.0, -560, "part-solid"),
    Nodule((-92.0, -40.0, 2.5), 10.0, -650, "ground-glass"),
    Nodule((104.0, 38.0, -37.5), 7.0, 380, "calcified"),
    Nodule((84.0, 60.0, -62.5), 9.0, 40, "solid"),
)
"""The nodules, each centred on a slice of the default 40."""

LIVER_HU = 108.0


@dataclass(frozen=True)
class Insert:
    """A cylinder along z in the liver, ``contrast_hu`` brighter than `LIVER_HU` all through."""

    centre_mm: tuple[float, float, float]
    diameter_mm: float
    length_mm: float
    contrast_hu: float


INSERTS: tuple[Insert, ...] = (
    Insert((-98.0, -6.0, -87.5), 14.0, 26.0, -20),
    Insert((-84.0, 26.0, -87.5), 14.0, 26.0, -15),
    Insert((-66.0, -42.0, -87.5), 14.0, 26.0, -10),
    Insert((-52.0, 50.0, -87.5), 14.0, 26.0, -5),
    Insert((-92.0, -30.0, -87.5), 9.0, 26.0, 20),
    Insert((-66.0, 58.0, -87.5), 9.0, 26.0, 10),
    Insert((-58.0, -14.0, -87.5), 9.0, 26.0, -15),
)
"""Low-contrast targets for detectability, in the liver below its dome."""


def spicules(nodule: Nodule) -> Array:
    """Thin strands from a nodule's surface, evenly spread (a Fibonacci lattice)."""
    k = np.arange(26) + 0.5
    polar, around = np.arccos(1 - 2 * k / 26), np.pi * (1 + 5**0.5) * k
    outward = np.stack(
        [np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1
    )
    centre, radius = np.array(nodule.centre_mm), nodule.diameter_mm / 2
    reach = radius + 3.5 + 3.5 * np.sin(5.0 * k)[:, None]
    start, end = centre + 0.8 * radius * outward, centre + reach * outward
    wide = np.ones((26, 1))
    return np.hstack([start, 1.3 * wide, end, 0.3 * wide]).astype(np.float32)
