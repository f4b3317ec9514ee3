"""Solid shapes cut by a slice of some thickness, drawn without jagged edges.

A shape is known by its signed distance. How much of a voxel it covers falls from 1 to 0 across its
surface over the voxel's own extent along the surface normal: a pixel where the surface stands
upright on the slice, the slice thickness where it lies flat in it.

Lengths are mm in patient coordinates (x to the left, y to the back, z to the head).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_TUBE_SQUARES = (10, 16, 24, 40, 80, 160)


@dataclass(frozen=True, eq=False)
class Canvas:
    """A slice, or a part of it, being drawn: ``hu`` ``(y, x)`` float32 and where its pixels lie."""

    hu: Array
    x: Array  # (columns,) mm
    y: Array  # (rows,) mm
    z: float
    pixel_mm: float
    thickness_mm: float

    @property
    def grid(self) -> tuple[Array, Array]:
        """Coordinates that broadcast to the slice: x ``(1, columns)`` and y ``(rows, 1)``."""
        return self.x[None, :], self.y[:, None]

    def empty(self) -> Array:
        """A coverage of nothing."""
        return np.zeros_like(self.hu)

    def box(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice] | None:
        """Rows and columns that hold a rectangle with a margin; None when it is off the slice."""
        rows, columns = self.hu.shape
        left = max(int((x0 - self.x[0]) // self.pixel_mm) - 1, 0)
        right = min(int((x1 - self.x[0]) // self.pixel_mm) + 3, columns)
        top = max(int((y0 - self.y[0]) // self.pixel_mm) - 1, 0)
        bottom = min(int((y1 - self.y[0]) // self.pixel_mm) + 3, rows)
        if left >= right or top >= bottom:
            return None
        return slice(top, bottom), slice(left, right)

    def paint(self, coverage: Array, hu: float | Array) -> None:
        """Lay a material over what is there."""
        # Most shapes touch few rows: the others need no arithmetic.
        touched = np.flatnonzero(coverage.any(axis=1))
        if len(touched):
            rows = slice(int(touched[0]), int(touched[-1]) + 1)
            old = self.hu[rows]
            old += coverage[rows] * ((hu[rows] if isinstance(hu, np.ndarray) else hu) - old)

    def cover(self, distance: NDArray[np.floating]) -> Array:
        """Coverage of a shape upright on the slice, from its signed distance in mm."""
        return np.asarray(np.clip(0.5 - distance / self.pixel_mm, 0, 1), np.float32)

    def tubes(self, segments: Array, *, grow: float = 0.0, flat: float = 1.0) -> Array:
        """Coverage of tapered tubes with round ends, ``(y, x)``.

        Parameters
        ----------
        segments
            ``(m, 8)``: start x, y, z and radius, end x, y, z and radius.
        grow
            Added to every radius (negative: the marrow inside a cortex, the lumen inside a wall).
        flat
            Stretches the cross-section along z by this factor (ribs are taller than thick).
        """
        out = self.empty()
        thick = self.thickness_mm / flat
        level = self.z / flat
        rows = segments * np.array([1, 1, 1 / flat, 1] * 2, np.float32)
        reach = np.maximum(rows[:, 3], rows[:, 7]) + grow + thick
        low = np.minimum(rows[:, 2], rows[:, 6]) - reach
        high = np.maximum(rows[:, 2], rows[:, 6]) + reach
        near = (low <= level) & (level <= high) & (reach > thick)
        rows, reach = rows[near], reach[near]
        if not len(rows):
            return out
        # Only the part of an axis within reach of the slice matters for its box.
        rise = rows[:, 6] - rows[:, 2]
        rise = np.where(np.abs(rise) < 1e-6, np.float32(1e-6), rise)
        ends = np.stack([level - reach - rows[:, 2], level + reach - rows[:, 2]]) / rise
        ends = np.clip(np.sort(ends, axis=0), 0, 1)
        firsts, lasts = [], []
        for axis, origin in enumerate((self.x[0], self.y[0])):
            points = rows[:, axis] + ends * (rows[:, axis + 4] - rows[:, axis]) - origin
            firsts.append(np.floor((points.min(axis=0) - reach) / self.pixel_mm) - 1)
            lasts.append(np.ceil((points.max(axis=0) + reach) / self.pixel_mm) + 2)
        corner = np.stack(firsts, axis=1).astype(np.int64)
        extent = np.maximum(lasts[0] - firsts[0], lasts[1] - firsts[1])
        # Tubes of like size are drawn together, as a stack of small squares.
        largest = 0
        for side in (*_TUBE_SQUARES, 2 * max(self.hu.shape)):
            chosen = (extent > largest) & (extent <= side)
            largest = side
            batch = max(1, 200_000 // side**2)
            members = np.flatnonzero(chosen)
            for start in range(0, len(members), batch):
                part = members[start : start + batch]
                self._tubes(out, rows[part], corner[part], side, level, thick, grow)
        return out

    def _tubes(
        self,
        out: Array,
        rows: Array,
        corner: NDArray[np.int64],
        side: int,
        level: float,
        thick: float,
        grow: float,
    ) -> None:
        step = np.arange(side)
        columns, lines = corner[:, :1] + step, corner[:, 1:] + step  # (m, side) each
        ax, ay, az, ra, bx, by, bz, rb = (column[:, None, None] for column in rows.T)
        dx, dy, dz = bx - ax, by - ay, bz - az
        px = (columns * self.pixel_mm + self.x[0]).astype(np.float32)[:, None, :] - ax
        py = (lines * self.pixel_mm + self.y[0]).astype(np.float32)[:, :, None] - ay
        pz = np.float32(level) - az
        length = 1 / np.maximum(dx * dx + dy * dy + dz * dz, np.float32(1e-9))
        t = np.clip((px * dx + (py * dy + pz * dz)) * length, 0, 1)
        qx, qy, qz = px - t * dx, py - t * dy, pz - t * dz
        distance = np.sqrt(qx * qx + qy * qy + qz * qz) + np.float32(1e-6)
        up = np.abs(qz) / distance
        width = self.pixel_mm * np.sqrt(np.maximum(1 - up * up, 0)) + thick * up
        radius = ra + grow + t * (rb - ra)
        coverage = np.clip(0.5 - (distance - radius) / width, 0, 1)
        coverage *= np.clip(2 * radius / width, 0, 1)  # Thinner than a voxel: never all of it.
        if len(rows) == 1:
            x0, y0 = (int(v) for v in corner[0])
            x, y = slice(max(x0, 0), x0 + side), slice(max(y0, 0), y0 + side)
            if x.stop > 0 and y.stop > 0:
                target = out[y, x]
                inside = coverage[0][y.start - y0 :, x.start - x0 :]
                inside = inside[: target.shape[0], : target.shape[1]]
                np.maximum(target, inside, out=target)
            return
        on = (lines >= 0) & (lines < out.shape[0])
        across = (columns >= 0) & (columns < out.shape[1])
        hit = (coverage > 0) & on[:, :, None] & across[:, None, :]
        where = (lines[:, :, None] * out.shape[1] + columns[:, None, :])[hit]
        np.maximum.at(out.reshape(-1), where, coverage[hit])

    def ellipsoid(
        self,
        centre: tuple[float, float, float],
        axes: tuple[float, float, float],
        turn: Array | None = None,
        *,
        grow: float = 0.0,
    ) -> Array:
        """Coverage of an ellipsoid, ``(y, x)``; ``turn`` ``(3, 3)`` has its axes as rows."""
        out = self.empty()
        reach = max(axes) + grow
        cx, cy, cz = centre
        if abs(self.z - cz) > reach + self.thickness_mm:
            return out
        box = self.box(cx - reach, cx + reach, cy - reach, cy + reach)
        if box is None:
            return out
        turned = (np.eye(3) if turn is None else turn) / (np.array(axes) + grow)[:, None]
        form = (turned.T @ turned).astype(np.float32)
        px, py = self.x[box[1]][None, :] - np.float32(cx), self.y[box[0]][:, None] - np.float32(cy)
        pz = np.float32(self.z - cz)
        gx, gy, gz = (form[k, 0] * px + (form[k, 1] * py + form[k, 2] * pz) for k in range(3))
        f = np.sqrt(px * gx + py * gy + pz * gz) + np.float32(1e-6)
        steep = np.sqrt(gx * gx + gy * gy + gz * gz) + np.float32(1e-9)
        up = np.abs(gz) / steep
        width = self.pixel_mm * np.sqrt(np.maximum(1 - up * up, 0)) + self.thickness_mm * up
        out[box] = np.clip(0.5 - (f - 1) * f / (steep * width), 0, 1)
        return out


def superellipse(x: Array, y: Array, a: float | Array, b: float | Array) -> Array:
    """Signed distance, to first order, of ``|x/a|^2.5 + |y/b|^2.5 = 1``: a body's blunt oval."""
    u, v = np.abs(x) / a, np.abs(y) / b
    u_half, v_half = np.sqrt(u), np.sqrt(v)
    total = u * u * u_half + v * v * v_half + np.float32(1e-6)
    gx, gy = u * u_half / a, v * v_half / b
    f = total**0.4
    return np.asarray((f - 1) * total / (f * np.sqrt(gx * gx + gy * gy) + 1e-9), np.float32)


