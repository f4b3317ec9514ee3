"""Neighbouring slices: the target of a slice is the one beside it, whose noise is its own.

Where the two show different tissue nothing is learnt, as in Jing et al., "Training low dose CT
denoising network without high quality reference data", Phys Med Biol 2022 (doi
10.1088/1361-6560/ac5f70), who also pair neighbouring slices.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.learn import sampling
from ctstudio.learn.in_memory import Series
from ctstudio.learn.self_supervised.base import SelfSupervised
from ctstudio.learn.tasks import Batch

SMOOTH_PX = 7


class NeighbouringSlices(SelfSupervised):
    """Learns where smoothed neighbours differ by at most ``tolerance`` HU."""

    least_held_out = 2

    def __init__(
        self, *, tolerance: float = 30.0, body_share: float = 0.25, augment: bool = True
    ) -> None:
        super().__init__(body_share=body_share, augment=augment)
        self.tolerance = tolerance

    def require(self) -> None:
        """Raise StudioError where a series has too few slices, or targets do not fit."""
        super().require()
        fewest = min(len(volume) for volume in self.volumes)
        if fewest < 5:
            raise StudioError(
                f"A series of {fewest} slices is too short to learn from neighbouring slices.",
                hint="It takes 5 slices or more; choose another task.",
            )

    def usable(self, slices: list[int]) -> list[bool]:
        """Slices with a neighbour among ``slices``."""
        return [z - 1 in slices or z + 1 in slices for z in slices]

    def join(self, number: int, learn: list[int], stack: Tensor) -> Work[Tensor]:
        """For each row of the stack the rows of the slices before and after it, ``(n, 2)``."""
        row_of = {z: row for row, z in enumerate(learn)}
        rows = [[row_of.get(z - 1, -1), row_of.get(z + 1, -1)] for z in learn]
        yield from ()
        # At the end of a block the one neighbour stands for both.
        return torch.tensor([[a if a >= 0 else b, b if b >= 0 else a] for a, b in rows])

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        side = torch.randint(2, (len(where),), generator=generator)
        beside = where.clone()
        beside[:, 0] = series.partner[where[:, 0], side]
        here = sampling.cut(series.stack, where, series.patch)
        there = sampling.cut(series.stack, beside, series.patch)
        smooth = F.avg_pool2d(
            here - there, SMOOTH_PX, stride=1, padding=SMOOTH_PX // 2, count_include_pad=False
        )
        return Batch(here, there, smooth.abs() <= self.tolerance)
