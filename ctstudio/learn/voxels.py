"""The task on voxels: blocks cut around single voxels, and the class of the one in the middle."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.learn import sampling
from ctstudio.learn.in_memory import Series, clean_slice, storage
from ctstudio.learn.masks import Masks
from ctstudio.learn.tasks import Batch, Pair

REMEMBERED = 4000  # voxels of each class of a slice


class Voxels(Masks):
    """Learns the classes of single voxels inside a region; outside of it is background.

    The blocks have the size that the network asks for, in voxels as they are: what the planes
    across the slices show depends on the distance between these. Where a block reaches beyond the
    volume, the outermost voxels are repeated.
    """

    def __init__(
        self,
        *,
        region: Literal["body", "everywhere"] = "body",
        balance: float = 1.0,
        judged_every: int = 1,
        augment: bool = True,
    ) -> None:
        super().__init__(foreground=0, body_share=0, augment=augment)
        self.region, self.balance, self.judged_every = region, balance, judged_every

    def _read(self, number: int, slices: list[int], device: torch.device) -> Work[Series]:
        volume, margin = self.volumes[number], self.context.before_px
        _, height, width = volume.shape
        yield Note(self._extent(number))
        shown, around = self.surroundings(len(volume), slices)
        stack = np.empty((len(shown), height + 2 * margin, width + 2 * margin), storage(volume))
        labels = np.empty((len(slices), height, width), np.int16)
        places = Places(len(slices), self.recipe.seed + number)
        for row, z in enumerate(shown):
            yield Progress(row, len(shown), "Reading the slices and masks")
            hu = clean_slice(volume, z)
            padded = np.pad(hu, margin, mode="edge")
            stack[row] = np.rint(padded) if stack.dtype == np.int16 else padded
            if row < len(slices):
                labels[row] = self.classes(number, z)
                places.add(row, labels[row], sampling.region(self.region, hu))
        places.close()
        if not places.total:
            raise StudioError(
                f"Series {self.which(number)} has no voxel to learn from: none lies inside the "
                "body, or none there is annotated.",
                hint='Set the task\'s region to "everywhere", or choose another series.',
            )
        places.labels = torch.from_numpy(labels)
        nowhere = torch.empty((0, 3), dtype=torch.int64)
        tensor = torch.from_numpy(stack).to(device)
        return Series(tensor, nowhere, 1, around, places.total, places)

    def _extent(self, number: int) -> str:
        geometry, side = self.volumes[number].geometry, self.context.patch_px
        deep = self.context.slices
        size = f"{side} x {side} x {deep} voxels"
        if not geometry.spacing_known:
            return f"The network sees blocks of {size}."
        mm = (side * geometry.spacing_mm[1], side * geometry.spacing_mm[0],
              deep * geometry.slice_spacing_mm)  # fmt: skip
        extent = " x ".join(f"{length:.0f}" for length in (mm if deep > 1 else mm[:2]))
        uneven = "" if geometry.uniform else "; its slices are not equally far apart"
        return f"The network sees blocks of {size}: {extent} mm{uneven}."

    def _where(self, series: Series, generator: torch.Generator, count: int) -> Tensor:
        places: Places = series.partner
        return places.draw(generator, count, self.balance)

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        """Blocks that reach equally far to all sides, and the class of the voxel in the middle."""
        side = 2 * self.context.before_px + 1
        blocks = sampling.blocks(series.stack, series.around[where[:, 0]], where, side)
        labels = series.partner.labels[tuple(where.T)].long().view(-1, 1, 1, 1)
        return Batch(blocks, labels.to(blocks.device, non_blocking=True))

    def draw(self, generator: torch.Generator, count: int) -> list[Batch]:
        """Batches of blocks; see `Task.draw`."""
        # Turned as they were cut, or the voxel would leave the middle of an even number of pixels.
        side = self.context.patch_px
        drawn = super().draw(generator, count)
        return [replace(batch, inputs=batch.inputs[..., :side, :side]) for batch in drawn]

    def pair(self, number: int, z: int) -> Pair:
        pair = super().pair(number, z)
        region = torch.from_numpy(sampling.region(self.region, pair.noisy.numpy()))
        return replace(pair, region=region, judged_every=self.judged_every)


class Places:
    """Where the voxels of each class are: of each slice and class some, and how many there are."""

    def __init__(self, slices: int, seed: int) -> None:
        self.labels: Tensor
        self._slices = slices
        self._chance = np.random.default_rng(seed)
        self._found: dict[int, dict[int, tuple[int, Tensor]]] = {}

    def add(
        self,
        row: int,
        labels: np.ndarray[tuple[int, ...], np.dtype[np.int16]],
        region: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    ) -> None:
        """Remember the annotated voxels of a slice ``(y, x)`` that lie in the region."""
        for value in np.unique(labels[region]):
            if value < 0:
                continue
            found = np.argwhere(region & (labels == value))
            count = len(found)
            if count > REMEMBERED:
                found = found[self._chance.choice(count, REMEMBERED, replace=False)]
            voxels = torch.from_numpy(np.insert(found, 0, row, axis=1))
            self._found.setdefault(int(value), {})[row] = count, voxels

    def close(self) -> None:
        """Get ready to draw."""
        size = len(self._found), self._slices
        self.counts, self._kept, self._first = (
            torch.zeros(size, dtype=dtype) for dtype in (torch.float64, torch.int64, torch.int64)
        )
        voxels, first = [torch.empty((0, 3), dtype=torch.int64)], 0
        for place, value in enumerate(sorted(self._found)):
            for row, (count, some) in self._found[value].items():
                self.counts[place, row] = count
                self._kept[place, row], self._first[place, row] = len(some), first
                voxels.append(some)
                first += len(some)
        self._voxels = torch.cat(voxels)
        self._found.clear()

    @property
    def total(self) -> int:
        """The number of voxels in all."""
        return int(self.counts.sum())

    def draw(self, generator: torch.Generator, count: int, balance: float) -> Tensor:
        """Slice, row and column ``(count, 3)`` of voxels.

        With a ``balance`` of 1 every class comes equally often, with 0 as often as it occurs;
        within a class all voxels are equally likely.
        """
        classes = self.counts.sum(1)
        chances = (1 - balance) * classes / classes.sum() + balance / len(classes)
        which = torch.multinomial(chances, count, replacement=True, generator=generator)
        rows = torch.multinomial(self.counts[which], 1, generator=generator)[:, 0]
        part = torch.rand(count, generator=generator, dtype=torch.float64)
        index = (part * self._kept[which, rows]).long() + self._first[which, rows]
        return self._voxels[index]
