"""The task on pairs: a noisy series as input, another of the same patient and place as target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn import sampling
from ctstudio.learn.in_memory import InMemory, Series, clean_slice
from ctstudio.learn.tasks import Batch, Pair

MOST_SHIFT_PX = 0.5
PLACE_MM = 0.1
"""Slices and pixels further apart than this are not the same place."""


class Pairs(InMemory):
    """Learns to turn each series into its aligned target."""

    shows_neighbours = True

    def require(self) -> None:
        """Raise StudioError where series and targets are not the same places of the same images."""
        require_aligned(self.volumes, self.targets)

    def join(self, number: int, learn: list[int], stack: Tensor) -> Work[Tensor]:
        """The target's slices ``(z, y, x)`` float32 on the device of ``stack``."""
        target = np.empty((len(learn), *stack.shape[1:]), np.float32)
        for row, z in enumerate(learn):
            yield Progress(row, len(learn), "Reading the targets")
            target[row] = clean_slice(self.targets[number], z)
        return torch.from_numpy(target).to(stack.device)

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        noisy = self.cut(series, where)
        return Batch(noisy, sampling.cut(series.partner, where, series.patch))

    def pair(self, number: int, z: int) -> Pair:
        noisy = torch.from_numpy(clean_slice(self.volumes[number], z))
        target = torch.from_numpy(clean_slice(self.targets[number], z))
        return Pair(z, noisy, target, self.slab(number, z))


def require_aligned(volumes: Sequence[Volume], targets: Sequence[Volume]) -> None:
    """Raise StudioError where targets are not the same places of the same images as volumes."""
    if len(targets) != len(volumes):
        raise StudioError(
            f"Series and targets do not make pairs: {len(volumes)} and {len(targets)}.",
            hint="Give one target for every series, in the same order.",
        )
    for number, (volume, target) in enumerate(zip(volumes, targets, strict=True)):
        what = f"Series {number + 1} and its target"
        require_one_place(volume, target, what)
        _require_no_shift(volume, target, what)


def shift_px(image: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """How far ``other`` ``(y, x)`` is moved against ``image``, in pixels, to a tenth.

    The peak of the cross-correlation (Guizar-Sicairos et al. 2008, doi 10.1364/OL.33.000156).
    """
    from skimage.registration import phase_cross_correlation

    shift, _, _ = phase_cross_correlation(image, other, upsample_factor=10, normalization=None)
    return float(np.hypot(*shift))


def require_one_place(volume: Volume, target: Volume, what: str) -> None:
    """Raise StudioError where two series do not have the same slices with the same pixels."""
    if volume.shape != target.shape:
        one, other = (" x ".join(map(str, v.shape)) for v in (volume, target))
        raise StudioError(
            f"{what} have different sizes: {one} and {other}.",
            hint="Pairs need the same slices with the same pixels.",
        )
    near = np.allclose(volume.geometry.spacing_mm, target.geometry.spacing_mm, atol=1e-3)
    places = np.asarray(volume.geometry.positions_mm) - np.asarray(target.geometry.positions_mm)
    apart = float(np.abs(places).max())
    if not near or apart > PLACE_MM:
        why = f"their slices lie up to {apart:.1f} mm apart" if near else "their pixels differ"
        raise StudioError(
            f"{what} do not show the same place: {why}.",
            hint="Reconstruct both with the same field of view and slices.",
        )


def _require_no_shift(volume: Volume, target: Volume, what: str) -> None:
    for z in sampling.spread(range(len(volume)), 3):
        one, other = (np.clip(clean_slice(v, z), -1000, 400) for v in (volume, target))
        if np.ptp(one) == 0 or np.ptp(other) == 0:
            continue  # nothing to see a shift by
        moved = shift_px(one, other)
        if moved > MOST_SHIFT_PX:
            raise StudioError(
                f"{what} are not aligned: slice {z + 1} is shifted by {moved:.1f} px.",
                hint="Register them first; a network would learn the shift.",
            )