def ellipse(x: Array, y: Array, a: float | Array, b: float | Array) -> Array:
    """Signed distance, to first order, of ``(x/a)^2 + (y/b)^2 = 1``."""
    u, v = x / a, y / b
    f = np.sqrt(u * u + v * v) + np.float32(1e-6)
    return np.asarray((f - 1) * f / np.sqrt((u / a) ** 2 + (v / b) ** 2 + 1e-12), np.float32)


def blend(first: Array, second: Array, reach: float) -> Array:
    """Union of two signed distances, rounded off where they meet over ``reach`` mm."""
    h = np.clip(0.5 + 0.5 * (second - first) / reach, 0, 1)
    return np.asarray(second + (first - second) * h - reach * h * (1 - h), np.float32)


def waves(canvas: Canvas, count: int, shortest_mm: float, longest_mm: float, seed: int) -> Array:
    """A smooth random texture of unit variance, ``(y, x)``, continuous from slice to slice."""
    rng = np.random.default_rng(seed)
    wavelength = np.exp(rng.uniform(np.log(shortest_mm), np.log(longest_mm), count))
    direction = rng.normal(size=(3, count))
    k = 2 * np.pi * direction / np.linalg.norm(direction, axis=0) / wavelength
    phase = rng.uniform(0, 2 * np.pi, count) + k[2] * canvas.z
    # cos(a + b) = cos a cos b - sin a sin b: a matrix product instead of a million cosines.
    along, down = np.outer(k[0], canvas.x) + phase[:, None], np.outer(canvas.y, k[1])
    right = np.vstack([np.cos(along), -np.sin(along)]) * np.sqrt(2 / count)
    left = np.hstack([np.cos(down), np.sin(down)])
    return np.asarray(left.astype(np.float32) @ right.astype(np.float32), np.float32)


def polyline(points: list[tuple[float, float, float, float]], steps: int = 6) -> Array:
    """Tube segments ``(m, 8)`` along a smooth curve through ``(x, y, z, radius)`` points.

    Catmull-Rom interpolation, ``steps`` segments between neighbouring points.
    """
    p = np.array(points, np.float64)
    padded = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve = []
    for k in range(len(p) - 1):
        a, b, c, d = padded[k : k + 4]
        curve.append(
            b
            + 0.5 * t * (c - a)
            + t**2 * (a - 2.5 * b + 2 * c - 0.5 * d)
            + t**3 * (1.5 * (b - c) + 0.5 * (d - a))
        )
    nodes = np.vstack([*curve, p[-1:]])
    return np.hstack([nodes[:-1], nodes[1:]]).astype(np.float32)


def mirrored(segments: Array) -> Array:
    """The same tubes and their mirror images across the midline."""
    other = segments * np.array([-1, 1, 1, 1, -1, 1, 1, 1], np.float32)
    return np.vstack([segments, other])
