"""Can low-contrast discs be told from their background? The answer of a model observer.

The channelised Hotelling observer with Laguerre-Gauss channels looks at a region through a few
round channels, and weighs them so that regions with a disc stand as far apart from those without as
their noise allows. People do about as well as it does, apart from a constant factor.

Where there are too few regions to learn from, `matched` asks an observer that need not learn: the
non-prewhitening matched filter (A. E. Burgess, JOSA A 16(3), 1999), which knows the disc.

Sources: B. D. Gallas and H. H. Barrett, "Validating the use of channels to estimate the ideal
linear observer", JOSA A 20(9), 2003; L. Yu et al., Med. Phys. 40(4), 2013 (doi 10.1118/1.4794498).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNELS = 5
WIDTH_OVER_DISC = 1.5  # of the channels' Gaussian, over the disc's diameter
FEWEST = CHANNELS + 3  # regions of each kind


@dataclass(frozen=True)
class Detectability:
    """How well an observer tells regions with a disc from those without.

    ``d_prime`` is the distance of the two distributions of its answer in units of their SD,
    ``auc`` the share of pairs that it orders rightly, ``error`` the SD of ``d_prime``.
    """

    d_prime: float
    auc: float
    error: float


def channels(side_px: int, diameter_px: float, count: int = CHANNELS) -> NDArray[np.float64]:
    """Laguerre-Gauss functions ``(count, side, side)`` around the middle, each of unit norm."""
    middle = (side_px - 1) / 2
    y, x = np.mgrid[:side_px, :side_px] - middle
    width = WIDTH_OVER_DISC * diameter_px
    square = 2 * math.pi * (y * y + x * x) / width**2
    found = []
    before, now = np.zeros_like(square), np.ones_like(square)
    for n in range(count):
        found.append(now * np.exp(-square / 2))
        before, now = now, ((2 * n + 1 - square) * now - n * before) / (n + 1)
    stack = np.stack(found)
    norms: NDArray[np.float64] = stack / np.sqrt((stack**2).sum(axis=(1, 2), keepdims=True))
    return norms


def detectability(
    present: NDArray[np.floating], absent: NDArray[np.floating], diameter_px: float
) -> Detectability:
    """Of regions ``(n, s, s)`` with a disc in the middle and ``(m, s, s)`` without.

    The observer learns from every region but one pair and is asked about that one, in turn (it
    would flatter itself on what it has learnt from), so half as many regions are needed as with
    halves. Each region's own mean is taken away: a shift of all HU is no sign of a disc.

    Raises
    ------
    ValueError
        For fewer than `FEWEST` regions of a kind, or regions that are not square or differ in size.
    """
    both = [np.asarray(regions, np.float64) for regions in (present, absent)]
    side = both[0].shape[-1]
    for regions in both:
        if regions.ndim != 3 or regions.shape[1:] != (side, side):
            raise ValueError(f"regions must be (n, s, s) of one size, not {regions.shape}")
        if len(regions) < FEWEST:
            raise ValueError(f"an observer needs {FEWEST} regions of each kind to learn from")
    basis = channels(side, diameter_px).reshape(CHANNELS, -1)
    seen = [
        (regions - regions.mean(axis=(1, 2), keepdims=True)).reshape(len(regions), -1) @ basis.T
        for regions in both
    ]
    answers = [_answers(seen[0], seen[1]), _answers(seen[1], seen[0])]
    # Asked about a region without a disc the observer has learnt with the kinds exchanged.
    with_disc, without = answers[0], -answers[1]
    spread = math.sqrt((with_disc.var(ddof=1) + without.var(ddof=1)) / 2)
    d_prime = float((with_disc.mean() - without.mean()) / spread) if spread else math.inf
    order = np.sign(with_disc[:, None] - without[None, :])
    n, m = len(with_disc), len(without)
    # Of two means over n and m answers, and of their SD (Hedges and Olkin 1985).
    error = math.sqrt(1 / n + 1 / m + d_prime**2 / (2 * (n + m))) if spread else math.nan
    return Detectability(d_prime, float((1 + order.mean()) / 2), error)


def disc(side_px: int, diameter_px: float) -> NDArray[np.float64]:
    """A disc of 1 ``(side, side)`` in the middle, with less in pixels that it covers in part."""
    middle = (side_px - 1) / 2
    y, x = np.mgrid[:side_px, :side_px] - middle
    covered: NDArray[np.float64] = np.clip(diameter_px / 2 - np.hypot(y, x) + 0.5, 0, 1)
    return covered


def matched(
    present: NDArray[np.floating],
    absent: NDArray[np.floating],
    noise: NDArray[np.floating],
    diameter_px: float,
) -> Detectability:
    """How far a matched filter tells regions ``(n, s, s)`` with a disc from those without.

    Parameters
    ----------
    present, absent
        Regions with the disc in their middle, and the same place without it.
    noise
        Regions without a disc, of the same noise, from which the spread of the answer is known.
    diameter_px
        Of the disc. The filter is that disc less its mean, so that a shift of HU says nothing.

    Raises
    ------
    ValueError
        Without regions, or with fewer than `FEWEST` of noise.
    """
    if not (len(present) and len(absent)) or len(noise) < FEWEST:
        raise ValueError(f"a matched filter needs regions of each kind, {FEWEST} of noise")
    filter_ = disc(present.shape[-1], diameter_px)
    filter_ -= filter_.mean()
    seen = [
        np.tensordot(np.asarray(regions, np.float64), filter_, 2)
        for regions in (present, absent, noise)
    ]
    spread = float(seen[2].std(ddof=1))
    if not spread:
        return Detectability(math.inf, 1.0, math.nan)
    d_prime = float(seen[0].mean() - seen[1].mean()) / spread
    n, m, k = map(len, seen)
    error = math.sqrt(1 / n + 1 / m + d_prime**2 / (2 * k))
    return Detectability(d_prime, (1 + math.erf(d_prime / 2)) / 2, error)


def _answers(asked: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The observer's answer to each of ``asked`` ``(n, c)``, after learning from all the rest.

    Positive where it looks like ``asked`` and not like ``others`` ``(m, c)``; from the middle of
    the two means.
    """
    found = []
    for k in range(len(asked)):
        rest = np.delete(asked, k, axis=0)
        difference = rest.mean(axis=0) - others.mean(axis=0)
        covariance = (np.cov(rest.T) + np.cov(others.T)) / 2
        weights = np.linalg.lstsq(covariance, difference, rcond=1e-10)[0]
        middle = (rest.mean(axis=0) + others.mean(axis=0)) / 2
        # In units of the observer's own SD, so that answers of observers that have learnt from
        # different regions compare.
        scale = math.sqrt(max(float(weights @ covariance @ weights), 1e-300))
        found.append(float(weights @ (asked[k] - middle)) / scale)
    return np.array(found)
