"""Regions that are kept and organs that are spared, against arithmetic done by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ctstudio.ct.labels import label_map
from ctstudio.ct.measure import Shape, box
from ctstudio.ct.shares import Shared, Shares
from ctstudio.ct.volume import Geometry, Source, Volume

GEOMETRY = replace(Geometry.axial(5), spacing_mm=(2.0, 1.0))
BASE = Volume.from_hu(np.zeros((5, 40, 60), np.float32), GEOMETRY)
OTHER = Volume.from_hu(np.full((5, 40, 60), 100, np.float32), GEOMETRY)


def rectangle(slice_index: int) -> Shape:
    """Rows 10 to 20 and columns 20 to 40 of a slice."""
    to_mm = lambda y, x: GEOMETRY.to_patient(slice_index, y, x)  # noqa: E731
    corners = np.array([to_mm(10, 20), to_mm(10, 40), to_mm(20, 40), to_mm(20, 20)])
    return Shape("rectangle", corners, GEOMETRY.normal)


def test_without_anything_the_result_counts_in_full() -> None:
    shares = Shares()
    assert shares.everywhere
    assert shares.words == ""
    assert (Shared(BASE, OTHER, shares).slice_hu(2) == 100).all()


def test_a_region_is_kept_and_fades_outwards_in_mm() -> None:
    shared = Shared(BASE, OTHER, Shares(regions=(rectangle(2),), feather_mm=4.0))
    hu = shared.slice_hu(2)
    assert (hu[10:21, 20:41] == 0).all(), "nothing inside is changed"
    # One row is 2 mm, one column 1 mm; in full 4 mm away.
    assert hu[15, 41:46] == pytest.approx([25, 50, 75, 100, 100])
    assert hu[21:24, 30] == pytest.approx([50, 100, 100])
    assert np.array_equal(hu, shared.slice_hu(4)), "on every slice"
    assert shared.derivation[-1] == "1 region kept"


def test_a_region_may_hold_on_its_own_slice_alone() -> None:
    shares = Shares(regions=(rectangle(2),), own_slice_alone=True)
    shared = Shared(BASE, OTHER, shares)
    assert shared.slice_hu(2)[15, 30] == 0
    assert (shared.slice_hu(3) == 100).all()


def test_a_region_of_another_plane_does_nothing() -> None:
    x, y, z = np.eye(3)
    sideways = Shape("rectangle", box(np.zeros(3), np.array([5.0, 0, 5.0]), x, z), y)
    assert (Shared(BASE, OTHER, Shares(regions=(sideways,))).slice_hu(0) == 100).all()


def test_organs_have_their_own_strength() -> None:
    numbers = np.zeros((5, 40, 60), np.int16)
    numbers[:, :, :20] = 1
    numbers[:, :, 40:] = 3
    mask = label_map(numbers, GEOMETRY, Source())
    shares = Shares(labels=mask, by_label={1: 0.0, 2: 0.5, 3: 0.4, 0: 1.0}, feather_mm=2.0)
    hu = Shared(BASE, OTHER, shares).slice_hu(1)
    assert hu[20, [5, 30, 55]] == pytest.approx([0, 100, 40], abs=0.01)
    assert 0 < hu[20, 20] < 100, "it changes softly"
    assert shares.words == "label 1 at 0%, label 2 at 50%, label 3 at 40%"
    assert Shares(labels=mask, by_label={1: 1.0}).everywhere


def test_only_a_few_slices_are_remembered() -> None:
    shared = Shared(BASE, OTHER, Shares(regions=(rectangle(2),)))
    first = shared.share(0)
    assert shared.share(0) is first
