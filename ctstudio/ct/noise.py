"""Noise from place to place, and how far two regions stand out against it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.metrics import RoiStatistics

WINDOW_MM = 6.0
NEIGHBOURS = 7  # squares across, whose median is taken
TREND = 3  # degrees of freedom of a plane


def local_noise(
    hu: NDArray[np.floating], spacing_mm: tuple[float, float], window_mm: float = WINDOW_MM
) -> NDArray[np.float32]:
    """The noise SD around every pixel of ``hu`` ``(y, x)``, in its unit; same shape.

    The SD of squares of ``window_mm``, each about its own plane, then the median over seven by
    seven squares that overlap by half: edges and vessels, which raise the SD of some, do not count
    as noise. The median is scaled so that white Gaussian noise has its own SD (Wilson and
    Hilferty's median of chi squared). Noise coarser than the square is told too low. NaN where
    the values are none.

    Source: O. Christianson et al., "Automated technique to measure noise in clinical CT
    examinations", AJR 205(1), 2015 (squares of 6 mm); the plane and the median are additions.
    """
    from scipy import ndimage

    image = np.asarray(hu, np.float64)
    rows, columns = (max(round(window_mm / step) | 1, 5) for step in spacing_mm)
    known = np.isfinite(image)
    middle = float(np.median(image[known])) if known.any() else 0.0
    image = np.where(known, image - middle, 0.0)
    variance = _about_planes(image, rows, columns)
    steps = max(rows // 2, 1), max(columns // 2, 1)
    coarse = variance[:: steps[0], :: steps[1]]
    freedom = rows * columns - TREND
    coarse = ndimage.median_filter(coarse, NEIGHBOURS, mode="nearest")
    sd = np.sqrt(coarse / (1 - 2 / (9 * freedom)) ** 3)
    result = _enlarged(sd, steps, (image.shape[0], image.shape[1]))
    result[~known] = np.nan
    return result


def _about_planes(image: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """The variance ``(y, x)`` of the values in a square about the plane that fits them best."""
    from scipy.ndimage import correlate1d

    flat_y, flat_x = np.full(rows, 1 / rows), np.full(columns, 1 / columns)
    ramp_y, ramp_x = (np.arange(n) - n // 2 for n in (rows, columns))

    def box(
        values: NDArray[np.float64], down: NDArray[np.floating], along: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        part = correlate1d(values, down, axis=0, mode="nearest")
        found: NDArray[np.float64] = correlate1d(part, along, axis=1, mode="nearest")
        return found

    mean = box(image, flat_y, flat_x)
    total = box(image * image, flat_y, flat_x) - mean * mean
    for down, along, ramp in (
        (ramp_y / rows, flat_x, ramp_y),
        (flat_y, ramp_x / columns, ramp_x),
    ):
        slope = box(image, down, along)
        total -= slope * slope / float(np.mean(ramp * ramp))
    count = rows * columns
    return np.maximum(total, 0.0) * (count / (count - TREND))


def _enlarged(
    coarse: NDArray[np.float64], steps: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Values at every ``steps``-th pixel, bilinear in between, ``shape`` float32."""
    parts = []
    for axis, step in enumerate(steps):
        place = np.minimum(np.arange(shape[axis]) / step, coarse.shape[axis] - 1)
        low = np.floor(place).astype(int)
        parts.append((low, np.minimum(low + 1, coarse.shape[axis] - 1), place - low))
    (top, bottom, v), (left, right, u) = parts
    lines = coarse[top] * (1 - v)[:, None] + coarse[bottom] * v[:, None]
    found = lines[:, left] * (1 - u) + lines[:, right] * u
    result: NDArray[np.float32] = found.astype(np.float32)
    return result


def contrast_to_noise(one: RoiStatistics, other: RoiStatistics) -> float:
    """How far the means of two regions lie apart, in SDs of their noise; nan without noise.

    ``|mean1 - mean2| / sqrt((sd1^2 + sd2^2) / 2)``: the noise is that of both alike. Which one is
    named first does not matter.

    Source: X. Song et al., "Automated region detection based on the contrast-to-noise ratio in
    near-infrared tomography", Appl. Opt. 43(5), 2004, with equal weights.
    """
    noise = math.sqrt((one.sd**2 + other.sd**2) / 2)
    return abs(one.mean - other.mean) / noise if noise > 0 else math.nan
