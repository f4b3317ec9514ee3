"""A slice of the thorax phantom, drawn from formulas: tissue over tissue, from the skin inwards."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct import phantom_anatomy as anatomy
from ctstudio.ct.phantom_bodies import FINER, body_of
from ctstudio.ct.phantom_lungs import lung_trees
from ctstudio.ct.phantom_shapes import Array, Canvas, ellipse, mirrored, polyline, waves
from ctstudio.ct.phantom_targets import INSERTS, LIVER_HU, NODULES, spicules

FIELD_OF_VIEW_MM = 384.0
THICKNESS_MM = 2.5
"""Width of the picture and thickness of a slice, where nothing else is asked for."""


def draw_slice(
    z_mm: float,
    *,
    size: int = 512,
    field_mm: float = FIELD_OF_VIEW_MM,
    thickness_mm: float = THICKNESS_MM,
    body: int = 0,
) -> NDArray[np.int16]:
    """One axial slice at a level, ``(size, size)`` int16 HU.

    ``thickness_mm`` softens surfaces that lie flat in the slice, as a slice profile does. With
    ``body`` it is a slice of one of the other bodies; see `phantom`.
    """
    if body:
        other = body_of(body)
        level = other.level_mm(z_mm)
        fine = draw_slice(level, size=FINER * size, field_mm=field_mm, thickness_mm=thickness_mm)
        return other.of(fine, level, field_mm=field_mm, thickness_mm=thickness_mm)
    pixel = field_mm / size
    image = _table(size, field_mm).copy()
    axis = ((np.arange(size) - size // 2) * pixel).astype(np.float32)
    # Nothing but the table lies outside this rectangle.
    rows = slice(*np.searchsorted(axis, (-122.0, 126.0)))
    columns = slice(*np.searchsorted(axis, (-176.0, 176.0)))
    canvas = Canvas(image[rows, columns], axis[columns], axis[rows], z_mm, pixel, thickness_mm)
    outlines = anatomy.outlines(*canvas.grid, z_mm)
    _draw_wall(canvas, outlines.cage)
    _draw_abdomen(canvas, outlines)
    lungs = _draw_lungs(canvas, outlines)
    _draw_mediastinum(canvas, outlines)
    _draw_bones(canvas)
    _draw_nodules(canvas, lungs)
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)


@lru_cache(maxsize=2)
def _table(size: int, field_mm: float) -> Array:
    """The empty table, the same in every slice."""
    pixel = field_mm / size
    axis = ((np.arange(size) - size // 2) * pixel).astype(np.float32)
    canvas = Canvas(np.full((size, size), -1000, np.float32), axis, axis, 0.0, pixel, 1.0)
    x, y = canvas.grid
    top = np.hypot(x, y + 300) - 424  # A shallow trough: an arc of 424 mm radius.
    under = np.hypot(x, y + 300) - 452 + 0.0008 * x * x
    plate = np.asarray(np.maximum(np.maximum(-top, under), np.abs(x) - 188), np.float32)
    canvas.paint(canvas.cover(plate), -420)
    canvas.paint(canvas.cover(plate + np.float32(1.8)), -930)
    return canvas.hu


def _draw_wall(canvas: Canvas, cage: Array) -> None:
    """Skin, fat, muscles; the cage filled with fat."""
    x, y = canvas.grid
    z = canvas.z
    skin = anatomy.body_distance(x, y, z)
    strands = waves(canvas, 48, 3, 14, 1)
    canvas.paint(canvas.cover(skin), 15)
    canvas.paint(canvas.cover(skin + 1.8), -102 + 5 * strands)
    muscle = 56 + 7 * strands

    # Outer muscles: swellings of the wall at angles counted from the breastbone.
    angle = np.degrees(np.arctan2(np.abs(x), -(y - 5)))
    high = float(np.clip((z + 45) / 90, 0, 1))

    def swelling(thick: float, centre: float, width: float) -> Array:
        square = ((angle - centre) / width) ** 2
        return np.asarray(thick * np.exp(-square * square), np.float32)

    room = skin + 7.0
    for bulge in (
        swelling(5 + 13 * high, 42 - 8 * high, 30),  # pectoral
        swelling(9, 90, 24),  # serratus
        swelling(11 + 8 * high, 122, 24),  # latissimus
        swelling(6 + 5 * high, 158, 18),  # trapezius and rhomboids
    ):
        # Layers of fat tell the muscles from one another.
        canvas.paint(canvas.cover(np.maximum(cage - 14.2 - bulge, room)), -95)
        part = np.maximum(np.maximum(cage - 13.2 - bulge, room), -(bulge - 2.0))
        canvas.paint(canvas.cover(part), muscle)
    canvas.paint(canvas.cover(np.maximum(cage - 13.0, skin + 4)), -90)
    canvas.paint(canvas.cover(np.maximum(cage - 11.6, skin + 4)), muscle)
    for side in (-1, 1):
        back = np.maximum(ellipse(x - side * 23, y - 93 - 0.02 * z, 20.0, 14.0), skin + 5)
        canvas.paint(canvas.cover(back - 1.4), -92)
        canvas.paint(canvas.cover(back), muscle)
        if z > 0:  # The shoulder blade lies between two muscles.
            for thick, hu in ((15.0, -92.0), (13.6, 58.0)):
                flesh = canvas.ellipsoid(
                    (side * 104.0, 56.0, 78.0), (52.0, thick, 76.0), _blade(side)
                )
                canvas.paint(flesh * canvas.cover(skin + 6), hu + (7 * strands if hu > 0 else 0))
    canvas.paint(canvas.cover(cage), -96 + 4 * strands)


def _blade(side: int) -> Array:
    return anatomy.turn((side * 0.8, -0.6, 0.05), (side * 0.6, 0.8, 0.1))


def _draw_abdomen(canvas: Canvas, outlines: anatomy.Outlines) -> None:
    """Liver, stomach and spleen under the diaphragm."""
    if canvas.z > -40:
        return
    x, y = canvas.grid
    z = canvas.z
    cage = outlines.cage
    right = np.maximum(outlines.right_dome, cage)
    left = np.maximum(outlines.left_dome, cage)
    canvas.paint(canvas.cover(np.minimum(left, right)), 52)
    canvas.paint(canvas.cover(left + 2.4), -100)
    within = canvas.cover(cage + 1.5)
    spleen = canvas.ellipsoid((103.0, 42.0, -112.0), (24.0, 40.0, 40.0))
    canvas.paint(spleen * canvas.cover(left + 3), 122)
    stomach = ((60.0, -22.0, -114.0), (40.0, 44.0, 42.0))
    canvas.paint(canvas.ellipsoid(*stomach) * within, 68)
    lumen = canvas.ellipsoid(*stomach, grow=-4.0)
    level = np.clip(0.5 - (y + 38) / canvas.pixel_mm, 0, 1)  # Gas floats to the front.
    canvas.paint(lumen, np.asarray(12 - 962 * level + 0 * x, np.float32))

    lobe = canvas.ellipsoid(*anatomy.LIVER_LOBE)
    main = np.maximum(canvas.ellipsoid(*anatomy.RIGHT_DOME, grow=-2.2), lobe)
    liver = np.minimum(main, within) * canvas.cover(np.minimum(left, right) + 1.5)
    canvas.paint(liver, LIVER_HU)
    canvas.paint(canvas.tubes(anatomy.HEPATIC_VEINS) * liver, 148)
    for insert in INSERTS:
        cx, cy, cz = insert.centre_mm
        disc = ellipse(x - cx, y - cy, insert.diameter_mm / 2, insert.diameter_mm / 2)
        ends = (insert.length_mm / 2 - abs(z - cz)) / canvas.thickness_mm + 0.5
        share = float(np.clip(ends, 0, 1))
        canvas.paint(canvas.cover(disc) * share, LIVER_HU + insert.contrast_hu)


def _draw_lungs(canvas: Canvas, outlines: anatomy.Outlines) -> Array:
    """Lungs with their vessels and airways; returns the lungs' coverage."""
    x, y = canvas.grid
    z = canvas.z
    sides = (outlines.right_lung, outlines.left_lung)
    distance = np.minimum(*sides)
    lungs = canvas.cover(distance)
    if not lungs.any():
        return lungs
    gravity = 40 * (y + 20) / 100
    tissue = -868 + gravity + 11 * waves(canvas, 64, 3.5, 9, 2) + 9 * waves(canvas, 32, 15, 60, 3)
    canvas.paint(lungs, np.asarray(tissue, np.float32))
    # The oblique fissures, thin curved sheets.
    for side in (-1, 1):
        sheet = (z - 1.05 * y + 4 + 0.0016 * (side * x - 70) ** 2 * side) / 1.45
        thin = np.clip(1.1 - np.abs(sheet) / 1.6, 0, 1) * canvas.cover(sides[max(side, 0)])
        canvas.paint(np.asarray(0.22 * thin, np.float32), 20)
    vessels, airways = lung_trees()
    inside = canvas.cover(distance - 2)
    tree = canvas.tubes(vessels) * inside
    wall = canvas.tubes(airways, grow=0.75) * inside
    lumen = canvas.tubes(airways) * inside
    canvas.paint(wall, -60)
    canvas.paint(lumen, -985)
    canvas.paint(tree, 105)
    return lungs


