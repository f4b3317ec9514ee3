"""Drafts of slices that take long: the same values on coarser pixels."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.ct.drafts import SLOW, draft_of, value_at
from ctstudio.ct.oblique import COARSENESS, Oblique, ObliqueStack
from ctstudio.ct.planes import Projection, Slab
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Geometry, Volume

SHAPE = (24, 400, 420)


@pytest.fixture(scope="module")
def volume() -> Volume:
    noise = np.random.default_rng(3).integers(-1000, 2000, SHAPE).astype(np.int16)
    n = len(noise)
    return Volume(noise, np.ones(n), np.zeros(n), "HU", Geometry.axial(n, (2.0, 0.8, 0.8)))


@pytest.fixture(scope="module")
def oblique(volume: Volume) -> ObliqueStack:
    middle = volume.geometry.to_patient(12, 200, 210)
    return ObliqueStack(volume, Oblique.of("axial", middle, (7.0, -4.0, 11.0)))


def _shared(draft: SliceStack, exact: SliceStack, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of a draft's pixels, and those of the exact pixels with the same centres."""
    step = exact.geometry.spacing_mm[0]
    away = draft.geometry.positions_mm[index] - exact.geometry.positions_mm[index]
    row = float(away @ exact.geometry.column_direction) / step
    column = float(away @ exact.geometry.row_direction) / step
    assert row == pytest.approx(round(row), abs=1e-6)
    assert column == pytest.approx(round(column), abs=1e-6)
    coarse, fine = draft.slice_hu(index), exact.slice_hu(index)
    rows = round(row) + COARSENESS * np.arange(coarse.shape[0])
    columns = round(column) + COARSENESS * np.arange(coarse.shape[1])
    y, x = (rows >= 0) & (rows < fine.shape[0]), (columns >= 0) & (columns < fine.shape[1])
    assert y.sum() >= len(y) - 2
    assert x.sum() >= len(x) - 2
    return coarse[np.ix_(y, x)], fine[np.ix_(rows[y], columns[x])]


def test_a_draft_has_the_exact_values_of_its_pixels(oblique: ObliqueStack) -> None:
    index = len(oblique) // 2
    draft = draft_of(oblique, index)
    assert draft is not None
    assert len(draft) == len(oblique)
    assert draft.geometry.offsets_mm == pytest.approx(oblique.geometry.offsets_mm)
    coarse, fine = _shared(draft, oblique, index)
    assert coarse.size < fine.size * 1.01 < oblique.slice_hu(index).size / 3.5
    np.testing.assert_allclose(coarse, fine, atol=2e-3)
    assert np.isfinite(coarse).mean() > 0.3


@pytest.mark.parametrize("how", ["mean", "maximum"])
def test_a_slab_of_planes_has_drafts_of_the_same_slices(
    oblique: ObliqueStack, how: Projection
) -> None:
    slab = Slab(oblique, how, 5.0)
    index = len(slab) // 2
    draft = draft_of(slab, index)
    assert isinstance(draft, Slab)
    assert len(draft.members(index)) == len(slab.members(index)) > 1
    np.testing.assert_allclose(*_shared(draft, slab, index), atol=2e-3)


def test_what_is_quick_has_no_draft(volume: Volume, oblique: ObliqueStack) -> None:
    assert draft_of(volume, 3) is None
    few = Volume(volume.voxels[:, :60, :60], volume.slope, volume.intercept, "HU", volume.geometry)
    small = ObliqueStack(few, oblique.plane.through(few.geometry.to_patient(12, 30, 30)))
    _, rows, columns = small.shape
    assert rows * columns < SLOW
    assert draft_of(small, 2) is None


def test_one_value_is_that_of_the_whole_slice(volume: Volume, oblique: ObliqueStack) -> None:
    index = len(oblique) // 2
    for stack, at in (
        (volume, 5),
        (oblique, index),
        (Slab(oblique, "mean", 5.0), index),
        (Slab(oblique, "minimum", 5.0), index),
    ):
        picture = stack.slice_hu(at)
        rows, columns = (np.linspace(0, n - 1, 7).astype(int) for n in picture.shape)
        for row in rows:
            for column in columns:
                found = value_at(stack, at, int(row), int(column))
                assert found == pytest.approx(float(picture[row, column]), abs=1e-3, nan_ok=True)
    assert value_at(volume, 5, 11, 13) == volume.voxels[5, 11, 13]
