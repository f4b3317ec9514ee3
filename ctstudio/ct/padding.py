"""Where a slice was measured, and where a scanner has written something else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PADDING_HU = -1500.0
"""Values at or below this may be padding: scanners write -2000 or -3024 outside their circle."""

AIR_HU = -1000.0
"""What stands for it where a number is needed."""


def measured(hu: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where a slice ``(y, x)`` of HU was measured: not at padding, and not where it is no number.

    Scanners pad areas with one value below `PADDING_HU`. Strong noise gets below it too, but
    hardly ever with the very value of a neighbour.
    """
    finite: NDArray[np.bool_] = np.isfinite(hu)
    low: NDArray[np.bool_] = ~(hu > PADDING_HU) | ~finite
    if not low.any():
        return finite
    alike = np.full(hu.shape, hu.size == 1)  # a single pixel has no neighbour to tell by
    for axis in (0, 1):
        first = tuple(slice(None, -1) if k == axis else slice(None) for k in (0, 1))
        second = tuple(slice(1, None) if k == axis else slice(None) for k in (0, 1))
        same = hu[first] == hu[second]
        alike[first] |= same
        alike[second] |= same
    padding: NDArray[np.bool_] = low & (alike | ~finite)
    return ~padding


def with_air(hu: NDArray[np.floating]) -> NDArray[np.float32]:
    """A slice ``(y, x)`` HU with air for padding and for what is no number."""
    return np.where(measured(hu), hu, np.float32(AIR_HU)).astype(np.float32)
