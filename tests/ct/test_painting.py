"""Brush, fill and interpolation against closed forms and peers."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.ct.painting import Change, between, difference, enclosed, region, stroke


@pytest.mark.parametrize("radius", [0.1, 2.0, 7.3])
def test_a_dab_is_a_disc_in_millimetres(radius: float) -> None:
    spacing, centre = (0.8, 1.1), (20.4, 30.7)
    got = stroke((50, 60), centre, centre, radius, spacing)
    y, x = np.mgrid[:50, :60]
    want = np.hypot((y - centre[0]) * 0.8, (x - centre[1]) * 1.1) <= radius
    want[20, 31] = True  # under the middle, however thin the brush
    assert np.array_equal(got, want)


def test_a_stroke_is_everything_near_its_line() -> None:
    from skimage.draw import line

    start, end, radius = (10.0, 5.0), (35.0, 50.0), 3.0
    got = stroke((50, 60), start, end, radius, (1.0, 1.0))
    rows, columns = line(10, 5, 35, 50)
    y, x = np.mgrid[:50, :60]
    away = np.hypot(
        y[..., None] - np.linspace(10, 35, 2000), x[..., None] - np.linspace(5, 50, 2000)
    ).min(-1)
    assert np.array_equal(got[away < radius - 0.02], np.ones((away < radius - 0.02).sum(), bool))
    assert not got[away > radius + 0.02].any()
    assert got[rows, columns].all()


def test_strokes_may_leave_the_picture() -> None:
    marked = stroke((20, 20), (-8.0, -8.0), (4.0, 4.0), 3.0, (1.0, 1.0))
    assert marked.any()
    assert not stroke((20, 20), (-50.0, 3.0), (-40.0, 3.0), 2.0, (1.0, 1.0)).any()


def test_region_is_scikit_images_flood() -> None:
    from skimage.segmentation import flood

    hu = np.rint(np.random.default_rng(0).normal(0, 60, (40, 40))).astype(np.float32)
    seed = tuple(np.argwhere(np.abs(hu) < 40)[300])
    want = flood((np.abs(hu) <= 40).astype(int), seed, connectivity=1)
    assert np.array_equal(region(hu, seed, -40, 40), want)
    outside = tuple(np.argwhere(hu > 40)[0])
    assert not region(hu, outside, -40, 40).any()
    labels = (hu > 0).astype(int)
    assert np.array_equal(enclosed(labels, seed), flood(labels, seed, connectivity=1))


def test_a_cone_is_made_from_its_ends() -> None:
    y, x = np.mgrid[:80, :90]
    radius = np.hypot((y - 40) * 0.8, (x - 45) * 0.7)
    labels = np.zeros((9, 80, 90), np.uint8)
    labels[1][radius < 8] = 3
    labels[7][radius < 20] = 3
    labels[4][0, 0] = 1  # another label does not disturb
    offsets = np.array([0, 1, 2, 4, 5, 6, 8, 9, 11.0])
    made = between(labels, 3, offsets, (0.8, 0.7))
    assert sorted(made) == [2, 3, 4, 5, 6]
    for z, mask in made.items():
        want = 8 + 12 * (offsets[z] - 1) / 8
        got = np.sqrt(mask.sum() * 0.8 * 0.7 / np.pi)
        assert got == pytest.approx(want, abs=0.25), z
    assert between(labels, 1, offsets) == {}


def test_what_runs_obliquely_is_not_thinned_between_slices() -> None:
    y, x = np.mgrid[:60, :80]
    labels = np.zeros((5, 60, 80), np.uint8)
    labels[0][np.hypot(y - 20, x - 20) < 6] = 1
    labels[4][np.hypot(y - 36, x - 60) < 6] = 1  # far from lying over one another
    made = between(labels, 1, np.arange(5.0))
    assert sorted(made) == [1, 2, 3]
    for z, mask in made.items():
        want = np.hypot(y - 20 - 4 * z, x - 20 - 10 * z) < 6
        assert not (mask ^ want).any(), z


def test_a_piece_that_is_not_in_the_other_slice_draws_nothing_towards_it() -> None:
    y, x = np.mgrid[:60, :100]
    left, right = (np.hypot(y - 30, x - at) < 10 for at in (25, 75))
    labels = np.zeros((3, 60, 100), np.uint8)
    labels[0][left] = 1
    labels[2][left | right] = 1
    made = between(labels, 1, np.arange(3.0))[1]
    assert made[left].all()
    assert not (made & ~left).any()


def test_changes_are_taken_back_and_made_again() -> None:
    labels = np.random.default_rng(1).integers(0, 3, (4, 20, 30)).astype(np.uint8)
    before = labels.copy()
    labels[2, 5:9, 10:20] = 1
    after = labels.copy()
    change = difference(before[2], labels[2], 2)
    assert isinstance(change, Change)
    assert change.before.size <= 4 * 10
    change.undo(labels)
    assert np.array_equal(labels, before)
    change.redo(labels)
    assert np.array_equal(labels, after)
    assert difference(after[2], labels[2], 2) is None
