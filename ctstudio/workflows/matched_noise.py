"""Noise like that of a scan: reconstructed with such a kernel, of so many photons.

A dose is a fraction of the dose that a scan was made with. How many photons that were no file says,
but the noise of the scan does: with the photons found here, simulated noise of the full dose is as
strong in soft tissue as the scan's own, and a quarter of the dose is a quarter of the scan's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.padding import with_air
from ctstudio.ct.tissue_noise import uniform_tissue
from ctstudio.ct.volume import Volume
from ctstudio.learn.kernels import KERNELS

NOISE = "low_dose"
MEASURED = ("kernel", "cutoff", "photons", "already_noisy")
"""Its settings that a scan decides."""

SCANNER = ("modulation", "views", "beam", "source_mm")
"""Its settings that say what scanner it is, which the kernel is looked for with."""

CUTOFFS = (1.0, 0.75, 0.5)
SEARCHED_SLICES = 7
COMPARED_SLICES = 3
COUNTED_SLICES = 5
ROUNDS = 2  # where hardly a photon arrives, their noise is not quite in proportion
PHOTONS = (1e3, 1e8)


def candidates(scanner: Mapping[str, Any] | None = None) -> list[Choice]:
    """Noise of every kernel and of several cut-off frequencies, at half the dose.

    At half the dose as much noise is added as the scan has; the task measures its strength.
    ``scanner`` are settings of the noise beside these.
    """
    given = {"dose": 0.5, "already_noisy": True, "photons": 1e5, "electronic": 0.0}
    return [
        Choice(NOISE, {**(scanner or {}), **given, "kernel": kernel, "cutoff": cutoff})
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
    _require_hu(volume)
    kinds = candidates()
    found = yield from _most_alike(volume, kinds, 1)
    if found is None:
        yield Note("The scan shows too little uniform tissue to tell the kernel of its noise.")
        return kinds[len(KERNELS) - 1]  # the smoothest, to the Nyquist frequency
    return found


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
        little uniform soft tissue, hardly any noise, or more than any dose makes.
    """
    from ctstudio.learn.noise import NOISES

    if noise.name != NOISE:
        raise StudioError(
            f"Only noise made in the projections is matched to a scan, not {noise.name}.",
            hint="Take the low dose made in the projections.",
        )
    _require_hu(volume)
    settings = NOISES.resolve(noise).params
    scanner = {key: settings[key] for key in SCANNER}
    kind = yield from _most_alike(volume, candidates(scanner), COMPARED_SLICES)
    tissue = tissue_of(volume, COUNTED_SLICES)
    if kind is None or not tissue:
        raise StudioError(
            "The noise of this scan could not be measured: it shows too little uniform soft "
            "tissue, or no noise.",
            hint="Set the kernel and the photons yourself.",
        )
    photons = float(kind.params["photons"])
    electronic = float(settings["electronic"])
    for turn in range(ROUNDS):
        counted = []
        for done, (z, (mask, own)) in enumerate(tissue.items()):
            yield Progress(turn * len(tissue) + done, ROUNDS * len(tissue), "Counting the photons")
            counted.append(_photons(volume, z, mask, own, kind, photons, electronic))
        photons = float(np.median(counted))
        if turn < ROUNDS - 1:
            photons = min(max(photons, PHOTONS[0]), PHOTONS[1])
    if not PHOTONS[0] <= photons <= PHOTONS[1]:
        raise StudioError(
            "The scan shows hardly any noise, so that its photons cannot be told."
            if photons > PHOTONS[1]
            else "The scan shows more noise than any dose makes, so that its photons cannot "
            "be told.",
            hint="Set the kernel and the photons yourself.",
        )
    found = {key: kind.params[key] for key in ("kernel", "cutoff")}
    found |= {"photons": _rounded(photons), "already_noisy": True}
    return Choice(NOISE, {**noise.params, **found})


def _require_hu(volume: Volume) -> None:
    if volume.unit != "HU":
        raise StudioError(
            "Noise can only be simulated on values in HU.", hint="Open a CT series with a rescale."
        )


def _most_alike(volume: Volume, kinds: list[Choice], most: int) -> Work[Choice | None]:
    """Compared in at most so many slices, those with most tissue; None where none has enough."""
    from ctstudio.ct.noise_texture import correlations

    tissue = tissue_of(volume, SEARCHED_SLICES)
    own = {
        z: found
        for z in sorted(tissue, key=lambda z: -int(tissue[z][0].sum()))
        if (found := correlations(with_air(volume.slice_hu(z)), tissue[z][0])) is not None
    }
    own = dict(list(own.items())[:most])
    if not own:
        return None
    distances = [0.0] * len(kinds)
    for number, kind in enumerate(kinds):
        for done, z in enumerate(own):
            step = number * len(own) + done
            yield Progress(step, len(kinds) * len(own), "Finding the kernel of the noise")
            theirs = correlations(_field(volume, z, kind), tissue[z][0])
            assert theirs is not None, "the mask was large enough for the scan"
            distances[number] += float(((own[z] - theirs) ** 2).sum())
    return kinds[int(np.argmin(distances))]


def _photons(
    volume: Volume,
    z: int,
    mask: NDArray[np.bool_],
    own: float,
    kind: Choice,
    photons: float,
    electronic: float,
) -> float:
    """How many photons make noise of the variance ``own`` in a slice at full dose.

    At half the dose what is added has the variance that photons make at full dose, q / photons,
    and three times that of the electronic noise, e / photons^2. Both are simulated with
    ``photons``, and q / p + e / p^2 = own is solved for p.
    """
    from ctstudio.ct.noise_texture import variance

    def added(sd: float) -> float:
        half = {**kind.params, "photons": photons, "electronic": sd}
        found = variance(_field(volume, z, Choice(NOISE, half)), mask)
        assert found is not None, "the mask was large enough for the scan"
        return found

    quantum = added(0.0)
    rest = max(added(electronic / math.sqrt(3)) - quantum, 0.0) if electronic else 0.0
    q, e = photons * quantum, photons**2 * rest
    return (q + math.sqrt(q * q + 4 * own * e)) / (2 * own)


def tissue_of(volume: Volume, count: int) -> dict[int, tuple[NDArray[np.bool_], float]]:
    """Uniform soft tissue of at most so many slices, and the variance of the noise there.

    They are evenly spread, without the ends of a long series.
    """
    found = {}
    inner = np.linspace(0, len(volume) - 1, count + 2)[1:-1].round().astype(int)
    for z in map(int, np.unique(inner)):
        tissue = uniform_tissue(with_air(volume.slice_hu(z)), volume.geometry.spacing_mm)
        if tissue is not None:
            found[z] = tissue
    return found


def _field(volume: Volume, z: int, kind: Choice) -> NDArray[np.float32]:
    """The noise alone that is simulated for a slice, ``(y, x)`` HU."""
    import torch

    from ctstudio.learn.noise import NOISES

    with torch.inference_mode():
        clean = torch.from_numpy(with_air(volume.slice_hu(z)))
        noisy = NOISES.make(kind).slice(clean, volume.geometry.spacing_mm, seed=z)
        field: NDArray[np.float32] = (noisy - clean).numpy().astype(np.float32)
    return field


def _rounded(photons: float) -> float:
    """Two digits: more of them would feign a certainty that a measurement of noise has not."""
    unit = 10.0 ** (math.floor(math.log10(photons)) - 1)
    return float(round(photons / unit) * unit)
