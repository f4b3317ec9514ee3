"""Numbers of masks: agreement with the truth, and whether they show what the author saw."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.checkerboard import checkerboard
from ctstudio.ct.overlap import annotated, auc, dice, overlap
from ctstudio.ct.surfaces import by_slice
from ctstudio.workflows.reproduce.measure import Sight, correlation

Maps = Sequence[NDArray[np.floating]]

METRICS = {
    "dice": "Dice",
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "weighted_accuracy": "Weighted accuracy",
    "auc": "AUC",
    "hd95_mm": "Hausdorff distance, 95 % ({})",
    "surface_mm": "Mean surface distance ({})",
}
"""With the unit of lengths in braces."""

PROTOCOL = (
    "All held-out pixels together; of several labels the mean of those that occur. "
    "Weighted accuracy: each class, the background too, counts the same. AUC: any label against "
    "none, by the probability that the network gives. Distances within each slice, mean over the "
    "slices in which the label is found and true."
)

LOOKS = {
    "found": "pixels found over those that are true",
    "sameness": "mean correlation of what the network gives for two held-out images with one "
    "another (of the true masks: {:.3g})",
    "checkerboard": "share of the variance of what the network gives that repeats every 2 px",
    "cost": "mean loss of the last tenth of the training over that of the first",
}

SIGHTS = {
    "black masks": Sight("black masks", "found", 0.02, False),
    "same mask": Sight("the same mask for every image", "sameness", 0.97, True),
    "cost falls little": Sight("the cost falls little", "cost", 0.75, True),
}
"""What the author saw, as bounds on `LOOKS`."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What is made of some slices ``(y, x)``: labels, and how likely any label is, 0 to 1."""

    found: Maps
    inside: Maps


def numbers(
    answers: Answers, truths: Maps, spacings: Sequence[tuple[float, float]]
) -> dict[str, float]:
    """`METRICS`, and of `LOOKS` those of pictures; nan where one has no meaning."""
    told = overlap(answers.found, truths)
    likely, true = annotated(answers.inside, truths)
    told["auc"] = auc(likely, true > 0)
    told |= by_slice(answers.found, truths, spacings)
    there = np.count_nonzero(true > 0)
    above = sum(np.count_nonzero((f > 0) & (t >= 0)) for f, t in zip(answers.found, truths,
                                                                     strict=True))  # fmt: skip
    told["found"] = above / there if there else math.nan
    told["sameness"] = sameness(answers.inside)
    told["checkerboard"] = float(np.mean([checkerboard(each) for each in answers.inside]))
    return told


def sameness(maps: Maps) -> float:
    """Mean correlation of every two of the maps ``(y, x)`` that have one size.

    1 for maps without any contrast, which are the same indeed; nan where there are no two.
    """
    pairs = [(a, b) for a, b in itertools.combinations(maps, 2) if a.shape == b.shape]
    return float(np.mean([_alike(a, b) for a, b in pairs])) if pairs else math.nan


def _alike(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    flat = float(np.std(one)) < 1e-6 and float(np.std(other)) < 1e-6
    return 1.0 if flat else correlation(one, other)


def mean_mask(truths: Maps, count: int) -> Answers | None:
    """The mean of the masks that are learnt from, given as an answer ``count`` times.

    The rival of whoever gives every image the same mask. It is cut where that has the highest
    Dice on those masks themselves. None where the images have several sizes.
    """
    if len({truth.shape for truth in truths}) != 1:
        return None
    stack = np.stack([np.asarray(truth > 0, np.float32) for truth in truths])
    inside: NDArray[np.float32] = stack.mean(0)
    cuts = np.unique(inside)[:-1][:: max(len(np.unique(inside)) // 50, 1)]
    wholes = [np.where(t < 0, -1, t > 0) for t in truths]
    scores = [dice([(inside > cut).astype(np.int8)] * len(wholes), wholes) for cut in cuts]
    cut = cuts[int(np.argmax(scores))] if len(cuts) else 0.5
    found = (inside > cut).astype(np.float32)
    return Answers([found] * count, [inside] * count)
