"""How much of an image is a pattern that repeats every few pixels, as checkerboard artefacts do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_PX = 32
_NEAR, _FAR = 3, 8
"""In bins of the spectrum: how far from a line what stands for its surroundings lies."""


def checkerboard(image: NDArray[np.floating], period_px: int = 2) -> float:
    """Share of an image's variance that repeats every ``period_px`` pixels, from 0 to 1.

    A network that writes its output by a stride, or reads its input by dilated kernels, can leave
    a pattern of that period. It shows in the power spectrum on the lines ``fy = k / period`` and
    ``fx = k / period`` (``k`` from 1 to period - 1; with a period of 2 the Nyquist lines). The
    image ``(y, x)`` is freed of its mean, tapered with a Hann window and transformed; the power
    within a bin of a line, less the mean power 3 to 8 bins beside it, where edges are as strong but
    no pattern is, is divided by all power. Parts that lie below their surroundings count against
    others, and a sum below 0 is 0. 0, too, for images under 32 px or without variance. Of periods
    of 8 px and more the image's own coarse parts have some.

    After Odena, Dumoulin, Olah 2016, "Deconvolution and Checkerboard Artifacts" (Distill,
    doi 10.23915/distill.00003), who describe the artefacts; the measure is ours.

    Raises
    ------
    ValueError
        When the period is below 2 or the image is not 2-D.
    """
    if period_px < 2 or np.ndim(image) != 2:
        raise ValueError(f"a period of {period_px} px, an image of {np.ndim(image)} dimensions")
    # On whole periods the lines fall on bins.
    rows, columns = (length // (2 * period_px) * 2 * period_px for length in np.shape(image))
    if min(rows, columns) < max(LEAST_PX, 2 * (_FAR + 1) * period_px // 2):
        return 0.0
    values = np.asarray(image, np.float64)[:rows, :columns]
    taper = np.outer(_hann(rows), _hann(columns))
    values = (values - np.average(values, weights=taper)) * taper
    power = np.abs(np.fft.fft2(values)) ** 2
    total = float(power.sum())
    if total <= 1e-12 * rows * columns:
        return 0.0
    on_rows, excess_rows = _lines(power, period_px)
    on_columns, excess_columns = _lines(power.T, period_px)
    # Where lines cross, the power is counted once.
    crossing = np.ix_(on_rows, on_columns)
    both = np.minimum(excess_rows[crossing], excess_columns.T[crossing])
    excess = float(excess_rows.sum() + excess_columns.sum() - both.sum())
    return min(max(excess / total, 0.0), 1.0)


def _lines(
    power: NDArray[np.float64], period_px: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which rows of a spectrum belong to lines, and the spectrum there, less its surroundings."""
    rows = len(power)
    excess = np.zeros_like(power)
    taken: list[int] = []
    for k in range(1, period_px):
        line = k * rows // period_px
        beside = [line + sign * step for sign in (-1, 1) for step in range(_NEAR, _FAR + 1)]
        around = power[np.array(beside) % rows].mean(0)
        here = [(line + step) % rows for step in (-1, 0, 1)]
        excess[here] = power[here] - around
        taken += here
    return np.unique(taken), excess


def _hann(length: int) -> NDArray[np.float64]:
    # The periodic form: a wave on a bin leaks into the two beside it and nowhere else.
    window: NDArray[np.float64] = np.hanning(length + 1)[:-1]
    return window
