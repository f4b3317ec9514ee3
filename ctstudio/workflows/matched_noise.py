"""Noise like that of a scan: reconstructed with such a kernel, of so many photons.

A dose is a fraction of the dose that a scan was made with. How many photons that were no file says,
but the noise of the scan does: with the photons found here, simulated noise of the full dose is as
strong in soft tissue as the scan's own, and a quarter of the dose is a quarter of the scan's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work, relay
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Volume
from ctstudio.learn.kernels import KERNELS

NOISE = "low_dose"
MEASURED = ("kernel", "cutoff", "photons", "already_noisy")
"""Its settings that a scan decides."""

CUTOFFS = (1.0, 0.75, 0.5)
MEASURED_SLICES = 5
ROUNDS = 2  # noise follows the photons but for the electronic part, which the second round takes in
PHOTONS = (1e3, 1e8)


def candidates() -> list[Choice]:
    """Noise of every kernel and of several cut-off frequencies, at half the dose.

    At half the dose as much noise is added as the scan has; the task measures its strength.
    """
    given = {"dose": 0.5, "already_noisy": True, "photons": 1e5, "electronic": 0.0}
    return [
        Choice(NOISE, {**given, "kernel": kernel, "cutoff": cutoff})
        for cutoff in CUTOFFS
        for kernel in KERNELS
    ]


def matched_kernel(volume: Volume) -> Work[Choice]:
    """The one of the `candidates` whose noise is most like that of a scan.

    Its neighbouring pixels go together as the scan's do. Compared in uniform soft tissue of the
    slice that has most of it; where none has enough, a Note says so and a smooth kernel is taken.

    Raises
    ------
    StudioError
        For values that are not HU.
    """
    from ctstudio.ct.metrics import uniform_regions
    from ctstudio.ct.noise_texture import correlations

    chosen = np.unique(np.linspace(0, len(volume) - 1, 7).round().astype(int))
    regions = {int(z): uniform_regions(volume.slice_hu(int(z))) for z in chosen}
    best = max(regions, key=lambda z: int(regions[z].sum()))
    mask = regions[best]
    own = correlations(volume.slice_hu(best), mask)
    kinds = candidates()
    usual = kinds[len(KERNELS) - 1]  # the smoothest, to the Nyquist frequency
    if own is None:
        yield Note("The scan shows too little uniform tissue to tell the kernel of its noise.")
        return usual
    distances: dict[int, float] = {}
    for number, kind in enumerate(kinds):
        yield Progress(number, len(kinds), "Finding the kernel of the noise")
        theirs = correlations(_field(volume, best, kind), mask)
        assert theirs is not None, "the mask was large enough for the scan"
        distances[number] = float(((own - theirs) ** 2).sum())
    return kinds[min(distances, key=lambda number: distances[number])]


def matched_noise(volume: Volume, noise: Choice) -> Work[Choice]:
    """Low-dose noise with the kernel and the photons that a scan was made with.

    Parameters
    ----------
    volume
        A scan with noise of its own, HU.
    noise
        `low_dose` with its settings. Of these the kernel, its cut-off frequency, the photons and
        ``already_noisy`` are replaced.

    Raises
    ------
    StudioError
        For another noise, values that are not HU, or a scan whose noise cannot be measured: too
        little uniform soft tissue, or hardly any noise.
    """
    from ctstudio.ct.metrics import uniform_regions
    from ctstudio.ct.noise_texture import variance

    if noise.name != NOISE:
        raise StudioError(
            f"Only noise made in the projections is matched to a scan, not {noise.name}.",
            hint=f"Choose {NOISE}.",
        )
    if volume.unit != "HU":
        raise StudioError(
            "Noise can only be simulated on values in HU.", hint="Open a CT series with a rescale."
        )
    chosen = np.linspace(0, len(volume) - 1, MEASURED_SLICES + 2)[1:-1].round().astype(int)
    masks: dict[int, NDArray[np.bool_]] = {}
    own: dict[int, float] = {}
    for z in map(int, np.unique(chosen)):
        mask = uniform_regions(volume.slice_hu(z))
        found = variance(volume.slice_hu(z), mask)
        if found is not None and found > 0:
            masks[z], own[z] = mask, found
    if not own:
        raise StudioError(
            "The noise of this scan could not be measured: it shows too little uniform soft "
            "tissue, or no noise.",
            hint="Set the kernel and the photons yourself.",
        )
    work = relay(matched_kernel(volume), lambda event: None if isinstance(event, Note) else event)
    kernel = (yield from work).params
    kept = {"kernel": kernel["kernel"], "cutoff": kernel["cutoff"], "already_noisy": True}
    photons = float(kernel["photons"])
    for turn in range(ROUNDS):
        ratios = []
        for done, z in enumerate(own):
            yield Progress(turn * len(own) + done, ROUNDS * len(own), "Counting the photons")
            half = {**noise.params, **kept, "dose": 0.5, "photons": photons}
            added = variance(_field(volume, z, Choice(NOISE, half)), masks[z])
            assert added is not None, "the mask was large enough for the scan"
            ratios.append(added / own[z])
        photons *= float(np.median(ratios))
        if not PHOTONS[0] <= photons <= PHOTONS[1]:
            raise StudioError(
                "The scan shows hardly any noise, so that its photons cannot be told."
                if photons > PHOTONS[1]
                else "The scan shows more noise than any dose makes, so that its photons cannot "
                "be told.",
                hint="Set the kernel and the photons yourself.",
            )
    return Choice(NOISE, {**noise.params, **kept, "photons": _rounded(photons)})


def _field(volume: Volume, z: int, kind: Choice) -> NDArray[np.float32]:
    """The noise alone that is simulated for a slice, ``(y, x)`` HU."""
    import torch

    from ctstudio.learn.noise import NOISES

    with torch.inference_mode():
        clean = torch.from_numpy(volume.slice_hu(z))
        noisy = NOISES.make(kind).slice(clean, volume.geometry.spacing_mm, seed=1)
        field: NDArray[np.float32] = (noisy - clean).numpy().astype(np.float32)
    return field


def _rounded(photons: float) -> float:
    """Two digits: more of them would feign a certainty that a measurement of noise has not."""
    unit = 10.0 ** (math.floor(math.log10(photons)) - 1)
    return float(round(photons / unit) * unit)
