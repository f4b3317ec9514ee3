"""A picture on the pixels of another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOUCH = 1e-3  # of a pixel: as near to the outermost centres counts as inside


def regrid(
    picture: NDArray[np.float32], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """``picture`` ``(y, x)`` at fractional ``rows`` and ``columns``, linear between its pixels.

    ``rows`` ``(m,)`` and ``columns`` ``(n,)`` count from 0 at the centres of the first pixels; the
    result is ``(m, n)`` float32, NaN outside of the picture. On pixel centres it is the picture.
    """
    between, beyond = [], []
    for wanted, count in ((rows, picture.shape[0]), (columns, picture.shape[1])):
        inside = np.clip(wanted, 0, count - 1)
        low = np.minimum(inside.astype(int), max(count - 2, 0))
        part = np.asarray(inside - low, np.float32)
        between.append((low, np.minimum(low + 1, count - 1), part))
        beyond.append((wanted < -TOUCH) | (wanted > count - 1 + TOUCH))
    (top, bottom, down), (left, right, along) = between
    lines = _mixed(picture[top], picture[bottom], down[:, None])
    made = _mixed(lines[:, left], lines[:, right], along)
    made[beyond[0]] = np.nan
    made[:, beyond[1]] = np.nan
    return made


def _mixed(
    low: NDArray[np.float32], high: NDArray[np.float32], part: NDArray[np.float32]
) -> NDArray[np.float32]:
    mixed = low + part * (high - low)
    # Upon a pixel itself it does not matter whether its neighbour is known.
    exact: NDArray[np.float32] = np.where(part == 0, low, np.where(part == 1, high, mixed))
    return exact
