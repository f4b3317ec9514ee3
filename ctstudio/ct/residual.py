"""Is what a denoiser took away noise, or is there anatomy in it?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FINE_PX = 1.5  # structures that are finer than this Gaussian are what blurring takes away
CLIP_HU = (-1100.0, 1500.0)
LEAST_PX = 400  # of fewer, noise alone gives a coefficient of 0.1 in one case of twenty
LEAST_SD_HU = 0.3  # about that of rounding to whole HU, as scanners do


def structure(
    removed: NDArray[np.floating],
    reference: NDArray[np.floating],
    mask: NDArray[np.bool_] | None = None,
) -> float:
    """How much fine structure of ``reference`` is in what was ``removed``, both ``(y, x)`` HU.

    Their correlation coefficient, the reference without what is coarser than `FINE_PX`: about 0
    for noise alone, 1 where just that structure was taken away, negative where it was exaggerated.
    ``removed`` is the input less the output; ``reference`` the truth where it is known, else the
    output (never the input, whose noise stands in what was removed). Only pixels of ``mask`` count.

    nan where there is nothing to correlate: fewer than `LEAST_PX` pixels, or less removed than
    rounding does, or as little structure in the reference.
    """
    from scipy import ndimage

    image = np.clip(np.asarray(reference, np.float64), *CLIP_HU)
    fine = image - ndimage.gaussian_filter(image, FINE_PX)
    where = np.ones(image.shape, bool) if mask is None else mask
    one, other = np.asarray(removed, np.float64)[where], fine[where]
    if one.size < LEAST_PX:
        return math.nan
    one, other = one - one.mean(), other - other.mean()
    spread, its_spread = (math.sqrt(float((each * each).mean())) for each in (one, other))
    if not min(spread, its_spread) >= LEAST_SD_HU:
        return math.nan
    return float((one * other).mean()) / (spread * its_spread)
