"""HU to stored int16 values and the rescale that brings them back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

LOWEST, HIGHEST = -32768, 32767


@dataclass(frozen=True)
class Range:
    """Smallest and largest finite value of a volume, and how many voxels hold no number."""

    low: float
    high: float
    not_numbers: int = 0

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Range | None:
        """The range of one slice; None where no voxel is finite."""
        low, high = float(np.min(values)), float(np.max(values))
        if np.isfinite(low) and np.isfinite(high):
            return cls(low, high)
        finite = values[np.isfinite(values)]
        if not finite.size:
            return None
        return cls(float(finite.min()), float(finite.max()), values.size - finite.size)

    def joined(self, other: Range) -> Range:
        return Range(
            min(self.low, other.low),
            max(self.high, other.high),
            self.not_numbers + other.not_numbers,
        )


@dataclass(frozen=True)
class Encoding:
    """``value = stored * slope + intercept``, with int16 stored values.

    Slope and intercept are numbers that a decimal string of 16 characters holds exactly, so what a
    reader computes is within half a stored unit of what was given.
    """

    slope: float
    intercept: float
    clips: bool = False

    @property
    def identity(self) -> bool:
        return self.slope == 1.0 and self.intercept == 0.0

    @property
    def low(self) -> float:
        """The smallest value that can be stored."""
        return LOWEST * self.slope + self.intercept

    @property
    def high(self) -> float:
        """The largest value that can be stored."""
        return HIGHEST * self.slope + self.intercept

    def stored(self, values: NDArray[np.float32]) -> NDArray[np.int16]:
        """Stored values ``(y, x)`` int16, rounded to nearest; what is not a number becomes the
        nearest end of the range, NaN the lower one."""
        scaled = (values.astype(np.float64) - self.intercept) / self.slope
        scaled = np.nan_to_num(scaled, copy=False, nan=LOWEST, posinf=HIGHEST, neginf=LOWEST)
        return np.clip(np.rint(scaled, out=scaled), LOWEST, HIGHEST).astype("<i2")

    def stored_scalar(self, value: float) -> int | None:
        """One stored value, or None where int16 does not hold it."""
        stored = round((value - self.intercept) / self.slope)
        return stored if LOWEST <= stored <= HIGHEST else None


def choose(values: Range, slope: float, *, unit: str, whole: bool = False) -> Encoding:
    """The encoding for a range, with the source's ``slope`` wherever it fits.

    Intercept 0 if the range allows, else one that centres it. A range that is too wide is given a
    larger slope; but HU keep at least 1 HU a unit, and what lies outside then is clipped. Values
    that are neither HU nor ``whole`` stored values get at least 12 bits.
    """
    slope = _decimal(abs(slope)) or 1.0
    span = values.high - values.low
    if unit == "HU":
        slope = min(slope, 1.0)
    elif not whole and 0 < span < 4096 * slope:
        slope = _decimal(max(abs(values.low), abs(values.high)) / HIGHEST * (1 + 1e-9))
    for candidate in sorted({slope, max(slope, 1.0)}):
        if values.low >= LOWEST * candidate and values.high <= HIGHEST * candidate:
            return Encoding(candidate, 0.0)
        if span <= (HIGHEST - LOWEST - 1) * candidate:
            return Encoding(candidate, _decimal(float(round((values.low + values.high) / 2))))
    if unit == "HU":
        # From the air upwards: what is brighter than 64,000 HU is no tissue and no metal.
        return Encoding(1.0, float(HIGHEST + 1 - 1024) if values.low >= -1024 else 0.0, clips=True)
    wide = _decimal((span) / (HIGHEST - LOWEST - 1) * (1 + 1e-9))
    return Encoding(wide, _decimal(values.low - LOWEST * wide))


def _decimal(value: float) -> float:
    """The nearest number that a DICOM decimal string holds."""
    return float(format_number_as_ds(float(value)))
