"""What an experiment learns from and is judged by: one series, split so that both forms agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.padding import measured
from ctstudio.ct.volume import Volume
from ctstudio.learn.recipe import Recipe
from ctstudio.workflows.stages import stage

BLACK_HU = -1000.0
GREY_HU = 8.0
"""HU to a grey value: 256 of them reach from air to dense bone."""

DEMO_SLICES = 40
JUDGED = 4
LARGEST_PX = 1024


@dataclass(frozen=True, eq=False)
class Data:
    """A series as the recipes take it.

    Parameters
    ----------
    volume
        HU; grey values of pictures stand as ``8 * grey - 1000``, so that the recipes' black is
        black and their 0 to 255 the very grey values.
    hu
        Whether these are the series' own HU.
    words
        What it is, without a name of a person, a file or a series.
    fingerprint
        Tells it from other series; by default that of ``volume``.
    """

    volume: Volume
    hu: bool
    words: str
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not self.fingerprint:
            from ctstudio.learn.resume import fingerprint

            object.__setattr__(self, "fingerprint", fingerprint([self.volume]))

    @property
    def unit(self) -> str:
        return "HU" if self.hu else "grey"

    def shown(self, hu: NDArray[np.floating]) -> NDArray[np.float32]:
        """Values of `volume` in the series' own unit, same shape."""
        values = hu if self.hu else (np.asarray(hu, np.float64) - BLACK_HU) / GREY_HU
        return np.asarray(values, np.float32)


def load(path: Path | None, selector: str | None = None) -> Work[Data]:
    """A series from a folder, an archive or files, or where ``path`` is None the demo's thorax.

    Raises
    ------
    StudioError
        When there is no series, several and no ``selector``, or it cannot be read.
    """
    if path is None:
        from ctstudio.ct.phantom import phantom

        volume = yield from stage(phantom(DEMO_SLICES), "Drawing the thorax phantom")
        return Data(volume, True, f"the built-in thorax phantom, {_size(volume)}")
    from ctstudio.workflows.info import choose_series
    from ctstudio.workflows.open import read, scan

    found = yield from stage(scan([path]), "Looking for series")
    images = [info for info in found.series if info.source.modality != "SEG"]
    info = choose_series(found.series if selector else images or found.series, selector)
    return from_volume((yield from stage(read(info), "Reading the series")))


def from_volume(volume: Volume) -> Data:
    """A series that is open already; values that are not HU are taken as greys.

    Greys of 0 to 255, as pictures of 8 bits have them, stay what they are. All others, and floats
    of whatever size, are brought there.
    """
    if volume.unit == "HU":
        return Data(volume, True, f"a CT series, {_size(volume)}")
    lowest, highest = _range(volume)
    whole = np.issubdtype(volume.voxels.dtype, np.integer)
    eight_bits = whole and lowest >= 0 and highest <= 255
    first, grey = (0.0, 1.0) if eight_bits else (lowest, max(highest - lowest, 1e-6) / 255)
    scale = GREY_HU / grey
    changed = replace(
        volume,
        slope=volume.slope * scale,
        intercept=(volume.intercept - first) * scale + BLACK_HU,
        unit="HU",
    )
    words = f"a stack of pictures, {_size(volume)}"
    if not eight_bits:
        words += f", whose values {lowest:g} to {highest:g} are greys of 0 to 255 here"
    return Data(changed, False, words)


def _range(volume: Volume) -> tuple[float, float]:
    """The least and the largest value that was measured; 0 and 0 where none was."""
    lowest, highest = math.inf, -math.inf
    for z in range(len(volume)):
        image = volume.slice_hu(z)
        if (known := measured(image)).any():
            lowest = min(lowest, float(image[known].min()))
            highest = max(highest, float(image[known].max()))
    return (lowest, highest) if lowest <= highest else (0.0, 0.0)


def _size(volume: Volume) -> str:
    slices, rows, columns = volume.shape
    return f"{slices} slice{'' if slices == 1 else 's'} of {columns} x {rows} px"


