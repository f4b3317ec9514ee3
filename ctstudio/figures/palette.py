"""The colours of a GIF: a ramp of greys first, the colours that are left after it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Dither = Literal["none", "ordered", "diffusion"]
DITHERS: tuple[Dither, ...] = ("none", "ordered", "diffusion")

ENTRIES = 255
"""Of a palette with colours; the last of 256 stands for "as before"."""
NO_BANDS = 86
"""So many greys, three levels apart, are never off by more than one."""
FEW_COLOURS = 48
MERGED = 320
"""More colours than these are clustered by median cut, which is faster."""
_FAR = np.full((1, 3), 1e4, np.float32)  # where a palette has no colours, none is near
RARE = 0.02
"""The least weight of a colour, as a part of the mean."""
CHUNK = 4096


class Palette:
    """256 colours or fewer: a ramp of greys first, then the colours that are left.

    A picture of greys alone has all 256. One of up to 48 accent colours keeps the greys that are
    left but one; one with a colour map shares the entries so that the error is least, yet no grey
    is ever off by more than one level. One entry stays free for "as in the frame before" wherever
    that costs no grey.

    Parameters
    ----------
    greys
        ``(n,)`` uint8, falling.
    colours
        ``(m, 3)`` uint8.
    """

    def __init__(self, greys: NDArray[np.uint8], colours: NDArray[np.uint8]) -> None:
        # From white to black: Pillow takes a palette of all greys in rising order for no palette
        # at all, and then overlooks a later frame's own.
        self.greys = greys
        levels = np.arange(256)
        distance = np.abs(levels[:, None] - greys.astype(int))
        self.grey_index = distance.argmin(axis=1).astype(np.uint8)
        self.colours = colours
        self.table = np.concatenate([np.repeat(greys[:, None], 3, axis=1), colours])
        # By colour: its nearest entry, and how far that is, plus one; zero where not yet known.
        self._nearest = self._away = np.empty(0, np.uint8)

    @classmethod
    def of(cls, rgb: NDArray[np.uint8], greys: int = 256) -> Palette:
        """The palette for one frame, with at most so many ``greys``; ``rgb`` as in `index`."""
        if rgb.ndim == 2:
            return cls(_ramp(np.zeros(256), greys), np.empty((0, 3), np.uint8))
        neutral = is_grey(rgb)
        packed, counts = np.unique(_pack(rgb[~neutral]), return_counts=True)
        distinct = _unpack(packed)
        if len(distinct) == 0:
            return cls(_ramp(np.zeros(256), greys), distinct)
        used = np.bincount(rgb[neutral][:, 0], minlength=256).astype(float)
        if len(distinct) <= FEW_COLOURS:
            return cls(_ramp(used, min(greys, ENTRIES - len(distinct))), distinct)
        best: tuple[float, Palette] | None = None
        for share in (NO_BANDS, 100, 112, 128, 160):
            ramp = _ramp(used, min(share, greys))
            colours = _cluster(distinct, counts, ENTRIES - share)
            levels = np.abs(np.arange(256)[:, None] - ramp.astype(int)).min(axis=1)
            error = 3 * float(used @ levels.astype(float) ** 2)
            error += float(counts @ _squares(distinct, colours).min(axis=1))
            if best is None or error < best[0]:
                best = error, cls(ramp, colours)
        assert best is not None
        return best[1]

    @property
    def free(self) -> int | None:
        """The entry that no colour has; None where all are taken."""
        return len(self.table) if len(self.table) < 256 else None

    def index(
        self, rgb: NDArray[np.uint8], dither: Dither = "none"
    ) -> tuple[NDArray[np.uint8], float]:
        """Entry of every pixel ``(y, x)`` uint8, and the largest distance of a tinted pixel.

        Parameters
        ----------
        rgb
            ``(y, x, 3)`` uint8, or greys alone as ``(y, x)``.
        dither
            How greys between two entries are drawn: as the nearer one; by an ordered pattern,
            which stays still from frame to frame; or by error diffusion, which colours get, too.
        """
        if rgb.ndim == 2:
            return self._index_greys(rgb, dither), 0.0
        packed = _pack(rgb)
        farthest = self._find(packed)
        if dither == "diffusion" and len(self.greys) < 256:
            return self._diffused(rgb), farthest
        out: NDArray[np.uint8] = self._nearest[packed]
        if dither == "ordered" and len(self.greys) < 256:
            neutral = is_grey(rgb)
            out[neutral] = self._ordered(rgb[..., 1])[neutral]
        return out, farthest

    def _index_greys(self, grey: NDArray[np.uint8], dither: Dither) -> NDArray[np.uint8]:
        if dither == "none" or len(self.greys) == 256:
            found: NDArray[np.uint8] = self.grey_index[grey]
            return found
        if dither == "ordered":
            return self._ordered(grey)
        return self._diffused(np.repeat(grey[..., None], 3, axis=2))

    def _find(self, packed: NDArray[np.uint32]) -> float:
        """See to it that the nearest entry of these colours is known; the largest distance.

        That of greys counts as none: a ramp is never far from them.
        """
        if not len(self._nearest):
            # Memory that no colour touches is never taken from the system.
            self._nearest, self._away = np.zeros(2**24, np.uint8), np.zeros(2**24, np.uint8)
            greys = np.arange(256, dtype=np.uint32) * np.uint32(0x010101)
            self._nearest[greys], self._away[greys] = self.grey_index, 1
        away = self._away[packed]
        if not away.all():
            distinct = np.unique(packed[away == 0])
            entries = self.table if len(self.colours) else _FAR
            for start in range(0, len(distinct), CHUNK):
                some = distinct[start : start + CHUNK]
                squares = _squares(_unpack(some), entries)
                self._nearest[some] = squares.argmin(axis=1)
                distance = np.ceil(np.sqrt(squares.min(axis=1)))
                self._away[some] = 1 + np.minimum(distance, 254)
            away = self._away[packed]
        return float(away.max()) - 1.0

    def _ordered(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = grey.shape
        threshold = np.tile(_bayer(), (-(-height // 8), -(-width // 8)))[:height, :width]
        # The entry at or below each level, and how far above it the level lies, of the gap.
        rising = self.greys[::-1].astype(float)
        below = np.clip(np.searchsorted(rising, np.arange(256), "right") - 1, 0, None)
        above = np.minimum(below + 1, len(rising) - 1)
        gap = np.maximum(rising[above] - rising[below], 1.0)
        part = np.clip((np.arange(256) - rising[below]) / gap, 0, 1).astype(np.float32)
        last = len(rising) - 1
        up = part[grey] > threshold
        entries: NDArray[np.uint8] = np.where(up, last - above[grey], last - below[grey]).astype(
            np.uint8
        )
        return entries

    def _diffused(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Floyd and Steinberg's error diffusion, as Pillow does it."""
        holder = Image.new("P", (1, 1))
        filled = np.concatenate([self.table, np.repeat(self.table[:1], 256 - len(self.table), 0)])
        holder.putpalette(filled.tobytes())
        image = Image.fromarray(np.ascontiguousarray(rgb))
        found: NDArray[np.uint8] = np.array(
            image.quantize(palette=holder, dither=Image.Dither.FLOYDSTEINBERG), np.uint8
        )
        found[found >= len(self.table)] = 0  # the padding repeats the first entry
        return found


