"""What the tasks without clean targets share: aligned series, where given, are only judged by."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ctstudio.core.events import Progress, Work
from ctstudio.learn.in_memory import InMemory, clean_slice
from ctstudio.learn.pairs import require_aligned
from ctstudio.learn.tasks import Pair


class SelfSupervised(InMemory):
    """Learns from noisy series; a series' aligned target is never learnt from.

    With targets the training is judged by the RMSE of held-out slices (protocol A), without by
    the task's own loss on patches of held-out slices.
    """

    def require(self) -> None:
        """Raise StudioError where targets are given that are not the same places as the series."""
        if self.targets:
            require_aligned(self.volumes, self.targets)

    def join(self, number: int, learn: list[int], stack: Tensor) -> Work[Any]:
        """Nothing is joined to the series; see `InMemory.join`."""
        yield Progress(len(learn), len(learn), "The series is all that is needed")

    def pair(self, number: int, z: int) -> Pair:
        """The slice as it is, and the aligned one where it is known."""
        noisy = torch.from_numpy(clean_slice(self.volumes[number], z))
        if not self.targets:
            return Pair(z, noisy, None)
        return Pair(z, noisy, torch.from_numpy(clean_slice(self.targets[number], z)))
