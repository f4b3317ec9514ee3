"""What a network must be shown around what it answers for: neighbouring slices, a margin.

A module says so by its attribute ``context``; without one it takes a slice by itself and answers
for every pixel of it. Whoever calls a module gives it ``(b, n, y, x)`` with the ``n`` neighbouring
slices of `Context` as channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ctstudio.ct.views import SliceStack


@dataclass(frozen=True)
class Context:
    """What a network must be given.

    ``slices`` neighbouring slices are its channels, the slice itself at ``slices // 2``. Each
    answer is made from a square of ``patch_px``, with the pixel itself at ``patch_px // 2`` of
    either axis; where that is more than 1, the network does not answer for the rim.
    """

    slices: int = 1
    patch_px: int = 1

    @property
    def before_px(self) -> int:
        """Pixels that an answer needs above and to the left."""
        return self.patch_px // 2

    @property
    def after_px(self) -> int:
        """Pixels that an answer needs below and to the right."""
        return self.patch_px - 1 - self.patch_px // 2


ALONE = Context()
"""Of networks that take a slice by itself."""


def context_of(module: nn.Module) -> Context:
    """What ``module`` must be given."""
    context: Context = getattr(module, "context", ALONE)
    return context


def neighbours(index: int, count: int, slices: int) -> list[int]:
    """The slices around slice ``index`` of ``count``, itself at ``slices // 2``.

    Beyond the ends the outermost slice is repeated.
    """
    first = index - slices // 2
    return [min(max(first + k, 0), count - 1) for k in range(slices)]


def slab(volume: SliceStack, index: int, slices: int) -> NDArray[np.float32]:
    """HU of slice ``index`` among its neighbours ``(slices, y, x)``."""
    wanted = neighbours(index, len(volume), slices)
    hu = {z: volume.slice_hu(z) for z in dict.fromkeys(wanted)}
    return np.stack([hu[z] for z in wanted])


def stacked(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """A slice ``(y, x)`` as ``(1, y, x)``; neighbouring slices ``(n, y, x)`` as they are."""
    return hu[None] if hu.ndim == 2 else hu


def middle(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of a slice ``(y, x)`` or neighbouring slices ``(n, y, x)``, the slice itself."""
    return hu if hu.ndim == 2 else hu[len(hu) // 2]


def with_margin(slab: Tensor, context: Context) -> Tensor:
    """``(b, n, y, x)`` with its outermost pixels repeated, so that all of it is answered for."""
    import torch.nn.functional as F

    if context.patch_px == 1:
        return slab
    return F.pad(slab, [context.before_px, context.after_px] * 2, mode="replicate")
