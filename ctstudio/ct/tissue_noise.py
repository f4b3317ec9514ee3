"""How strong the noise of a scan is, told from the scan alone, one tissue at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TISSUES: dict[str, tuple[float, float]] = {
    "Soft tissue": (-20.0, 120.0),
    "Fat": (-150.0, -50.0),
    "Lung": (-950.0, -600.0),
    "Air": (-1100.0, -950.0),
}
"""HU of the classes, of slices smoothed so far that noise does not change a pixel's class.

Bone is none of them: it has so much structure that no square of it shows the noise alone."""

SMOOTH_PX = 2.0
MARGIN_PX = 3
WINDOW_MM = 6.5
STEEP = 2.2  # times the lower quartile of the slopes: what is steeper is an edge or a vessel
ENOUGH = 200  # pixels that a class must have

STRUCTURE = 1.3
"""A slice whose uniform tissue varies by more than so many times its noise shows vessels there."""


@dataclass(frozen=True)
class TissueNoise:
    """The noise of one tissue: its SD in HU, and how many pixels it was told from."""

    tissue: str
    sd_hu: float
    pixels: int


def noise_of_tissues(
    slices: Sequence[NDArray[np.floating]], spacing_mm: tuple[float, float]
) -> list[TissueNoise]:
    """The noise of each tissue that some slices ``(y, x)`` HU show enough of.

    Within a class, away from its border and where the smoothed slice is level, it is the median of
    the SD in squares of `WINDOW_MM`, in which only such pixels count. On the built-in phantom it
    differs from the true noise by about a tenth. What is coarser than the square is missed, and
    texture finer than it (in lungs above all) is counted as noise.

    Sources: squares of 6 mm and classes by HU after O. Christianson et al., "Automated technique
    to measure noise in clinical CT examinations", AJR 205(1), 2015; masked squares are an addition.
    """
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in TISSUES}
    for image in slices:
        for name, sds in _of_slice(np.asarray(image, np.float64), spacing_mm).items():
            found[name].append(sds)
    result = []
    for name, parts in found.items():
        held = np.concatenate(parts) if parts else np.empty(0)
        if len(held) >= ENOUGH:
            result.append(TissueNoise(name, float(np.median(held)), len(held)))
    return result


def noise_of_tissue(found: Sequence[TissueNoise], tissue: str = "Soft tissue") -> float:
    """The SD of one tissue, HU; nan where it was not found."""
    return next((each.sd_hu for each in found if each.tissue == tissue), math.nan)


def uniform_tissue(
    hu: NDArray[np.floating], spacing_mm: tuple[float, float]
) -> tuple[NDArray[np.bool_], float] | None:
    """Where a slice ``(y, x)`` HU shows nothing but noise, and the variance there, in HU^2.

    None for a slice without uniform soft tissue, without noise (as one that nothing was written
    to), or with structure where tissue seemed uniform: there another measure, which vessels do not
    add to, finds less noise.
    """
    from ctstudio.ct.metrics import uniform_regions
    from ctstudio.ct.noise_texture import variance

    mask = uniform_regions(hu)
    own = variance(hu, mask)
    if own is None or not own > 0:
        return None
    noise = noise_of_tissue(noise_of_tissues([hu], spacing_mm))
    if math.sqrt(own) > STRUCTURE * noise:  # nan where there is too little to tell
        return None
    return mask, own


def _of_slice(
    image: NDArray[np.float64], spacing_mm: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """The SDs around the pixels of every tissue."""
    from scipy import ndimage

    if min(image.shape) < 2:  # a row of pixels has no slope
        return {}
    image = np.nan_to_num(np.clip(image, -1500.0, 3000.0), nan=-1500.0)
    smooth = ndimage.gaussian_filter(image, SMOOTH_PX)
    slope = np.hypot(*np.gradient(smooth))
    size = tuple(max(round(WINDOW_MM / step) | 1, 5) for step in spacing_mm)
    result = {}
    for name, (low, high) in TISSUES.items():
        mask = ndimage.binary_erosion((smooth >= low) & (smooth <= high), iterations=MARGIN_PX)
        if mask.sum() < ENOUGH:
            continue
        mask &= slope <= max(STEEP * float(np.quantile(slope[mask], 0.25)), 1e-6)
        result[name] = _sds(image, mask, size)
    return result


def _sds(
    image: NDArray[np.float64], mask: NDArray[np.bool_], size: tuple[int, ...]
) -> NDArray[np.float64]:
    """The SD of the masked pixels in the square around each, where they fill half of it."""
    from scipy import ndimage

    # About their median the sums keep their digits: HU offsets are large against noise.
    held = np.where(mask, image - float(np.median(image[mask])), 0.0)
    count, total, squares = (
        ndimage.uniform_filter(part, size, mode="constant")
        for part in (mask.astype(np.float64), held, held * held)
    )
    full = mask & (count > 0.5)
    share, number = count[full], count[full] * math.prod(size)
    variance = squares[full] / share - (total[full] / share) ** 2
    sds: NDArray[np.float64] = np.sqrt(np.maximum(variance, 0.0) * number / (number - 1))
    return sds