def _draw_mediastinum(canvas: Canvas, outlines: anatomy.Outlines) -> None:
    """Heart, great vessels, airways, gullet."""
    if canvas.z < 35:
        _draw_heart(canvas, outlines.heart)
    canvas.paint(canvas.tubes(anatomy.OESOPHAGUS), 48)
    canvas.paint(canvas.tubes(anatomy.OESOPHAGUS, grow=-4.6), -300)
    canvas.paint(canvas.tubes(anatomy.AZYGOS), 125)
    canvas.paint(canvas.tubes(anatomy.PULMONARY_VEINS), 140)
    canvas.paint(canvas.tubes(anatomy.ARTERIES, grow=0.9), 60)
    for tubes, hu in (
        (anatomy.VEINS, 150.0),
        (anatomy.PULMONARY_ARTERIES, 152.0),
        (anatomy.ARTERIES, 165.0),
    ):
        canvas.paint(canvas.tubes(tubes), hu)
    canvas.paint(canvas.tubes(anatomy.AIRWAYS, grow=1.5), 40)
    canvas.paint(canvas.tubes(anatomy.AIRWAYS), -992)
    for cx, cy, cz, axes in _LYMPH_NODES:
        canvas.paint(canvas.ellipsoid((cx, cy, cz), axes), 62)


