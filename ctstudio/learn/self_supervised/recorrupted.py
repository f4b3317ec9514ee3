"""Recorrupted-to-Recorrupted: two images with independent noise, made of a single noisy one.

Pang et al., "Recorrupted-to-Recorrupted: Unsupervised Deep Learning for Image Denoising", CVPR
2021. With a scan ``y = x + n`` and one more draw ``z`` of noise with the covariance of ``n``, the
noise of ``y + a z`` and that of ``y - z / a`` are uncorrelated, ``cov(n, n) - cov(z, z) = 0``, and
so independent where they are Gaussian. To predict the second from the first with the mean squared
error is then to predict ``x``. The correlation of CT noise does no harm as long as ``z`` has it
too: it comes from the simulator of low-dose scans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ctstudio.core.events import Note, Progress, Work
from ctstudio.ct.noise_texture import variance
from ctstudio.ct.tissue_noise import uniform_tissue
from ctstudio.learn import sampling
from ctstudio.learn.in_memory import Series
from ctstudio.learn.noise import NOISES, Noise
from ctstudio.learn.self_supervised.base import SelfSupervised
from ctstudio.learn.tasks import Batch

MEASURED_SLICES = 7
MEASURED_PATCHES = 128
BLOCK_PX = 32
SOFT_HU = 200.0
ENOUGH_BLOCKS = 20
PLAIN = 0.25  # so many of the blocks are taken to be without texture


@dataclass
class Recorruption:
    """A noise made ready, and the factor that brings it to the strength of the scan's own."""

    noise: Noise
    factor: float = 1.0


class Recorrupted(SelfSupervised):
    """Pairs made of one scan; ``strength`` is a."""

    least_px = 4  # the least block of which the noise can be measured

    def __init__(
        self, *, strength: float = 0.5, match: bool = True, body_share: float = 0.25,
        augment: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(body_share=body_share, augment=augment)
        self.strength = strength
        self.match = match
        self._factors: dict[int, float] = {}  # by the number of the series

    def join(self, number: int, learn: list[int], stack: Tensor) -> Work[Recorruption]:
        """The noise for the ``learn`` slices; its strength is measured by `ready`."""
        noise: Noise = NOISES.make(self.recipe.noise)
        yield from noise.prepare(
            stack,
            self.volumes[number].geometry.spacing_mm,
            slices=range(len(learn)),
            seed=self.recipe.seed + number,
        )
        return Recorruption(noise)

    def ready(self, number: int, series: Series) -> Work[None]:
        """Bring the noise to the strength that the scan has."""
        generator = torch.Generator().manual_seed(self.recipe.seed)
        where = self._where(series, generator, MEASURED_PATCHES)
        scan = sampling.cut(series.stack, where, series.patch)
        drawn = series.partner.noise.patches(scan, where, generator) - scan
        self.require_numbers(number, drawn)
        if not self.match:
            return
        if number in self._factors:  # what is held out of a scan has the noise of the rest
            series.partner.factor = self._factors[number]
            return
        factor = yield from self._by_uniform_tissue(number, series)
        if factor is None:
            factor = _by_blocks(scan, drawn)
        if factor is not None:
            series.partner.factor = self._factors[number] = factor
            yield Note(
                f"The noise of series {number + 1} was measured: the simulated noise is "
                f"multiplied by {factor:.2f}."
            )

    def _by_uniform_tissue(self, number: int, series: Series) -> Work[float | None]:
        """The factor, from tissue that shows nothing but noise; None where there is too little.

        On the built-in phantom it is right to 2 % where fine detail, told block by block, is 10 to
        20 % too much: vessels add to it, however robust the measure.
        """
        spacing = self.volumes[number].geometry.spacing_mm
        inner = np.linspace(0, len(series.stack) - 1, MEASURED_SLICES + 2)[1:-1]
        rows = sorted({round(z) for z in inner})
        ratios = []
        for done, row in enumerate(rows):
            yield Progress(done, len(rows), "Measuring the noise")
            hu = series.stack[row].cpu().float()
            tissue = uniform_tissue(hu.numpy(), spacing)
            if tissue is None:
                continue
            mask, own = tissue
            drawn = series.partner.noise.slice(hu, spacing, seed=self.recipe.seed + row) - hu
            simulated = variance(drawn.cpu().numpy(), mask)
            if simulated:
                ratios.append(own / simulated)
        return float(np.median(ratios)) ** 0.5 if ratios else None

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        scan = sampling.cut(series.stack, where, series.patch)
        drawn = series.partner.noise.patches(scan, where, generator) - scan
        drawn = drawn * series.partner.factor
        return Batch(scan + self.strength * drawn, scan - drawn / self.strength)


def _by_blocks(scan: Tensor, drawn: Tensor) -> float | None:
    """The factor, from the fine detail of patches and of the noise that was drawn for them."""
    own, simulated = fine_noise_sd(scan), fine_noise_sd(drawn)
    known = (own > 0) & (simulated > 0)
    soft = known & (blocks_of(scan).mean((1, 2)).abs() < SOFT_HU)
    # Lungs and bones are full of detail; soft tissue, where there is enough of it, is not.
    known = soft if int(soft.sum()) >= ENOUGH_BLOCKS else known
    if not known.any():
        return None
    # Edges and texture add to what is measured of the scan, never to what is drawn.
    return float((own[known] / simulated[known]).quantile(PLAIN))


def fine_noise_sd(patches: Tensor) -> Tensor:
    """Standard deviation of fine diagonal detail, block by block, robust to edges.

    The median absolute value of the Haar wavelet's diagonal coefficients over 0.6745 (Donoho and
    Johnstone 1994, doi 10.1093/biomet/81.3.425), for every whole block of 32 x 32 pixels of the
    patches ``(b, 1, p, p)`` (or of p x p where they are smaller), in one row. The coefficients
    are those of the second scale: in the first a smooth kernel leaves little beside the rounding.
    """
    blocks = F.avg_pool2d(blocks_of(patches).unsqueeze(1), 2).squeeze(1)
    a, b = blocks[..., ::2, ::2], blocks[..., ::2, 1::2]
    c, d = blocks[..., 1::2, ::2], blocks[..., 1::2, 1::2]
    return (0.5 * (a - b - c + d)).abs().flatten(1).median(dim=1).values / 0.6745


def blocks_of(patches: Tensor) -> Tensor:
    """Whole blocks ``(n, s, s)`` of patches ``(b, 1, p, p)``; 4 divides s, which is 32 at most."""
    side = min(BLOCK_PX, patches.shape[-1] // 4 * 4)
    return patches.unfold(2, side, side).unfold(3, side, side).flatten(0, 3)
