"""The synthetic task: clean slices as targets, the same slices with new noise as inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.ct.averaging import averaged_below
from ctstudio.ct.volume import Volume
from ctstudio.learn.context import neighbours
from ctstudio.learn.in_memory import InMemory, Series, clean_slice
from ctstudio.learn.noise import NOISES, Noise
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.tasks import Batch, Pair

VALIDATION_SEED = 20_000
"""Held-out slices get the same noise in every training, so that trainings can be compared."""


class SyntheticNoise(InMemory):
    """Pairs by adding noise to clean images; neighbouring slices have noise of their own."""

    shows_neighbours = True

    def __init__(
        self, *, quiet_hu: float = 0.0, body_share: float = 0.25, augment: bool = True
    ) -> None:
        super().__init__(body_share=body_share, augment=augment)
        self.quiet_hu = quiet_hu

    def prepare(
        self,
        recipe: Recipe,
        volumes: Sequence[Volume],
        preview_slice: int | None,
        device: torch.device,
        *,
        targets: Sequence[Volume] = (),
    ) -> Work[None]:
        """See `InMemory.prepare`; noisy series are averaged first where that is wanted.

        The slice that is shown stays as it is in its series.
        """
        if self.quiet_hu <= 0 or not volumes:
            yield from super().prepare(recipe, volumes, preview_slice, device, targets=targets)
            return
        quiet = []
        for volume in volumes:
            quiet.append((yield from averaged_below(volume, self.quiet_hu)))
        yield from super().prepare(recipe, quiet, preview_slice, device, targets=targets)
        if quiet[0] is not volumes[0]:
            self.preview = self._pair_of(volumes[0], self.preview.index)

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
        return self._pair_of(self.volumes[number], z)

    def _pair_of(self, volume: Volume, z: int) -> Pair:
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