_LYMPH_NODES = (
    (-16.0, 6.0, 52.0, (5.0, 3.5, 6.0)),
    (-12.0, -2.0, 44.0, (4.0, 3.0, 5.0)),
    (2.0, 26.0, 26.0, (6.0, 4.0, 7.0)),
    (20.0, -14.0, 48.0, (4.0, 3.0, 5.0)),
)


def _draw_heart(canvas: Canvas, distance: Array) -> None:
    rotation = anatomy.HEART_TURN
    axis, right = np.asarray(rotation[0], float), np.asarray(rotation[1], float)
    centre = np.array(anatomy.HEART_CENTRE)

    def at(along: float, aside: float) -> tuple[float, float, float]:
        x, y, z = centre + along * axis + aside * right
        return float(x), float(y), float(z)

    canvas.paint(canvas.cover(distance), 30)  # pericardium, then the fat beneath it
    inner = canvas.cover(distance + np.float32(1.6))
    canvas.paint(inner, -85)
    muscle = 98 + 3 * waves(canvas, 24, 5, 20, 4)
    for middle, axes, wall in (
        (at(8, 17), (48.0, 22.0, 33.0), 3.0),  # right ventricle
        (at(12, -13), (48.0, 29.0, 31.0), 10.0),  # left ventricle
    ):
        canvas.paint(canvas.ellipsoid(middle, axes, rotation) * inner, muscle)
        canvas.paint(canvas.ellipsoid(middle, axes, rotation, grow=-wall) * inner, 158)
    for middle, axes in (
        ((-27.0, -12.0, -24.0), (20.0, 23.0, 28.0)),
        ((2.0, 17.0, -4.0), (30.0, 15.0, 20.0)),
    ):
        canvas.paint(canvas.ellipsoid(middle, axes, grow=1.6), 92)
        canvas.paint(canvas.ellipsoid(middle, axes), 150)


