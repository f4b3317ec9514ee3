"""How well a label map agrees with the true one: overlap, and the ranking of probabilities.

Every number is one of the voxels that are annotated (truth of 0 or more); -1 counts for nothing.
Class 0 is the background. How far surfaces lie apart is in `ctstudio.ct.surfaces`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[Any]


@dataclass(frozen=True)
class Counts:
    """Voxels of one class: found and true, found alone, missed, and neither."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def dice(self) -> float:
        """``2 TP / (2 TP + FP + FN)``; 1 where the class is in neither."""
        either = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / either if either else 1.0

    @property
    def iou(self) -> float:
        """``TP / (TP + FP + FN)``, the Jaccard index; 1 where the class is in neither."""
        either = self.true_positive + self.false_positive + self.false_negative
        return self.true_positive / either if either else 1.0

    @property
    def sensitivity(self) -> float:
        """``TP / (TP + FN)``, the share of the class that is found; nan where there is none."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """``TN / (TN + FP)``, the share of the rest that is left alone; nan where there is none."""
        return _share(self.true_negative, self.true_negative + self.false_positive)


OVERLAP = ("dice", "iou", "sensitivity", "specificity")
"""What `overlap` tells of each class."""


def count(predictions: Sequence[Labels], truths: Sequence[Labels]) -> dict[int, Counts]:
    """The `Counts` of every class above 0 that occurs in either, over all maps together.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    found, true = annotated(predictions, truths)
    total = true.size
    result = {}
    for k in np.union1d(np.unique(found), np.unique(true)):
        if k > 0:
            is_found, is_true = found == k, true == k
            both = int(np.count_nonzero(is_found & is_true))
            more = int(np.count_nonzero(is_found)) - both
            less = int(np.count_nonzero(is_true)) - both
            result[int(k)] = Counts(both, more, less, total - both - more - less)
    return result


def overlap(predictions: Sequence[Labels], truths: Sequence[Labels]) -> dict[str, float]:
    """`OVERLAP`, each the mean over the classes above 0 that occur in either, and
    "weighted_accuracy"; all maps are pooled.

    Where there is no class at all Dice and IoU are 1; what has no meaning is nan.
    """
    counted = list(count(predictions, truths).values())
    told = {name: _mean([getattr(each, name) for each in counted]) for name in OVERLAP}
    if not counted:
        told |= {"dice": 1.0, "iou": 1.0}
    found, true = annotated(predictions, truths)
    return told | {"weighted_accuracy": weighted_accuracy(found, true)}


def dice(predictions: Sequence[Labels], truths: Sequence[Labels]) -> float:
    """What `overlap` tells as "dice", alone."""
    counted = count(predictions, truths).values()
    return _mean([each.dice for each in counted]) if counted else 1.0


def weighted_accuracy(
    prediction: Labels, truth: Labels, weights: Mapping[int, float] | None = None
) -> float:
    """Share of the annotated voxels that are right, each weighing as much as its true class.

    Without ``weights`` a class weighs the median of the classes' frequencies over its own: the
    mean, over the true classes, of the share that is right (Anthimopoulos et al. 2018,
    arXiv 1803.06167). nan where nothing is annotated, or all weights are 0.
    """
    found, true = np.ravel(prediction), np.ravel(truth)
    known = true >= 0
    classes, which, pixels = np.unique(true[known], return_inverse=True, return_counts=True)
    if not classes.size:
        return math.nan
    right = np.bincount(which, found[known] == true[known], minlength=len(classes))
    if weights is None:
        each = np.median(pixels) / pixels
    else:
        each = np.array([weights.get(int(k), 0.0) for k in classes], np.float64)
    total = float(each @ pixels)
    return float(each @ right) / total if total > 0 else math.nan


def auc(scores: NDArray[np.floating], inside: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a voxel inside has a higher score than one outside.

    Equal scores count half (Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747). nan
    where all voxels are inside, or none is.
    """
    values, where = np.ravel(scores), np.ravel(inside)
    positive, negative = np.sort(values[where]), np.sort(values[~where])
    if not positive.size or not negative.size:
        return math.nan
    below = np.searchsorted(negative, positive, "left").sum(dtype=np.float64)
    not_above = np.searchsorted(negative, positive, "right").sum(dtype=np.float64)
    return float((below + not_above) / 2 / positive.size / negative.size)


def annotated(predictions: Sequence[Labels], truths: Sequence[Labels]) -> tuple[Labels, Labels]:
    """Prediction and truth ``(n,)`` of the voxels that are annotated, over all maps."""
    found, true = [], []
    for prediction, truth in zip(predictions, truths, strict=True):
        if np.shape(prediction) != np.shape(truth):
            raise ValueError(
                f"prediction {np.shape(prediction)} and truth {np.shape(truth)} differ in shape"
            )
        known = np.asarray(truth) >= 0
        found.append(np.asarray(prediction)[known])
        true.append(np.asarray(truth)[known])
    return np.concatenate(found), np.concatenate(true)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
