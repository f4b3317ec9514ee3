"""What is measured of one denoised slice, and of several together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.metrics import PROTOCOLS, bias, evaluate, noise_sd, uniform_regions
from ctstudio.ct.mtf import edge_response
from ctstudio.ct.nps import noise_power_spectrum, places
from ctstudio.ct.residual import structure

RESAMPLES = 2000
CONFIDENCE = 0.95
FEWEST = 4  # values that an interval is told of: that of fewer is far too narrow
SPECTRUM_PX = 16  # side of the squares that noise is analysed in
EDGES = 12  # a slice
EDGE_RADIUS_PX = 9
EDGE_HU = (80.0, 1500.0)  # steps that count

MEASURES = {
    "bias_hu": "Bias (HU)",
    "noise_sd_hu": "Noise SD (HU)",
    "noise_frequency": "Noise frequency (1/mm)",
    "edge_width": "Edge width (truth = 1)",
    "structure": "Structure removed",
}
"""What is measured beside the protocols, and what it is called."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What can be measured in a slice: its uniform tissue, and where its edges are.

    ``edges`` are masks ``(y, x)`` with one straight edge each and the frequency, 1/mm, at which
    half of the contrast is left in the truth.
    """

    truth: NDArray[np.float32]
    spacing_mm: tuple[float, float]
    uniform: NDArray[np.bool_]
    edges: tuple[tuple[NDArray[np.bool_], float], ...]

    @classmethod
    def of(cls, truth: NDArray[np.float32], spacing_mm: tuple[float, float]) -> Ground:
        """Look for uniform regions and edges in the truth ``(y, x)`` HU."""
        return cls(truth, spacing_mm, uniform_regions(truth), tuple(_edges(truth, spacing_mm)))


def measure(
    image: NDArray[np.float32],
    noisy: NDArray[np.float32],
    ground: Ground,
    protocols: Sequence[str],
) -> dict[str, float]:
    """Everything about what was made of one noisy slice, ``(y, x)`` HU each.

    "psnr A" (dB), "ssim A", "rmse A" (HU) and so on for each protocol; "bias_hu" and "noise_sd_hu"
    of what is left (image less truth) in uniform tissue, "noise_frequency" (1/mm), the centre of
    its spectrum, and "edge_width": how many times wider edges are than in the truth (the median of
    the ratio of the frequencies at which half of the contrast is left); "structure": the
    correlation of what was removed with the truth's fine structure. nan where there is nothing to
    measure by.
    """
    found: dict[str, float] = {}
    for name in protocols:
        for key, value in evaluate(image, ground.truth, PROTOCOLS[name]).items():
            found[f"{key} {name}"] = value
    left = image - ground.truth
    some = bool(ground.uniform.any())
    found["bias_hu"] = bias(image, ground.truth, ground.uniform) if some else math.nan
    found["noise_sd_hu"] = noise_sd(left, ground.uniform) if some else math.nan
    squares = [
        left[y : y + SPECTRUM_PX, x : x + SPECTRUM_PX]
        for y, x in places(ground.uniform, SPECTRUM_PX)
    ]
    found["noise_frequency"] = (
        noise_power_spectrum(squares, ground.spacing_mm).mean_frequency if squares else math.nan
    )
    found["edge_width"] = _edge_width(image, ground)
    found["structure"] = structure(noisy - image, ground.truth)
    return found


@dataclass(frozen=True)
class Mean:
    """A mean over slices, and the interval that holds it with 95 % confidence."""

    value: float
    low: float
    high: float
    count: int


def mean(values: Sequence[float]) -> Mean:
    """The mean of what is known, with the percentile bootstrap (Efron 1979) over the values.

    The interval is that over slices of one series: it says nothing about other patients. Of fewer
    than four values there is none (nan).
    """
    known = np.array([value for value in values if math.isfinite(value)])
    if not len(known):
        return Mean(math.nan, math.nan, math.nan, 0)
    if len(known) < FEWEST:
        return Mean(float(known.mean()), math.nan, math.nan, len(known))
    draws = np.random.default_rng(0).integers(len(known), size=(RESAMPLES, len(known)))
    means = known[draws].mean(axis=1)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Mean(float(known.mean()), float(low), float(high), len(known))


def _edges(
    truth: NDArray[np.float32], spacing_mm: tuple[float, float]
) -> list[tuple[NDArray[np.bool_], float]]:
    """Discs around the steepest places of the truth that hold one straight edge each."""
    from scipy import ndimage

    if min(truth.shape) < 2:  # a row of pixels has no slope
        return []
    smooth = ndimage.gaussian_filter(np.clip(truth.astype(np.float64), -1000, 1500), 1.5)
    steep = np.hypot(*np.gradient(smooth))
    rim = EDGE_RADIUS_PX + 2
    inside = np.zeros(truth.shape, bool)
    inside[rim:-rim, rim:-rim] = True
    y, x = np.mgrid[-EDGE_RADIUS_PX : EDGE_RADIUS_PX + 1, -EDGE_RADIUS_PX : EDGE_RADIUS_PX + 1]
    disc = np.hypot(y, x) <= EDGE_RADIUS_PX
    found: list[tuple[NDArray[np.bool_], float]] = []
    for _ in range(4 * EDGES):
        place = np.where(inside, steep, 0).argmax()
        row, column = (int(k) for k in np.unravel_index(place, truth.shape))
        if not inside[row, column] or len(found) == EDGES:
            break
        window = (
            slice(row - EDGE_RADIUS_PX, row + EDGE_RADIUS_PX + 1),
            slice(column - EDGE_RADIUS_PX, column + EDGE_RADIUS_PX + 1),
        )
        inside[
            max(0, row - 2 * rim) : row + 2 * rim + 1,
            max(0, column - 2 * rim) : column + 2 * rim + 1,
        ] = False
        response = edge_response(truth[window], disc, spacing_mm, "straight")
        if response is None or not EDGE_HU[0] <= abs(response.step) <= EDGE_HU[1]:
            continue
        half = response.frequency_at(0.5)
        if math.isfinite(half):
            mask = np.zeros(truth.shape, bool)
            mask[window] = disc
            found.append((mask, half))
    return found


def _edge_width(image: NDArray[np.float32], ground: Ground) -> float:
    ratios = []
    for mask, half in ground.edges:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        response = edge_response(image[window], mask[window], ground.spacing_mm, "straight")
        if response is not None and math.isfinite(now := response.frequency_at(0.5)):
            ratios.append(half / now)
    return float(np.median(ratios)) if ratios else math.nan
