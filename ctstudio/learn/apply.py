"""Apply a trained network to a series or a slice, in tiles where the memory asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, SliceReady, Work, finish
from ctstudio.ct.padding import measured
from ctstudio.ct.volume import Volume
from ctstudio.learn import device as devices
from ctstudio.learn import sampling
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.context import context_of, middle, slab, stacked
from ctstudio.learn.models import MODELS
from ctstudio.learn.tiling import Tiler, infer


def denoise(
    volume: Volume,
    model: TrainedModel,
    *,
    first: int | None = None,
    budget_bytes: int | None = None,
) -> Work[Volume]:
    """Denoise a series slice by slice.

    Parameters
    ----------
    volume
        The series, in HU.
    model
        The network; it is moved to the device of its recipe.
    first
        The slice to begin with (the one on the screen); its neighbours follow outwards.
    budget_bytes
        Memory that the network may take at once; default a share of what is free. Slices that
        would need more are denoised in tiles (`ctstudio.learn.tiling`).

    Returns
    -------
    Volume
        float32 HU with the geometry of ``volume``. It is handed out at once as `Partial`, and
        `SliceReady` tells of each slice that has arrived. `Progress` counts slices, or tiles where
        a slice has several; it may be closed after each.

    Raises
    ------
    StudioError
        When the network tells classes and not HU, its device is not there, or not even small tiles
        fit into the memory.
    """
    module, device = _ready(model)
    base = np.zeros(volume.shape, np.float32)
    result = volume.derived(base, model.method)
    yield Partial(result)
    if volume.unit != "HU":
        yield Note("The values are not known to be HU; they are taken as HU.")
    order = _outwards(len(volume), first)
    tiler = Tiler(module, device, budget_bytes=budget_bytes)
    text = f"Denoising with {model.title}"
    tiles = 1
    for before, index in enumerate(order):
        work = _tiled(tiler, slab(volume, index, context_of(module).slices))
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                base[index] = stop.value
                break
            if not isinstance(event, Progress):
                yield event
                continue
            tiles = event.total
            if event.done < tiles:
                yield Progress(before * tiles + event.done, len(order) * tiles, text)
        yield SliceReady(index)
        yield Progress((before + 1) * tiles, len(order) * tiles, text)
    return result


def denoise_slice(
    hu: NDArray[np.float32], model: TrainedModel, *, budget_bytes: int | None = None
) -> NDArray[np.float32]:
    """Denoise one slice ``(y, x)`` float32 HU; the result is a new array of its shape.

    A network that wants neighbouring slices may be given these, ``(n, y, x)`` with the slice in the
    middle; else it is shown the slice in their place.
    """
    module, device = _ready(model)
    shown = np.repeat(hu[None], context_of(module).slices, axis=0) if hu.ndim == 2 else hu
    return finish(_tiled(Tiler(module, device, budget_bytes=budget_bytes), shown))


def run(module: nn.Module, hu: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Put one slice ``(y, x)``, or where the network wants them its neighbours ``(n, y, x)``,
    through a network in evaluation mode and in one piece; padding stays as it is."""
    known, clean = _without_padding(hu)
    output = infer(module, clean, device)
    return np.where(known, output, middle(hu)).astype(np.float32, copy=False)


def run_exactly(
    module: nn.Module, hu: NDArray[np.float32], device: torch.device
) -> NDArray[np.float64]:
    """As `run`, rounded to float32 it is the same; with the digits that HU have no room for.

    A network that answers with 0 to 1 above its black of -1000 HU has but 16384 values there in
    single precision; it is asked from its black instead.
    """
    known, clean = _without_padding(hu)
    counts_from: Any = module
    black = float(getattr(module, "black", 0.0))
    try:
        if black:
            counts_from.black = 0.0
        output = infer(module, clean - np.float32(black), device).astype(np.float64) + black
    finally:
        if black:
            counts_from.black = black
    return np.where(known, output, middle(hu))


def _ready(model: TrainedModel) -> tuple[nn.Module, torch.device]:
    if "labels" in MODELS[model.recipe.phases[-1].model.name].tags:
        raise StudioError(
            f"This network ({model.title}) tells classes of tissue; it does not denoise.",
            hint="Choose a network that was trained on noise or on pairs of series.",
        )
    devices.cap_threads()
    device = devices.choose(model.recipe.device).torch
    return model.module.to(device).eval(), device


def _tiled(tiler: Tiler, hu: NDArray[np.float32]) -> Work[NDArray[np.float32]]:
    known, clean = _without_padding(hu)
    output = yield from tiler.run(clean, known)
    return np.where(known, output, middle(hu)).astype(np.float32, copy=False)


def _without_padding(
    hu: NDArray[np.float32],
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Where a slice was measured, and it and its neighbours ``(n, y, x)`` with air elsewhere."""
    slices = stacked(hu)
    known = np.stack([measured(each) for each in slices])
    clean = np.where(known, slices, np.float32(sampling.AIR_HU)).astype(np.float32)
    return known[len(known) // 2], clean


def _outwards(count: int, first: int | None) -> list[int]:
    if first is None:
        return list(range(count))
    return sorted(range(count), key=lambda index: (abs(index - first), index))
