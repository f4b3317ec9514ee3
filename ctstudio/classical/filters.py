"""Total variation and the bilateral filter in NumPy, exact and in the image's own unit.

scikit-image's total variation needs many times the iterations for the same minimum, and its
bilateral filter reads a spatial weight table of odd windows with the wrong stride (0.26).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def total_variation(
    image: NDArray[np.float32], weight: float, iterations: int
) -> NDArray[np.float32]:
    """Minimise ``|u - image|^2 / 2 + weight * TV(u)`` with isotropic total variation.

    Parameters
    ----------
    image
        ``(y, x)`` float32.
    weight
        In the unit of the image.
    iterations
        Accelerated projected-gradient steps on the dual problem.

    Returns
    -------
    ndarray
        ``(y, x)`` float32 with the mean of ``image``.

    Source: Chambolle, J. Math. Imaging Vis. 20, 2004 (the dual); Beck, Teboulle, IEEE Trans.
    Image Process. 18(11), 2009, algorithm FGP (the acceleration).
    """
    # The dual field has a vertical and a horizontal part, each at most `weight` long together;
    # its last row and last column stay zero (no flow through the border keeps the mean).
    shape = image.shape
    rows, columns = (np.zeros(shape, np.float32) for _ in range(2))
    next_rows, next_columns = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    ahead_rows, ahead_columns = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    length, part, u = (np.empty(shape, np.float32) for _ in range(3))
    momentum = 1.0
    step = np.float32(0.125)  # one over the largest eigenvalue of the Laplacian's dual
    for _ in range(iterations):
        _primal(image, ahead_rows, ahead_columns, u)
        u *= step
        np.copyto(next_rows, ahead_rows)
        np.copyto(next_columns, ahead_columns)
        next_rows[:-1] += u[1:]
        next_rows[:-1] -= u[:-1]
        next_columns[:, :-1] += u[:, 1:]
        next_columns[:, :-1] -= u[:, :-1]
        np.multiply(next_rows, next_rows, out=length)
        np.multiply(next_columns, next_columns, out=part)
        length += part
        np.sqrt(length, out=length)
        length *= np.float32(1.0 / weight)
        np.maximum(length, np.float32(1.0), out=length)
        next_rows /= length
        next_columns /= length
        following = (1.0 + math.sqrt(1.0 + 4.0 * momentum * momentum)) / 2.0
        carry = np.float32((momentum - 1.0) / following)
        for ahead, new, old in (
            (ahead_rows, next_rows, rows),
            (ahead_columns, next_columns, columns),
        ):
            np.subtract(new, old, out=ahead)
            ahead *= carry
            ahead += new
        rows, next_rows = next_rows, rows
        columns, next_columns = next_columns, columns
        momentum = following
    _primal(image, rows, columns, u)
    return u


def _primal(
    image: NDArray[np.float32],
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """``image`` plus the divergence of the dual field, into ``out``."""
    np.copyto(out, image)
    out[:-1] += rows[:-1]
    out[1:] -= rows[:-1]
    out[:, :-1] += columns[:, :-1]
    out[:, 1:] -= columns[:, :-1]


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
