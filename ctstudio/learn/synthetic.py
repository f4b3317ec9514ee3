"""The synthetic task: clean slices as targets, the same slices with new noise as inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.learn.context import neighbours
from ctstudio.learn.in_memory import InMemory, Series, clean_slice
from ctstudio.learn.noise import NOISES, Noise
from ctstudio.learn.tasks import Batch, Pair

VALIDATION_SEED = 20_000
"""Held-out slices get the same noise in every training, so that trainings can be compared."""


class SyntheticNoise(InMemory):
    """Pairs by adding noise to clean images; neighbouring slices have noise of their own."""

    shows_neighbours = True

    def require(self) -> None:
        if self.targets:
            raise StudioError(
                "The series themselves are the targets of this task; it takes no others.",
                hint="Choose the task for pairs of series.",
            )

    def join(self, number: int, learn: list[int], stack: Tensor) -> Work[Noise]:
        """The noise, made ready for the series."""
        noise: Noise = NOISES.make(self.recipe.noise)
        yield from noise.prepare(
            stack,
            self.volumes[number].geometry.spacing_mm,
            slices=range(len(stack)),
            seed=self.recipe.seed + number,
        )
        return noise

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        noise: Noise = series.partner
        clean = self.cut(series, where)
        if self.context.slices == 1:
            return Batch(noise.patches(clean, where, generator), clean)
        noisy = torch.empty_like(clean)
        rows = series.around[where[:, 0]]
        for k in range(self.context.slices):
            there = torch.column_stack([rows[:, k], where[:, 1:]])
            noisy[:, k : k + 1] = noise.patches(clean[:, k : k + 1], there, generator)
        middle = self.context.slices // 2
        return Batch(noisy, clean[:, middle : middle + 1])

    def pair(self, number: int, z: int) -> Pair:
        volume = self.volumes[number]
        noise: Noise = NOISES.make(self.recipe.noise)
        wanted = neighbours(z, len(volume), self.context.slices)
        noisy = {}
        for beside in dict.fromkeys(wanted):
            clean = torch.from_numpy(clean_slice(volume, beside))
            seed = VALIDATION_SEED + beside
            noisy[beside] = noise.slice(clean, volume.geometry.spacing_mm, seed=seed).float()
        target = torch.from_numpy(clean_slice(volume, z))
        around = torch.stack([noisy[beside] for beside in wanted]) if len(wanted) > 1 else None
        return Pair(z, noisy[z], target, around)
