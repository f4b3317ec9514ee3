"""What every task on patches shares: series in memory, held-out slices, where patches may lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Event, Note, Progress, Work, relay
from ctstudio.ct.padding import measured
from ctstudio.ct.volume import Volume
from ctstudio.learn import sampling
from ctstudio.learn.context import ALONE, Context, neighbours, slab
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.tasks import Batch, Network, Pair

SMALLEST_PATCH = 16
HELD_OUT_BATCHES = 8
HELD_OUT_SEED = 30_000


@dataclass
class Series:
    """One series in memory: the slices to learn from, and where patches may lie.

    ``stack`` is ``(z, y, x)``, int16 where the HU are whole numbers, else float32; ``starts``
    ``(n, 3)`` int64 holds slice, row and column of candidate patches; ``partner`` is what the task
    joins to it (its noise, its aligned target). ``around`` ``(m, k)`` int64 says which slices of
    the stack lie around each of the ``m`` slices to learn from; behind these, the stack holds
    slices that are there as neighbours only. ``pixels`` is how many there are to learn from.
    """

    stack: Tensor
    starts: Tensor
    patch: int
    around: Tensor
    pixels: int
    partner: Any = None


class InMemory:
    """Patches drawn from series in memory; see `ctstudio.learn.tasks.Task`.

    A task says what is joined to each series (`join`), what a patch is learnt from (`pieces`) and
    what a whole slice is shown and judged by (`pair`).
    """

    least_held_out = 1  # slices of a series
    least_px = 1  # of an image's shorter side
    shows_neighbours = False  # whether a network may ask for neighbouring slices
    shows_held_out = False

    def __init__(self, *, body_share: float = 0.25, augment: bool = True) -> None:
        self.body_share = body_share
        self.augment = augment
        self.context: Context = ALONE
        self.series: list[Series] = []
        self.validation: Sequence[Pair] = []
        self.held_out: Sequence[Batch] = []
        self.preview: Pair
        self.pixels = 0
        self.batch_size = 1
        self.patch = 0
        self.recipe: Recipe
        self.volumes: Sequence[Volume] = []
        self.targets: Sequence[Volume] = []

    def require(self) -> None:
        """Raise StudioError where the series and targets do not suit the task."""
        raise NotImplementedError

    def join(self, number: int, learn: list[int], stack: Tensor) -> Work[Any]:
        """What belongs to the ``learn`` slices of series ``number``.

        ``stack`` ``(z, y, x)`` has their HU and, behind them, those of slices that are there as
        neighbours only.
        """
        raise NotImplementedError

    def ready(self, number: int, series: Series) -> Work[None]:
        """What is left to do once series ``number`` is in memory."""
        yield from ()

    def usable(self, slices: list[int]) -> list[bool]:
        """Which of the slices patches may be drawn from."""
        return [True] * len(slices)

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        """What is learnt from the patches ``(b, 1, p, p)`` at ``where`` ``(b, 3)``."""
        raise NotImplementedError

    def pair(self, number: int, z: int) -> Pair:
        """A whole slice of series ``number``."""
        raise NotImplementedError

    def prepare(
        self,
        recipe: Recipe,
        volumes: Sequence[Volume],
        preview_slice: int | None,
        device: torch.device,
        *,
        targets: Sequence[Volume] = (),
    ) -> Work[None]:
        """Read the volumes into memory, hold slices out and join what the task needs.

        Raises
        ------
        StudioError
            When there is nothing to learn from, ``preview_slice`` is not in the first volume, or
            the targets do not suit the task.
        """
        if not volumes or not any(len(volume) for volume in volumes):
            raise StudioError("There is no series to train on.", hint="Open one first.")
        if preview_slice is not None and not 0 <= preview_slice < len(volumes[0]):
            raise StudioError(
                f"There is no slice {preview_slice} to preview.",
                hint=f"The series has slices 0 to {len(volumes[0]) - 1}.",
            )
        self.recipe, self.volumes, self.targets = recipe, volumes, targets
        self.batch_size = recipe.batch
        self.require()
        if self.context.slices > 1 and not self.shows_neighbours:
            raise StudioError(
                f"The network looks at {self.context.slices} neighbouring slices, and the task "
                f"{recipe.task.name!r} shows it one.",
                hint="Choose another task, or a network that takes single slices.",
            )
        if any(volume.unit != "HU" for volume in volumes):
            yield Note("The values of a series are not known to be HU; they are taken as HU.")
            if (black := recipe.noise.params.get("black", 0)) < 0:
                yield Note(
                    f"The noise is a share of what lies above black, here {black:g} HU: of greys "
                    "from 0 on that is more than in the articles. Reproduce takes 0 as black."
                )
        held: list[tuple[int, int]] = []
        candidates = [self.candidates(number) for number in range(len(volumes))]
        plan = _plan(candidates, recipe.validation.share, self.least_held_out)
        for number, (learn, out) in enumerate(plan):
            held += [(number, z) for z in out]
            self._require_worth(number, learn or out)
        told: set[str] = set()
        for number, (learn, _) in enumerate(plan):
            if learn:
                series = yield from _once(self._read(number, learn, device), told)
                yield from self.ready(number, series)
                self.series.append(series)
                self.pixels += series.pixels
                self.patch = max(self.patch, series.patch)
        if not held:
            held = [(0, 0)]
            yield Note(
                "The series has one slice: it is both learnt from and judged by, "
                "so the figures say nothing about other images."
            )
        worth = [key for key in held if self.shows(*key)]
        if not worth:
            worth = [(n, z) for n, (learn, _) in enumerate(plan) for z in learn if self.shows(n, z)]
            yield Note(
                "The slices that were held out show nothing to judge by: slices that are learnt "
                "from take their place, so the figures say nothing about other images."
            )
        held = worth
        chosen = [held[k] for k in sampling.spread(range(len(held)), recipe.validation.slices)]
        first = [z for number, z in chosen if number == 0]
        if preview_slice is None:
            preview_slice = first[len(first) // 2] if first else len(volumes[0]) // 2
        pairs: dict[tuple[int, int], Pair] = {}
        shown = (0, preview_slice)
        if self.shows_held_out and not first:
            shown = chosen[len(chosen) // 2]
        wanted = list(dict.fromkeys([*chosen, shown]))
        for done, (number, z) in enumerate(wanted):
            yield Progress(done, len(wanted), "Preparing the slices that are shown")
            pairs[number, z] = pair = self.pair(number, z)
            self.require_numbers(number, pair.noisy)
        self.validation = [pairs[key] for key in chosen]
        self.preview = pairs[shown]
        if all(pair.target is None for pair in self.validation):
            yield from self._hold_out(held, device)

    def which(self, number: int) -> str:
        """What a series is called in sentences: its place, and its file or description."""
        name = self.volumes[number].source.description
        return f"{number + 1} ({name})" if name else f"{number + 1}"

    def candidates(self, number: int) -> Sequence[int]:
        """The slices of a series that are learnt from or held out."""
        return range(len(self.volumes[number]))

    def shows(self, number: int, z: int) -> bool:
        """Whether a slice and what it is compared with were measured anywhere."""
        series = (self.volumes[number], *self.targets[number : number + 1])
        return all(bool(measured(volume.slice_hu(z)).any()) for volume in series)

    def _require_worth(self, number: int, slices: list[int]) -> None:
        """Of a series without anything in it a network would learn to perfection."""
        _, height, width = self.volumes[number].shape
        if min(height, width) < self.least_px:
            raise StudioError(
                f"The images of series {self.which(number)} are too small: {width} x {height} px.",
                hint=f"The task {self.recipe.task.name!r} needs {self.least_px} px or more.",
            )
        if slices and not any(self.shows(number, z) for z in slices):
            compared = "it and its target" if self.targets else "its pixels"
            raise StudioError(
                f"Series {self.which(number)} shows nothing to learn from: there is no slice in "
                f"which {compared} hold anything but padding, what is no number or what is not "
                "annotated.",
                hint="Choose other series.",
            )

    def require_numbers(self, number: int, noisy: Tensor) -> None:
        """Raise StudioError where the noise that was simulated for a series is none."""
        if not bool(torch.isfinite(noisy).all()):
            across, down = (f"{mm:g}" for mm in self.volumes[number].geometry.spacing_mm)
            raise StudioError(
                f"The noise of series {self.which(number)} cannot be simulated: with its pixels of "
                f"{across} x {down} mm it is not made of numbers.",
                hint="Check the pixel spacing of the series, or choose another noise.",
            )

    def _read(self, number: int, slices: list[int], device: torch.device) -> Work[Series]:
        recipe, volume = self.recipe, self.volumes[number]
        _, height, width = volume.shape
        patch = min(recipe.patch_px, height, width)
        if patch < recipe.patch_px:
            yield Note(
                f"The patches are {patch} px instead of {recipe.patch_px}: the images are smaller."
            )
        shown, around = self.surroundings(len(volume), slices)
        stack = np.empty((len(shown), height, width), storage(volume))
        starts: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = []
        usable = self.usable(slices)
        for row, z in enumerate(shown):
            yield Progress(row, len(shown), "Reading the slices to learn from")
            hu = clean_slice(volume, z)
            stack[row] = np.rint(hu) if stack.dtype == np.int16 else hu
            if row < len(usable) and usable[row]:
                here = sampling.corners(sampling.body_mask(hu), patch, self.body_share)
                starts.append(np.insert(here, 0, row, axis=1))
        found = np.concatenate(starts)
        if not len(found):
            anywhere = sampling.corners(np.ones((height, width), bool), patch, 0)
            rows = [row for row, use in enumerate(usable) if use]
            found = np.concatenate([np.insert(anywhere, 0, row, axis=1) for row in rows])
        tensor = torch.from_numpy(stack).to(device)
        partner = yield from self.join(number, slices, tensor)
        pixels = len(slices) * height * width
        return Series(tensor, torch.from_numpy(found), patch, around, pixels, partner)

    def surroundings(self, count: int, slices: list[int]) -> tuple[list[int], Tensor]:
        """Which of ``count`` slices must be read for ``slices`` and their neighbours, and in which
        row of these the neighbours are ``(len(slices), n)``.

        Neighbours may be slices that are held out: they are seen, but nothing is learnt about
        them.
        """
        wanted = [neighbours(z, count, self.context.slices) for z in slices]
        shown = list(dict.fromkeys([*slices, *(z for row in wanted for z in row)]))
        place = {z: row for row, z in enumerate(shown)}
        return shown, torch.tensor([[place[z] for z in row] for row in wanted])

    def cut(self, series: Series, where: Tensor) -> Tensor:
        """Patches ``(b, n, p, p)`` float32 at ``where`` ``(b, 3)``, with their neighbours."""
        if self.context.slices == 1:
            return sampling.cut(series.stack, where, series.patch)
        return sampling.blocks(series.stack, series.around[where[:, 0]], where, series.patch)

    def slab(self, number: int, z: int) -> Tensor | None:
        """A slice of series ``number`` among its neighbours ``(n, y, x)``, where they are
        wanted."""
        if self.context.slices == 1:
            return None
        around = slab(self.volumes[number], z, self.context.slices)
        return torch.from_numpy(np.stack([_clean(hu) for hu in around]))

    def _hold_out(self, held: list[tuple[int, int]], device: torch.device) -> Work[None]:
        """Batches from held-out slices, to be judged by where no clean image is known."""
        numbers = dict.fromkeys(number for number, _ in held)
        series = []
        for number in numbers:
            slices = [z for n, z in held if n == number]
            kept = yield from self._read(number, slices, device)
            yield from self.ready(number, kept)
            series.append(kept)
        generator = torch.Generator().manual_seed(HELD_OUT_SEED)
        self.held_out = self._draw(series, generator, HELD_OUT_BATCHES)

    def draw(self, generator: torch.Generator, count: int) -> list[Batch]:
        """Batches of patches, each from one series; see `Task.draw`.

        Several are drawn at once, since most of the time of a draw goes into its many small calls.
        """
        return self._draw(self.series, generator, count)

    def _draw(self, among: Sequence[Series], generator: torch.Generator, count: int) -> list[Batch]:
        weights = torch.tensor([float(series.pixels) for series in among])
        chosen = torch.multinomial(weights, count, replacement=True, generator=generator).tolist()
        turns = torch.randint(8, (count,), generator=generator).tolist()
        batches: dict[int, Batch] = {}
        for number in dict.fromkeys(chosen):
            places = [k for k in range(count) if chosen[k] == number]
            series = among[number]
            where = self._where(series, generator, len(places) * self.batch_size)
            # Noise belongs to the place in the image, so patches are turned after it is added.
            drawn = self.pieces(series, where, generator)
            for k, place in enumerate(places):
                mine = slice(k * self.batch_size, (k + 1) * self.batch_size)
                which = turns[place] if self.augment else 0
                batches[place] = drawn.map(partial(_part, mine=mine, which=which))
        return [batches[k] for k in range(count)]

    def _where(self, series: Series, generator: torch.Generator, count: int) -> Tensor:
        index = torch.randint(len(series.starts), (count,), generator=generator)
        where = series.starts[index]
        step = sampling.grid_step(series.patch)
        where[:, 1:] += torch.randint(step, (count, 2), generator=generator)
        limit = [series.stack.shape[1] - series.patch, series.stack.shape[2] - series.patch]
        where[:, 1:] = torch.minimum(where[:, 1:], torch.tensor(limit))
        return where

    def complete(self, batch: Batch, network: Network) -> Batch:
        """Nothing is missing; see `Task.complete`."""
        return batch

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


def _part(patches: Tensor, *, mine: slice, which: int) -> Tensor:
    return sampling.turn(patches[mine], which)


def clean_slice(volume: Volume, z: int) -> NDArray[np.float32]:
    """HU of a slice with padding and what is not a number replaced by air."""
    return _clean(volume.slice_hu(z))


def _clean(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(measured(hu), np.minimum(hu, 30_000), sampling.AIR_HU).astype(np.float32)


def storage(volume: Volume) -> type[np.int16] | type[np.float32]:
    """int16 where every HU is a whole number: half the memory."""
    whole = np.issubdtype(volume.voxels.dtype, np.integer)
    whole = whole and bool(np.all(volume.slope == np.rint(volume.slope)))
    whole = whole and bool(np.all(volume.intercept == np.rint(volume.intercept)))
    return np.int16 if whole else np.float32


def _once(work: Work[Series], told: set[str]) -> Work[Series]:
    """Run ``work`` without the notes that have been ``told``: what holds of many series is one."""

    def new(event: Event) -> Event | None:
        if not isinstance(event, Note):
            return event
        if event.text in told:
            return None
        told.add(event.text)
        return event

    return relay(work, new)


def _plan(
    candidates: Sequence[Sequence[int]], share: float, least: int
) -> list[tuple[list[int], list[int]]]:
    """For each volume the slices to learn from and the slices held out, of its candidates."""
    plans = []
    for slices in candidates:
        learn, out = sampling.split(len(slices), share, least)
        plans.append(([slices[k] for k in learn], [slices[k] for k in out]))
    if len(plans) > 1 and not any(out for _, out in plans):
        # Single slices of several scans: whole scans are held out.
        last = max(1, min(round(share * len(plans)), len(plans) - 1))
        plans[-last:] = [([], learn) for learn, _ in plans[-last:]]
    return plans
