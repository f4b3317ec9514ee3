"""Branching vessels and airways that fill the lungs of the thorax phantom.

The trees grow as in Tawhai et al. 2000 (doi 10.1114/1.1289457): points spread over a lung are
halved again and again, and every branch reaches part of the way to the centre of its half.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.phantom_anatomy import outlines
from ctstudio.ct.phantom_shapes import Array

# Side, where the tree enters the lung, its radius there.
_ARTERIES = ((-1, (-44.0, 4.0, 18.0), 8.0), (1, (47.0, 12.0, 28.0), 8.0))
_VEINS = (
    (-1, (-50.0, 22.0, -9.0), 5.0),
    (1, (52.0, 28.0, -7.0), 5.0),
    (-1, (-48.0, -8.0, 17.0), 5.0),
    (1, (48.0, -8.0, 20.0), 5.0),
)
_ENDS = 1500  # branches that end in each lung, arteries; the veins share as many


@lru_cache(maxsize=1)
def lung_trees() -> tuple[Array, Array]:
    """Vessels and airways within the lungs, tubes ``(m, 8)`` each; airways by inner radius."""
    rng = np.random.default_rng(20)
    vessels, airways = [], []
    for side, start, radius in _ARTERIES:
        tree = _grow(_points(side, _ENDS, rng), start, radius, rng)
        vessels.append(tree)
        # An airway runs beside its artery, nearly as wide.
        wide = tree[tree[:, 7] > 1.1]
        shift = np.array([-0.55 * side, 0.62, -0.56])
        beside = wide.copy()
        for at in (0, 4):
            reach = wide[:, at + 3] * 1.75 + 0.9
            beside[:, at : at + 3] += reach[:, None] * shift
            beside[:, at + 3] *= 0.72
        airways.append(beside)
    for side in (-1, 1):
        points = _points(side, _ENDS, rng)
        lower, upper = (entry for entry in _VEINS if entry[0] == side)
        above = points[:, 2] - 0.8 * points[:, 1] > 5  # The lobes drain apart.
        for entry, part in ((lower, points[~above]), (upper, points[above])):
            vessels.append(_grow(part, entry[1], entry[2], rng))
    return np.vstack(vessels), np.vstack(airways)


def _points(side: int, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``count`` points spread over the lung, some way off its surface."""
    draw = rng.uniform((2, -92, -108), (142, 92, 118), (count * 5, 3)) * (side, 1, 1)
    x, y, z = draw.astype(np.float32).T
    bounds = outlines(x, y, z)
    inside = draw[(bounds.left_lung if side > 0 else bounds.right_lung) < -3.5]
    return np.asarray(inside[:count])


def _grow(
    points: NDArray[np.float64],
    start: tuple[float, float, float],
    radius: float,
    rng: np.random.Generator,
) -> Array:
    segments: list[NDArray[np.float64]] = []
    total = len(points)

    def width(count: int) -> float:
        return float(max(radius * (count / total) ** 0.37, 0.45))

    stack = [(np.array(start), radius, points)]
    while stack:
        base, base_radius, reached = stack.pop()
        centre = reached.mean(axis=0)
        if len(reached) == 1:
            segments.append(np.array([*base, base_radius, *centre, 0.3]))
            continue
        way = centre - base
        tip = base + way * rng.uniform(0.38, 0.5)
        tip += rng.normal(scale=0.05 * np.linalg.norm(way), size=3)
        here = width(len(reached))
        segments.append(np.array([*base, base_radius, *tip, here]))
        # Halve the points across their longest extent seen along the branch.
        spread = reached - centre
        along = way / (np.linalg.norm(way) + 1e-9)
        flat = spread - np.outer(spread @ along, along)
        moments = flat.T @ flat
        axis = moments[np.argmax(np.diag(moments))]  # one step of the power method, near enough
        side = spread @ axis
        left = side > rng.normal(scale=0.1) * np.abs(side).mean()
        if left.all() or not left.any():
            left = side > np.median(side)
            if not left.any():
                left[0] = True
        for part in (reached[left], reached[~left]):
            stack.append((tip, min(here, width(len(part)) * 1.25), part))
    return np.array(segments, np.float32)
