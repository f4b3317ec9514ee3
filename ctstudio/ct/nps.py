"""The noise power spectrum of uniform regions: how much noise there is at each frequency.

Two images of equal noise SD may look different: what a denoiser leaves over is often coarser than
what it took away, and the spectrum shows it.

Sources: J. H. Siewerdsen, I. A. Cunningham, D. A. Jaffray, "A framework for noise-power spectrum
analysis of multidimensional images", Med. Phys. 29(11), 2002; ICRU Report 87, "Radiation dose and
image-quality assessment in computed tomography", 2012; E. Samei et al., "Performance
evaluation of computed tomography systems: summary of AAPM Task Group 233", Med. Phys. 46(11), 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

SMALLEST_PX, LARGEST_PX = 8, 128
ENOUGH_SQUARES = 9
OVERLAP = 2  # squares begin at every half of their side (IEC 62220-1)


@dataclass(frozen=True, eq=False)
class NoisePowerSpectrum:
    """A spectrum averaged over squares of uniform regions.

    Parameters
    ----------
    power
        ``(n, n)`` float64, the value's unit squared times mm2; frequency zero in the middle.
    spacing_mm
        ``(dy, dx)`` of the pixels; 1 where the spacing is not known (frequencies in 1/px then).
    squares
        How many were averaged.
    """

    power: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    squares: int

    @property
    def side_px(self) -> int:
        """The side of a square, px."""
        return len(self.power)

    @property
    def frequencies(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``(n,)`` 1/mm down and along the rows."""
        n, (dy, dx) = self.side_px, self.spacing_mm
        return np.fft.fftshift(np.fft.fftfreq(n, dy)), np.fft.fftshift(np.fft.fftfreq(n, dx))

    @property
    def variance(self) -> float:
        """The integral over all frequencies: the variance about the trend (Parseval)."""
        n, (dy, dx) = self.side_px, self.spacing_mm
        return float(self.power.sum() / (n * dy * n * dx))

    @property
    def sd(self) -> float:
        """The noise about the trend, in the value's unit."""
        return math.sqrt(self.variance)

    @cached_property
    def radial(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frequency ``(m,)`` in 1/mm and the mean power ``(m,)`` in rings around zero.

        The rings are as wide as one sample of the coarser axis and reach to the lower of the two
        Nyquist frequencies. Frequency zero, which the trend took along, is left out.
        """
        fy, fx = self.frequencies
        away = np.hypot(fy[:, None], fx[None, :])
        n, (dy, dx) = self.side_px, self.spacing_mm
        step, highest = 1 / (n * min(dy, dx)), 1 / (2 * max(dy, dx))
        ring = np.rint(away / step).astype(int)
        ring[away > highest * (1 + 1e-9)] = 0
        counts = np.bincount(ring.ravel())[1:]
        there = np.flatnonzero(counts)
        means = [
            np.bincount(ring.ravel(), part.ravel())[1:][there] / counts[there]
            for part in (away, self.power)
        ]
        return means[0], means[1]

    @property
    def peak(self) -> float:
        """The frequency at which the radial spectrum is greatest, 1/mm; nan where it is flat 0."""
        at, power = self.radial
        return float(at[int(np.argmax(power))]) if len(power) and power.max() > 0 else math.nan

    @property
    def mean_frequency(self) -> float:
        """The centre of the radial spectrum, 1/mm: the lower, the coarser the noise (TG-233)."""
        at, power = self.radial
        total = float(power.sum())
        return float((at * power).sum() / total) if total > 0 else math.nan


def noise_power_spectrum(
    squares: Sequence[NDArray[np.floating]], spacing_mm: tuple[float, float]
) -> NoisePowerSpectrum:
    """The mean spectrum of squares ``(n, n)`` of uniform values, each without its trend.

    ``NPS = dx dy / (nx ny) <|DFT(values - trend)|^2>``. The trend is the polynomial of second
    degree in both directions that fits best, so that cupping is not taken for noise; it takes
    six of the n x n degrees of freedom along.

    Raises
    ------
    ValueError
        For no square, for values that are not finite, or squares that are not of one shape.
    """
    if not len(squares):
        raise ValueError("a spectrum needs at least one square")
    pictures = np.stack([np.asarray(square, np.float64) for square in squares])
    n = pictures.shape[-1]
    if pictures.ndim != 3 or pictures.shape[1] != n or n < 4:
        raise ValueError(f"squares must be (n, n) with n of 4 at least, not {pictures.shape[1:]}")
    if not np.isfinite(pictures).all():
        raise ValueError("the squares hold values that are no numbers")
    basis = _trend(n)
    flat = pictures.reshape(len(pictures), -1)
    noise = (flat - (flat @ basis) @ basis.T).reshape(pictures.shape)
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0)
    dy, dx = spacing_mm
    return NoisePowerSpectrum(
        np.fft.fftshift(power) * dy * dx / (n * n), (float(dy), float(dx)), len(pictures)
    )


@lru_cache(maxsize=8)
def _trend(n: int) -> NDArray[np.float64]:
    """An orthonormal basis ``(n * n, 6)`` of the polynomials of second degree on a square."""
    y, x = (part.ravel() for part in np.meshgrid(*[np.linspace(-1, 1, n)] * 2, indexing="ij"))
    terms = np.stack([np.ones(n * n), y, x, y * y, x * y, x * x], axis=1)
    basis: NDArray[np.float64] = np.linalg.qr(terms)[0]
    basis.flags.writeable = False
    return basis


def places(mask: NDArray[np.bool_], side_px: int) -> list[tuple[int, int]]:
    """Top and left of the squares that lie in ``mask`` ``(y, x)`` and overlap by half a side."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    part = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    sums = np.zeros((part.shape[0] + 1, part.shape[1] + 1), np.int64)
    sums[1:, 1:] = part.cumsum(0).cumsum(1)
    n = side_px
    held = sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]
    step = max(n // OVERLAP, 1)
    # What is left over at the edges is shared between both sides.
    begins = [((length - 1) % step) // 2 if length > 0 else 0 for length in held.shape]
    found = np.argwhere(held[begins[0] :: step, begins[1] :: step] == n * n)
    return [(top + begins[0] + int(y) * step, left + begins[1] + int(x) * step) for y, x in found]


def fitting_side(mask: NDArray[np.bool_]) -> int:
    """The largest even side of which nine squares lie in ``mask`` ``(y, x)``, 8 to 128 px.

    Where no nine of 8 px do, the largest of which one does; 0 where there is none.
    """
    sides = range(SMALLEST_PX, LARGEST_PX + 1, 2)
    for least in (ENOUGH_SQUARES, 1):
        fits = [side for side in sides if len(places(mask, side)) >= least]
        if fits:
            return fits[-1]
    return 0
