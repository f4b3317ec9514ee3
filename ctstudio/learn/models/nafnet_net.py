"""The torch module of `ctstudio.learn.models.nafnet`."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.learn.models.noise_predictor import NoisePredictor, conv, silent

SIZES = {"small": (24, (1, 1, 2)), "base": (32, (2, 2, 4)), "large": (48, (2, 4, 4, 8))}
"""Channels at full size, which double at every halving, and blocks of each level."""


class NAFNet(NoisePredictor):
    """After Chen et al. 2022, "Simple baselines for image restoration" (doi
    10.1007/978-3-031-20071-7_2).

    A U-Net of blocks that have a gate, the product of one half of the channels with the other,
    for an activation function. The paper's channel attention is left out: it ties every pixel's
    HU to the mean of the whole field of view, so that tiles would differ from the slice.

    Parameters
    ----------
    size
        One of `SIZES`.
    unshuffle, high_pass_px, slices
        See `NoisePredictor`.
    """

    def __init__(
        self,
        *,
        size: str = "small",
        unshuffle: int = 2,
        high_pass_px: int = 32,
        slices: int = 1,
    ) -> None:
        first, counts = SIZES[size]
        cell = 2 ** (len(counts) - 1)
        super().__init__(
            slices=slices,
            unshuffle=unshuffle,
            cell=cell,
            rim=2 * cell,
            high_pass_px=high_pass_px,
        )
        widths = [first * 2**level for level in range(len(counts))]
        self.first = nn.Conv2d(slices * self.channels, first, 3, padding=1)
        self.down = nn.ModuleList(
            _blocks(width, count) for width, count in zip(widths, counts, strict=True)
        )
        self.descend = nn.ModuleList(
            nn.Conv2d(before, after, 2, stride=2) for before, after in itertools.pairwise(widths)
        )
        # Four times the channels of half the size, dealt out to one image of the whole.
        self.ascend = nn.ModuleList(nn.Conv2d(width, 2 * width, 1) for width in widths[1:])
        self.up = nn.ModuleList(_blocks(width, 1) for width in widths[:-1])
        self.last = silent(conv(first, self.channels))

    def predict(self, image: Tensor) -> Tensor:
        image = self.first(image)
        kept = []
        for level, blocks in enumerate(self.down):
            image = blocks(self.descend[level - 1](image) if level else image)
            kept.append(image)
        for level in reversed(range(len(self.up))):
            image = F.pixel_shuffle(self.ascend[level](image), 2) + kept[level]
            image = self.up[level](image)
        noise: Tensor = self.last(image)
        return noise


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = _ChannelNorm(width), _ChannelNorm(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.narrow = nn.Conv2d(width, width, 1)
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.project = nn.Conv2d(width, width, 1)
        # Both shortcuts begin as all that there is, as in the paper.
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        spatial: Tensor = self.narrow(_gate(self.depthwise(self.widen(self.norm1(image)))))
        image = image + self.beta * spatial
        pointwise: Tensor = self.project(_gate(self.expand(self.norm2(image))))
        return image + self.gamma * pointwise


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, image: Tensor) -> Tensor:
        # With the channels last these are views, and torch has one fast function for it.
        last = image.permute(0, 2, 3, 1)
        normal = F.layer_norm(last, last.shape[-1:], self.weight, self.bias, 1e-6)
        back: Tensor = normal.permute(0, 3, 1, 2)
        return back


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width) for _ in range(count)))


def _gate(image: Tensor) -> Tensor:
    one, other = image.chunk(2, dim=1)
    return one * other
