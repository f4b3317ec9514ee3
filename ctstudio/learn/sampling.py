"""Which slices are learnt from and which are held out, and where patches are cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

AIR_HU = -1024.0
"""What stands for padding outside the field of view; no tissue is darker than air."""

BODY_HU = -500.0


def split(count: int, share: float, least: int = 1) -> tuple[list[int], list[int]]:
    """Slices to learn from and slices held out (at least ``least``), of ``count``.

    The held-out ones are a block in the middle of the series; neighbouring slices are nearly
    the same picture, so where there are enough, one slice on either side is left out of both.
    A series of one slice has nothing to hold out.
    """
    if count < 2:
        return list(range(count)), []
    held = min(max(least, round(share * count)), count - 1)
    start = (count - held) // 2
    # Two slices alone would leave nothing before the block.
    start = max(start, 1)
    stop = start + held
    gap = 1 if count >= 8 and count - held - 2 >= 2 else 0
    learn = [z for z in range(count) if z < start - gap or z >= stop + gap]
    return learn, list(range(start, stop))


def spread(items: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of ``items``, evenly spread, each away from the ends where possible."""
    if len(items) <= count:
        return list(items)
    return [items[int((k + 0.5) * len(items) / count)] for k in range(count)]


def body_mask(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the patient is, lungs included, in a slice ``(y, x)`` of HU."""
    from scipy import ndimage

    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(hu > BODY_HU)
    return filled


def region(name: str, hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The pixels of a slice ``(y, x)`` of HU that a region ("body" or "everywhere") holds."""
    return body_mask(hu) if name == "body" else np.ones(hu.shape, bool)


def corners(mask: NDArray[np.bool_], patch: int, share: float) -> NDArray[np.int64]:
    """First pixels ``(n, 2)`` of patches with at least ``share`` of ``mask``, on a coarse grid."""
    stride = grid_step(patch)
    inside = F.avg_pool2d(torch.from_numpy(mask).float()[None, None], patch, stride)[0, 0]
    return np.argwhere(inside.numpy() >= share) * stride


def grid_step(patch: int) -> int:
    """Distance in pixels between the corners that `corners` looks at."""
    return max(1, patch // 8)


def cut(stack: Tensor, where: Tensor, patch: int) -> Tensor:
    """Patches ``(b, 1, p, p)`` float32 of ``stack`` ``(z, y, x)`` at ``where`` ``(b, 3)``."""
    return windows(stack.unsqueeze(1), where, patch).float()


def blocks(stack: Tensor, rows: Tensor, where: Tensor, patch: int) -> Tensor:
    """Neighbouring slices ``(b, n, p, p)`` float32 of ``stack`` ``(z, y, x)``.

    ``rows`` ``(b, n)`` int64 are the slices, ``where`` ``(b, 3)`` is z, y, x of the first pixels;
    both are on the CPU, the blocks on the device of ``stack``, which is not waited for.
    """
    if stack.device.type == "cpu":
        view = np.lib.stride_tricks.sliding_window_view(stack.numpy(), (patch, patch), (1, 2))
        y, x = where.numpy()[:, 1:, None].transpose(1, 0, 2)
        return torch.from_numpy(view[rows.numpy(), y, x]).float()
    rows = rows.to(stack.device, non_blocking=True)
    y, x = where[:, 1:].to(stack.device, non_blocking=True).T.unsqueeze(-1)
    return stack.unfold(1, patch, 1).unfold(2, patch, 1)[rows, y, x].float()


def windows(stack: Tensor, where: Tensor, patch: int) -> Tensor:
    """Pieces ``(b, n, p, p)`` of ``stack`` ``(z, n, y, x)`` at ``where`` ``(b, 3)``: z, y, x.

    ``where`` is on the CPU, the pieces on the device of ``stack``, which is not waited for.
    """
    if stack.device.type == "cpu":
        # NumPy copies whole rows, torch pixel by pixel: three times faster.
        view = np.lib.stride_tricks.sliding_window_view(stack.numpy(), (patch, patch), (2, 3))
        z, y, x = where.numpy().T[:, :, None]
        return torch.from_numpy(view[z, np.arange(stack.shape[1])[None], y, x])
    z, y, x = where.to(stack.device, non_blocking=True).T.unsqueeze(-1)
    fields = torch.arange(stack.shape[1], device=stack.device)
    return stack.unfold(2, patch, 1).unfold(3, patch, 1)[z, fields, y, x]


def turn(patches: Tensor, which: int) -> Tensor:
    """One of the eight flips and quarter turns of square patches ``(b, 1, p, p)``."""
    flipped, transposed = _TURNS[which]
    # One flip copies as much as two would one after the other; a transposed view copies nothing.
    patches = patches.flip(flipped) if flipped else patches
    return patches.mT if transposed else patches


_TURNS: tuple[tuple[tuple[int, ...], bool], ...] = (
    ((), False), ((-1,), True), ((-2, -1), False), ((-2,), True),
    ((-1,), False), ((), True), ((-2,), False), ((-2, -1), True),
)  # fmt: skip
