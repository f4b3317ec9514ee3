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
    "dice_cut": "Dice, cut by images that were learnt from",
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "weighted_accuracy": "Weighted accuracy",
    "auc": "AUC",
    "hd95_mm": "Hausdorff distance, 95 % ({})",
    "surface_mm": "Mean surface distance ({})",
}
"""With the unit of lengths in braces."""

SMOOTHINGS_PX = (0.0, 2.0, 4.0, 8.0, 16.0)

PROTOCOL = (
    "All held-out pixels together; of several labels the mean of those that occur. The second Dice "
    "is of any label against none: inside is what is likelier than suits best a few of the images "
    "that were learnt from. Weighted accuracy: each class, the background too, counts the same. "
    "AUC: any label against none, by the probability that the network gives. Distances within each "
    "slice, mean over the slices in which the label is found and true."
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
    told["found"] = float(above / there) if there else math.nan
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

    The rival of whoever gives every image the same mask, and no weak one: it is smoothed as much as
    tells each of those masks best by the mean of the others, and cut where it has the highest Dice
    on them. None where the images have several sizes.
    """
    if len({truth.shape for truth in truths}) != 1:
        return None
    stack = np.stack([np.asarray(truth > 0, np.float32) for truth in truths])
    inside = _smoothed(stack.mean(0), _best_smoothing(stack))
    found = np.asarray(inside > best_cut([inside] * len(truths), truths), np.float32)
    return Answers([found] * count, [inside] * count)


def best_cut(inside: Maps, truths: Maps) -> float:
    """Above which probability Dice is highest, of any label against none."""
    likely, true = annotated(inside, truths)
    order = np.argsort(-likely, kind="stable")
    right = np.cumsum(true[order] > 0)
    taken = np.arange(1, len(order) + 1)
    scores = 2 * right / (taken + max(int(right[-1]), 1))
    # Equal probabilities are cut together.
    ends = np.append(np.diff(likely[order]) != 0, True)
    best = int(np.argmax(np.where(ends, scores, -1)))
    return float(np.nextafter(likely[order][best], np.float32(-1)))


def dice_at(answers: Answers, truths: Maps, cut: float) -> float:
    """Dice of any label against none where what is likelier than ``cut`` is inside."""
    wholes = [np.where(truth < 0, -1, truth > 0) for truth in truths]
    return dice([inside > cut for inside in answers.inside], wholes)


def _best_smoothing(stack: NDArray[np.float32]) -> float:
    """The SD in px with which the mean of the other masks tells each best, by AUC."""
    if len(stack) < 2:
        return 0.0
    others = [(stack.sum(0) - one) / (len(stack) - 1) for one in stack]
    means = []
    for sd_px in SMOOTHINGS_PX:
        scores = [
            auc(_smoothed(mean, sd_px), one > 0) for mean, one in zip(others, stack, strict=True)
        ]
        known = [score for score in scores if not math.isnan(score)]
        means.append(float(np.mean(known)) if known else 0.0)
    return SMOOTHINGS_PX[int(np.argmax(means))]


def _smoothed(image: NDArray[np.floating], sd_px: float) -> NDArray[np.float32]:
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(image, sd_px) if sd_px else image
    return np.asarray(smooth, np.float32)
