"""Low-contrast detectability on the built-in phantom: are the discs in its liver still seen?"""

from __future__ import annotations

from collections.abc import Sequence
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
from ctstudio.workflows.evaluation.contest import NOISY, neighbours_of

DEMO = "Built-in phantom"
SIDE_OVER_DISC = 2.4
SEED = 40_000


@dataclass(frozen=True)
class Seen:
    """How well one disc is seen in what one method made of a phantom (a case by name)."""

    phantom: str
    method: str
    contrast_hu: float
    diameter_mm: float
    found: Detectability


def detect(
    truth: Volume, noise: Choice, methods: Sequence[Method | None], realisations: int
) -> Work[list[Seen]]:
    """Ask a model observer about every disc, for every method.

    Parameters
    ----------
    truth
        The phantom without noise, as `ctstudio.ct.phantom.phantom` draws it.
    noise
        What is simulated, anew for every realisation, with the discs and without them.
    methods
        None stands for the noisy images themselves.
    realisations
        Of every slice that shows the discs; there are about five of these, and an observer needs
        eight regions of each kind.
    """
    import torch

    from ctstudio.learn.noise import NOISES

    made = NOISES.make(noise)
    rows = [z for z in range(len(truth)) if _shows_discs(truth, z)]
    several = neighbours_of([method for method in methods if method is not None])
    needed = sorted({k for z in rows for k in around(z, len(truth), several)})
    places = [_place(truth, insert) for insert in INSERTS]
    regions: dict[tuple[int, int, bool], list[NDArray[np.float32]]] = {}
    total, done = realisations * 2 * len(rows) * len(methods), 0
    for number in range(realisations):
        for present in (True, False):
            noisy = {}
            for z in needed:
                clean = truth.slice_hu(z)
                if not present:
                    clean = _without_discs(truth, clean)
                seed = SEED + 2 * (number * len(truth) + z) + present
                with torch.inference_mode():
                    image = made.slice(
                        torch.from_numpy(clean), truth.geometry.spacing_mm, seed=seed
                    )
                noisy[z] = image.numpy().astype(np.float32)
                yield Progress(done, total, "Discs: simulating noise")
            for z in rows:
                for which, method in enumerate(methods):
                    image = noisy[z]
                    if method is not None:
                        wanted = around(z, len(truth), method.neighbours)
                        slab = np.stack([noisy[k] for k in wanted])
                        image = method.denoise_slice(slab if len(slab) > 1 else slab[0])
                    for disc, window in enumerate(places):
                        regions.setdefault((which, disc, present), []).append(image[window])
                    done += 1
                    yield Progress(done, total, "Discs: asking the observer")
    spacing = truth.geometry.spacing_mm[1]
    return [
        Seen(
            DEMO,
            NOISY if method is None else method.title,
            insert.contrast_hu,
            insert.diameter_mm,
            detectability(
                np.stack(regions[which, disc, True]),
                np.stack(regions[which, disc, False]),
                insert.diameter_mm / spacing,
            ),
        )
        for which, method in enumerate(methods)
        for disc, insert in enumerate(INSERTS)
    ]


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


def _without_discs(truth: Volume, hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """The slice with liver in place of the discs."""
    plain = hu.copy()
    spacing = truth.geometry.spacing_mm[1]
    rows, columns = np.mgrid[: hu.shape[0], : hu.shape[1]]
    for insert in INSERTS:
        row, column = _middle(truth, insert)
        near = np.hypot(rows - row, columns - column) <= insert.diameter_mm / spacing / 2 + 2
        plain[near] = LIVER_HU
    return plain
