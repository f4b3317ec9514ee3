"""Low-contrast detectability on the built-in phantom: are the discs in its liver still seen?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.detectability import Detectability, detectability
from ctstudio.ct.phantom import INSERTS, LIVER_HU, Insert
from ctstudio.ct.volume import Volume
from ctstudio.workflows.denoise import Method
from ctstudio.workflows.evaluation.cases import around
from ctstudio.workflows.evaluation.contest import neighbours_of

DEMO = "Built-in phantom"
SIDE_OVER_DISC = 2.4
SEED = 40_000
OTHER_HU = 10.0  # from the liver's
OTHER_SHARE = 0.01  # of a window


@dataclass(frozen=True)
class Seen:
    """How well one disc is seen in what one method made of a phantom (a case by name)."""

    phantom: str
    method: str
    contrast_hu: float
    diameter_mm: float
    found: Detectability


def detect(
    truth: Volume, noise: Choice, methods: Mapping[str, Method | None], realisations: int
) -> Work[list[Seen]]:
    """Ask a model observer about every disc, for every method.

    Parameters
    ----------
    truth
        The phantom without noise, as `ctstudio.ct.phantom.phantom` draws it.
    noise
        What is simulated, anew for every realisation, with the discs and without them.
    methods
        By their titles; None stands for the noisy images themselves.
    realisations
        Of every slice that shows the discs; each disc has liver alone around it in two to five of
        these, and an observer needs eight regions of each kind.
    """
    import torch

    from ctstudio.learn.noise import NOISES

    made = NOISES.make(noise)
    several = neighbours_of([method for method in methods.values() if method is not None])
    spacing = truth.geometry.spacing_mm
    places = [_place(truth, insert) for insert in INSERTS]
    rows = [z for z in range(len(truth)) if _shows_discs(truth, z)]
    clear = {
        z: [disc for disc, insert in enumerate(INSERTS) if _all_liver(truth, z, insert)]
        for z in rows
    }
    rows = [z for z in rows if clear[z]]
    needed = sorted({k for z in rows for k in around(z, len(truth), several)})
    groups: list[list[int]] = [[], *_apart(places)]
    regions: dict[tuple[str, int, bool], list[NDArray[np.float32]]] = {}
    total, done = realisations * len(groups) * len(rows) * len(methods), 0
    for number in range(realisations):
        for group, without in enumerate(groups):
            noisy = {}
            for z in needed:
                clean = _without(truth, truth.slice_hu(z), without)
                seed = SEED + len(groups) * (number * len(truth) + z) + group
                with torch.inference_mode():
                    image = made.slice(torch.from_numpy(clean), spacing, seed=seed)
                noisy[z] = image.numpy().astype(np.float32)
                yield Progress(done, total, "Discs: simulating noise")
            for z in rows:
                for title, method in methods.items():
                    image = noisy[z]
                    if method is not None:
                        wanted = around(z, len(truth), method.neighbours)
                        slab = np.stack([noisy[k] for k in wanted])
                        image = method.denoise_slice(slab if len(slab) > 1 else slab[0])
                    for disc in clear[z]:
                        if not without or disc in without:
                            key = title, disc, not without
                            regions.setdefault(key, []).append(image[places[disc]])
                    done += 1
                    yield Progress(done, total, "Discs: asking the observer")
    return [
        Seen(
            DEMO,
            title,
            insert.contrast_hu,
            insert.diameter_mm,
            detectability(
                np.stack(regions[title, disc, True]),
                np.stack(regions[title, disc, False]),
                insert.diameter_mm / spacing[1],
            ),
        )
        for title in methods
        for disc, insert in enumerate(INSERTS)
        if (title, disc, True) in regions
    ]


def _apart(places: Sequence[tuple[slice, slice]]) -> list[list[int]]:
    """The numbers of the places in groups, in each of which no two overlap."""
    groups: list[list[int]] = []
    for number, place in enumerate(places):
        for group in groups:
            if not any(_overlap(place, places[other]) for other in group):
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def _overlap(one: tuple[slice, slice], other: tuple[slice, slice]) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _shows_discs(truth: Volume, z: int) -> bool:
    """Whether the whole thickness of a slice lies inside all discs."""
    at = float(truth.geometry.positions_mm[z][2])
    half = abs(float(truth.geometry.offsets_mm[1] - truth.geometry.offsets_mm[0])) / 2
    return all(abs(at - i.centre_mm[2]) + half <= i.length_mm / 2 for i in INSERTS)


def _place(truth: Volume, insert: Insert) -> tuple[slice, slice]:
    """Rows and columns of a square around a disc, its middle in that of a pixel."""
    row, column = _middle(truth, insert)
    half = round(SIDE_OVER_DISC * insert.diameter_mm / truth.geometry.spacing_mm[1] / 2)
    return slice(row - half, row + half + 1), slice(column - half, column + half + 1)


def _middle(truth: Volume, insert: Insert) -> tuple[int, int]:
    x, y, _ = truth.geometry.positions_mm[0]
    dy, dx = truth.geometry.spacing_mm
    return round((insert.centre_mm[1] - y) / dy), round((insert.centre_mm[0] - x) / dx)


def _near(truth: Volume, insert: Insert) -> NDArray[np.bool_]:
    """Where in a slice ``(y, x)`` a disc is, its rim included."""
    rows, columns = np.mgrid[: truth.shape[1], : truth.shape[2]]
    row, column = _middle(truth, insert)
    far: NDArray[np.float64] = np.hypot(rows - row, columns - column)
    return far <= insert.diameter_mm / truth.geometry.spacing_mm[1] / 2 + 2


def _without(truth: Volume, hu: NDArray[np.float32], discs: Sequence[int]) -> NDArray[np.float32]:
    """The slice with liver in place of some discs."""
    plain = hu.copy()
    for disc in discs:
        plain[_near(truth, INSERTS[disc])] = LIVER_HU
    return plain


def _all_liver(truth: Volume, z: int, insert: Insert) -> bool:
    """Whether a disc has hardly anything but liver around it, and other discs: what lung and
    vessels do to the observer differs from slice to slice and is none of the disc's."""
    hu = truth.slice_hu(z).copy()
    for each in INSERTS:
        hu[_near(truth, each)] = LIVER_HU
    other = np.abs(hu[_place(truth, insert)] - LIVER_HU) > OTHER_HU
    return bool(other.mean() <= OTHER_SHARE)
