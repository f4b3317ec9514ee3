"""The synthetic task: clean slices as targets, the same slices with new noise as inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn import sampling
from ctstudio.learn.noise import NOISES, Noise
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.tasks import Batch, Network, Pair

VALIDATION_SEED = 20_000
"""Held-out slices get the same noise in every training, so that trainings can be compared."""

SMALLEST_PATCH = 16


@dataclass
class Series:
    """One series in memory: the slices to learn from, their noise, and where patches may lie.

    ``stack`` is ``(z, y, x)``, int16 where the HU are whole numbers, else float32; ``starts``
    ``(n, 3)`` int64 holds slice, row and column of candidate patches.
    """

    stack: Tensor
    starts: Tensor
    patch: int
    noise: Noise


class SyntheticNoise:
    """Pairs by adding noise to clean images; see `ctstudio.learn.tasks.Task`."""

    def __init__(self, *, body_share: float = 0.25, augment: bool = True) -> None:
        self.body_share = body_share
        self.augment = augment
        self.series: list[Series] = []
        self.validation: Sequence[Pair] = []
        self.held_out: Sequence[Batch] = []
        self.preview: Pair
        self.pixels = 0
        self.batch_size = 1
        self.patch = 0

    def prepare(
        self,
        recipe: Recipe,
        volumes: Sequence[Volume],
        preview_slice: int | None,
        device: torch.device,
        *,
        targets: Sequence[Volume] = (),
    ) -> Work[None]:
        """Read the volumes into memory, hold slices out and make the noise ready.

        Raises
        ------
        StudioError
            When there is nothing to learn from, ``preview_slice`` is not in the first volume, or
            targets are given: the volumes are the targets here.
        """
        if targets:
            raise StudioError(
                "The series themselves are the targets of this task; it takes no others.",
                hint="Choose the task for pairs of series.",
            )
        if not volumes or not any(len(volume) for volume in volumes):
            raise StudioError("There is no series to train on.", hint="Open one first.")
        if preview_slice is not None and not 0 <= preview_slice < len(volumes[0]):
            raise StudioError(
                f"There is no slice {preview_slice} to preview.",
                hint=f"The series has slices 0 to {len(volumes[0]) - 1}.",
            )
        self.batch_size = recipe.batch
        if any(volume.unit != "HU" for volume in volumes):
            yield Note("The values of a series are not known to be HU; they are taken as HU.")
        held: list[tuple[int, int]] = []
        for number, (learn, out) in enumerate(_plan(volumes, recipe.validation.share)):
            held += [(number, z) for z in out]
            if learn:
                yield from self._add(recipe, volumes[number], learn, number, device)
        if not held:
            held = [(0, 0)]
            yield Note(
                "The series has one slice: it is both learnt from and judged by, "
                "so the figures say nothing about other images."
            )
        chosen = [held[k] for k in sampling.spread(range(len(held)), recipe.validation.slices)]
        first = [z for number, z in chosen if number == 0]
        if preview_slice is None:
            preview_slice = first[len(first) // 2] if first else len(volumes[0]) // 2
        pairs: dict[tuple[int, int], Pair] = {}
        wanted = list(dict.fromkeys([*chosen, (0, preview_slice)]))
        for done, (number, z) in enumerate(wanted):
            yield Progress(done, len(wanted), "Adding noise to the slices that are shown")
            pairs[number, z] = _pair(recipe, volumes[number], z)
        self.validation = [pairs[key] for key in chosen]
        self.preview = pairs[0, preview_slice]

    def _add(
        self, recipe: Recipe, volume: Volume, learn: list[int], number: int, device: torch.device
    ) -> Work[None]:
        _, height, width = volume.shape
        patch = min(recipe.patch_px, height, width)
        if patch < recipe.patch_px:
            yield Note(
                f"The patches are {patch} px instead of {recipe.patch_px}: the images are smaller."
            )
        stack = np.empty((len(learn), height, width), _storage(volume))
        starts: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = []
        for row, z in enumerate(learn):
            yield Progress(row, len(learn), "Reading the slices to learn from")
            hu = clean_slice(volume, z)
            stack[row] = np.rint(hu) if stack.dtype == np.int16 else hu
            here = sampling.corners(sampling.body_mask(hu), patch, self.body_share)
            starts.append(np.insert(here, 0, row, axis=1))
        found = np.concatenate(starts)
        if not len(found):
            rows = [sampling.corners(np.ones((height, width), bool), patch, 0)] * len(learn)
            found = np.concatenate([np.insert(here, 0, z, axis=1) for z, here in enumerate(rows)])
        noise: Noise = NOISES.make(recipe.noise)
        tensor = torch.from_numpy(stack).to(device)
        yield from noise.prepare(
            tensor.float(),
            volume.geometry.spacing_mm,
            slices=range(len(learn)),
            seed=recipe.seed + number,
        )
        self.series.append(Series(tensor, torch.from_numpy(found), patch, noise))
        self.pixels += stack.size
        self.patch = max(self.patch, patch)

    def batch(self, generator: torch.Generator, network: Network) -> Batch:
        """Noisy and clean patches, all from one series; see `Task.batch`."""
        series = self._draw_series(generator)
        patch, stack = series.patch, series.stack
        index = torch.randint(len(series.starts), (self.batch_size,), generator=generator)
        where = series.starts[index]
        step = sampling.grid_step(patch)
        where[:, 1:] += torch.randint(step, (self.batch_size, 2), generator=generator)
        limit = torch.tensor([stack.shape[1] - patch, stack.shape[2] - patch])
        where[:, 1:] = torch.minimum(where[:, 1:], limit)
        clean = sampling.cut(stack, where, patch)
        # The noise belongs to the place in the image, so both are turned after it is added.
        noisy = series.noise.patches(clean, where, generator)
        if self.augment:
            which = int(torch.randint(8, (1,), generator=generator))
            return Batch(sampling.turn(noisy, which), sampling.turn(clean, which))
        return Batch(noisy, clean)

    def shrink(self) -> str:
        """Halve the batch, then the patches down to 16 px; see `Task.shrink`."""
        if self.batch_size > 1:
            self.batch_size //= 2
            return f"the batch to {self.batch_size}"
        if self.patch < 2 * SMALLEST_PATCH:
            return ""
        self.patch //= 2
        for series in self.series:
            series.patch = min(series.patch, self.patch)
        return f"the patches to {self.patch} px"

    def _draw_series(self, generator: torch.Generator) -> Series:
        if len(self.series) == 1:
            return self.series[0]
        weights = torch.tensor([float(s.stack.numel()) for s in self.series])
        return self.series[int(torch.multinomial(weights, 1, generator=generator))]


def clean_slice(volume: Volume, z: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """HU of a slice with padding and what is not a number replaced by air."""
    hu = np.nan_to_num(volume.slice_hu(z), nan=sampling.AIR_HU)
    return np.clip(hu, sampling.AIR_HU, 30_000, out=hu)


def _storage(volume: Volume) -> type[np.int16] | type[np.float32]:
    """int16 where every HU is a whole number: half the memory."""
    whole = np.issubdtype(volume.voxels.dtype, np.integer)
    whole = whole and bool(np.all(volume.slope == np.rint(volume.slope)))
    whole = whole and bool(np.all(volume.intercept == np.rint(volume.intercept)))
    return np.int16 if whole else np.float32


def _plan(volumes: Sequence[Volume], share: float) -> list[tuple[list[int], list[int]]]:
    """For each volume the slices to learn from and the slices held out."""
    plans = [sampling.split(len(volume), share) for volume in volumes]
    if len(volumes) > 1 and not any(out for _, out in plans):
        # Single slices of several scans: whole scans are held out.
        last = max(1, min(round(share * len(volumes)), len(volumes) - 1))
        plans[-last:] = [([], learn) for learn, _ in plans[-last:]]
    return plans


def _pair(recipe: Recipe, volume: Volume, z: int) -> Pair:
    clean = torch.from_numpy(clean_slice(volume, z))
    noise: Noise = NOISES.make(recipe.noise)
    noisy = noise.slice(clean, volume.geometry.spacing_mm, seed=VALIDATION_SEED + z)
    return Pair(z, noisy.float(), clean)
