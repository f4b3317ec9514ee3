"""How well one mask agrees with another, label by label, over a slice or a whole series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Progress, Work
from ctstudio.ct.overlap import OVERLAP, Counts
from ctstudio.ct.surfaces import SURFACES, in_patient, surface_distances
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Geometry

METRICS = (*OVERLAP, *SURFACES)
"""What is told of each label; all between 0 and 1, but those that end in ``_mm``."""


@dataclass(frozen=True)
class Scores:
    """By label above 0 that occurs in either mask: `METRICS`, nan where one has no meaning."""

    by_label: dict[int, dict[str, float]]

    def mean(self, metric: str) -> float:
        """The mean over the labels of which ``metric`` is known; nan where there is none."""
        known = [row[metric] for row in self.by_label.values() if not math.isnan(row[metric])]
        return math.fsum(known) / len(known) if known else math.nan


def score(
    prediction: SliceStack, truth: SliceStack, slices: Sequence[int] | None = None
) -> Work[Scores]:
    """Compare two masks of one shape, voxel by voxel; what the truth does not annotate is left out.

    Over all slices, or ``slices`` next to one another. Distances are in mm of the patient where
    the spacing is known, and nan where it is not. Yields Progress.
    """
    which = range(len(truth)) if slices is None else slices
    found, true = [], []
    counts = np.zeros((1, 1), np.int64)  # by true and found label
    for done, z in enumerate(which):
        yield Progress(done, 2 * len(which), "Comparing masks")
        there, here = (np.rint(stack.slice_hu(z)).astype(np.int32) for stack in (truth, prediction))
        here = np.where(there < 0, 0, np.maximum(here, 0))
        true.append(_small(np.maximum(there, 0)))
        found.append(_small(here))
        counts = _add(counts, there[there >= 0], here[there >= 0])
    geometry = truth.geometry
    if slices is not None:
        geometry = replace(geometry, positions_mm=geometry.positions_mm[list(slices)])
    labels = [k for k in range(1, len(counts)) if counts[k].any() or counts[:, k].any()]
    total = int(counts.sum())
    rows = {}
    for done, k in enumerate(labels):
        yield Progress(len(labels) + done, 2 * len(labels), "Measuring distances")
        both = int(counts[k, k])
        more, less = int(counts[:, k].sum()) - both, int(counts[k].sum()) - both
        told = Counts(both, more, less, total - both - more - less)
        rows[k] = {name: float(getattr(told, name)) for name in OVERLAP}
        if geometry.spacing_known:
            rows[k] |= _distances(found, true, k, geometry)
        else:
            rows[k] |= dict.fromkeys(SURFACES, math.nan)
    return Scores(rows)


def _small(labels: NDArray[np.int32]) -> NDArray[np.unsignedinteger]:
    """The same in as few bytes as may be: all slices are kept for the distances."""
    return labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.uint16)


def _add(
    counts: NDArray[np.int64], true: NDArray[np.int32], found: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Count pairs of labels; the table grows with the labels."""
    size = max(len(counts), int(true.max(initial=0)) + 1, int(found.max(initial=0)) + 1)
    grown = np.zeros((size, size), np.int64)
    grown[: len(counts), : len(counts)] = counts
    return grown + np.bincount(true * size + found, minlength=size * size).reshape(size, size)


def _distances(
    found: Sequence[NDArray[np.unsignedinteger]],
    true: Sequence[NDArray[np.unsignedinteger]],
    label: int,
    geometry: Geometry,
) -> dict[str, float]:
    """Surface distances of one label; only the box around it is looked at."""
    flat = [(f == label) | (t == label) for f, t in zip(found, true, strict=True)]
    rows = np.any([each.any(1) for each in flat], axis=0)
    columns = np.any([each.any(0) for each in flat], axis=0)
    z, y, x = (_reach(np.array(v)) for v in ([each.any() for each in flat], rows, columns))
    dy, dx = geometry.spacing_mm
    corner = (
        y.start * dy * geometry.column_direction + x.start * dx * geometry.row_direction
    )  # fmt: skip
    box = replace(geometry, positions_mm=geometry.positions_mm[z] + corner)
    one, other = (
        in_patient(np.stack([each[y, x] == label for each in stack[z]]), box)
        for stack in (found, true)
    )
    return surface_distances(one, other)


def _reach(where: NDArray[np.bool_]) -> slice:
    """From the first to the last that is true, and one more on either side where there is one."""
    (at,) = np.nonzero(where)
    return slice(max(int(at[0]) - 1, 0), int(at[-1]) + 2)
