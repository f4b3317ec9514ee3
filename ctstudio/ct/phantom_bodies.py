"""Other bodies than the thorax phantom's, drawn from the same formulas.

A network that learns from one drawing learns the drawing. Each of these bodies has a number, which
decides its width and depth, how its organs are displaced, the HU of its tissues, the grain of these
and what lies in them. As in the phantom itself there is no noise: what is drawn is the truth.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.phantom_anatomy import turn
from ctstudio.ct.phantom_shapes import Array, Canvas, waves

FINER = 2
"""Pixels to a pixel that a slice must be drawn with before `Body.of` displaces it."""

# HU in the phantom; the SD of what another body's differ by; the least and the most.
_TISSUES = (
    (-1000, 0, -1000, -1000),  # air
    (-868, 30, -930, -790),  # lung
    (-100, 9, -125, -75),  # fat
    (10, 8, -15, 30),  # water
    (56, 9, 32, 75),  # muscle
    (105, 18, 76, 150),  # liver
    (160, 60, 152, 380),  # blood with contrast medium
    (420, 60, 382, 600),  # spongy bone
    (800, 140, 602, 1300),  # compact bone
    (3071, 0, 3071, 3071),
)
_BACK_MM = 119.0  # y of the skin that lies on the table
_STILL_MM = 25.0  # over which displacements fade out towards it
_DISPLACED_MM = 4.0
_WITHIN_MM = np.array((150.0, 95.0, 105.0))
_NEARER_MM, _MOST_LEVEL_MM = 90.0, 98.0  # levels beyond the first come ever nearer to the second


class Body:
    """One of the bodies, by its number from 1 on."""

    def __init__(self, number: int) -> None:
        if number < 1:
            raise ValueError(f"bodies are numbered from 1 on, not {number}")
        self.number = number
        rng = np.random.default_rng([7, number])
        self._narrow, self._flat = rng.uniform(0.8, 1.0, 2)
        self._mirrored = bool(rng.integers(2))
        self._tall, self._shift = rng.uniform(0.85, 1.1), rng.uniform(-8, 8)
        known, sd, least, most = np.array(_TISSUES, float).T
        self._known, self._hu = known, np.clip(known + sd * rng.normal(size=len(sd)), least, most)
        self._grain_hu, self._shortest_mm = rng.uniform(0, 6), rng.uniform(1.5, 6)
        self._masses = [
            _mass(rng, 2.5, 40, float(rng.normal(scale=30.0))) for _ in range(int(rng.integers(90)))
        ]
        self._nodules = [
            _mass(rng, 1.5, 10, float(rng.uniform(-700, 80))) for _ in range(int(rng.integers(30)))
        ]

    def level_mm(self, z_mm: float) -> float:
        """The phantom's level that becomes this body's at ``z_mm``; no two are the same."""
        level = z_mm * self._tall + self._shift
        left = _MOST_LEVEL_MM - _NEARER_MM
        beyond = max(abs(level) - _NEARER_MM, 0.0)
        if beyond:
            level = math.copysign(_NEARER_MM + left * math.tanh(beyond / left), level)
        return level

    def tissues(self, hu: NDArray[np.integer] | NDArray[np.floating]) -> Array:
        """What HU of the phantom, of any shape, are in this body; their order is kept."""
        return np.asarray(np.interp(hu, self._known, self._hu), np.float32)

    def of(
        self, fine: NDArray[np.integer], level_mm: float, *, field_mm: float, thickness_mm: float
    ) -> NDArray[np.int16]:
        """This body's slice ``(n, n)`` int16 HU.

        Parameters
        ----------
        fine
            ``(FINER n, FINER n)`` HU, the phantom drawn at ``level_mm``, which is one of
            `level_mm`.
        field_mm, thickness_mm
            As they were in the drawing.
        """
        from scipy import ndimage

        size = fine.shape[0]
        pixel = field_mm / size
        axis = ((np.arange(size) - size // 2) * pixel).astype(np.float32)
        hu = self.tissues(fine)
        canvas = Canvas(hu, axis, axis, level_mm, pixel, thickness_mm)
        self._fill(canvas, fine)
        if self._mirrored:
            hu[:, 1:] = hu[:, :0:-1].copy()
        rows, columns = self._from(canvas)
        moved = ndimage.map_coordinates(hu, [rows, columns], order=1, mode="nearest")
        n = size // FINER
        mean = moved.reshape(n, FINER, n, FINER).mean(axis=(1, 3))
        whole: NDArray[np.int16] = np.clip(np.rint(mean), -1024, 3071).astype(np.int16)
        return whole

    def _fill(self, canvas: Canvas, fine: NDArray[np.integer]) -> None:
        """Lay grain and masses into soft tissue, and nodules into the lungs."""
        hu = canvas.hu
        soft = ((fine > -60) & (fine < 220)).astype(np.float32)
        grain = waves(canvas, 48, self._shortest_mm, 5 * self._shortest_mm, self.number)
        hu += np.float32(self._grain_hu) * grain * soft
        for centre, axes, rotation, contrast in self._masses:
            hu += np.float32(contrast) * soft * canvas.ellipsoid(centre, axes, rotation)
        lung = ((fine > -960) & (fine < -700)).astype(np.float32)
        lung *= np.abs(canvas.grid[1]) < _BACK_MM  # the table is as light
        for centre, axes, rotation, nodule in self._nodules:
            canvas.paint(lung * canvas.ellipsoid(centre, axes, rotation), nodule)

    def _from(self, canvas: Canvas) -> tuple[Array, Array]:
        """The rows and columns that pixels are taken from; the table stays where it is."""
        # Fine pixels are averaged in pairs: their means lie where the pixels of the slice do.
        x, y = (along - canvas.pixel_mm * (FINER - 1) / 2 for along in canvas.grid)
        above = np.maximum(_BACK_MM - y, 0)
        moves = np.clip(above / _STILL_MM, 0, 1)
        aside, back = (
            _DISPLACED_MM * moves * waves(canvas, 12, 90, 300, 2 * self.number + k) for k in (0, 1)
        )
        wide = 1 + (1 / self._narrow - 1) * moves
        from_x = x * wide + aside
        from_y = np.where(above > 0, _BACK_MM - above / self._flat, y) + back
        pixel, size = canvas.pixel_mm, len(canvas.x)
        return (
            np.asarray(from_y / pixel + size // 2, np.float32),
            np.asarray(from_x / pixel + size // 2, np.float32),
        )


@lru_cache(maxsize=8)
def body_of(number: int) -> Body:
    """The body of a number from 1 on. Raises ValueError for another."""
    return Body(number)


def _mass(
    rng: np.random.Generator, least_mm: float, most_mm: float, hu: float
) -> tuple[tuple[float, float, float], tuple[float, float, float], Array, float]:
    """An ellipsoid anywhere in the chest: its centre, its axes, how it is turned, and its HU."""
    x, y, z = (float(v) for v in rng.uniform(-_WITHIN_MM, _WITHIN_MM))
    size = np.exp(rng.uniform(np.log(least_mm), np.log(most_mm)))
    a, b, c = (float(v) for v in size * rng.uniform(0.5, 1, 3))
    (u, v, w), (p, q, r) = rng.normal(size=(2, 3))
    return (x, y, z), (a, b, c), turn((u, v, w), (p, q, r)), hu
