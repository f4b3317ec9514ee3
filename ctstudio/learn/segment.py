"""Put a slice or a series through a network that tells classes, and compare classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work, finish
from ctstudio.ct.labels import PROBABILITY_UNIT, label_map
from ctstudio.ct.padding import measured
from ctstudio.ct.volume import Volume
from ctstudio.learn import device as devices
from ctstudio.learn import sampling
from ctstudio.learn.blobs import Blobs, keep
from ctstudio.learn.context import context_of, slab, stacked, with_margin

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel

STRIP_ROWS = 64
"""Rows whose voxels are told from the same maps: more would take gigabytes."""

LIVE_OPERATIONS, LIVE_ON_A_GPU = 4e10, 4e12
"""Multiplications that a live picture may take: a second or some."""


def classify(
    module: nn.Module,
    hu: NDArray[np.float32],
    device: torch.device,
    *,
    region: NDArray[np.bool_] | None = None,
    every: int = 1,
) -> NDArray[np.float32]:
    """The class of every pixel of a slice; see `classifying`."""
    return finish(classifying(module, hu, device, region=region, every=every))


def classifying(
    module: nn.Module,
    hu: NDArray[np.float32],
    device: torch.device,
    *,
    region: NDArray[np.bool_] | None = None,
    every: int = 1,
) -> Work[NDArray[np.float32]]:
    """The class of every pixel of a slice ``(y, x)``; see `telling`."""
    told = yield from telling(module, hu, device, region=region, every=every)
    return told.classes


@dataclass(frozen=True, eq=False)
class Told:
    """What a network says of a slice ``(y, x)``, float32 each.

    ``classes`` are whole numbers; ``inside`` from 0 to 1 is how likely a pixel is of any class but
    the background. Of a network whose output is a mask it is that mask, cut off at 0 and 1.
    """

    classes: NDArray[np.float32]
    inside: NDArray[np.float32]


def telling(
    module: nn.Module,
    hu: NDArray[np.float32],
    device: torch.device,
    *,
    region: NDArray[np.bool_] | None = None,
    every: int = 1,
) -> Work[Told]:
    """What a network says of every pixel of a slice.

    ``hu`` is the slice ``(y, x)``, or where the network wants them its neighbours ``(n, y, x)``.
    Outside of the ``region`` everything is of class 0. A network that tells single voxels is
    asked for those on a grid of ``every`` pixels only, each standing for those around it.
    Yields Progress in voxels where there is some to tell.
    """
    context = context_of(module)
    air = np.float32(sampling.AIR_HU)
    clean = np.stack([np.where(measured(each), each, air) for each in stacked(hu)])
    within = np.ones(clean.shape[1:], bool) if region is None else region
    threshold = float(getattr(module, "threshold", 0.0))

    def answer(logits: Tensor) -> tuple[NDArray[np.float32], ...]:
        both = decide(logits, threshold), likely(logits, threshold)
        return tuple(each.float().cpu().numpy() for each in both)

    if context.patch_px == 1:
        with torch.inference_mode():
            logits = module(torch.from_numpy(clean.astype(np.float32))[None].to(device))
            whole = answer(logits)
        return Told(*(np.where(within, each[0], np.float32(0)) for each in whole))
    rows, columns = (grid(length, every) for length in within.shape)
    told = np.zeros((2, len(rows), len(columns)), np.float32)
    places = np.argwhere(within[np.ix_(rows, columns)])
    done, total = 0, len(places)
    padded = with_margin(torch.from_numpy(clean.astype(np.float32))[None], context)
    while done < total:
        top = rows[places[done, 0]]
        many = int(np.searchsorted(rows[places[:, 0]], top + STRIP_ROWS))
        y, x = places[done:many].T
        left = columns[x].min()
        strip = padded[
            ...,
            top : rows[y].max() + context.patch_px,
            left : columns[x].max() + context.patch_px,
        ]
        at = torch.from_numpy(rows[y] - top), torch.from_numpy(columns[x] - left)
        with torch.inference_mode():
            shares = iter(module.at(strip.to(device), *(place.to(device) for place in at)))  # type: ignore[operator]
        while True:
            with torch.inference_mode():
                logits = next(shares, None)
                if logits is None:
                    break
                some = np.stack([each.ravel() for each in answer(logits[..., None, None])])
            here = places[done : done + some.shape[1]]
            told[:, here[:, 0], here[:, 1]] = some
            done += some.shape[1]
            yield Progress(done, total, "Telling voxels")
    near = [np.minimum(np.arange(length) // every, len(kept) - 1)
            for length, kept in zip(within.shape, (rows, columns), strict=True)]  # fmt: skip
    return Told(*(np.where(within, each[np.ix_(*near)], np.float32(0)) for each in told))


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a network says of a series: classes ``(z, y, x)``, and how likely each voxel is of any.

    The latter from 0 to 255, and under "probability" from 0 to 1.
    """

    series: Volume
    classes: NDArray[np.unsignedinteger]
    inside: NDArray[np.uint8]
    method: str

    @property
    def likely(self) -> Volume:
        """The probabilities, from 0 to 1."""
        geometry, count = self.series.geometry, len(self.series)
        steps = (*self.series.derivation, self.method)
        scale, zero = np.full(count, 1 / 255), np.zeros(count)
        return Volume(
            self.inside, scale, zero, PROBABILITY_UNIT, geometry, self.series.source, steps
        )

    def labels(self, blobs: Blobs = Blobs(), threshold: float | None = None) -> Volume:
        """The label map of those pieces that ``blobs`` keeps.

        With a ``threshold`` a voxel is inside where that is more likely than it; of several
        classes it can only take away.
        """
        numbers, steps = self.classes, [*self.series.derivation, self.method]
        if threshold is not None:
            alone = int(numbers.max(initial=0)) <= 1
            numbers = np.where(self.inside > 255 * threshold, 1 if alone else numbers, 0)
            steps.append(f"inside from a probability of {threshold:.2f}")
        geometry = self.series.geometry
        unit, voxel_mm3 = "voxels", 1.0  # how large they are is not known
        if geometry.spacing_known:
            area = float(np.prod(geometry.spacing_mm))
            unit, voxel_mm3 = "mm3", area * (geometry.slice_spacing_mm or 1.0)
        steps += [f"kept {blobs.told(unit)}"] if blobs.told() else []
        kept = keep(numbers, blobs, voxel_mm3)
        return label_map(kept, geometry, self.series.source, derivation=tuple(steps))


