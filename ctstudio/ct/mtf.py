"""Edge response and modulation transfer function (MTF) from one edge, straight or round.

The pixels of a region across an edge are sorted by their distance from it, which samples the
response far more finely than the pixels do; its derivative is the line spread, the Fourier
transform of that the MTF. Of a method that is not linear (a network, total variation) the curve
holds for the contrast and noise of that very edge ("task transfer function").

Sources: ISO 12233:2017 and IEC 62220-1 (straight edge at a small angle); S. Richard et al.,
"Towards task-based assessment of CT performance", Med. Phys. 39(7), 2012 (round edge); E. Samei
et al., AAPM Task Group 233, Med. Phys. 46(11), 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

EdgeKind = Literal["straight", "circular"]

BINS_A_PIXEL = (8, 6, 4, 3, 2)  # the finest that leaves none empty
WIDEST_GAP = 1.2  # of a bin, between the distances of two pixels from the edge
FEWEST_PIXELS = 40
MOST_FITTED = 4000  # pixels: more say nothing new about where the edge lies
TAIL_SIGMAS, TAIL_PIXELS = 6.0, 4.0  # how far from the edge the line spread is read
TAPER = 0.3  # of that, at its ends, where it is faded out
FREQUENCIES = 161
MOST_NOISE = 0.1  # SD of the MTF that can be read beyond the Nyquist frequency
LEAST_CONTRAST = 3.0  # of the step to what the fitted edge leaves over
ROUNDER = 0.97  # a circle that leaves over no less than this much of a line's is a line


@dataclass(frozen=True, eq=False)
class EdgeResponse:
    """How one edge is passed on.

    Parameters
    ----------
    kind
        Whether the edge is straight or round.
    at_mm, response
        ``(n,)`` mm across the edge (0 upon it, or px where the spacing is not known), and the
        value there. A round edge is crossed from the inside out, a straight one to its brighter
        side.
    frequencies, mtf
        ``(m,)`` 1/mm and the share of contrast passed on at each, 1 at frequency 0.
    step
        The value beyond the edge minus that before it.
    radius_mm
        Of a round edge; nan of a straight one.
    mtf_error
        ``(m,)``: the SD that noise leaves to the MTF, if it is not correlated.
    coarse
        Whether the edge lies so along the pixels that it was sampled no finer than these: what
        stands beyond half their frequency cannot be trusted.
    nyquist
        Half the frequency of the pixels, 1/mm.
    samples
        How many places of the response stand for one pixel.
    """

    kind: EdgeKind
    at_mm: NDArray[np.float64]
    response: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    mtf: NDArray[np.float64]
    mtf_error: NDArray[np.float64]
    step: float
    radius_mm: float
    coarse: bool
    nyquist: float
    samples: float

    @property
    def trusted(self) -> float:
        """The highest frequency, 1/mm, at which the MTF says something about the edge.

        The Nyquist frequency of the pixels; more where the edge was sampled more finely, as far as
        noise leaves the MTF.
        """
        if self.coarse:
            return self.nyquist
        noisy = (self.frequencies > self.nyquist) & (self.mtf_error > MOST_NOISE)
        return float(self.frequencies[noisy.argmax() - 1 if noisy.any() else -1])

    def frequency_at(self, level: float) -> float:
        """The first frequency, 1/mm, at which the MTF is ``level``; nan where it stays above."""
        k = self._below(level)
        if not k:
            return math.nan
        one, other = self.mtf[k - 1], self.mtf[k]
        f, g = self.frequencies[k - 1], self.frequencies[k]
        return float(f + (one - level) / (one - other) * (g - f))

    def error_at(self, level: float) -> float:
        """By how much noise may shift `frequency_at` (one SD), 1/mm."""
        k = self._below(level)
        if not k:
            return math.nan
        # The slope over a tenth of the contrast: that between two samples is noise itself.
        above = np.flatnonzero(self.mtf[:k] >= level + 0.1)
        first = int(above[-1]) if len(above) else 0
        rise = self.mtf[first] - self.mtf[k]
        return float(self.mtf_error[k] * (self.frequencies[k] - self.frequencies[first]) / rise)

    def _below(self, level: float) -> int:
        below = np.flatnonzero(self.mtf <= level)
        return int(below[0]) if len(below) else 0


def edge_response(
    picture: NDArray[np.floating],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    kind: EdgeKind | None = None,
) -> EdgeResponse | None:
    """The response of the one edge that ``mask`` ``(y, x)`` of ``picture`` ``(y, x)`` holds.

    An edge blurred by a Gaussian is fitted to say where the edge lies; nothing else is taken from
    the fit. ``kind`` None takes a straight or a round one, whichever fits better. None where the
    region holds no edge: too few pixels, or a step that the noise hides.

    The average over a bin and the difference between bins are undone exactly for the frequencies
    told (``sinc``).
    """
    found = np.flatnonzero(mask & np.isfinite(picture))
    if len(found) < FEWEST_PIXELS:
        return None
    rows, columns = np.unravel_index(found, picture.shape)
    y, x = (np.asarray(k * d, np.float64) for k, d in zip((rows, columns), spacing_mm, strict=True))
    values = picture[rows, columns].astype(np.float64)
    pixel = math.sqrt(spacing_mm[0] * spacing_mm[1])
    kinds: tuple[EdgeKind, ...] = ("straight", "circular") if kind is None else (kind,)
    fits = [_fit(one, y, x, values, pixel) for one in kinds]
    best = fits[0]
    if len(fits) > 1 and fits[1].left_over < ROUNDER * best.left_over:
        best = fits[1]
    if abs(best.step) <= LEAST_CONTRAST * best.left_over or not math.isfinite(best.left_over):
        return None
    return _response(best, best.distance(y, x), values, spacing_mm)


@dataclass(frozen=True)
class _Fit:
    kind: EdgeKind
    place: tuple[float, float, float]  # angle, offset, -; or centre y, x, radius
    sigma: float
    step: float
    left_over: float  # rms of what the fit does not explain

    def distance(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        return _away(self.kind, self.place, y, x)


def _away(
    kind: EdgeKind,
    place: tuple[float, float, float],
    y: NDArray[np.float64],
    x: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Signed distance from the edge; outside a circle is positive."""
    a, b, c = place
    if kind == "straight":
        return y * math.sin(a) + x * math.cos(a) - b
    return np.hypot(y - a, x - b) - c


