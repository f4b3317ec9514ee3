"""Label maps: volumes whose numbers stand for regions (organs, nodules, lesions)."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ctstudio.ct.volume import Geometry, Source, Volume

LABEL_UNIT = "class"
"""The unit of values that number classes."""

PROBABILITY_UNIT = "probability"
"""The unit of values from 0 to 1 that tell how likely a voxel is of any label."""

UNKNOWN = -1
"""The number of voxels that nobody annotated; the background is 0, and is annotated."""

# Told apart with any colour vision (Okabe and Ito 2008), without its black.
_DISTINCT = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
)  # fmt: skip
_GOLDEN = 0.618033988749895


@dataclass(frozen=True)
class Label:
    """What one number in a label map stands for; ``colour`` is sRGB, 0 to 255 each."""

    number: int
    name: str
    colour: tuple[int, int, int]


BACKGROUND = Label(0, "Background", (190, 190, 225))
"""What is no label and yet annotated, where that has to be told apart."""

NOT_ANNOTATED = Label(UNKNOWN, "Not annotated", (150, 150, 150))
"""Among the labels of a map that is annotated in part (sparsely), and of no other."""


def is_sparse(volume: Volume) -> bool:
    """Whether voxels of a label map may be without annotation."""
    return any(label.number == UNKNOWN for label in volume.labels)


def default_colour(number: int) -> tuple[int, int, int]:
    """A colour for label ``number`` (from 1), unlike that of its neighbours."""
    if number <= len(_DISTINCT):
        return _DISTINCT[number - 1]
    red, green, blue = colorsys.hsv_to_rgb((number * _GOLDEN) % 1.0, 0.6, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def complete(labels: Sequence[Label], numbers: Iterable[int]) -> tuple[Label, ...]:
    """``labels`` in the order of their numbers, with names made up for ``numbers`` without one."""
    known = {label.number: label for label in labels}
    for number in numbers:
        if number == UNKNOWN:
            known[number] = NOT_ANNOTATED
        elif number and number not in known:
            known[number] = Label(number, f"Label {number}", default_colour(number))
    return tuple(known[number] for number in sorted(known))


def label_map(
    numbers: NDArray[Any],
    geometry: Geometry,
    source: Source,
    labels: Sequence[Label] = (),
    derivation: tuple[str, ...] = (),
) -> Volume:
    """A volume of labels.

    Parameters
    ----------
    numbers
        ``(z, y, x)`` whole numbers from 0 (background) to 65535, or `UNKNOWN`, which makes the
        map a sparse one; that has numbers up to 32767.
    geometry, source
        Those of the volume that the labels belong to.
    labels
        What the numbers stand for; those that are missing are named after their number.

    Raises
    ------
    ValueError
        When a number is negative, too large or not whole.
    """
    from ctstudio.ct.volume import Volume

    found = np.unique(numbers)
    if found.size and not (np.rint(found) == found).all():
        raise ValueError("labels are whole numbers")
    known = complete(labels, (int(number) for number in found))
    sparse = any(label.number == UNKNOWN for label in known)
    low, most = (UNKNOWN, 32767) if sparse else (0, 65535)
    if found.size and not low <= found[0] <= found[-1] <= most:
        raise ValueError(f"labels from {found[0]} to {found[-1]} are outside of {low} to {most}")
    highest = max((label.number for label in known), default=0)
    kind = np.int16 if sparse else np.uint8 if highest < 256 else np.uint16
    n = len(numbers)
    return Volume(
        np.ascontiguousarray(numbers, kind),
        np.ones(n),
        np.zeros(n),
        LABEL_UNIT,
        geometry,
        source,
        derivation,
        known,
    )