def _ramp(used: NDArray[np.float64], count: int) -> NDArray[np.uint8]:
    """So many greys, falling: evenly spaced, and beyond `NO_BANDS` the levels ``used`` most.

    ``used`` ``(256,)`` is how many pixels have each level.
    """
    if count >= 256:
        return np.arange(255, -1, -1, dtype=np.uint8)
    if count < NO_BANDS:
        return np.rint(np.linspace(255, 0, count)).astype(np.uint8)
    even = np.arange(0, 256, 3)
    # Between levels used alike the ones far apart, so that no stretch of the ramp is coarser.
    spread = np.argsort(np.arange(256) * 0.618034 % 1.0)
    order = spread[np.argsort(-used[spread], kind="stable")]
    more = order[~np.isin(order, even)][: count - len(even)]
    return np.sort(np.concatenate([even, more]))[::-1].astype(np.uint8)


def _cluster(
    colours: NDArray[np.uint8], counts: NDArray[np.integer], number: int
) -> NDArray[np.uint8]:
    """So many colours or fewer for ``colours`` ``(n, 3)``, each of which ``counts`` pixels have.

    Colours that few pixels have, the strong ones of a map, count for more than their share.
    """
    if len(colours) <= number:
        return colours
    weight = np.maximum(counts.astype(float), counts.sum() / len(colours) * RARE)
    if len(colours) <= MERGED:
        return _merge(colours, weight, number)
    side = int(np.ceil(np.sqrt(len(colours))))
    square = np.resize(colours, (side, side, 3))
    found = Image.fromarray(square).quantize(
        number, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE
    )
    return np.unique(np.asarray(found.getpalette(), np.uint8).reshape(-1, 3)[:number], axis=0)


