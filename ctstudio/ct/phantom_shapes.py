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


@dataclass(frozen=True, eq=False)
class Canvas:
    """One slice being drawn: ``hu`` ``(y, x)`` float32 and where its pixels lie."""

    hu: Array
    x: Array  # (n,) mm
    y: Array  # (n,) mm
    z: float
    pixel_mm: float
    thickness_mm: float

    @classmethod
    def blank(cls, size: int, pixel_mm: float, z: float, thickness_mm: float, hu: float) -> Canvas:
        axis = ((np.arange(size) - size // 2) * pixel_mm).astype(np.float32)
        image = np.full((size, size), hu, np.float32)
        return cls(image, axis, axis, z, pixel_mm, thickness_mm)

    @property
    def grid(self) -> tuple[Array, Array]:
        """Coordinates that broadcast to the slice: x ``(1, n)`` and y ``(n, 1)``."""
        return self.x[None, :], self.y[:, None]

    def empty(self) -> Array:
        """A coverage of nothing."""
        return np.zeros_like(self.hu)

    def box(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice] | None:
        """Rows and columns that hold a rectangle with a margin; None when it is off the slice."""
        n, half = len(self.x), len(self.x) // 2
        left = max(int(np.floor(x0 / self.pixel_mm)) + half - 1, 0)
        right = min(int(np.ceil(x1 / self.pixel_mm)) + half + 2, n)
        top = max(int(np.floor(y0 / self.pixel_mm)) + half - 1, 0)
        bottom = min(int(np.ceil(y1 / self.pixel_mm)) + half + 2, n)
        if left >= right or top >= bottom:
            return None
        return slice(top, bottom), slice(left, right)

    def paint(self, coverage: Array, hu: float | Array) -> None:
        """Lay a material over what is there."""
        self.hu[...] += coverage * (hu - self.hu)

    def cover(self, distance: Array) -> Array:
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
        scale = np.array([1, 1, 1 / flat, 1] * 2, np.float32)
        level = self.z / flat
        thick = self.thickness_mm / flat
        scaled = segments * scale
        reach = np.maximum(scaled[:, 3], scaled[:, 7]) + grow + thick
        low = np.minimum(scaled[:, 2], scaled[:, 6]) - reach
        high = np.maximum(scaled[:, 2], scaled[:, 6]) + reach
        near = (low <= level) & (level <= high) & (reach > thick)
        for row, margin in zip(scaled[near].tolist(), reach[near].tolist(), strict=True):
            self._tube(out, row, margin, level, thick, grow)
        return out

    def _tube(
        self, out: Array, row: list[float], margin: float, level: float, thick: float, grow: float
    ) -> None:
        ax, ay, az, ra, bx, by, bz, rb = row
        dx, dy, dz = bx - ax, by - ay, bz - az
        # Only the part of the axis within reach of the slice matters for the bounding box.
        first, last = 0.0, 1.0
        if abs(dz) > 1e-6:
            t0, t1 = sorted(((level - margin - az) / dz, (level + margin - az) / dz))
            first, last = min(max(t0, 0.0), 1.0), min(max(t1, 0.0), 1.0)
        xs, ys = (ax + first * dx, ax + last * dx), (ay + first * dy, ay + last * dy)
        box = self.box(min(xs) - margin, max(xs) + margin, min(ys) - margin, max(ys) + margin)
        if box is None:
            return
        px = self.x[box[1]][None, :] - np.float32(ax)
        py = self.y[box[0]][:, None] - np.float32(ay)
        pz = level - az
        t = (px * dx + py * dy + pz * dz) * (1 / max(dx * dx + dy * dy + dz * dz, 1e-9))
        np.clip(t, 0, 1, out=t)
        qx, qy, qz = px - t * dx, py - t * dy, pz - t * dz
        distance = np.sqrt(qx * qx + qy * qy + qz * qz) + np.float32(1e-6)
        up = np.abs(qz) / distance
        width = self.pixel_mm * np.sqrt(np.maximum(1 - up * up, 0)) + thick * up
        radius = ra + grow + t * (rb - ra)
        coverage = np.clip(0.5 - (distance - radius) / width, 0, 1)
        coverage *= np.clip(2 * radius / width, 0, 1)  # Thinner than a voxel: never all of it.
        np.maximum(out[box], coverage, out=out[box])

    def ellipsoid(
        self,
        centre: tuple[float, float, float],
        axes: tuple[float, float, float],
        turn: NDArray[np.float64] | None = None,
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
        turn = np.eye(3) if turn is None else turn
        matrix = turn / (np.array(axes) + grow)[:, None]
        px, py = self.x[box[1]][None, :] - cx, self.y[box[0]][:, None] - cy
        q = [np.asarray(m[0] * px + m[1] * py + m[2] * (self.z - cz), np.float32) for m in matrix]
        f = np.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]) + np.float32(1e-6)
        gx, gy, gz = (sum(m[k] * qk for m, qk in zip(matrix, q, strict=True)) / f for k in range(3))
        steep = np.sqrt(gx * gx + gy * gy + gz * gz)
        up = np.abs(gz) / steep
        width = self.pixel_mm * np.sqrt(np.maximum(1 - up * up, 0)) + self.thickness_mm * up
        out[box] = np.clip(0.5 - (f - 1) / (steep * width), 0, 1)
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
    return left.astype(np.float32) @ right.astype(np.float32)


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
