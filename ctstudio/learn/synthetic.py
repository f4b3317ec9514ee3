"""The synthetic task: clean slices as targets, the same slices with new noise as inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.learn import sampling
from ctstudio.learn.in_memory import InMemory, Series, clean_slice
from ctstudio.learn.noise import NOISES, Noise
from ctstudio.learn.tasks import Batch, Pair

VALIDATION_SEED = 20_000
"""Held-out slices get the same noise in every training, so that trainings can be compared."""


class SyntheticNoise(InMemory):
    """Pairs by adding noise to clean images."""

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
            slices=range(len(learn)),
            seed=self.recipe.seed + number,
        )
        return noise

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        clean = sampling.cut(series.stack, where, series.patch)
        return Batch(series.partner.patches(clean, where, generator), clean)

    def pair(self, number: int, z: int) -> Pair:
        volume = self.volumes[number]
        clean = torch.from_numpy(clean_slice(volume, z))
        noise: Noise = NOISES.make(self.recipe.noise)
        noisy = noise.slice(clean, volume.geometry.spacing_mm, seed=VALIDATION_SEED + z)
        return Pair(z, noisy.float(), clean)
