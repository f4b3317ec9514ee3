"""The built-in demo as DICOM on the user's disk: the phantom's truth and a quarter-dose scan.

Both are written once, into the user's cache, and found there from then on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Partial, Progress, Work
from ctstudio.core.places import cache_folder
from ctstudio.core.registry import Choice

if TYPE_CHECKING:
    from ctstudio.ct.volume import Volume

T = TypeVar("T")

NOISE = Choice("low_dose", {"dose": 0.25, "already_noisy": False, "photons": 2e5})
"""The noise of the twin: a quarter of the dose, all of it added since the truth carries none."""

TRUTH, QUARTER_DOSE = "Thorax phantom, noise-free", "Thorax phantom, quarter dose"
"""What the two series are called."""

_SLICES = 40
_SEED = 4
_NOISE_VERSION = 1


@dataclass(frozen=True)
class DemoSeries:
    """The folders of the demo; ``quarter_dose`` is None while it is still being made.

    Both series have the same study and frame of reference, and 40 slices of 512 x 512.
    """

    truth: Path
    quarter_dose: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """What there is to open, the noisy scan first."""
        return (self.truth,) if self.quarter_dose is None else (self.quarter_dose, self.truth)


def ensure_demo(cache_folder: Path | None = None) -> Work[DemoSeries]:
    """Write the demo on first use; find it at once from then on.

    Parameters
    ----------
    cache_folder
        Where to keep it; default the user's cache folder for CT Studio, or the temporary folder
        where that cannot be written to.

    Yields
    ------
    Event
        Progress, and a Partial with a `DemoSeries` as soon as the truth can be opened.

    Raises
    ------
    StudioError
        When the folder cannot be written to.
    """
    from ctstudio.ct.phantom import VERSION, phantom

    if cache_folder is None:
        cache_folder = _cache_folder()
    # A changed phantom gets a new folder, so that an old copy is never taken for it.
    home = Path(cache_folder) / f"demo-{VERSION}.{_NOISE_VERSION}"
    demo = DemoSeries(home / "truth", home / "quarter dose")
    if _stands(home / "truth") and _stands(home / "quarter dose"):
        return demo
    _sweep(home)

    volume = yield from _only_progress(phantom(_SLICES))
    truth = replace(volume, source=replace(volume.source, description=TRUTH))
    yield from _write(truth, demo.truth, 1)
    yield Partial(DemoSeries(demo.truth))
    if not _stands(home / "quarter dose"):
        noisy = yield from _quarter_dose(volume)
        yield from _write(noisy, home / "quarter dose", 2)
    return demo


def _cache_folder() -> Path:
    """The user's cache, or a folder of theirs among the temporary ones where that is closed."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.gettempdir()) / f"ctstudio-{getattr(os, 'getuid', int)()}"


def _only_progress(work: Work[T]) -> Work[T]:
    # A Partial of this work is a DemoSeries, never the volume being drawn.
    try:
        while True:
            event = next(work)
            if isinstance(event, Progress):
                yield event
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        work.close()


def _stands(folder: Path) -> bool:
    # Folders appear whole or not at all; someone may still have emptied one by hand.
    return folder.is_dir() and len(list(folder.glob("*.dcm"))) == _SLICES


def _write(volume: Volume, folder: Path, number: int) -> Work[None]:
    from ctstudio.dicom.write import write_series

    if _stands(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield from write_series(volume, folder, series_number=number)
    except StudioError:
        # Another window may have written the same demo in the meantime.
        if not _stands(folder):
            raise


def _quarter_dose(volume: Volume) -> Work[Volume]:
    import torch

    from ctstudio.learn.noise import NOISES

    noise = NOISES.make(NOISE)
    hu = np.empty(volume.shape, np.int16)
    text = f"Simulating a scan at {NOISE.params['dose']:.0%} of the dose"
    for start in range(0, len(volume), 2):
        yield Progress(start, len(volume), text)
        clean = torch.from_numpy(volume.hu(start, start + 2))
        noisy = noise.slice(clean, volume.geometry.spacing_mm, seed=_SEED + start)
        # Not cut off at -1024 HU as scanners do: the mean in air stays right.
        hu[start : start + 2] = noisy.round().clamp(-8192, 8191).numpy()
    yield Progress(len(volume), len(volume), text)
    source = replace(volume.source, description=QUARTER_DOSE, series_uid="", kernel="hann")
    return replace(volume, voxels=hu, source=source)


def _sweep(home: Path) -> None:
    """Remove what an attempt that was killed left behind, unless it may still be running."""
    for leftover in home.glob(".tmp-*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > 3600:
                shutil.rmtree(leftover, ignore_errors=True)
