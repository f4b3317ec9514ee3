"""Apply a trained network to a series or a slice."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ctstudio.core.events import Note, Partial, Progress, SliceReady, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn import device as devices
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.sampling import AIR_HU

PADDING_HU = -1500.0
"""Pixels at or below are no measurement (outside the field of view) and stay as they are."""


def denoise(volume: Volume, model: TrainedModel, *, first: int | None = None) -> Work[Volume]:
    """Denoise a series slice by slice.

    Parameters
    ----------
    volume
        The series, in HU.
    model
        The network; it is moved to the device of its recipe.
    first
        The slice to begin with (the one on the screen); its neighbours follow outwards.

    Returns
    -------
    Volume
        float32 HU with the geometry of ``volume``. It is handed out at once as `Partial`, and
        `SliceReady` tells of each slice that has arrived.
    """
    devices.cap_threads()
    device = devices.choose(model.recipe.device)
    module = model.module.to(device.torch).eval()
    base = np.zeros(volume.shape, np.float32)
    result = volume.derived(base, model.method)
    yield Partial(result)
    if volume.unit != "HU":
        yield Note("The values are not known to be HU; they are taken as HU.")
    order = _outwards(len(volume), first)
    for done, index in enumerate(order, 1):
        base[index] = run(module, volume.slice_hu(index), device.torch)
        yield SliceReady(index)
        yield Progress(done, len(order), f"Denoising with {model.title}")
    return result


def denoise_slice(hu: NDArray[np.float32], model: TrainedModel) -> NDArray[np.float32]:
    """Denoise one slice ``(y, x)`` float32 HU; the result is a new array of its shape."""
    devices.cap_threads()
    device = devices.choose(model.recipe.device)
    return run(model.module.to(device.torch).eval(), hu, device.torch)


def run(module: nn.Module, hu: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Put one slice ``(y, x)`` through a network in evaluation mode; padding stays as it is."""
    measured = hu > PADDING_HU  # False where the value is not a number
    clean = np.where(measured, hu, np.float32(AIR_HU)).astype(np.float32)
    with torch.inference_mode():
        output = module(torch.from_numpy(clean)[None, None].to(device))
        denoised: NDArray[np.float32] = output[0, 0].float().cpu().numpy()
    return np.where(measured, denoised, hu).astype(np.float32, copy=False)


def _outwards(count: int, first: int | None) -> list[int]:
    if first is None:
        return list(range(count))
    return sorted(range(count), key=lambda index: (abs(index - first), index))
