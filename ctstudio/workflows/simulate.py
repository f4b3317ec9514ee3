"""A low-dose twin of a series: the simulator of `ctstudio.learn.noise`, slice by slice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, SliceReady, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.padding import measured, with_air
from ctstudio.ct.volume import Volume
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.dicom.deidentify import Deidentifier
    from ctstudio.workflows.save import Kind


def simulate(volume: Volume, choice: Choice, *, seed: int = 1) -> Work[Volume]:
    """Add noise to every slice of ``volume``.

    Parameters
    ----------
    choice
        An entry of ``NOISES`` with its settings.
    seed
        Slice ``i`` is drawn from ``(seed, i)``: the same seed gives the same series.

    Yields ``Partial`` (slices not made yet show 0 HU), ``SliceReady`` and ``Progress``. What was
    not measured (padding, no number) is in the twin what it is in the series.

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

    noise = NOISES.make(choice).of_one_kind(seed)
    resolved = NOISES.resolve(choice)
    settings = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                         for k, v in resolved.params.items())  # fmt: skip
    hu = np.zeros(volume.shape, np.float32)
    result = volume.derived(hu, f"simulated {NOISES[choice.name].title.lower()} ({settings})")
    yield Partial(result)
    for index in range(len(volume)):
        yield Progress(index, len(volume), f"Slice {index + 1} of {len(volume)}")
        given = volume.slice_hu(index)
        clean = torch.from_numpy(with_air(given))
        with torch.inference_mode():
            noisy = noise.slice(clean, volume.geometry.spacing_mm, seed=seed * 100_003 + index)
        # Scanners store whole HU; so does the twin, which then survives DICOM unchanged.
        hu[index] = np.where(measured(given), np.rint(noisy.numpy()), given)
        yield SliceReady(index)
    return result


def simulate_series(
    series: SeriesInfo,
    choice: Choice,
    out: Path,
    kind: Kind | None = None,
    *,
    matched: bool = False,
    seed: int = 1,
    deidentify: Deidentifier | None = None,
) -> Work[list[Path]]:
    """Read a series, add noise to every slice and write its twin into ``out``.

    Parameters
    ----------
    choice
        An entry of ``NOISES`` with its settings.
    kind, deidentify
        As in `denoise_series`.
    matched
        Measure kernel and photons from the scan's own noise first (`matched_noise`); a Note says
        what was found.
    seed
        See `simulate`.

    Returns the files written, in slice order.

    Raises
    ------
    StudioError
        When the series cannot be read, its noise cannot be simulated or measured, ``out`` exists
        and is not empty, or the series cannot be written as ``kind``.
    """
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.matched_noise import matched_noise
    from ctstudio.workflows.open import read
    from ctstudio.workflows.save import kind_for, require_grid, save

    require_free_folder(out, series.source)
    kind = kind_for(series, kind)
    require_grid(series, out, kind)
    volume = yield from stage(read(series), "Reading")
    name = _place(series)
    if volume.unit != "HU":
        raise StudioError(
            f"The values of {name} are not HU: noise of a scan cannot be simulated.",
            hint="Give a CT series with a rescale.",
        )
    if matched:
        try:
            choice = yield from stage(
                matched_noise(volume, choice), "Measuring the noise of the scan"
            )
        except StudioError as error:
            hint = f"{error.hint} Or leave out --matched.".strip()
            raise StudioError(f"{name}: {error.message}", hint=hint) from error
        found = choice.params
        yield Note(
            f"Like the noise of this scan: kernel {found['kernel']}, cut-off "
            f"{found['cutoff']:g}, {found['photons']:,.0f} photons per ray."
        )
    noisy = yield from stage(simulate(volume, choice, seed=seed), "Simulating noise")
    dose = choice.params.get("dose")
    return (
        yield from stage(
            save(
                noisy,
                out,
                kind,
                description=f"{100 * dose:.3g} % of the dose" if dose else "Simulated noise",
                method=f"{noisy.derivation[-1]}, seed {seed}",
                deidentify=deidentify,
            ),
            "Writing",
        )
    )


def _place(series: SeriesInfo) -> str:
    """Where the series lies: its file, or the folder of several."""
    files = series.source.files
    if not files:
        return repr(series.title)
    return str(files[0] if len(files) == 1 else files[0].parent)
