"""Drawing label maps by hand: brush, fill, and slices made from those drawn above and below."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]


@dataclass(frozen=True)
class Change:
    """What was changed in a label map, so that it can be taken back.

    ``index`` are the slice numbers, ``box`` the rows and columns; ``before`` and ``after`` hold
    the labels there, ``(slices, y, x)``.
    """

    index: tuple[int, ...]
    box: Box
    before: NDArray[Any]
    after: NDArray[Any]

    def undo(self, labels: NDArray[Any]) -> None:
        """Put back what was there before."""
        for number, picture in zip(self.index, self.before, strict=True):
            labels[number][self.box] = picture

    def redo(self, labels: NDArray[Any]) -> None:
        """Make the change again."""
        for number, picture in zip(self.index, self.after, strict=True):
            labels[number][self.box] = picture


def difference(before: NDArray[Any], after: NDArray[Any], index: int) -> Change | None:
    """The change from one state ``(y, x)`` of slice ``index`` to another; None where none."""
    rows, columns = np.nonzero(before != after)
    if not len(rows):
        return None
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    return Change((index,), box, before[box][None].copy(), after[box][None].copy())


def stroke(
    shape: tuple[int, int],
    start: tuple[float, float],
    end: tuple[float, float],
    radius_mm: float,
    spacing_mm: tuple[float, float],
) -> NDArray[np.bool_]:
    """The pixels ``(y, x)`` whose centres lie within ``radius_mm`` of a line, or the nearest one.

    ``start`` and ``end`` are (y, x) in pixels, fractions allowed. A brush thinner than a pixel
    still marks the pixels under its middle.
    """
    dy, dx = spacing_mm
    reach_y, reach_x = radius_mm / dy + 1, radius_mm / dx + 1
    top = max(int(np.floor(min(start[0], end[0]) - reach_y)), 0)
    bottom = min(int(np.ceil(max(start[0], end[0]) + reach_y)) + 1, shape[0])
    left = max(int(np.floor(min(start[1], end[1]) - reach_x)), 0)
    right = min(int(np.ceil(max(start[1], end[1]) + reach_x)) + 1, shape[1])
    marked = np.zeros(shape, bool)
    if top < bottom and left < right:
        y, x = np.mgrid[top:bottom, left:right]
        py, px = (y - start[0]) * dy, (x - start[1]) * dx
        ly, lx = (end[0] - start[0]) * dy, (end[1] - start[1]) * dx
        length = ly * ly + lx * lx
        along = np.clip((py * ly + px * lx) / length, 0, 1) if length > 0 else np.zeros(y.shape)
        away = (py - along * ly) ** 2 + (px - along * lx) ** 2
        marked[top:bottom, left:right] = away <= radius_mm**2
    steps = int(np.ceil(max(abs(end[0] - start[0]), abs(end[1] - start[1])))) + 1
    under_y = np.rint(np.linspace(start[0], end[0], steps + 1)).astype(int)
    under_x = np.rint(np.linspace(start[1], end[1], steps + 1)).astype(int)
    inside = (under_y >= 0) & (under_y < shape[0]) & (under_x >= 0) & (under_x < shape[1])
    marked[under_y[inside], under_x[inside]] = True
    return marked


def region(
    hu: NDArray[np.floating], seed: tuple[int, int], low: float, high: float
) -> NDArray[np.bool_]:
    """Pixels of ``low`` to ``high`` HU that are connected with ``seed`` (y, x) by their sides."""
    from scipy import ndimage

    inside = (hu >= low) & (hu <= high)
    numbers, _ = ndimage.label(inside)
    at = int(numbers[seed])
    connected: NDArray[np.bool_] = numbers == at if at else np.zeros(hu.shape, bool)
    return connected


def enclosed(labels: NDArray[Any], seed: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of the same label as ``seed`` (y, x), connected with it by their sides."""
    from scipy import ndimage

    numbers, _ = ndimage.label(labels == labels[seed])
    found: NDArray[np.bool_] = numbers == numbers[seed]
    return found


def between(
    labels: NDArray[Any],
    number: int,
    offsets_mm: NDArray[np.float64],
    spacing_mm: tuple[float, float] = (1.0, 1.0),
) -> dict[int, NDArray[np.bool_]]:
    """Label ``number`` in the empty slices between drawn ones.

    The signed distance from the outline is interpolated along the slices and what lies inside is
    taken (shape-based interpolation, Raya and Udupa 1990, doi 10.1109/42.52980). Where the label
    is one piece in both slices, their centres are laid over one another before and the result is
    put on the line between them: what runs obliquely would be thinned or lost otherwise. Returns a
    mask ``(y, x)`` for each slice without the label that has one drawn on either side.

    Parameters
    ----------
    labels
        ``(z, y, x)``.
    offsets_mm
        ``(z,)``: where the slices lie along their normal, in order.
    spacing_mm
        Between rows and between columns.
    """
    drawn = [z for z in range(len(labels)) if (labels[z] == number).any()]
    found: dict[int, NDArray[np.bool_]] = {}
    for low, high in itertools.pairwise(drawn):
        if high - low < 2:
            continue
        ends = labels[low] == number, labels[high] == number
        move = _way(*ends)
        below, above = (_signed_distance(end, spacing_mm) for end in ends)
        for z in range(low + 1, high):
            gap = offsets_mm[high] - offsets_mm[low]
            part = (offsets_mm[z] - offsets_mm[low]) / gap if gap else 0.5
            here = (1 - part) * _moved(below, part * move) + part * _moved(above, (part - 1) * move)
            found[z] = here > 0
    return found


def _way(below: NDArray[np.bool_], above: NDArray[np.bool_]) -> NDArray[np.float64]:
    """From the centre of ``below`` to that of ``above``, rows and columns; 0 where one has pieces.

    Nobody has said which piece goes with which: what is there on one side alone would be drawn
    towards the other side by the common centre.
    """
    from scipy import ndimage

    joined = np.ones((3, 3))  # pixels that touch at a corner are one piece here
    if any(ndimage.label(each, joined)[1] != 1 for each in (below, above)):
        return np.zeros(2)
    start, end = (np.argwhere(each).mean(axis=0) for each in (below, above))
    way: NDArray[np.float64] = end - start
    return way


def _moved(distance: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """A picture moved by so many rows and columns, linear between pixels."""
    from scipy import ndimage

    if not by.any():
        return distance
    moved: NDArray[np.float64] = ndimage.shift(distance, by, order=1, mode="nearest")
    return moved


def _signed_distance(
    inside: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> NDArray[np.float64]:
    """Distance to the outline in mm, positive inside."""
    from scipy import ndimage

    within = ndimage.distance_transform_edt(inside, sampling=spacing_mm)
    without = ndimage.distance_transform_edt(~inside, sampling=spacing_mm)
    half = min(spacing_mm) / 2  # the outline runs between the pixels
    signed: NDArray[np.float64] = np.where(inside, within - half, half - without)
    return signed
