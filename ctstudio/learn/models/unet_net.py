"""The network of `ctstudio.learn.models.unet`."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8

Norm = Literal["group", "batch"]


class UNet(nn.Module):
    """Ronneberger et al. 2015 (doi 10.1007/978-3-319-24574-4_28), with normalisation.

    Takes HU ``(b, 1, y, x)`` of any size and returns logits ``(b, classes, y, x)``. The image is
    mirrored at its edges up to a size that can be halved ``depth`` times.
    """

    def __init__(
        self,
        *,
        classes: int,
        depth: int,
        features: int,
        norm: Norm,
        centre: float,
        width: float,
    ) -> None:
        super().__init__()
        self.depth, self.centre, self.width = depth, centre, width
        sizes = [features * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _block(before, after, norm) for before, after in zip([1, *sizes], sizes, strict=False)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(sizes[level + 1], sizes[level], 2, stride=2)
            for level in reversed(range(depth))
        )
        self.join = nn.ModuleList(
            _block(2 * sizes[level], sizes[level], norm) for level in reversed(range(depth))
        )
        self.head = nn.Conv2d(features, classes, 1)

    def forward(self, hu: Tensor) -> Tensor:
        """HU to logits."""
        rows, columns = hu.shape[-2:]
        step = 2**self.depth
        image = ((hu - self.centre) / self.width).clamp(-3, 3)
        image = F.pad(image, (0, -columns % step, 0, -rows % step), mode="replicate")
        kept = []
        for level, block in enumerate(self.down):
            image = block(F.max_pool2d(image, 2) if level else image)
            kept.append(image)
        for up, join, beside in zip(self.up, self.join, reversed(kept[:-1]), strict=True):
            image = join(torch.cat([beside, up(image)], dim=1))
        logits: Tensor = self.head(image)
        return logits[..., :rows, :columns]


def _block(before: int, after: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        groups = GROUPS if after % GROUPS == 0 else 1
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False)]
        layers += [nn.GroupNorm(groups, after) if norm == "group" else nn.BatchNorm2d(after)]
        layers += [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
