"""The synthetic task: clean slices as targets, the same slices with new noise as inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
    """Pairs by adding noise to clean images.

    Neighbouring slices have noise of one kind, as in one scan, and each its own draw.
    """

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
            slices=range(len(learn)),
            seed=self.recipe.seed + number,
        )
        return noise

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        noise: Noise = series.partner
        clean = self.cut(series, where)
        noisy = noise.patches(clean, where, generator)
        middle = self.context.slices // 2
        return Batch(noisy, clean[:, middle : middle + 1])

    def pair(self, number: int, z: int) -> Pair:
        return self._pair_of(self.volumes[number], z)

    def _pair_of(self, volume: Volume, z: int) -> Pair:
        noise: Noise = NOISES.make(self.recipe.noise)
        wanted = neighbours(z, len(volume), self.context.slices)
        shown = {beside: row for row, beside in enumerate(sorted(set(wanted)))}
        clean = torch.from_numpy(np.stack([clean_slice(volume, beside) for beside in shown]))
        # One seed for all of them: it may decide the kind of noise, which a scan has one of.
        seed = VALIDATION_SEED + z
        noisy = noise.slice(clean, volume.geometry.spacing_mm, seed=seed).float()
        around = noisy[[shown[beside] for beside in wanted]] if len(wanted) > 1 else None
        return Pair(z, noisy[shown[z]], clean[shown[z]], around)
