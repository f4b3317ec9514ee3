"""Stacks of slices that are computed when looked at: blend, difference, a live preview.

They answer the same questions as a `Volume` (`SliceStack`), so a pane does not care which it shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.labels import LABEL_UNIT as LABEL_UNIT
from ctstudio.ct.volume import Geometry, Source


class SliceStack(Protocol):
    """Whatever a pane can show: slices in a unit, with a place in the patient."""

    @property
    def geometry(self) -> Geometry: ...

    @property
    def source(self) -> Source: ...

    @property
    def unit(self) -> str: ...

    @property
    def derivation(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        """One slice, ``(y, x)`` float32 in ``unit``."""
        ...


class OnBase:
    """Geometry, source and unit are those of ``base``."""

    base: SliceStack

    @property
    def geometry(self) -> Geometry:
        return self.base.geometry

    @property
    def source(self) -> Source:
        return self.base.source

    @property
    def unit(self) -> str:
        return self.base.unit

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.base.shape

    @property
    def derivation(self) -> tuple[str, ...]:
        return self.base.derivation

    def __len__(self) -> int:
        return len(self.base)


@dataclass(eq=False)
class Difference(OnBase):
    """``other - base``, slice by slice: what a method took away has the opposite sign."""

    base: SliceStack
    other: SliceStack

    @property
    def derivation(self) -> tuple[str, ...]:
        return (*self.other.derivation, "minus original")

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        return self.other.slice_hu(index) - self.base.slice_hu(index)


@dataclass(eq=False)
class Blend(OnBase):
    """``(1 - fraction) * base + fraction * other``; ``fraction`` may be changed at any time."""

    base: SliceStack
    other: SliceStack
    fraction: float = 1.0

    @property
    def derivation(self) -> tuple[str, ...]:
        if self.fraction == 1.0:
            return self.other.derivation
        return (*self.other.derivation, f"blended {self.fraction:.0%} with the original")

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        if self.fraction == 1.0:
            return self.other.slice_hu(index)
        base = self.base.slice_hu(index)
        if self.fraction == 0.0:
            return base
        return base + np.float32(self.fraction) * (self.other.slice_hu(index) - base)


@dataclass(eq=False)
class LiveSlices(OnBase):
    """Slices of ``base`` as a method would make them; those not computed yet show ``base``."""

    base: SliceStack
    step: str = ""
    results: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def derivation(self) -> tuple[str, ...]:
        return (*self.base.derivation, self.step) if self.step else self.base.derivation

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        result = self.results.get(index)
        return self.base.slice_hu(index) if result is None else result


@dataclass(eq=False)
class SinglePicture:
    """One slice that changes while it is looked at: a panel of a running training.

    ``number`` says which slice (from 1) of how many it is in the series that it stands for.
    """

    geometry: Geometry
    source: Source
    unit: str
    picture: NDArray[np.float32]
    derivation: tuple[str, ...] = ()
    number: tuple[int, int] = (1, 1)

    def __len__(self) -> int:
        return 1

    @property
    def shape(self) -> tuple[int, int, int]:
        y, x = self.picture.shape
        return 1, y, x

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        return self.picture


def slice_number(stack: SliceStack, index: int) -> tuple[int, int]:
    """Which slice of how many people would call this, from 1."""
    if isinstance(stack, SinglePicture):
        return stack.number
    return index + 1, len(stack)