def segment(
    volume: Volume, model: TrainedModel, *, blobs: Blobs = Blobs(), every: int = 1
) -> Work[Volume]:
    """The label map of a series; see `segmenting`."""
    return (yield from segmenting(volume, model, every=every)).labels(blobs)


def segmenting(
    volume: Volume, model: TrainedModel, *, region: str | None = None, every: int = 1
) -> Work[Segmented]:
    """Tell the class of every voxel of a series.

    Parameters
    ----------
    volume
        The series, in HU.
    model
        A network of classes; it is moved to the device of its recipe.
    region
        Where it is asked ("body" or "everywhere"); elsewhere is background. None: where it learnt.
    every
        Of networks that tell single voxels: ask for one in so many, along rows and columns.

    `Progress` counts slices; it may be closed after each share of one.

    Raises
    ------
    StudioError
        When the network does not tell classes, or its device is not there.
    """
    from ctstudio.learn.recipe_check import learns_classes

    recipe = model.recipe
    if not learns_classes(recipe):
        raise StudioError(
            f"This network ({model.title}) denoises; it tells no classes.",
            hint="Choose a network that was trained on masks.",
        )
    devices.cap_threads()
    device = devices.choose(recipe.device).torch
    module = model.module.to(device).eval()
    region = region or recipe.task.params.get("region", "everywhere")
    classes, inside = np.zeros(volume.shape, np.uint8), np.zeros(volume.shape, np.uint8)
    text = f"Segmenting with {model.title}"
    if volume.unit != "HU":
        yield Note("The values are not known to be HU; they are taken as HU.")
    for z in range(len(volume)):
        hu = volume.slice_hu(z)
        clean = np.where(measured(hu), hu, np.float32(sampling.AIR_HU))
        work = telling(
            module,
            slab(volume, z, context_of(module).slices),
            device,
            region=sampling.region(region, clean),
            every=every,
        )
        while True:
            try:
                next(work)
            except StopIteration as stop:
                classes[z], inside[z] = stop.value.classes, np.rint(255 * stop.value.inside)
                break
            yield Progress(z, len(volume), text)
        yield Progress(z + 1, len(volume), text)
    return Segmented(volume, classes, inside, model.method)


def grid(length: int, every: int) -> NDArray[np.int64]:
    """The pixels of an axis that stand for ``every`` each, in the middle of these."""
    return np.arange(min(every // 2, length - 1), length, every)


def operations(module: nn.Module, hu: NDArray[np.float32]) -> int:
    """Multiplications for each voxel of a slab ``(n, y, x)`` or slice that it shares with no other.

    0 for networks that tell all voxels of a slice at once.
    """
    count: Callable[[Tensor], int] | None = getattr(module, "operations", None)
    if count is None:
        return 0
    with torch.no_grad():
        return count(torch.tensor(hu).reshape(1, -1, *hu.shape[-2:]))


def live_every(
    module: nn.Module,
    hu: NDArray[np.float32],
    region: NDArray[np.bool_] | None,
    device: torch.device,
) -> int:
    """The grid on which a network that tells single voxels is quick enough to be shown live.

    1 for all other networks, and where ``region`` ``(y, x)`` of the slab ``hu`` holds few enough
    voxels.
    """
    each = 0 if region is None else operations(module, hu)
    if region is None or not each:
        return 1
    most = LIVE_OPERATIONS if device.type == "cpu" else LIVE_ON_A_GPU
    return max(1, math.ceil(math.sqrt(np.count_nonzero(region) * each / most)))


def decide(logits: Tensor, threshold: float = 0.0) -> Tensor:
    """Classes ``(b, y, x)`` of logits ``(b, c, y, x)``.

    One channel asks "inside or not": inside is what is above the ``threshold``.
    """
    if logits.shape[1] == 1:
        return (logits[:, 0] > threshold).long()
    return logits.argmax(1)


def likely(logits: Tensor, threshold: float = 0.0) -> Tensor:
    """How likely pixels ``(b, y, x)`` are of any class but 0, from logits ``(b, c, y, x)``.

    A threshold says that one channel is a mask from 0 to 1 itself.
    """
    if logits.shape[1] > 1:
        return logits.softmax(1)[:, 1:].sum(1)
    return logits[:, 0].clamp(0, 1) if threshold else logits[:, 0].sigmoid()