@dataclass(frozen=True)
class Split:
    """Slices of a series, by their index: to learn from, and held out from every form.

    Of a series of one slice that one is both.
    """

    learn: tuple[int, ...]
    held: tuple[int, ...]

    @property
    def judged(self) -> tuple[int, ...]:
        """A few of the held-out slices, evenly spread."""
        from ctstudio.learn.sampling import spread

        return tuple(spread(self.held or self.learn, JUDGED))


def split(slices: int, recipes: Sequence[Recipe]) -> Split:
    """What none of the recipes learns from is held out; the last recipe has the whole series."""
    from ctstudio.learn import sampling

    _, held = sampling.split(slices, recipes[-1].validation.share)
    most = max(recipe.validation.share for recipe in recipes)
    learn, _ = sampling.split(slices, most)
    return Split(tuple(z for z in learn if z not in held), tuple(held))


def excerpt(volume: Volume, parts: Split, count: int, recipe: Recipe) -> tuple[Volume, int]:
    """A series of which the recipe learns from ``count`` slices, spread through the whole one.

    The trainer holds out a share of what it gets; so the slices that it holds out here are ones
    held out from everybody. Returns also how many it does learn from, which may be fewer where no
    series of any length leaves just so many.
    """
    from ctstudio.learn import sampling

    chosen = sampling.spread(parts.learn, count)
    if not parts.held:
        return volume, len(volume)
    share, size = recipe.validation.share, len(chosen) + 1
    while len(sampling.split(size, share)[0]) != len(chosen):
        size += 1
        if size > 4 * len(chosen) + 8:
            chosen, size = chosen[:-1], len(chosen)
    learn, _ = sampling.split(size, share)
    spare = [z for z in range(size) if z not in learn]
    middle = sampling.spread(parts.held, len(spare))
    # Where there are more places than held-out slices, these come again: nothing learns of them.
    filled = [middle[k * len(middle) // len(spare)] for k in range(len(spare))]
    order = np.empty(size, np.intp)
    order[learn], order[spare] = chosen, filled
    return pick(volume, order), len(chosen)


def pick(volume: Volume, order: NDArray[np.intp]) -> Volume:
    """The slices ``order`` of a series, as a series."""
    geometry = replace(volume.geometry, positions_mm=volume.geometry.positions_mm[order])
    source = replace(volume.source, files=())
    return replace(
        volume,
        voxels=volume.voxels[order],
        slope=volume.slope[order],
        intercept=volume.intercept[order],
        geometry=geometry,
        source=source,
    )


def fit(data: Data, recipe: Recipe) -> Data:
    """The series as the network takes it: for one of a fixed size square, with black at its rim.

    Raises
    ------
    StudioError
        When the images are larger than such a network takes.
    """
    side = fixed_side(data.volume, recipe)
    _, rows, columns = data.volume.shape
    if side is None:
        return data
    if side > LARGEST_PX:
        raise StudioError(
            f"The autoencoder takes images of at most {LARGEST_PX} px, and these have {side} px.",
            hint="Choose another series or experiment.",
        )
    if (rows, columns) == (side, side):
        return data
    volume = data.volume
    hu = np.full((len(volume), side, side), BLACK_HU, np.float32)
    top, left = (side - rows) // 2, (side - columns) // 2
    for z in range(len(volume)):
        hu[z, top : top + rows, left : left + columns] = volume.slice_hu(z)
    padded = Volume.from_hu(hu, volume.geometry, source=replace(volume.source, files=()))
    return replace(data, volume=padded, words=f"{data.words}, padded to {side} x {side}")


def fixed_side(volume: Volume, recipe: Recipe) -> int | None:
    """The side in px of the images of a network that takes one size alone; else None."""
    if "size_px" not in recipe.phases[0].model.params:
        return None
    return -(-max(volume.shape[1:]) // 8) * 8


def clean_slices(volume: Volume, slices: Sequence[int]) -> Work[list[NDArray[np.float32]]]:
    """The slices ``(y, x)`` in HU as the trainer takes them, padding replaced by air."""
    from ctstudio.learn.in_memory import clean_slice

    images = []
    for done, z in enumerate(slices):
        yield Progress(done, len(slices), "Reading slices")
        images.append(np.asarray(clean_slice(volume, z), np.float32))
    return images
