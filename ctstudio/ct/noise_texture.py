"""How the noise of neighbouring pixels goes together: what tells one kernel from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAGS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2), (0, 3), (3, 0), (0, 4), (4, 0))
"""Steps along rows and columns, pixels."""

WINDOW_PX = 15
LEAST_PAIRS = 100


def correlations(
    image: NDArray[np.floating], mask: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Correlation coefficients ``(n,)`` of a slice ``(y, x)`` with itself moved by `LAGS`.

    Only pixels of ``mask``, uniform tissue, count, and of these what differs from the mean of the
    masked pixels around them. White noise has about 0 everywhere, that of a smooth kernel much at
    one pixel, and that of a sharp one less than 0 there. None where the mask is too small.
    """
    rest = _rest(image, mask)
    found = []
    for down, right in LAGS:
        one = rest[: rest.shape[0] - down, : rest.shape[1] - right]
        other = rest[down:, right:]
        both = (
            np.asarray(mask)[: rest.shape[0] - down, : rest.shape[1] - right] & mask[down:, right:]
        )
        if both.sum() < LEAST_PAIRS:
            return None
        a, b = one[both], other[both]
        scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
        found.append(float((a * b).sum()) / scale if scale > 0 else 0.0)
    return np.asarray(found)


def variance(image: NDArray[np.floating], mask: NDArray[np.bool_]) -> float | None:
    """The variance of the noise in uniform tissue of a slice ``(y, x)`` HU, in HU^2.

    It is that of what `correlations` compares: noise coarser than `WINDOW_PX` is left out. None
    where the mask is too small.
    """
    if int(mask.sum()) < LEAST_PAIRS:
        return None
    return float((_rest(image, mask)[mask] ** 2).mean())


def _rest(image: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Masked pixels less the mean of the masked pixels around them; 0 elsewhere."""
    from scipy import ndimage

    weight = np.asarray(mask, np.float64)
    held = np.where(mask, np.asarray(image, np.float64), 0.0)
    held = np.where(mask, held - held[mask].mean(), 0.0) if mask.any() else held
    count, total = (ndimage.uniform_filter(part, WINDOW_PX) for part in (weight, held))
    return np.where(mask, held - total / np.maximum(count, 1e-9), 0.0)
