"""Greys scaled smoothly to pixels of the screen, as Qt's painter does it, in less time.

Qt fetches four neighbours for every pixel that it paints, of four channels, in threads that have to
be waited for where other work keeps the processor busy. Here whole rows are worked on at a time,
and greys are one channel. Positions, weights of 8 bit and the order of rounding are Qt's
(fetchTransformedBilinear of its raster engine): the pixels are the same to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 16  # a pixel of the picture, in the whole numbers that places are counted in
GREY, OPAQUE = np.uint32(0x010101), np.uint32(0xFF000000)  # of a pixel's channels
NUDGE = 1 / ONE  # Qt's, against places that lie upon the line between two pixels
FINEST, COARSEST = 0.5, 8.0  # px of the screen per pixel of the picture: Qt counts so as far


@dataclass(frozen=True)
class Run:
    """Pixels of the screen in a row or a column: ``first``, and how many.

    They show ``size`` pixels of a picture, which begins at ``shift`` and is scaled by ``scale``
    (both in pixels of the screen).
    """

    scale: float
    shift: float
    size: int
    first: int
    count: int

    def steps(self) -> NDArray[np.int64]:
        """Where each lies, ``(count,)`` in parts of a pixel of the picture, step by step.

        Qt counts so along a row, from its first pixel.
        """
        inverse = 1.0 / self.scale
        start = int((inverse * (self.first + 0.5) + self._origin) * ONE)
        return start - ONE // 2 + int(inverse * ONE) * np.arange(self.count, dtype=np.int64)

    def places(self) -> NDArray[np.int64]:
        """The same, each on its own: Qt counts so from row to row."""
        at = (self.first + np.arange(self.count) + 0.5) / self.scale + self._origin
        return np.trunc(at * ONE).astype(np.int64) - ONE // 2

    @property
    def _origin(self) -> float:
        return -self.shift / self.scale - NUDGE


class Scaling:
    """Scales pictures one after another; what it needs beside them it keeps."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint16]] = {}

    def _room(self, name: str, shape: tuple[int, int]) -> NDArray[np.uint16]:
        known = self._kept.get(name)
        if known is None or known.shape != shape:
            # To ask for new pages takes longer than to fill them.
            known = self._kept[name] = np.empty(shape, np.uint16)
        return known

    def smooth(
        self, grey: NDArray[np.uint8], across: Run, down: Run, out: NDArray[np.uint32]
    ) -> None:
        """Blend ``grey`` ``(y, x)`` bilinearly into ``out``, opaque pixels of grey.

        They are ``(down.count, across.count)``.
        """
        x, y = across.steps(), down.places()
        # Only the columns that are seen, one more than the last place.
        low = min(max(int(x[0]) // ONE, 0), across.size - 1)
        high = min(max(int(x[-1]) // ONE + 2, low + 1), across.size)
        wide = self._room("wide", (down.size, high - low))
        np.copyto(wide, grey[:, low:high])
        rows = down.count, high - low
        above, below = self._room("above", rows), self._room("below", rows)
        _pair(wide, y >> 16, down.size, above, below, axis=0)
        _blend(above, below, _weights(y)[:, None])
        size = down.count, across.count
        left, right = self._room("left", size), self._room("right", size)
        _pair(above, (x >> 16) - low, high - low, left, right, axis=1)
        _blend(left, right, _weights(x))
        np.multiply(left, GREY, out=out)
        np.bitwise_or(out, OPAQUE, out=out)


def _weights(at: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Of the later neighbour, of 256."""
    return ((at & (ONE - 1)) >> 8).astype(np.uint16)


def _pair(
    values: NDArray[np.uint16],
    index: NDArray[np.int64],
    size: int,
    one: NDArray[np.uint16],
    next_: NDArray[np.uint16],
    axis: int,
) -> None:
    """The neighbours on either side; beyond an edge it is the pixel of the edge."""
    values.take(np.clip(index, 0, size - 1), axis=axis, out=one, mode="clip")
    values.take(np.clip(index + 1, 0, size - 1), axis=axis, out=next_, mode="clip")


def _blend(one: NDArray[np.uint16], other: NDArray[np.uint16], weight: NDArray[np.uint16]) -> None:
    """``(one * (256 - weight) + other * weight) >> 8``, in place of ``one``.

    Differences may be negative: with 16 bit they wrap around and come back.
    """
    np.subtract(other, one, out=other)
    np.multiply(other, weight, out=other)
    np.left_shift(one, np.uint16(8), out=one)
    np.add(one, other, out=one)
    np.right_shift(one, np.uint16(8), out=one)


SCALING = Scaling()
