"""What is done to a label map afterwards: small and stray pieces are left out. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.registry import Param


@dataclass(frozen=True, kw_only=True)
class Blobs:
    """Which connected pieces of a class are kept; the rest becomes background.

    Voxels are connected where their faces touch.
    """

    largest: Annotated[
        int, Param("How many pieces of each class are kept, the largest first; 0 keeps all", 0, 999)
    ] = 0
    least_mm3: Annotated[
        float, Param("Smallest piece that is kept", 0, 1e9, "mm3", label="Least size")
    ] = 0.0

    def __str__(self) -> str:
        """In words, such as "the largest piece of 50 mm3 or more of each class"; or ""."""
        return self.told()

    def told(self, unit: str = "mm3") -> str:
        """In words, with the unit of what is the least: voxels where their size is not known."""
        if not self.largest and not self.least_mm3:
            return ""
        least = f" of {self.least_mm3:g} {unit} or more" if self.least_mm3 else ""
        if not self.largest:
            return f"pieces{least}"
        many = "piece" if self.largest == 1 else f"{self.largest} pieces"
        return f"the largest {many}{least} of each class"


def keep(numbers: NDArray[Any], blobs: Blobs, voxel_mm3: float) -> NDArray[Any]:
    """The label map ``(z, y, x)`` with those pieces alone that ``blobs`` keeps; a new array."""
    from scipy import ndimage

    kept = numbers.copy()
    if not blobs.largest and not blobs.least_mm3:
        return kept
    for value in np.unique(numbers[numbers > 0]):
        pieces, count = ndimage.label(numbers == value)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        wanted = sizes * voxel_mm3 >= blobs.least_mm3
        if blobs.largest:
            # Of two that are equally large, the first in the volume.
            order = np.argsort(-sizes, kind="stable")
            wanted[order[blobs.largest :]] = False
        kept[~np.concatenate([[True], wanted])[pieces]] = 0
    return kept
