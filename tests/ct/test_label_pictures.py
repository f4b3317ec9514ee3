"""Label maps as pictures."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.ct.label_pictures import (
    DIFFERENCE_LABELS,
    difference,
    outline,
    paint,
    paint_probability,
)
from ctstudio.ct.labels import BACKGROUND, NOT_ANNOTATED, Label, default_colour


def test_difference_counts_as_simpleitk_does() -> None:
    import SimpleITK as sitk  # noqa: N813

    draw = np.random.default_rng(0)
    truth, prediction = (draw.random((2, 40, 50)) < [[[0.3]], [[0.5]]]).astype(np.uint8)
    peer = sitk.LabelOverlapMeasuresImageFilter()
    peer.Execute(sitk.GetImageFromArray(prediction), sitk.GetImageFromArray(truth))
    counts = np.bincount(difference(truth, prediction).ravel(), minlength=4)
    _, agreed, false_positive, false_negative = (int(n) for n in counts)
    dice = 2 * agreed / (2 * agreed + false_positive + false_negative)
    assert dice == pytest.approx(peer.GetDiceCoefficient())
    missed = false_negative / (agreed + false_negative)
    assert missed == pytest.approx(peer.GetFalseNegativeError())


def test_difference_of_several_labels_and_of_what_is_not_known() -> None:
    truth = np.array([0, 1, 1, 2, 2, 0, -1, -1])
    prediction = np.array([0, 1, 0, 2, 1, 2, 1, 0])
    assert difference(truth, prediction).tolist() == [0, 1, 3, 1, 2, 2, 0, 0]
    assert len({label.colour for label in DIFFERENCE_LABELS}) == 3


def test_outline_is_what_an_erosion_takes_away() -> None:
    from scipy import ndimage

    draw = np.random.default_rng(1)
    mask = ndimage.gaussian_filter(draw.normal(size=(60, 70)), 4) > 0
    cross = ndimage.generate_binary_structure(2, 1)
    want = mask & ~ndimage.binary_erosion(mask, cross)
    got = outline(mask.astype(int))
    assert np.array_equal(got > 0, want)
    two = np.array([[1, 1, 2, 2]] * 5)
    assert outline(two)[2].tolist() == [1, 1, 2, 2], "neighbours have an outline each"


def test_paint() -> None:
    numbers = np.array([[0.0, 1.0, 2.0], [np.nan, -1.0, 9.0]], np.float32)
    labels = (Label(2, "lesion", (1, 2, 3)),)
    picture = paint(numbers, labels, opacity=0.5)
    assert picture.shape == (2, 3, 4)
    assert picture[..., 3].tolist() == [[0, 128, 128], [0, 0, 128]]
    assert tuple(picture[0, 2, :3]) == (1, 2, 3)
    assert tuple(picture[1, 2, :3]) == default_colour(9)
    assert paint(numbers, labels, hidden={1, 9})[..., 3].any(axis=0).tolist() == [
        False,
        False,
        True,
    ]


def test_hidden_labels_have_no_outline() -> None:
    numbers = np.zeros((7, 7))
    numbers[1:6, 1:6] = 1
    numbers[2:5, 2:5] = 2
    whole = paint(numbers, contour=True)[..., 3] > 0
    assert whole.sum() == 25 - 1  # all but the middle of the inner square
    inner = paint(numbers, contour=True, hidden={1})[..., 3] > 0
    assert inner.sum() == 8
    assert paint(numbers, contour=True, opacity=0.1)[..., 3].max() == 255


def test_what_is_not_annotated_is_hatched() -> None:
    numbers = np.full((32, 40), -1, np.int16)
    numbers[4:12, 4:12], numbers[16:24, 16:24] = 1, 0
    picture = paint(numbers, opacity=0.4)
    lines = picture[..., 3] > 0
    unknown = numbers < 0
    share = lines[unknown].mean()
    assert 0.1 < share < 0.2, "thin lines, the image is seen between them"
    assert not lines[16:24, 16:24].any(), "the background that was painted is clear"
    assert (picture[4:12, 4:12, :3] == default_colour(1)).all()
    assert not paint(numbers, hidden=(-1,))[unknown].any()
    assert (paint(numbers.astype(np.float32)) == picture).all()
    tinted = paint(numbers, (NOT_ANNOTATED,), opacity=0.4)
    assert (tinted[16:24, 16:24] == (*BACKGROUND.colour, 56)).all(), "seen on black, too"
    assert (
        np.delete(tinted, range(16, 24), axis=0) == np.delete(picture, range(16, 24), axis=0)
    ).all()


def test_probabilities_have_the_table_s_colours_and_a_white_outline() -> None:
    y, x = np.mgrid[:40, :50]
    values = np.clip(1 - np.hypot(y - 20, x - 25) / 18, 0, 1)
    table = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    picture = paint_probability(values, table, opacity=0.5)
    shown = picture[..., 3] > 0
    assert (shown == (values >= 0.01)).all()
    assert (picture[shown][:, 0] == np.rint(255 * values[shown].astype(np.float32))).all()
    edged = paint_probability(values, table, opacity=0.5, threshold=0.6)
    edge = outline((values > 0.6).astype(np.uint8)) > 0
    assert edge.any()
    assert (edged[edge] == 255).all()
    assert (edged[~edge] == picture[~edge]).all()
    hole = np.where(y < 3, np.nan, values)
    assert not paint_probability(hole, table)[:3, :, 3].any()
