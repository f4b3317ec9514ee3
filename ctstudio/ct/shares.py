"""How much of what a denoiser does is let through, place by place: regions kept, organs spared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.measure import Shape, inside, slice_of
from ctstudio.ct.views import OnBase, SliceStack
from ctstudio.ct.volume import Geometry

FEATHER_MM = 4.0
MOST_KEPT = 8


@dataclass(frozen=True, eq=False)
class Shares:
    """Where a result counts, and how much.

    Parameters
    ----------
    regions
        Inside of these the original is kept. A region holds on every slice that is parallel to it,
        or with ``own_slice_alone`` on the slice that it was drawn on.
    labels
        A mask with the slices and pixels of what is denoised.
    by_label
        For label numbers of it the share from 0 (the original) to 1; others count as 1.
    feather_mm
        How far the change from one share to another reaches: from a region outwards, between
        labels to both sides.
    """

    regions: tuple[Shape, ...] = ()
    own_slice_alone: bool = False
    labels: SliceStack | None = None
    by_label: Mapping[int, float] = field(default_factory=dict)
    feather_mm: float = FEATHER_MM

    @property
    def everywhere(self) -> bool:
        """Whether the result counts in full everywhere."""
        return not self.regions and not self._spared

    @property
    def _spared(self) -> dict[int, float]:
        """The labels that count less than in full."""
        if self.labels is None:
            return {}
        return {number: share for number, share in self.by_label.items() if share < 1}

    @property
    def words(self) -> str:
        """For the history of an image: "1 region kept", "label 3 at 40 %"."""
        count = len(self.regions)
        parts = [f"{count} region{'s' if count > 1 else ''} kept"] if count else []
        parts += [f"label {n} at {share:.0%}" for n, share in sorted(self._spared.items())]
        return ", ".join(parts)

    def of(self, geometry: Geometry, index: int, size: tuple[int, int]) -> NDArray[np.float32]:
        """The shares ``(y, x)`` float32 of slice ``index``, whose size is given."""
        from scipy import ndimage

        result = np.ones(size, np.float32)
        spacing = geometry.spacing_mm
        spared = self._spared
        if self.labels is not None and spared:
            numbers = self.labels.slice_hu(index)
            for number, share in spared.items():
                result[numbers == number] = share
            sigma = [self.feather_mm / 2 / step for step in spacing]
            result = ndimage.gaussian_filter(result, sigma, output=np.float32)
        kept = np.zeros(size, bool)
        for shape in self.regions:
            if slice_of(shape, geometry) is None:
                continue  # drawn in another plane
            if not self.own_slice_alone or slice_of(shape, geometry) == index:
                kept |= inside(self._on_slice(shape, geometry, index), geometry, index, size)
        if kept.any():
            away = ndimage.distance_transform_edt(~kept, sampling=spacing)
            rise = np.clip(away / max(self.feather_mm, 1e-3), 0.0, 1.0)
            result = np.minimum(result, rise).astype(np.float32)
        return result

    def _on_slice(self, shape: Shape, geometry: Geometry, index: int) -> Shape:
        drawn = slice_of(shape, geometry)
        assert drawn is not None
        return shape.moved(geometry.positions_mm[index] - geometry.positions_mm[drawn])


@dataclass(eq=False)
class Shared(OnBase):
    """``base + share * (other - base)``: ``other`` where it counts, ``base`` where it does not."""

    base: SliceStack
    other: SliceStack
    shares: Shares
    _kept: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @property
    def derivation(self) -> tuple[str, ...]:
        words = self.shares.words
        return (*self.other.derivation, words) if words else self.other.derivation

    def share(self, index: int) -> NDArray[np.float32]:
        """The shares of a slice; those of the slices looked at last are remembered."""
        found = self._kept.pop(index, None)
        if found is None:
            size = (self.shape[1], self.shape[2])
            found = self.shares.of(self.geometry, index, size)
        self._kept[index] = found
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        base = self.base.slice_hu(index)
        mixed: NDArray[np.float32] = base + self.share(index) * (self.other.slice_hu(index) - base)
        return mixed
