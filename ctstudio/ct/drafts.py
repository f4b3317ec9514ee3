"""Coarse pictures of slices that take long to compute, for while one moves through them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ctstudio.ct.oblique import ObliqueStack
from ctstudio.ct.planes import Slab
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Volume

SLOW = 100_000  # points of an oblique slice: some 4 ms


def draft_of(stack: SliceStack, index: int) -> SliceStack | None:
    """The same slices with coarser pixels; None where slice ``index`` itself is no long work.

    A value of a draft is the exact one of its pixel's centre, a slab's of the same slices.
    """
    if isinstance(stack, ObliqueStack):
        _, rows, columns = stack.shape
        return stack.coarser if rows * columns > SLOW else None
    if isinstance(stack, Slab) and isinstance(stack.base, ObliqueStack):
        _, rows, columns = stack.shape
        if rows * columns * len(stack.members(index)) > SLOW:
            return replace(stack, base=stack.base.coarser)
    return None


def value_at(stack: SliceStack, index: int, row: int, column: int) -> float:
    """The value of one pixel of slice ``index``, as `SliceStack.slice_hu` has it.

    Of volumes, oblique planes and slabs of them nothing else is computed.
    """
    if isinstance(stack, Volume):
        stored = float(np.float64(stack.voxels[index, row, column]))
        return float(np.float32(stored * stack.slope[index] + stack.intercept[index]))
    if isinstance(stack, ObliqueStack):
        return stack.value_at(index, row, column)
    if isinstance(stack, Slab):
        values = np.array([value_at(stack.base, k, row, column) for k in stack.members(index)])
        known = values[~np.isnan(values)]
        if not known.size:
            return float("nan")
        if stack.projection == "mean":
            return float(known.mean())
        return float(known.max() if stack.projection == "maximum" else known.min())
    return float(stack.slice_hu(index)[row, column])
