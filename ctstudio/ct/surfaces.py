"""How far the surfaces of two regions lie apart, in mm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ctstudio.ct.volume import Geometry

SURFACES = ("hd95_mm", "surface_mm")
"""What `surface_distances` tells."""

Points = NDArray[np.float64]


def surface_distances(one: Points, other: Points) -> dict[str, float]:
    """Distances of two surfaces, each the centres ``(n, 2 or 3)`` in mm of its voxels.

    Every voxel of either surface has the distance to the nearest of the other. "hd95_mm" is the
    larger of the two directions' 95th percentiles, "surface_mm" the mean over both together.
    Both are 0 where neither region has a voxel, and nan where one of them has none.
    """
    from scipy.spatial import KDTree

    if not len(one) and not len(other):
        return dict.fromkeys(SURFACES, 0.0)
    if not len(one) or not len(other):
        return dict.fromkeys(SURFACES, math.nan)
    there, back = KDTree(other).query(one)[0], KDTree(one).query(other)[0]
    far = max(float(np.percentile(there, 95)), float(np.percentile(back, 95)))
    mean = float((there.sum() + back.sum()) / (len(there) + len(back)))
    return dict(zip(SURFACES, (far, mean), strict=True))


def surface(region: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Indices ``(n, d)`` of a region's voxels that touch its outside, or the image's edge, by a
    face (in 2-D by an edge)."""
    from scipy import ndimage

    return np.argwhere(region & ~ndimage.binary_erosion(region))


def in_slice(region: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Points:
    """The surface of a region ``(y, x)`` as points ``(n, 2)`` in mm; ``spacing_mm`` (dy, dx)."""
    points: Points = surface(region).astype(np.float64) * spacing_mm
    return points


def in_patient(region: NDArray[np.bool_], geometry: Geometry) -> Points:
    """The surface of a region ``(z, y, x)`` as points ``(n, 3)`` in mm of the patient.

    Slices may lie at any distance from one another, and be tilted.
    """
    z, y, x = surface(region).T
    dy, dx = geometry.spacing_mm
    down = (y * dy)[:, None] * geometry.column_direction
    right = (x * dx)[:, None] * geometry.row_direction
    points: Points = geometry.positions_mm[z] + down + right
    return points


def by_slice(
    predictions: Sequence[NDArray[Any]],
    truths: Sequence[NDArray[Any]],
    spacings_mm: Sequence[tuple[float, float]],
) -> dict[str, float]:
    """`surface_distances` within each slice ``(y, x)``: the mean over slices and classes above 0.

    Of slices in which a class is neither found nor true nothing is told, and where one of the two
    lacks it there is no distance. Voxels that are not annotated count as background.
    """
    rows = []
    for found, true, spacing in zip(predictions, truths, spacings_mm, strict=True):
        for k in np.union1d(np.unique(found), np.unique(true)):
            if k > 0:
                regions = (found == k) & (true >= 0), true == k
                rows.append(surface_distances(*(in_slice(each, spacing) for each in regions)))
    means = {}
    for name in SURFACES:
        known = [row[name] for row in rows if not math.isnan(row[name])]
        means[name] = math.fsum(known) / len(known) if known else math.nan
    return means
