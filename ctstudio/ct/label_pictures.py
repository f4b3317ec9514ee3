"""Label maps as pictures: colours to be laid over an image, outlines, and where two maps differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.labels import BACKGROUND, NOT_ANNOTATED, UNKNOWN, Label, default_colour

AGREED, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3

DIFFERENCE_LABELS = (
    Label(AGREED, "Agreed", (0, 158, 115)),
    Label(FALSE_POSITIVE, "Predicted only", (213, 94, 0)),
    Label(FALSE_NEGATIVE, "True only", (86, 180, 233)),
)
"""What the numbers of `difference` stand for, in colours that differ for any colour vision (Okabe
and Ito 2008)."""


HATCH_PX = 8
"""The distance of the lines that hatch what is not annotated, along rows and columns."""
_HATCH_ALPHA, _BACKGROUND_ALPHA = 96, 56


def difference(truth: NDArray[Any], prediction: NDArray[Any]) -> NDArray[np.uint8]:
    """Where two label maps of one shape agree and differ, with the numbers of `DIFFERENCE_LABELS`.

    0 stands where both have the background, and where the truth is not known (below 0). Where both
    have a label, but not the same one, the prediction is a false one.
    """
    out = np.zeros(truth.shape, np.uint8)
    out[(truth > 0) & (prediction <= 0)] = FALSE_NEGATIVE
    out[(prediction > 0) & (truth >= 0) & (prediction != truth)] = FALSE_POSITIVE
    out[(truth > 0) & (prediction == truth)] = AGREED
    return out


def outline(labels: NDArray[Any]) -> NDArray[Any]:
    """The labels ``(y, x)`` of pixels that have a neighbour of another label, else 0.

    Neighbours are those above, below, left and right; the picture's edge counts as another label.
    """
    around = np.pad(labels, 1, constant_values=-1)
    inside = np.ones(labels.shape, bool)
    for shifted in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
        inside &= shifted == labels
    edge: NDArray[Any] = np.where(inside, 0, labels)
    return edge


def colour_table(
    labels: Sequence[Label], highest: int, hidden: Collection[int] = ()
) -> NDArray[np.uint8]:
    """A row of red, green, blue and alpha ``(highest + 1, 4)`` for each number; 0 is transparent.

    Numbers without a label get the colour they have by default, ``hidden`` ones none.
    """
    table = np.zeros((highest + 1, 4), np.uint8)
    for number in range(1, highest + 1):
        table[number] = (*default_colour(number), 255)
    for label in labels:
        if 0 < label.number <= highest:
            table[label.number] = (*label.colour, 255)
    for number in hidden:
        if 0 <= number <= highest:
            table[number, 3] = 0
    return table


def paint(
    numbers: NDArray[Any],
    labels: Sequence[Label] = (),
    *,
    opacity: float = 0.4,
    contour: bool = False,
    hidden: Collection[int] = (),
) -> NDArray[np.uint8]:
    """A label map ``(y, x)`` as red, green, blue and alpha ``(y, x, 4)``, to be laid over an image.

    ``opacity`` from 0 to 1 is that of areas; outlines, with ``contour``, are opaque. Values are
    rounded to whole numbers; what is not a number is transparent. What is below 0, not annotated,
    is hatched with thin grey lines, unless `UNKNOWN` is hidden; where it is one of the ``labels``,
    the background that was annotated is tinted a little.
    """
    whole = numbers
    signed = not np.issubdtype(numbers.dtype, np.unsignedinteger)
    unknown = numbers < 0 if signed and UNKNOWN not in hidden else None
    if signed:
        if not np.issubdtype(numbers.dtype, np.integer):
            whole = np.nan_to_num(np.rint(np.asarray(numbers, np.float32)), nan=0.0)
        whole = whole.clip(0, 65535).astype(np.uint16)
    table = colour_table(labels, int(whole.max(initial=0)), hidden)
    if contour:
        # What is hidden has no outline, and none is drawn against it either.
        shown = np.where(table[whole, 3] > 0, whole, 0)
        whole = outline(shown)
    else:
        table[:, 3] = np.rint(table[:, 3] * opacity)
    picture: NDArray[np.uint8] = table.view(np.uint32)[:, 0].take(whole)[..., None].view(np.uint8)
    if unknown is not None and any(label.number == UNKNOWN for label in labels):
        picture[numbers == 0] = (*BACKGROUND.colour, _BACKGROUND_ALPHA)
    if unknown is not None and unknown.any():
        y, x = np.ogrid[: unknown.shape[0], : unknown.shape[1]]
        picture[unknown & ((y + x) % HATCH_PX == 0)] = (*NOT_ANNOTATED.colour, _HATCH_ALPHA)
    return picture


LEAST_SHOWN = 0.01
"""Probabilities below are not worth a colour: the image is seen through them."""


def paint_probability(
    values: NDArray[np.floating],
    table: NDArray[np.uint8],
    *,
    opacity: float = 0.4,
    threshold: float | None = None,
) -> NDArray[np.uint8]:
    """Probabilities ``(y, x)`` from 0 to 1 as red, green, blue and alpha ``(y, x, 4)``.

    ``table`` ``(n, 3)`` has the colours from 0 to 1. The outline of what lies above ``threshold``
    is white; values that are no numbers are transparent.
    """
    known = np.nan_to_num(np.asarray(values, np.float32), nan=0.0).clip(0, 1)
    picture = np.empty((*known.shape, 4), np.uint8)
    picture[..., :3] = table[np.rint(known * (len(table) - 1)).astype(np.intp)]
    picture[..., 3] = np.where(known >= LEAST_SHOWN, round(255 * opacity), 0)
    if threshold is not None:
        picture[outline(known > threshold) > 0] = 255
    return picture
