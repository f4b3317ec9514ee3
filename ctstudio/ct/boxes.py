"""Boxes that somebody drew about a finding, on slices of a scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.volume import Geometry

NEAR = 0.6  # of the distance between slices: a box further away is of another slice
PARALLEL = 0.999  # cosine of the angle between the normals


@dataclass(frozen=True, eq=False)
class Box:
    """A rectangle on one slice: its ``corners_mm`` ``(4, 3)`` in the patient, in turn."""

    name: str
    corners_mm: NDArray[np.float64]

    @classmethod
    def on_slice(
        cls, name: str, geometry: Geometry, index: int, edges: tuple[float, float, float, float]
    ) -> Box:
        """A box on slice ``index``; ``edges`` left, top, right, bottom in px.

        Pixel 0 reaches from 0 to 1: its centre, where the geometry counts from, is at 0.5.
        """
        left, top, right, bottom = edges
        dy, dx = geometry.spacing_mm
        corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
        origin = geometry.positions_mm[index]
        places = [
            origin
            + (x - 0.5) * dx * geometry.row_direction
            + (y - 0.5) * dy * geometry.column_direction
            for y, x in corners
        ]
        return cls(name, np.stack(places))

    def lies_on(self, geometry: Geometry, index: int) -> bool:
        """Whether it was drawn on slice ``index`` of a stack, or on one at the same place."""
        across = np.cross(
            self.corners_mm[1] - self.corners_mm[0], self.corners_mm[3] - self.corners_mm[0]
        )
        length = float(np.linalg.norm(across))
        if not length or abs(float(across @ geometry.normal)) < PARALLEL * length:
            return False
        depth = float(self.corners_mm[0] @ geometry.normal)
        away = abs(float(geometry.offsets_mm[index]) - depth)
        return away <= NEAR * max(geometry.slice_spacing_mm, 0.1)

    def cut(self, geometry: Geometry, index: int) -> NDArray[np.float64] | None:
        """Where slice ``index`` of a stack of another direction cuts it: both ends ``(2, 3)``, mm.

        None where the slice passes it by, or is parallel to it (see `lies_on`).
        """
        heights = self.corners_mm @ geometry.normal - float(geometry.offsets_mm[index])
        span = float(np.ptp(heights))
        size = float(np.ptp(self.corners_mm, axis=0).max())
        if span <= np.sqrt(1 - PARALLEL**2) * size:
            return None
        ends = []
        for this in range(4):
            after = (this + 1) % 4
            one, other = heights[this], heights[after]
            if (one < 0) != (other < 0):
                share = one / (one - other)
                ends.append(
                    self.corners_mm[this] + share * (self.corners_mm[after] - self.corners_mm[this])
                )
        return np.stack(ends) if len(ends) == 2 else None
