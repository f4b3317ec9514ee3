"""Agreement of label maps, against SimpleITK and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy import stats
from scipy.spatial.distance import cdist

from ctstudio.ct.overlap import auc, count, dice, overlap, weighted_accuracy
from ctstudio.ct.surfaces import by_slice, in_patient, in_slice, surface, surface_distances
from ctstudio.ct.volume import Geometry

RANDOM = np.random.default_rng(5)


def blobs(shape: tuple[int, ...], classes: int, shift: int = 0) -> np.ndarray:
    """A few boxes of each class, moved by ``shift`` voxels."""
    random = np.random.default_rng(3)
    numbers = np.zeros(shape, np.uint8)
    for k in range(1, classes):
        low = [int(random.integers(3, n - 9)) + shift for n in shape]
        numbers[tuple(slice(a, a + 4 + k) for a in low)] = k
    return numbers


def test_overlap_is_that_of_simpleitk() -> None:
    truth, found = blobs((20, 24, 28), 4), blobs((20, 24, 28), 4, shift=1)
    counts = count([found], [truth])
    for k in (1, 2, 3):
        peer = sitk.LabelOverlapMeasuresImageFilter()
        images = (sitk.GetImageFromArray((each == k).astype(np.uint8)) for each in (found, truth))
        peer.Execute(*images)
        mine = counts[k]
        assert mine.dice == pytest.approx(peer.GetDiceCoefficient(1))
        assert mine.iou == pytest.approx(peer.GetJaccardCoefficient(1))
        assert mine.sensitivity == pytest.approx(1 - peer.GetFalseNegativeError(1))
        assert mine.specificity == pytest.approx(1 - peer.GetFalsePositiveError(1))
    told = overlap([found], [truth])
    assert told["iou"] == pytest.approx(np.mean([counts[k].iou for k in (1, 2, 3)]))
    # Pooled over slices it is the same as of the volume at once.
    assert overlap(list(found), list(truth)) == pytest.approx(told)
    assert dice(list(found), list(truth)) == pytest.approx(told["dice"])


def test_what_is_not_annotated_counts_for_nothing() -> None:
    truth, found = blobs((30, 30), 3).astype(int), blobs((30, 30), 3, shift=1)
    known = RANDOM.random(truth.shape) < 0.7
    sparse = np.where(known, truth, -1)
    assert overlap([found], [sparse]) == overlap([found[known]], [truth[known]])


def test_weighted_accuracy_is_the_mean_of_what_is_found_of_each_class() -> None:
    truth = RANDOM.choice(4, 5000, p=(0.9, 0.06, 0.03, 0.01))
    found = np.where(RANDOM.random(5000) < 0.3, RANDOM.integers(0, 4, 5000), truth)
    each = [float((found[truth == k] == k).mean()) for k in range(4)]
    assert weighted_accuracy(found, truth) == pytest.approx(np.mean(each))
    shares = np.bincount(truth) / len(truth)
    even = weighted_accuracy(found, truth, dict.fromkeys(range(4), 2.5))
    assert even == pytest.approx(float((found == truth).mean()))
    assert even == pytest.approx(float(np.dot(shares, each)))
    assert math.isnan(weighted_accuracy(found, truth, {}))
    assert math.isnan(weighted_accuracy(found, np.full_like(truth, -1)))


@pytest.mark.parametrize("levels", [3, 100, 10**9])
def test_auc_is_mann_whitney_s_u(levels: int) -> None:
    inside = RANDOM.random(3000) < 0.1
    scores = (RANDOM.integers(0, levels, 3000) / levels + 0.2 * inside).astype(np.float32)
    peer = stats.mannwhitneyu(scores[inside], scores[~inside]).statistic
    assert auc(scores, inside) == pytest.approx(peer / inside.sum() / (~inside).sum(), rel=1e-9)
    assert auc(np.zeros(9), np.arange(9) < 2) == 0.5
    assert math.isnan(auc(scores, np.ones(3000, bool)))


def test_empty_maps() -> None:
    nothing, something = np.zeros((4, 5), int), np.eye(4, 5, dtype=int)
    told = overlap([nothing], [nothing])
    assert told["dice"] == told["iou"] == told["weighted_accuracy"] == 1
    assert math.isnan(told["sensitivity"])
    missed = overlap([nothing], [something])
    assert missed["dice"] == missed["sensitivity"] == 0
    assert missed["specificity"] == 1
    points = in_slice(something > 0, (1, 1))
    assert all(math.isnan(v) for v in surface_distances(points, points[:0]).values())
    assert set(surface_distances(points[:0], points[:0]).values()) == {0.0}


def contour_distances(one: np.ndarray, other: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """From each surface voxel of one region to the nearest of the other, by SimpleITK."""
    edges = []
    for region in (one, other):
        image = sitk.GetImageFromArray(region.astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        edges.append(sitk.LabelContour(image, fullyConnected=False))
    distance = sitk.SignedMaurerDistanceMap(
        edges[1], insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    return np.abs(sitk.GetArrayFromImage(distance))[sitk.GetArrayFromImage(edges[0]) > 0]


def test_distances_are_those_of_simpleitk_s_maps() -> None:
    spacing = (3.0, 0.8, 0.7)
    truth, found = blobs((20, 24, 28), 4) > 0, blobs((20, 24, 28), 4, shift=2) > 0
    there = contour_distances(found, truth, spacing)
    back = contour_distances(truth, found, spacing)
    geometry = Geometry.axial(20, spacing)
    mine = surface_distances(in_patient(found, geometry), in_patient(truth, geometry))
    far = max(np.percentile(there, 95), np.percentile(back, 95))
    assert mine["hd95_mm"] == pytest.approx(far, rel=1e-5)
    assert mine["surface_mm"] == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-5)


def test_uneven_and_tilted_slices_have_their_true_distances() -> None:
    base = Geometry.axial(6, (3.0, 0.8, 0.7))
    shift = np.array([0.0, 0.4, 1.0]) * np.array([0, 1, 2.5, 7, 8, 8.5])[:, None]
    geometry = Geometry(shift, base.row_direction, base.column_direction, base.spacing_mm)
    truth, found = (RANDOM.random((2, 6, 7, 8)) < 0.2)  # fmt: skip
    places = []
    for region in (found, truth):
        z, y, x = surface(region).T
        places.append(np.stack([x * 0.7, y * 0.8 + shift[z, 1], shift[z, 2]], axis=1))
    all_of_them = cdist(*places)
    want = max(np.percentile(all_of_them.min(axis), 95) for axis in (0, 1))
    mine = surface_distances(in_patient(found, geometry), in_patient(truth, geometry))
    assert mine["hd95_mm"] == pytest.approx(want)


def test_slices_are_averaged_and_unknown_voxels_have_no_surface() -> None:
    truth = np.zeros((2, 12, 12), int)
    truth[:, 3:6, 3:6] = 1
    found = np.roll(truth, 2, axis=2)
    told = by_slice([found[0], truth[1]], list(truth), [(1.0, 0.5)] * 2)
    assert told["hd95_mm"] == pytest.approx(0.5)  # 2 px of 0.5 mm in one slice, 0 in the other
    truth[0, :, 6:] = -1
    told = by_slice([found[0]], [truth[0]], [(1.0, 0.5)])
    assert told["hd95_mm"] == pytest.approx(1.0)
