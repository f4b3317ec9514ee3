"""Neighbor2Neighbor: two half-size images of neighbouring pixels, each the other's target.

Huang et al., "Neighbor2Neighbor: Self-Supervised Denoising from Single Noisy Images", CVPR 2021.
It takes the noise of neighbouring pixels to be independent, which that of CT is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ctstudio.core.events import Work
from ctstudio.ct.volume import Volume
from ctstudio.learn import sampling
from ctstudio.learn.in_memory import Series
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.self_supervised.base import SelfSupervised
from ctstudio.learn.tasks import Batch, Network

# Two neighbours among the four pixels of a cell (0 1 / 2 3), in either order.
FIRST = (0, 0, 1, 2, 1, 2, 3, 3)
SECOND = (1, 2, 3, 3, 0, 0, 1, 2)


@dataclass(frozen=True)
class Cells(Batch):
    """Whole patches, and for each 2 x 2 cell ``(b, 1, p/2, p/2)`` which neighbours are taken."""

    choice: Tensor = field(kw_only=True)


class Neighbor2Neighbor(SelfSupervised):
    """Learns from pairs of sub-images; ``gamma`` weighs the term against too much smoothing."""

    least_px = 2  # one cell

    def __init__(
        self, *, gamma: float = 2.0, body_share: float = 0.25, augment: bool = True
    ) -> None:
        super().__init__(body_share=body_share, augment=augment)
        self.gamma = gamma

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        even = series.patch // 2 * 2
        scan = sampling.cut(series.stack, where, even)
        shape = (len(scan), 1, even // 2, even // 2)
        choice = torch.randint(len(FIRST), shape, generator=generator)
        return Cells(scan, scan, choice=choice.to(scan.device, non_blocking=True))

    def prepare(
        self,
        recipe: Recipe,
        volumes: Sequence[Volume],
        preview_slice: int | None,
        device: torch.device,
        *,
        targets: Sequence[Volume] = (),
    ) -> Work[None]:
        """See `InMemory.prepare`."""
        yield from super().prepare(recipe, volumes, preview_slice, device, targets=targets)
        # What a network is judged by must not depend on the network: there the first term counts.
        self.held_out = [_apart(batch) for batch in self.held_out]

    def complete(self, batch: Batch, network: Network) -> Batch:
        """Take the neighbours apart.

        The paper minimises ``|f(g1) - g2|^2 + gamma |f(g1) - g2 - (F1 - F2)|^2``, F1 and F2 being
        the same neighbours of what the present network makes of the whole patch. But for a factor
        and a constant that is the squared distance from ``g2 + gamma / (1 + gamma) (F1 - F2)``.
        """
        halves = _apart(batch)
        if not isinstance(batch, Cells) or self.gamma == 0:
            return halves
        one, other = take(network(batch.inputs), batch.choice)
        moved = halves.targets + self.gamma / (1 + self.gamma) * (one - other)
        return replace(halves, targets=moved)


def _apart(batch: Batch) -> Batch:
    """One neighbour as input and the other as target; what has been taken apart stays."""
    return Batch(*take(batch.inputs, batch.choice)) if isinstance(batch, Cells) else batch


def take(images: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
    """Two neighbours of every 2 x 2 cell of ``(b, 1, y, x)``, as chosen ``(b, 1, y/2, x/2)``."""
    cells = F.pixel_unshuffle(images, 2)
    first, second = (torch.tensor(table, device=images.device)[choice] for table in (FIRST, SECOND))
    return cells.gather(1, first), cells.gather(1, second)
