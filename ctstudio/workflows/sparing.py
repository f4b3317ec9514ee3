"""A method that leaves regions and organs as they are, or changes them less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Partial, SliceReady, Work
from ctstudio.ct.shares import Shared, Shares
from ctstudio.ct.volume import Volume
from ctstudio.workflows.denoise import Method


@dataclass(frozen=True, eq=False)
class Sparing:
    """``method``, of which each place gets its share; itself a `Method` for whole series."""

    method: Method
    shares: Shares

    @property
    def name(self) -> str:
        return self.method.name

    @property
    def title(self) -> str:
        return self.method.title

    @property
    def description(self) -> str:
        return f"{self.method.description}; {self.shares.words}"

    @property
    def neighbours(self) -> int:
        return self.method.neighbours

    def denoise_slice(self, hu: NDArray[np.float32]) -> NDArray[np.float32]:
        """One slice as the method makes it: a slice alone has no place to be spared."""
        return self.method.denoise_slice(hu)

    def denoise(self, volume: Volume, *, first: int | None = None) -> Work[Volume]:
        """As the method does; slices that have not arrived show the original."""
        base = volume.hu()
        result = volume.derived(base, self.description)
        made: Shared | None = None
        for event in self.method.denoise(volume, first=first):
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                made = Shared(volume, event.value, self.shares)
                yield Partial(result)
                continue
            if isinstance(event, SliceReady) and made is not None:
                base[event.index] = made.slice_hu(event.index)
            yield event
        return result
