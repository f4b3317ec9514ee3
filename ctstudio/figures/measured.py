"""What was measured upon an image, as lines and words of a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from PIL import Image

from ctstudio.figures.fonts import font
from ctstudio.figures.panel import Mark, Panel
from ctstudio.figures.scene import BLACK, Item, Path, Picture, Text, draw_items

Point = tuple[float, float]


def mark_items(box: Picture, em: int) -> list[Item]:
    """The marks of a picture where it lies: each line on a dark edge, its words beside it."""
    panel = box.panel
    rows, columns = panel.image.shape
    down, along = box.height / rows, box.width / columns
    line, size = max(em / 9, 1.0), round(0.8 * em)
    found: list[Item] = []
    for mark in panel.marks:
        points = [
            (box.left + (x + 0.5) * along, box.top + (y + 0.5) * down) for y, x in mark.points
        ]
        if mark.closed:
            points.append(points[0])
        parts = [part for a, b in pairwise(points) if (part := _clipped(a, b, box)) is not None]
        for colour, width in ((BLACK, line + max(em / 8, 2.0)), (mark.colour, line)):
            found += [Path(part, colour, width) for part in _joined(parts)]
        if parts:
            found += _words(mark, points, box, size)
    return found


def draw_marks(image: Image.Image, panel: Panel, em: int) -> None:
    """Draw the marks of ``panel`` upon its picture, which fills ``image``."""
    if panel.marks:
        draw_items(image, mark_items(Picture(panel, 0, 0, *image.size), em), True)


def _words(mark: Mark, points: Sequence[Point], box: Picture, size: int) -> list[Item]:
    """To the right of the line or, where there is no room, to its left; inside the picture."""
    face, step = font(size), round(1.25 * size)
    width = max((face.getlength(word) for word in mark.words), default=0.0)
    height, gap = step * len(mark.words), round(0.5 * size)
    x = max(p[0] for p in points) + gap
    if x + width > box.left + box.width - gap:
        x = min(p[0] for p in points) - gap - width
    x = min(max(x, box.left + gap), max(box.left + box.width - gap - width, box.left + gap))
    y = (min(p[1] for p in points) + max(p[1] for p in points)) / 2 - height / 2
    y = min(max(y, box.top + gap), max(box.top + box.height - gap - height, box.top + gap))
    edge = max(round(0.12 * size), 1)
    return [
        Text(x, round(y + size + number * step), word, size, mark.colour, edge=edge)
        for number, word in enumerate(mark.words)
    ]


def _clipped(a: Point, b: Point, box: Picture) -> tuple[Point, Point] | None:
    """The part of a stretch that lies in the picture (Liang and Barsky); None where none does."""
    start, end = 0.0, 1.0
    dx, dy = b[0] - a[0], b[1] - a[1]
    for way, room in (
        (-dx, a[0] - box.left),
        (dx, box.left + box.width - a[0]),
        (-dy, a[1] - box.top),
        (dy, box.top + box.height - a[1]),
    ):
        if math.isclose(way, 0.0, abs_tol=1e-9):
            if room < 0:
                return None
        elif way < 0:
            start = max(start, room / way)
        else:
            end = min(end, room / way)
    if start > end:
        return None
    return (a[0] + start * dx, a[1] + start * dy), (a[0] + end * dx, a[1] + end * dy)


def _joined(parts: Sequence[tuple[Point, Point]]) -> list[tuple[Point, ...]]:
    """Stretches that follow each other as one line, so that corners are whole."""
    lines: list[list[Point]] = []
    for a, b in parts:
        if lines and math.dist(lines[-1][-1], a) < 1e-6:
            lines[-1].append(b)
        else:
            lines.append([a, b])
    return [tuple(line) for line in lines]
