"""The torch module of `ctstudio.learn.models.drunet`."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.learn.models.noise_predictor import NoisePredictor, conv, local_mean, silent

SIZES = {
    "small": ((32, 64, 128), 1),
    "base": ((48, 96, 192, 384), 2),
    "large": ((64, 128, 256, 512), 4),
}
"""Channels of each level, and residual blocks on the way down and on the way up."""

LEVEL_PX = 32
"""Side of the squares that the noise is measured in."""


class DRUNet(NoisePredictor):
    """After Zhang et al. 2021, "Plug-and-play image restoration with deep denoiser prior" (IEEE
    TPAMI 44, doi 10.1109/TPAMI.2021.3088914).

    A U-Net of residual blocks, halved by strided convolutions, without biases and normalisation:
    it is homogeneous. As there it is given a map of the noise level beside the image; here that is
    measured in the image itself (`noise_level`), in the same way in training and in use.

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
        widths, blocks = SIZES[size]
        cell = math.lcm(2 ** (len(widths) - 1), LEVEL_PX // unshuffle)
        super().__init__(
            slices=slices, unshuffle=unshuffle, cell=cell, rim=cell, high_pass_px=high_pass_px
        )
        self.first = conv(slices * self.channels + 1, widths[0])
        self.down = nn.ModuleList(_blocks(width, blocks) for width in widths[:-1])
        self.descend = nn.ModuleList(
            nn.Conv2d(before, after, 2, stride=2, bias=False)
            for before, after in itertools.pairwise(widths)
        )
        self.bottom = _blocks(widths[-1], blocks)
        self.ascend = nn.ModuleList(
            nn.ConvTranspose2d(after, before, 2, stride=2, bias=False)
            for before, after in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(_blocks(width, blocks) for width in widths[:-1])
        self.last = silent(conv(widths[0], self.channels))

    def predict(self, image: Tensor) -> Tensor:
        middle = (image.shape[1] // self.channels // 2) * self.channels
        own = image[:, middle : middle + self.channels]
        level = noise_level(own, LEVEL_PX // self.unshuffle)
        image = self.first(torch.cat([image, level], dim=1))
        kept = []
        for blocks, descend in zip(self.down, self.descend, strict=True):
            image = blocks(image)
            kept.append(image)
            image = descend(image)
        image = self.bottom(image)
        for level_ in reversed(range(len(kept))):
            image = self.up[level_](self.ascend[level_](image) + kept[level_])
        noise: Tensor = self.last(image)
        return noise


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = conv(width, width), conv(width, width)
        # Blocks add up: each begins small, or the sum would grow with their number.
        with torch.no_grad():
            self.outer.weight.mul_(0.1)

    def forward(self, image: Tensor) -> Tensor:
        changed: Tensor = self.outer(F.relu(self.inner(image)))
        return image + changed


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(count)))


def noise_level(image: Tensor, side: int) -> Tensor:
    """A map ``(b, 1, y, x)`` of how strong the noise of ``(b, c, y, x)`` is, in its unit.

    The second difference along rows and columns (Immerkaer 1996, doi 10.1006/cviu.1996.0060)
    takes smooth structure away; it has the SD of noise without correlation. Its local SD over
    ``side`` pixels is told from the mean square root of its absolute value, which edges raise
    less than they raise a mean square. Noise with correlation has a smaller second difference: the
    map is a measure that the network learns to read.
    """
    across = image[..., 1:-1] * 2 - image[..., :-2] - image[..., 2:]
    both = across[..., 1:-1, :] * 2 - across[..., :-2, :] - across[..., 2:, :]
    both = F.pad(both / 6, (1, 1, 1, 1), mode="replicate")
    root = (both.abs() + 1e-6).sqrt().mean(dim=1, keepdim=True)
    return (local_mean(root, side) / MEAN_ROOT).square()


MEAN_ROOT = 2**0.25 * math.gamma(0.75) / math.sqrt(math.pi)
"""The mean square root of the absolute value of a standard normal number."""
