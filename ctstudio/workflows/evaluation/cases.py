"""What methods are judged on: noisy slices, and the same slices as they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.padding import measured, with_air
from ctstudio.ct.volume import Volume

SEED = 20_000


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice to judge: ``noisy`` ``(n, y, x)`` is it among its noisy neighbours, the slice
    itself in the middle, ``truth`` ``(y, x)`` what it should be; float32 HU."""

    index: int
    noisy: NDArray[np.float32]
    truth: NDArray[np.float32]

    @property
    def input(self) -> NDArray[np.float32]:
        """The noisy slice ``(y, x)`` itself."""
        image: NDArray[np.float32] = self.noisy[len(self.noisy) // 2]
        return image

    def among(self, count: int) -> NDArray[np.float32]:
        """The noisy slice ``(y, x)``, or where ``count`` is more than 1 ``(count, y, x)``; one
        that has no neighbours is ``(y, x)`` in any case."""
        if count == 1 or len(self.noisy) == 1:
            return self.input
        first = (len(self.noisy) - count) // 2
        return self.noisy[first : first + count]


@dataclass(frozen=True, eq=False)
class Case:
    """Slices of one series; ``noise`` says in words where theirs comes from."""

    name: str
    noise: str
    spacing_mm: tuple[float, float]
    slices: tuple[Slice, ...]


def simulated(
    name: str, volume: Volume, noise: Choice, *, count: int, neighbours: int = 1
) -> Work[Case]:
    """The series is the truth, and its slices with simulated noise are the input.

    Parameters
    ----------
    count
        How many slices, evenly spread.
    neighbours
        How many slices a network wants to see at once, itself included.

    Raises
    ------
    StudioError
        For values that are not HU, or a noise that cannot be made for the series.
    """
    if volume.unit != "HU":
        raise StudioError(
            f"The values of {name} are not HU, so no dose can be simulated.",
            hint="Give a CT series with a rescale.",
        )
    import torch

    from ctstudio.learn.noise import NOISES

    made = NOISES.make(noise)
    settings = NOISES.resolve(noise).params
    words = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                      for k, v in settings.items())  # fmt: skip
    noisy: dict[int, NDArray[np.float32]] = {}
    chosen = spread(volume, count)
    wanted = {z: around(z, len(volume), neighbours) for z in chosen}
    needed = sorted({k for slab in wanted.values() for k in slab})
    for done, z in enumerate(needed):
        yield Progress(done, len(needed), f"{name}: simulating noise")
        clean = torch.from_numpy(with_air(volume.slice_hu(z)))
        with torch.inference_mode():
            image = made.slice(clean, volume.geometry.spacing_mm, seed=SEED + z)
        noisy[z] = image.numpy().astype(np.float32)
    slices = tuple(
        Slice(z, np.stack([noisy[k] for k in wanted[z]]), with_air(volume.slice_hu(z)))
        for z in chosen
    )
    title = NOISES[noise.name].title
    return Case(name, f"{title} ({words})", volume.geometry.spacing_mm, slices)


def paired(name: str, noisy: Volume, truth: Volume, *, count: int, neighbours: int = 1) -> Case:
    """A noisy series and its truth, slice by slice.

    Raises StudioError where they do not have the same slices with the same pixels.
    """
    from ctstudio.learn.pairs import require_one_place

    require_one_place(noisy, truth, f"{name} and its truth")
    slices = tuple(
        Slice(
            z,
            np.stack([with_air(noisy.slice_hu(k)) for k in around(z, len(noisy), neighbours)]),
            with_air(truth.slice_hu(z)),
        )
        for z in spread(truth, count)
    )
    return Case(name, "as measured", truth.geometry.spacing_mm, slices)


def spread(volume: Volume, count: int) -> list[int]:
    """At most ``count`` slices that show something, evenly spread."""
    shown = [z for z in range(len(volume)) if measured(volume.slice_hu(z)).any()]
    if not shown:
        raise StudioError("The series shows nothing.", hint="Give another series.")
    if len(shown) <= count:
        return shown
    return [shown[int((k + 0.5) * len(shown) / count)] for k in range(count)]


def around(index: int, total: int, count: int) -> Sequence[int]:
    """The ``count`` slices around one of ``total``; the outermost ones are repeated."""
    from ctstudio.learn.context import neighbours

    return neighbours(index, total, count)
