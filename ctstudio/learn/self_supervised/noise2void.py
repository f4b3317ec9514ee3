"""Noise2Void: some pixels are hidden, and the network tells them from their surroundings.

Krull et al., "Noise2Void - Learning Denoising from Single Noisy Images", CVPR 2019, with the
structured mask of Broaddus et al., "Removing Structured Noise with Self-Supervised Blind-Spot
Networks", ISBI 2020: neighbours that share a pixel's noise are hidden together with it.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ctstudio.learn import sampling
from ctstudio.learn.in_memory import Series
from ctstudio.learn.self_supervised.base import SelfSupervised
from ctstudio.learn.tasks import Batch

Direction = Literal["none", "horizontal", "vertical", "cross", "square"]
RING_PX = 3  # a hidden pixel is replaced by one that lies so little farther off than what is hidden


class Noise2Void(SelfSupervised):
    """Hides ``hidden`` of the pixels and ``arm_px`` of their neighbours in a direction."""

    def __init__(
        self, *, hidden: float = 0.02, direction: Direction = "square", arm_px: int = 2,
        body_share: float = 0.25, augment: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(body_share=body_share, augment=augment)
        self.hidden = hidden
        self.direction = direction
        self.arm_px = arm_px if direction != "none" else 0

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        scan = sampling.cut(series.stack, where, series.patch)
        asked = torch.rand(scan.shape, generator=generator) < self.hidden
        asked = asked.to(scan.device, non_blocking=True)
        blind = spread(asked, self.direction, self.arm_px)
        inputs = torch.where(blind, self._elsewhere(scan, generator), scan)
        return Batch(inputs, scan, asked)

    def _elsewhere(self, scan: Tensor, generator: torch.Generator) -> Tensor:
        """For every pixel the value of another one near by, beyond what is hidden with it."""
        count, _, rows, columns = scan.shape
        reach = self.arm_px + RING_PX
        offsets = [
            (dy, dx)
            for dy in range(-reach, reach + 1)
            for dx in range(-reach, reach + 1)
            if max(abs(dy), abs(dx)) > self.arm_px
        ]
        table = torch.tensor(offsets)
        chosen = table[torch.randint(len(table), (count, rows, columns), generator=generator)]
        y = _reflect(torch.arange(rows).view(1, -1, 1) + chosen[..., 0], rows)
        x = _reflect(torch.arange(columns).view(1, 1, -1) + chosen[..., 1], columns)
        index = (y * columns + x).view(count, 1, -1).to(scan.device, non_blocking=True)
        return scan.flatten(2).gather(2, index).view_as(scan)


def spread(asked: Tensor, direction: Direction, arm_px: int) -> Tensor:
    """Mark with each pixel of ``asked`` ``(b, 1, y, x)`` bool those hidden together with it."""
    if arm_px == 0 or direction == "none":
        return asked
    side = 2 * arm_px + 1
    marks = asked.float()

    def wide(height: int, width: int) -> Tensor:
        padding = (height // 2, width // 2)
        return F.max_pool2d(marks, (height, width), stride=1, padding=padding) > 0

    if direction == "square":
        return wide(side, side)
    if direction == "horizontal":
        return wide(1, side)
    if direction == "vertical":
        return wide(side, 1)
    return wide(1, side) | wide(side, 1)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices beyond an edge, mirrored at it."""
    index = index.abs()
    return torch.minimum(index, 2 * (size - 1) - index).clamp(min=0)
