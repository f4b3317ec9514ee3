"""What is computed once for several panes is what each would have computed."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.ct.oblique import Oblique, ObliqueStack
from ctstudio.ct.views import Difference
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.ct.window import Window
from ctstudio.gui.viewer.together import Together

SHAPE = (9, 40, 44)


class Counted(Volume):
    """A volume that counts how often a slice is asked for."""

    asked = 0

    def slice_hu(self, index: int) -> np.ndarray:
        type(self).asked += 1
        return super().slice_hu(index)


@pytest.fixture
def pair() -> tuple[Counted, Volume]:
    rng = np.random.default_rng(4)
    geometry = Geometry.axial(SHAPE[0], (2.0, 0.8, 0.8))
    voxels = rng.integers(-900, 900, SHAPE).astype(np.int16)
    scale = np.ones(SHAPE[0]), np.zeros(SHAPE[0])
    Counted.asked = 0
    first = Counted(voxels, *scale, "HU", geometry)
    return first, Volume.from_hu(rng.normal(0, 300, SHAPE).astype(np.float32), geometry)


def test_a_slice_is_computed_once_in_a_block(pair: tuple[Counted, Volume]) -> None:
    first, second = pair
    together, residual = Together(), Difference(first, second)
    with together:
        one = together.slice_hu(first, 4)
        assert together.slice_hu(first, 4) is one
        difference = together.slice_hu(residual, 4)
        assert first.asked == 1
        other = together.slice_hu(first, 5)
    assert np.array_equal(one, first.voxels[4])
    assert np.array_equal(other, first.voxels[5])
    assert np.array_equal(difference, residual.slice_hu(4))


def test_values_that_change_are_seen_after_the_block(pair: tuple[Counted, Volume]) -> None:
    first, _ = pair
    together, window = Together(), Window(0, 500)
    with together, together:
        before = together.slice_hu(first, 2)
        grey = together.greys(before, window, signed=False)
    first.voxels.base[2] += 100
    with together:
        after = together.slice_hu(first, 2)
        assert np.array_equal(after, before + 100)
        assert not np.array_equal(together.greys(after, window, signed=False), grey)
    outside = together.slice_hu(first, 2)
    assert np.array_equal(outside, after)
    assert outside is not after


def test_greys_belong_to_their_window(pair: tuple[Counted, Volume]) -> None:
    hu = pair[0].slice_hu(1)
    together = Together()
    with together:
        for window in (Window(0, 500), Window(40, 400)):
            for _ in range(2):
                grey = together.greys(hu, window, signed=False)
                assert np.array_equal(grey, window.to_uint8(hu))
        signed = together.greys(hu, Window(40, 400), signed=True)
        assert not np.array_equal(signed, grey)
        assert together.greys(hu, Window(40, 400), signed=True) is signed


def test_oblique_planes_share_what_they_have_in_common(pair: tuple[Counted, Volume]) -> None:
    first, second = pair
    residual = Difference(first, second)
    plane = Oblique.of("axial", first.geometry.to_patient(4, 20, 22), (10.0, 5.0, 0.0))
    together = Together()
    with together:
        index = len(ObliqueStack(first, plane)) // 2
        one = together.slice_hu(ObliqueStack(first, plane), index)
        assert together.slice_hu(ObliqueStack(first, plane), index) is one
        coarse = together.slice_hu(ObliqueStack(first, plane).coarser, index)
        assert coarse.size < one.size / 3
        tilted = together.slice_hu(ObliqueStack(residual, plane), index)
    assert np.array_equal(one, ObliqueStack(first, plane).slice_hu(index), equal_nan=True)
    np.testing.assert_array_equal(tilted, ObliqueStack(residual, plane).slice_hu(index))
