"""Scores of masks, against other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.core.events import finish
from ctstudio.ct.labels import label_map
from ctstudio.ct.volume import Geometry, Source
from ctstudio.workflows.mask_scores import METRICS, score

SPACING = (2.5, 0.7, 0.9)


def masks(spacing_known: bool = True):
    draw = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(draw.normal(size=(2, 12, 40, 50)), (0, 2, 4, 4))
    truth = np.digitize(smooth[0], [0.02, 0.05])
    found = np.digitize(smooth[0] + 0.4 * smooth[1], [0.02, 0.05])
    # What touches the edge of the image has a surface there, which is told differently elsewhere.
    inside = np.pad(np.ones((10, 38, 48), int), 1)
    truth, found = truth * inside, found * inside
    geometry = Geometry.axial(12, SPACING)
    if not spacing_known:
        geometry = Geometry(*list(vars(geometry).values())[:4], spacing_known=False)
    return tuple(label_map(each, geometry, Source()) for each in (found, truth))


def test_scores_agree_with_simpleitk() -> None:
    import SimpleITK as sitk  # noqa: N813

    found, truth = masks()
    told = finish(score(found, truth))
    assert sorted(told.by_label) == [1, 2]
    for label, row in told.by_label.items():
        assert set(row) == set(METRICS)
        regions = [np.asarray(each.voxels == label, np.uint8) for each in (found, truth)]
        images = [sitk.GetImageFromArray(region) for region in regions]
        for image in images:
            image.SetSpacing(SPACING[::-1])
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(*images)
        assert row["dice"] == pytest.approx(overlap.GetDiceCoefficient())
        assert row["iou"] == pytest.approx(overlap.GetJaccardCoefficient())
        # Distances to the other's surface, by ITK's exact distance maps.
        ways = []
        for one, other in (images, images[::-1]):
            edge = sitk.LabelContour(other, False)
            far = sitk.SignedMaurerDistanceMap(edge, squaredDistance=False, useImageSpacing=True)
            here = sitk.GetArrayFromImage(sitk.LabelContour(one, False)) > 0
            ways.append(np.abs(sitk.GetArrayFromImage(far))[here])
        whole = [np.percentile(way, 95) for way in ways]
        assert row["hd95_mm"] == pytest.approx(max(whole), abs=1e-3)
        assert row["surface_mm"] == pytest.approx(np.concatenate(ways).mean(), abs=1e-3)
    mean = np.mean([row["dice"] for row in told.by_label.values()])
    assert told.mean("dice") == pytest.approx(mean)


def test_of_one_slice() -> None:
    found, truth = masks()
    told = finish(score(found, truth, [5]))
    one, other = (np.asarray(each.voxels[5] == 1) for each in (found, truth))
    assert told.by_label[1]["dice"] == pytest.approx(
        2 * (one & other).sum() / (one.sum() + other.sum())
    )


def test_what_is_not_annotated_counts_for_nothing() -> None:
    found, truth = masks()
    numbers = np.where(np.arange(50) < 25, np.asarray(truth.voxels, int), -1)
    sparse = label_map(numbers, truth.geometry, truth.source)
    half = [label_map(np.asarray(each.voxels)[..., :25], truth.geometry, truth.source)
            for each in (found, truth)]  # fmt: skip
    one, other = finish(score(found, sparse)), finish(score(*half))
    for label in (1, 2):
        assert one.by_label[label]["dice"] == other.by_label[label]["dice"]


def test_without_spacing_there_are_no_millimetres() -> None:
    told = finish(score(*masks(spacing_known=False)))
    assert math.isnan(told.by_label[1]["hd95_mm"])
    assert math.isnan(told.mean("hd95_mm"))
    assert told.by_label[1]["dice"] > 0
