"""The bilateral filter in NumPy, in the image's own unit.

scikit-image's (0.26) builds its spatial weights for odd windows one row and column too large and
reads them with the wrong stride, which moves edges by tens of HU.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bilateral_filter(
    image: NDArray[np.float32], value_sd: float, radius_px: float, reach_px: int
) -> NDArray[np.float32]:
    """Average each pixel with its neighbours, weighted by distance and by likeness.

    Parameters
    ----------
    image
        ``(y, x)`` float32.
    value_sd
        SD of the weight of a difference, in the unit of the image.
    radius_px, reach_px
        SD of the spatial weight, and how many px the square window reaches to each side.
        Neighbours outside the image do not count.

    Returns
    -------
    ndarray
        ``(y, x)`` float32.

    Source: Tomasi, Manduchi, ICCV 1998.
    """
    # Each pair of pixels is met once and serves both. Sums of differences, not of values: they
    # stay small, so that float32 loses nothing.
    total = np.zeros(image.shape, np.float32)
    weights = np.ones(image.shape, np.float32)
    height, width = image.shape
    scale = np.float32(-0.5 / value_sd**2)
    for dy in range(min(reach_px, height - 1) + 1):
        for dx in range(-reach_px, reach_px + 1):
            if (dy == 0 and dx <= 0) or abs(dx) >= width:
                continue
            here = np.s_[: height - dy, max(-dx, 0) : width - max(dx, 0)]
            there = np.s_[dy:, max(dx, 0) : width - max(-dx, 0)]
            difference = image[there] - image[here]
            weight = difference * difference
            weight *= scale
            weight -= np.float32(0.5 * (dy * dy + dx * dx) / radius_px**2)
            np.exp(weight, out=weight)
            weights[here] += weight
            weights[there] += weight
            weight *= difference
            total[here] += weight
            total[there] -= weight
    total /= weights
    total += image
    return total
