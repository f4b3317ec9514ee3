"""The thorax phantom's anatomy: outlines that change with the level, and tables of tubes.

Everything is in mm in patient coordinates; +x is the patient's left, +y the back, +z the head.
Sizes are those of a slim adult; no real person is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.phantom_shapes import Array, blend, ellipse, mirrored, polyline, superellipse

VERTEBRA_PITCH = 24.0
VERTEBRA_LEVELS = tuple(-118.0 + VERTEBRA_PITCH * k for k in range(11))
SPINE_Y = 58.0

# Level, half width, half depth, centre y.
_BODY = np.array(
    [
        (-110, 162, 113, 2),
        (-40, 169, 117, 2),
        (20, 172, 114, 3),
        (60, 169, 106, 6),
        (85, 162, 101, 8),
        (110, 150, 95, 10),
    ],
    float,
)
_CAGE = np.array(
    [
        (-110, 138, 88, 1),
        (-60, 141, 90, 0),
        (0, 136, 87, 0),
        (40, 122, 80, 2),
        (70, 104, 70, 6),
        (90, 84, 58, 11),
        (105, 62, 44, 17),
        (125, 20, 16, 24),
    ],
    float,
)
# Level, half width of the middle mediastinum, half width of its front.
_MEDIASTINUM = np.array(
    [(-110, 30, 12), (-20, 34, 12), (20, 38, 13), (50, 37, 15), (80, 40, 22), (110, 46, 30)], float
)


def _at(table: NDArray[np.float64], z: float | Array) -> list[Array]:
    return [np.asarray(np.interp(z, table[:, 0], column), np.float32) for column in table[:, 1:].T]


def turn(long_axis: tuple[float, float, float], side: tuple[float, float, float]) -> Array:
    """Rotation ``(3, 3)``: its rows are ``long_axis``, ``side`` square to it, and the third."""
    first = np.array(long_axis) / np.linalg.norm(long_axis)
    second = np.array(side) - np.dot(side, first) * first
    second /= np.linalg.norm(second)
    return np.asarray(np.stack([first, second, np.cross(first, second)]), np.float32)


HEART_CENTRE = (20.0, -27.0, -38.0)
HEART_AXES = (66.0, 48.0, 46.0)
HEART_TURN = turn((0.66, -0.5, -0.56), (-0.6, -0.75, 0.05))
LIVER_LOBE = ((0.0, -40.0, -118.0), (56.0, 40.0, 44.0))
RIGHT_DOME = ((-60.0, -6.0, -128.0), (84.0, 92.0, 82.0))
LEFT_DOME = ((66.0, -4.0, -138.0), (76.0, 90.0, 76.0))


def _ellipsoid_distance(
    x: Array,
    y: Array,
    z: float | Array,
    centre: tuple[float, float, float],
    axes: tuple[float, float, float],
    rotation: Array | None = None,
) -> Array:
    # |p|^2 in the frame where the ellipsoid is a unit ball, and its gradient, as quadratic forms.
    turned = (np.eye(3) if rotation is None else rotation) / np.array(axes)[:, None]
    form = (turned.T @ turned).astype(np.float32)
    p = (x - np.float32(centre[0]), y - np.float32(centre[1]), z - np.float32(centre[2]))
    g = [form[k, 0] * p[0] + form[k, 1] * p[1] + form[k, 2] * p[2] for k in range(3)]
    f = np.sqrt(p[0] * g[0] + p[1] * g[1] + p[2] * g[2]) + np.float32(1e-6)
    steep = np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2])
    return np.asarray((f - 1) * f / (steep + np.float32(1e-9)), np.float32)


def heart_distance(x: Array, y: Array, z: float | Array) -> Array:
    """Signed distance of the pericardium."""
    sac = _ellipsoid_distance(x, y, z, HEART_CENTRE, HEART_AXES, HEART_TURN)
    atrium = _ellipsoid_distance(x, y, z, (-27.0, -13.0, -26.0), (26.0, 29.0, 34.0))
    return blend(sac, atrium, 14)


def dome_distance(side: int, x: Array, y: Array, z: float | Array) -> Array:
    """Signed distance of what lies under the right (-1) or left (+1) half of the diaphragm."""
    centre, axes = LEFT_DOME if side > 0 else RIGHT_DOME
    dome = _ellipsoid_distance(x, y, z, centre, axes)
    return blend(dome, _ellipsoid_distance(x, y, z, *LIVER_LOBE) - 2.5, 12)


def body_distance(x: Array, y: Array, z: float | Array) -> Array:
    """Signed distance of the skin."""
    a, b, middle = _at(_BODY, z)
    v = y - middle
    furrow = 6 * np.exp(-((x / 20) ** 2)) * np.clip(v / 60, 0, 1)  # over the spine
    hollow = 4 * np.exp(-((x / 26) ** 2)) * np.clip(-v / 60, 0, 1)  # over the breastbone
    return superellipse(x, v + furrow - hollow, a, b)


def cage_distance(x: Array, y: Array, z: float | Array) -> Array:
    """Signed distance of the inner side of the rib cage."""
    a, b, middle = _at(_CAGE, z)
    return superellipse(x, y - middle, a, b)


@dataclass(frozen=True, eq=False)
class Outlines:
    """Signed distances of the large outlines at some points, all of one shape."""

    cage: Array
    heart: Array
    right_dome: Array
    left_dome: Array
    right_lung: Array
    left_lung: Array


def outlines(x: Array, y: Array, z: float | Array) -> Outlines:
    """Everything that bounds the lungs, at points that broadcast together."""
    cage = cage_distance(x, y, z)
    heart = heart_distance(x, y, z)
    domes = [dome_distance(side, x, y, z) for side in (-1, 1)]
    width, front = _at(_MEDIASTINUM, z)
    spine = ellipse(x, y - (SPINE_Y + 8), 28.0, 34.0)
    middle = ellipse(x - 2, y - 10, width, 40.0)
    ahead = ellipse(x + 1, y + 50, front, 48.0)
    between = blend(blend(blend(spine, middle, 14), ahead, 16), heart - 4, 10)
    both = np.maximum(cage, -between)
    right = np.maximum(np.maximum(both, -domes[0]), x)
    left = np.maximum(np.maximum(both, -domes[1]), -x)
    return Outlines(cage, heart, domes[0], domes[1], right, left)


@lru_cache(maxsize=1)
def ribs() -> tuple[Array, Array]:
    """Bone and cartilage of all ribs as tubes ``(m, 8)``."""
    bones, cartilages = [], []
    for level in (-118.0 + VERTEBRA_PITCH * k for k in range(13)):
        drop = float(np.interp(level, (60, 170), (92, 45)))
        bone = [(19.0, 64.0, level + 6, 3.0), (36.0, 78.0, level + 7, 3.4)]
        cartilage = []
        for angle in np.linspace(156, 16, 15):
            way = (156 - angle) / 140
            z = level + 4 - drop * way**1.15
            if way > 0.75:  # The cartilages climb back towards the breastbone.
                z += 130 * (way - 0.75) ** 1.5
            a, b, middle = (float(v) for v in _at(_CAGE, z))
            s, c = np.sin(np.radians(angle)), np.cos(np.radians(angle))
            x = (a + 5.5) * s**0.8
            y = middle - (b + 5.5) * np.sign(c) * abs(c) ** 0.8
            point = (float(x), float(y), float(z), 3.7)
            if way <= 0.75:
                bone.append(point)
            if way >= 0.72:
                cartilage.append((*point[:3], 4.2))
        bones.append(polyline(bone, 3))
        cartilages.append(polyline(cartilage, 3))
    return mirrored(np.vstack(bones)), mirrored(np.vstack(cartilages))


@lru_cache(maxsize=1)
def vertebral_arches() -> Array:
    """Pedicles, laminae, transverse and spinous processes of all vertebrae, tubes ``(m, 8)``."""
    paired, single = [], []
    for z in VERTEBRA_LEVELS:
        y = SPINE_Y
        paired.append(polyline([(11, y + 9, z + 4, 4.2), (12, y + 22, z + 3, 4.4)], 1))
        paired.append(polyline([(12, y + 22, z + 3, 4.2), (30, y + 27, z + 8, 3.6)], 2))
        for down in (5.0, 0.0, -5.0):
            paired.append(
                polyline([(12, y + 22, z + down, 3.0), (1, y + 31, z + down - 5, 3.0)], 2)
            )
        single.append(polyline([(0, y + 31, z - 4, 3.4), (0, y + 47, z - 20, 2.8)], 2))
        single.append(polyline([(0, y + 31, z - 8, 3.2), (0, y + 46, z - 24, 3.0)], 2))
    return np.vstack([mirrored(np.vstack(paired)), *single])


ARTERIES = np.vstack(
    [
        # Aorta, from its root over the arch to the diaphragm.
        polyline(
            [
                (4, -12, -14, 14),
                (-6, -22, 8, 15.5),
                (-9, -25, 34, 15.5),
                (-4, -16, 56, 14.5),
                (10, 6, 66, 13.5),
                (22, 28, 58, 12.5),
                (26, 38, 35, 12),
                (25, 39, 0, 11.5),
                (20, 36, -50, 11),
                (11, 33, -115, 10.5),
            ]
        ),
        polyline([(-6, -12, 62, 7.5), (-13, -8, 80, 6.5), (-22, -4, 112, 6)]),
        polyline([(6, -2, 66, 4.8), (12, -4, 85, 4.2), (16, -6, 112, 4)]),
        polyline([(18, 16, 64, 5.8), (24, 15, 85, 5.2), (34, 16, 112, 5)]),
    ]
)
PULMONARY_ARTERIES = np.vstack(
    [
        polyline(
            [
                (18, -46, -4, 13),
                (17, -40, 14, 14),
                (17, -24, 27, 13),
                (30, -4, 33, 11.5),
                (47, 12, 28, 9),
            ]
        ),
        polyline([(15, -18, 26, 11), (0, 0, 25, 10.5), (-22, 4, 23, 10), (-44, 4, 18, 8.5)]),
    ]
)
VEINS = np.vstack(
    [
        polyline([(-42, -18, 112, 7), (-34, -14, 75, 9), (-33, -10, 40, 10), (-31, -10, -5, 11)]),
        polyline([(-33, -16, 72, 8), (-4, -40, 80, 7), (34, -32, 100, 7), (50, -28, 112, 7)]),
        polyline([(-30, -4, -40, 13), (-27, 12, -66, 13), (-26, 20, -115, 13)]),
    ]
)
AZYGOS = polyline(
    [
        (-7, 37, -115, 3.2),
        (-9, 36, 20, 3.8),
        (-14, 35, 42, 4.4),
        (-27, 16, 49, 4.8),
        (-33, -6, 46, 5),
    ]
)
PULMONARY_VEINS = np.vstack(
    [
        polyline([(-18, 22, -2, 7), (-34, 22, -4, 6), (-50, 22, -9, 4.6)]),
        polyline([(22, 24, 0, 7), (36, 26, -2, 6), (52, 28, -7, 4.6)]),
        polyline([(-16, 10, 6, 7), (-34, 2, 10, 6), (-48, -8, 17, 4.4)]),
        polyline([(22, 12, 8, 7), (36, 2, 12, 6), (48, -8, 20, 4.4)]),
    ]
)
AIRWAYS = np.vstack(
    [
        polyline([(0, 8, 115, 9), (-1, 12, 80, 8.6), (-2, 18, 42, 8.8)]),
        polyline([(-2, 19, 42, 7.6), (-20, 22, 27, 7.2), (-42, 17, 13, 5.6)]),
        polyline([(-2, 19, 42, 7), (20, 21, 23, 6.6), (44, 22, 12, 5.2)]),
    ]
)
OESOPHAGUS = polyline(
    [(4, 26, 115, 6.5), (6, 32, 70, 6.5), (4, 34, 20, 7), (8, 31, -40, 7.5), (18, 20, -115, 8)]
)
"""Axes of the great vessels, airways and gullet, tubes ``(m, 8)``."""

HEPATIC_VEINS = np.vstack(
    [
        polyline([(-27, 14, -74, 5), (-50, 4, -86, 4), (-88, -12, -112, 2.6)]),
        polyline([(-27, 12, -76, 5), (-36, -20, -88, 4), (-44, -52, -110, 2.4)]),
        polyline([(-27, 14, -80, 5), (-62, 32, -98, 4), (-96, 50, -118, 2.6)]),
        polyline([(-62, 2, -102, 5), (-70, -10, -100, 3.4), (-104, -20, -96, 2)]),
    ]
)