def _fit(
    kind: EdgeKind,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    values: NDArray[np.float64],
    pixel: float,
) -> _Fit:
    """Where a blurred step of this kind lies best, by least squares."""
    from scipy.optimize import least_squares
    from scipy.special import erf

    thin = slice(None, None, -(-len(y) // MOST_FITTED))
    y, x, values = y[thin], x[thin], values[thin]
    scale = max(float(values.std()), 1e-9)
    u = (values - values.mean()) / scale

    def width(p: NDArray[np.float64]) -> float:
        return pixel * math.exp(min(max(float(p[3]), -4.0), 6.0))

    def misfit(p: NDArray[np.float64]) -> NDArray[np.float64]:
        away = _away(kind, (p[0], p[1], p[2]), y, x)
        left: NDArray[np.float64] = p[4] + p[5] * erf(away / (math.sqrt(2) * width(p))) - u
        return left

    def slopes(p: NDArray[np.float64]) -> NDArray[np.float64]:
        away = _away(kind, (p[0], p[1], p[2]), y, x)
        sigma = width(p)
        steep = p[5] * math.sqrt(2 / math.pi) / sigma * np.exp(-0.5 * (away / sigma) ** 2)
        if kind == "straight":
            turn = y * math.cos(p[0]) - x * math.sin(p[0])
            place = [steep * turn, -steep, np.zeros_like(y)]
        else:
            far = np.maximum(away + p[2], 1e-9)
            place = [-steep * (y - p[0]) / far, -steep * (x - p[1]) / far, -steep]
        part = erf(away / (math.sqrt(2) * sigma))
        return np.stack([*place, -steep * away, np.ones_like(y), part], axis=1)

    best: tuple[float, NDArray[np.float64]] | None = None
    for place in _starts(kind, y, x, u):
        away = _away(kind, place, y, x)
        side = np.sign(away)
        slope = float((side * u).mean())
        start = np.array([*place, 0.0, float(u.mean()), slope or 1e-3])
        sizes = np.array([0.1 if kind == "straight" else pixel, pixel, pixel, 1.0, 1.0, 1.0])
        # MINPACK's needs no threads, of which a loaded machine has none to spare.
        solved = least_squares(
            misfit, start, slopes, method="lm", x_scale=sizes, ftol=1e-7, xtol=1e-7, max_nfev=60
        )
        if best is None or solved.cost < best[0]:
            best = float(solved.cost), solved.x
    assert best is not None
    cost, p = best
    place = (float(p[0]), float(p[1]), float(p[2]))
    left_over = math.sqrt(2 * cost / len(y)) * scale
    return _Fit(kind, place, width(p), 2 * float(p[5]) * scale, left_over)


def _starts(
    kind: EdgeKind, y: NDArray[np.float64], x: NDArray[np.float64], u: NDArray[np.float64]
) -> list[tuple[float, float, float]]:
    """Where to begin to look."""
    centre = float(y.mean()), float(x.mean())
    if kind == "straight":
        # Of a step the values rise along its normal: the slope of the plane that fits best.
        design = np.stack([np.ones_like(y), y - centre[0], x - centre[1]], axis=1)
        _, down, right = np.linalg.lstsq(design, u, rcond=None)[0]
        angle = math.atan2(down, right)
        return [(angle, centre[0] * math.sin(angle) + centre[1] * math.cos(angle), 0.0)]
    # What differs from the rim of the region is the disc: its area tells the radius.
    reach = np.hypot(y - centre[0], x - centre[1])
    rim = np.median(u[reach >= np.quantile(reach, 0.85)])
    core = np.median(u[reach <= np.quantile(reach, 0.15)])
    half = (rim + core) / 2
    disc = u > half if core > rim else u < half
    if not disc.any():
        disc = reach <= np.median(reach)
    size = math.sqrt(float(disc.mean())) * float(reach.max())
    return [(float(y[disc].mean()), float(x[disc].mean()), size)]


def _response(
    fit: _Fit,
    away: NDArray[np.float64],
    values: NDArray[np.float64],
    spacing_mm: tuple[float, float],
) -> EdgeResponse | None:
    """The edge response in bins across the edge, and its transform."""
    pixel = math.sqrt(spacing_mm[0] * spacing_mm[1])
    # An edge along the pixels is sampled at their own distance.
    whole = [min(spacing_mm), max(spacing_mm), 1.5 * max(spacing_mm)]
    reach = min(
        max(TAIL_SIGMAS * fit.sigma, TAIL_PIXELS * pixel),
        -float(np.quantile(away, 0.002)),
        float(np.quantile(away, 0.998)),
    )
    if reach < 2 * pixel:
        return None
    # Pixels whose distances lie in clumps fill bins, too, and are apart by more than these.
    core = np.sort(away[np.abs(away) <= 2 * pixel])
    apart = float(np.diff(core).max(initial=0.0))
    finer = [pixel / part for part in BINS_A_PIXEL]
    for width in (*(w for w in finer if apart <= WIDEST_GAP * w), *whole):
        count = math.floor(reach / width)
        edges = (np.arange(-count, count + 2) - 0.5) * width
        bins = np.searchsorted(edges, away) - 1
        inside = (bins >= 0) & (bins < len(edges) - 1)
        held = np.bincount(bins[inside], minlength=len(edges) - 1)
        if held.min() >= 1:
            break
    else:
        return None
    sums = [
        np.bincount(bins[inside], part[inside], minlength=len(held)) / held
        for part in (away, values)
    ]
    middles = np.asarray(np.arange(-count, count + 1) * width, np.float64)
    # The pixels of a bin do not lie about its middle evenly. What all bins have in common, as of
    # an edge along the pixels, moves the places; the rest is read between the bins.
    middles = middles + float((sums[0] - middles).mean())
    response = np.interp(middles, sums[0], sums[1])
    line = np.diff(response) / width
    between = middles[:-1] + width / 2
    fading = _faded(between / (reach + 2 * width))
    line = line * fading
    step = float(line.sum() * width)
    if not step:
        return None
    frequencies = np.linspace(0.0, min(1 / pixel, 1 / (2 * width)), FREQUENCIES)
    waves = np.exp(-2j * math.pi * frequencies[:, None] * between[None, :])
    passed = np.abs(waves @ line) * width / abs(step)
    spread = away[inside] - sums[0][bins[inside]]
    averaged = np.cos(2 * math.pi * np.outer(frequencies, _sample(spread))).mean(axis=1)
    undone = np.sinc(frequencies * width) * np.maximum(averaged, 0.1)
    # A mean of n pixels has 1/n of their variance, and stands in two differences; of the sum's two
    # components only the one along it counts.
    shares = np.append(fading, 0.0) ** 2 + np.append(0.0, fading) ** 2
    noise = fit.left_over * math.sqrt(float((shares / held).sum()) / 2)
    away_from_zero = np.abs(np.sin(math.pi * frequencies * width)) * math.sqrt(2)
    error = noise * away_from_zero / abs(step)
    coarse = width > pixel / 2
    return EdgeResponse(
        fit.kind, middles, response, frequencies, passed / undone, error / undone, step,
        fit.place[2] if fit.kind == "circular" else math.nan, coarse,
        1 / (2 * (width if coarse else pixel)), pixel / width,
    )  # fmt: skip


def _sample(values: NDArray[np.float64], most: int = 512) -> NDArray[np.float64]:
    return values[:: -(-len(values) // most)]


def _faded(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 in the middle, falling to 0 as a cosine at ``part`` -1 and 1 (Tukey)."""
    edge = np.clip((np.abs(part) - (1 - TAPER)) / TAPER, 0.0, 1.0)
    result: NDArray[np.float64] = 0.5 * (1 + np.cos(math.pi * edge))
    return result