def _merge(
    colours: NDArray[np.uint8], weight: NDArray[np.float64], number: int
) -> NDArray[np.uint8]:
    """Pairs of colours become one, that first which costs least, until so many are left.

    Source: J. H. Ward, "Hierarchical grouping to optimize an objective function", J. Am. Stat.
    Assoc. 58, 1963.
    """
    centres, weight = colours.astype(np.float64), weight.copy()
    cost = _squares(centres, centres) * (weight[:, None] * weight / (weight[:, None] + weight))
    np.fill_diagonal(cost, np.inf)
    for _ in range(len(colours) - number):
        one, other = divmod(int(cost.argmin()), len(cost))
        both = weight[one] + weight[other]
        centres[one] = (weight[one] * centres[one] + weight[other] * centres[other]) / both
        weight[one] = both
        cost[other], cost[:, other] = np.inf, np.inf
        away = np.sum((centres - centres[one]) ** 2, axis=1) * (weight * both / (weight + both))
        fresh = np.where(np.isinf(cost[one]), np.inf, away)
        cost[one], cost[:, one] = fresh, fresh
        weight[other] = 0.0
    return np.unique(np.rint(centres[weight > 0]).astype(np.uint8), axis=0)


def _squares(colours: NDArray[Any], centres: NDArray[Any]) -> NDArray[np.float32]:
    """Squared distances ``(n, m)`` of ``(n, 3)`` and ``(m, 3)`` colours."""
    a, b = colours.astype(np.float32), centres.astype(np.float32)
    result: NDArray[np.float32] = (a * a).sum(1)[:, None] - 2 * a @ b.T + (b * b).sum(1)
    return np.maximum(result, 0.0, out=result)


def _bayer() -> NDArray[np.float32]:
    """Bayer's 8 x 8 thresholds, each of 64 values once, between 0 and 1.

    Source: B. E. Bayer, "An optimum method for two-level rendition of continuous-tone pictures",
    IEEE Int. Conf. on Communications, 1973.
    """
    pattern = np.zeros((1, 1))
    for _ in range(3):
        pattern = np.block([[4 * pattern, 4 * pattern + 2], [4 * pattern + 3, 4 * pattern + 1]])
    return ((pattern + 0.5) / 64).astype(np.float32)


def is_grey(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels ``(y, x)`` of ``(y, x, 3)`` have no hue."""
    grey: NDArray[np.bool_] = (rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2])
    return grey


def _pack(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One number a colour: ``(..., 3)`` to ``(...)``."""
    padded = np.zeros((*colours.shape[:-1], 4), np.uint8)
    padded[..., :3] = colours
    packed: NDArray[np.uint32] = padded.view("<u4")[..., 0]
    return packed


def _unpack(packed: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.stack([packed & 255, packed >> 8 & 255, packed >> 16 & 255], axis=-1).astype(np.uint8)