def _draw_bones(canvas: Canvas) -> None:
    z = canvas.z
    x, y = canvas.grid
    trabeculae = waves(canvas, 64, 1.8, 4.5, 6)
    bone, cartilage = anatomy.ribs()
    canvas.paint(canvas.tubes(cartilage, flat=1.5), 118)
    shell = canvas.tubes(bone, flat=1.7)
    marrow = canvas.tubes(bone, grow=-1.3, flat=1.7)
    cortex, spongy = 780.0, 165 + 24 * trabeculae
    for at in (-1, 1):
        blade = ((at * 102.0, 58.0, 78.0), (42.0, 3.2, 66.0), _blade(at))
        shell = np.maximum(shell, canvas.ellipsoid(*blade))
        marrow = np.maximum(marrow, canvas.ellipsoid(*blade, grow=-1.3))
    collar = _COLLAR_BONES
    shell = np.maximum(shell, canvas.tubes(collar))
    marrow = np.maximum(marrow, canvas.tubes(collar, grow=-1.7))
    for part in _BREASTBONE:
        shell = np.maximum(shell, canvas.ellipsoid(*part))
        marrow = np.maximum(marrow, canvas.ellipsoid(*part, grow=-1.2))
    canvas.paint(shell, cortex)
    canvas.paint(marrow, np.asarray(spongy, np.float32))

    # Spine: bodies with waists, discs between them, arches behind.
    near = min(anatomy.VERTEBRA_LEVELS, key=lambda level: abs(level - z))
    height = z - near
    disc = float(np.clip((abs(height) - 9.6) / 1.0, 0, 1))
    waist = float(1.6 * np.cos(np.pi * height / anatomy.VERTEBRA_PITCH) ** 2)
    body = ellipse(x, y - anatomy.SPINE_Y, 18.5 - waist, 15.0 - waist)
    hollow = ellipse(x, y - anatomy.SPINE_Y - 24, 13.0, 12.5)
    body = np.maximum(body, -hollow)
    endplate = float(np.clip(1 - abs(abs(height) - 9.0) / 1.0, 0, 1))
    arches = anatomy.vertebral_arches()
    canvas.paint(canvas.tubes(arches), 720)
    canvas.paint(canvas.tubes(arches, grow=-1.6), np.asarray(spongy, np.float32))
    canvas.paint(canvas.cover(body), (1 - disc) * 560 + disc * 95)
    core = (1 - disc) * (160 + 20 * trabeculae + 260 * endplate) + disc * 92
    canvas.paint(canvas.cover(body + 1.3), np.asarray(core, np.float32))
    canal = ellipse(x, y - anatomy.SPINE_Y - 21.5, 9.5, 8.0)
    canvas.paint(canvas.cover(canal), -20)
    canvas.paint(canvas.cover(canal + 1.2), 12)
    canvas.paint(canvas.cover(ellipse(x, y - anatomy.SPINE_Y - 21.5, 5.4, 4.2)), 42)


_COLLAR_BONES = mirrored(
    polyline([(16, -64, 92, 6.5), (40, -66, 98, 5.5), (75, -48, 107, 5), (110, -28, 116, 5.5)], 4)
)
_BREASTBONE = (
    ((0.0, -73.0, 66.0), (27.0, 6.5, 30.0), anatomy.turn((1, 0, 0), (0, 0.94, 0.34))),
    ((0.0, -92.0, -8.0), (18.0, 6.0, 58.0), anatomy.turn((1, 0, 0), (0, 0.985, 0.17))),
)


def _draw_nodules(canvas: Canvas, lungs: Array) -> None:
    for nodule in NODULES:
        radius = nodule.diameter_mm / 2
        ball = canvas.ellipsoid(nodule.centre_mm, (radius, radius, radius))
        if not ball.any() and nodule.kind != "spiculated":
            continue
        if nodule.kind == "spiculated":
            canvas.paint(canvas.tubes(spicules(nodule)) * lungs, nodule.hu)
        canvas.paint(ball, nodule.hu)
        if nodule.kind == "part-solid":
            core = (radius / 2, radius / 2, radius / 2)
            canvas.paint(canvas.ellipsoid(nodule.centre_mm, core), 40)
