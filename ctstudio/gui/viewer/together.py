"""What several panes need for one painting is computed once.

Linked panes often show one layer several times: as it is, compared with another, as a part of a
difference. While they go on together to another slice, values and greys are remembered.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.oblique import Oblique, ObliqueStack
from ctstudio.ct.views import Difference, SliceStack
from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_index

Which = int | tuple[int, Oblique, int]


class Together:
    """Remembers within a ``with`` block, and nothing beyond it: values may change after."""

    def __init__(self) -> None:
        self._blocks = 0  # that are open, one within the other
        # What is looked up is kept alive as well, or another might get its identity.
        self._slices: dict[tuple[Which, int], tuple[SliceStack, NDArray[np.float32]]] = {}
        self._greys: dict[
            tuple[int, Window, bool], tuple[NDArray[np.float32], NDArray[np.uint8]]
        ] = {}

    def __enter__(self) -> None:
        self._blocks += 1

    def __exit__(self, *_: object) -> None:
        self._blocks -= 1
        if not self._blocks:
            self._slices.clear()
            self._greys.clear()

    def slice_hu(self, stack: SliceStack, index: int) -> NDArray[np.float32]:
        """`SliceStack.slice_hu`, not to be written into."""
        if not self._blocks:
            return stack.slice_hu(index)
        # Oblique stacks are made anew for each pane: alike are those of one plane.
        which: Which = id(stack)
        if isinstance(stack, ObliqueStack):
            which = (id(stack.base), stack.plane, stack.coarseness)
        known = self._slices.get((which, index))
        if known is None:
            known = self._slices[which, index] = (stack, self._computed(stack, index))
        return known[1]

    def _computed(self, stack: SliceStack, index: int) -> NDArray[np.float32]:
        if isinstance(stack, Difference):
            return self.slice_hu(stack.other, index) - self.slice_hu(stack.base, index)
        if isinstance(stack, ObliqueStack) and isinstance(stack.base, Difference):
            parts = stack.base.other, stack.base.base
            if parts[0].geometry is parts[1].geometry:
                other, base = (self.slice_hu(replace(stack, base=part), index) for part in parts)
                return other - base
        return stack.slice_hu(index)

    def greys(self, hu: NDArray[np.float32], window: Window, *, signed: bool) -> NDArray[np.uint8]:
        """The display values ``(y, x)`` of a slice; of a difference the rows of its colours."""
        known = self._greys.get((id(hu), window, signed))
        if known is not None:
            return known[1]
        grey = diverging_index(hu, window.width_hu / 2) if signed else window.to_uint8(hu)
        if self._blocks:
            self._greys[id(hu), window, signed] = (hu, grey)
        return grey


TOGETHER = Together()
