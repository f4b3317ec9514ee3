"""What methods are judged on: noisy slices, and the same slices as they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


def distinct(names: Sequence[str]) -> list[str]:
    """The names, each that was there before with a number: "scan", "scan (2)"."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            number += 1
            free = f"{name} ({number})"
        found.append(free)
    return found


def folder_names(paths: Sequence[Path]) -> list[str]:
    """What series are called by their folders: the last part of each path, and as much before it as
    tells them apart."""
    # A link goes by its own name.
    whole = [path.resolve() if ".." in path.parts else path.absolute() for path in paths]

    def tail(path: Path, count: int) -> str:
        return Path(*path.parts[-count:]).as_posix()

    most = max((len(path.parts) for path in whole), default=1)
    names = []
    for path in whole:
        others = [other for other in whole if other != path]
        count = next(
            (n for n in range(1, most) if all(tail(path, n) != tail(o, n) for o in others)), most
        )
        names.append(tail(path, count))
    return distinct(names)


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
    spacing = volume.geometry.spacing_mm
    chosen = spread(volume, count)
    slices, images = [], dict[tuple[int, int], NDArray[np.float32]]()
    for done, z in enumerate(chosen):
        yield Progress(done, len(chosen), f"{name}: simulating noise")
        kind = made.of_one_kind(SEED + z)  # neighbours have that of the slice, as in one scan
        slab = around(z, len(volume), neighbours)
        for k in slab:
            if (id(kind), k) not in images:
                clean = torch.from_numpy(with_air(volume.slice_hu(k)))
                with torch.inference_mode():
                    noisy = kind.slice(clean, spacing, seed=SEED + k).numpy()
                images[id(kind), k] = noisy.astype(np.float32)
        noisy_slab = np.stack([images[id(kind), k] for k in slab])
        slices.append(Slice(z, noisy_slab, with_air(volume.slice_hu(z))))
    return Case(name, in_words(noise), spacing, tuple(slices))


def in_words(noise: Choice) -> str:
    """The title of a noise with all its settings."""
    from ctstudio.learn.noise import NOISES

    settings = NOISES.resolve(noise).params
    told = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                     for k, v in settings.items())  # fmt: skip
    return f"{NOISES[noise.name].title} ({told})"


def paired(
    name: str,
    noisy: Volume,
    truth: Volume,
    *,
    count: int,
    neighbours: int = 1,
    noise: str = "as measured",
) -> Case:
    """A noisy series and its truth, slice by slice; ``noise`` tells where the noise is from.

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
    return Case(name, noise, truth.geometry.spacing_mm, slices)


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
