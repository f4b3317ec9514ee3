"""Pictures of HU as 16-bit levels, small on disk: whole HU, or finer or coarser where needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW_LEVELS_HU = 100.0
"""A picture that spans less, as that of a network that hardly answers, keeps finer levels."""


def whole(hu: NDArray[np.floating]) -> NDArray[np.int16]:
    """HU of any shape rounded to whole numbers, those beyond 16 bits cut off; no number is 0."""
    rounded = np.nan_to_num(np.clip(np.rint(hu), -32768, 32767), nan=0)
    levels: NDArray[np.int16] = rounded.astype(np.int16)
    return levels


def to_levels(
    hu: NDArray[np.floating], labels: bool = False
) -> tuple[NDArray[np.int16], dict[str, float]]:
    """A picture ``(y, x)`` as levels, and what `from_levels` must know.

    They are whole HU (or class numbers, with ``labels``), or where these would be too few or do
    not reach, 65536 levels from the least to the largest value.
    """
    low, high = float(hu.min()), float(hu.max())
    reaches = low >= -32768 and high <= 32767
    if labels or not math.isfinite(high - low) or (reaches and high - low >= FEW_LEVELS_HU):
        return whole(hu), {}
    step = (high - low) / 65535 or 1.0
    levels = np.rint((hu.astype(np.float64) - low) / step) - 32768
    return levels.astype(np.int16), {"first": low, "level": step}


def from_levels(stored: NDArray[np.int16], about: Mapping[str, Any]) -> NDArray[np.float64]:
    """The HU of which `to_levels` made levels, to half a level."""
    hu = stored.astype(np.float64)
    if "level" not in about:
        return hu
    restored: NDArray[np.float64] = about["first"] + about["level"] * (hu + 32768)
    return restored
