"""A low-dose twin of a series: the simulator of `ctstudio.learn.noise`, slice by slice."""

from __future__ import annotations

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Partial, Progress, SliceReady, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.padding import AIR_HU
from ctstudio.ct.volume import Volume


def simulate(volume: Volume, choice: Choice, *, seed: int = 1) -> Work[Volume]:
    """Add noise to every slice of ``volume``.

    Parameters
    ----------
    choice
        An entry of ``NOISES`` with its settings.
    seed
        Slice ``i`` is drawn from ``(seed, i)``: the same seed gives the same series.

    Yields ``Partial`` (slices not made yet show 0 HU), ``SliceReady`` and ``Progress``. What is no
    number in the series is none in its twin.

    Raises
    ------
    StudioError
        For an unknown noise or setting, or values that are not HU.
    """
    if volume.unit != "HU":
        raise StudioError(
            "Noise can only be simulated on values in HU.", hint="Open a CT series with a rescale."
        )
    import torch

    from ctstudio.learn.noise import NOISES

    noise = NOISES.make(choice)
    resolved = NOISES.resolve(choice)
    settings = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                         for k, v in resolved.params.items())  # fmt: skip
    hu = np.zeros(volume.shape, np.float32)
    result = volume.derived(hu, f"simulated {NOISES[choice.name].title.lower()} ({settings})")
    yield Partial(result)
    for index in range(len(volume)):
        yield Progress(index, len(volume), f"Slice {index + 1} of {len(volume)}")
        given = volume.slice_hu(index)
        known = np.isfinite(given)
        clean = torch.from_numpy(np.where(known, given, np.float32(AIR_HU)))
        with torch.inference_mode():
            noisy = noise.slice(clean, volume.geometry.spacing_mm, seed=seed * 100_003 + index)
        # Scanners store whole HU; so does the twin, which then survives DICOM unchanged.
        np.rint(noisy.numpy(), out=hu[index])
        hu[index][~known] = np.nan
        yield SliceReady(index)
    return result
