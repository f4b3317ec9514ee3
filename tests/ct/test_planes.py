"""Planes and slabs against closed forms: what is linear in the patient is met exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ctstudio.ct.planes import PLANES, Reformatted, Slab, in_plane, stored_plane
from ctstudio.ct.views import Blend, Difference, LiveSlices
from ctstudio.ct.volume import Geometry, Volume

SHAPE = (9, 11, 13)
RIGHT = np.array([1.0, 0, 0])
BACK = np.array([0, 1.0, 0])
UP = np.array([0, 0, 1.0])
STORED = {
    "axial": (RIGHT, BACK),
    "axial, prone": (-RIGHT, -BACK),
    "coronal": (RIGHT, -UP),
    "coronal, upside down": (RIGHT, UP),
    "sagittal": (BACK, -UP),
    "sagittal, from the other side": (-BACK, -UP),
    "oblique": (np.array([np.cos(0.3), 0, -np.sin(0.3)]), BACK),
}


def geometry(rows: Any, columns: Any, offsets: Any, tilt: float = 0.0) -> Geometry:
    normal = np.cross(rows, columns)
    offsets = np.asarray(offsets, float)
    positions = np.array([3.0, -20.0, 7.0]) + np.outer(offsets, normal)
    positions += np.outer(offsets * np.tan(tilt), columns)
    return Geometry(positions, rows, columns, (0.7, 0.9))


def centres(place: Geometry, index: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Patient points ``(y, x, 3)`` of the pixels of a slice."""
    dy, dx = place.spacing_mm
    y, x = np.mgrid[: shape[0], : shape[1]][..., None]
    down, right = place.column_direction, place.row_direction
    return place.positions_mm[index] + y * dy * down + x * dx * right  # type: ignore[no-any-return]


GRADIENT = np.array([3.0, -2.0, 5.0])


def volume(place: Geometry) -> Volume:
    """HU that grow evenly in the patient."""
    count = len(place.positions_mm)
    hu = np.stack([centres(place, z, SHAPE[1:]) @ GRADIENT for z in range(count)])
    return Volume.from_hu(hu.astype(np.float32), place)


def check(made: Reformatted, *, whole: bool = True) -> None:
    seen = 0
    for index in range(len(made)):
        got = made.slice_hu(index)
        want = centres(made.geometry, index, got.shape) @ GRADIENT
        known = ~np.isnan(got)
        assert got.dtype == np.float32
        assert got.shape == made.shape[1:]
        assert np.allclose(got[known], want[known], atol=1e-3)
        seen += int(known.sum())
    assert seen == np.prod(made.shape) if whole else seen > 0.5 * np.prod(SHAPE)
    assert np.all(np.diff(made.geometry.offsets_mm) > 0)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("name", STORED)
def test_every_plane_of_every_stack_is_where_it_says(name: str, plane: Any) -> None:
    place = geometry(*STORED[name], np.arange(9) * 2.5)
    stack = in_plane(volume(place), plane)
    if plane == stored_plane(place):
        assert isinstance(stack, Volume)
        return
    assert isinstance(stack, Reformatted)
    check(stack)
    assert stack.geometry.spacing_mm.count(2.5) == 1  # the stack's own grid, nothing made up


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_the_screens_sides_are_the_patients(plane: Any) -> None:
    for rows, columns in list(STORED.values())[:6]:
        place = geometry(rows, columns, np.arange(9.0))
        stack = in_plane(volume(place), plane)
        if isinstance(stack, Reformatted):
            want = {"coronal": ("R", "L", "S", "I"), "sagittal": ("A", "P", "S", "I")}[plane]
            assert stack.geometry.edge_letters == want


def test_values_of_a_regular_stack_are_the_voxels_themselves() -> None:
    draw = np.random.default_rng(0)
    stored = draw.integers(-2000, 3000, SHAPE).astype(np.int16)
    slope, intercept = np.full(9, 0.37), draw.normal(0, 100, 9)
    scan = Volume(stored, slope, intercept, "HU", Geometry.axial(9, (2.0, 0.7, 0.7)))
    hu = scan.hu()
    coronal, sagittal = in_plane(scan, "coronal"), in_plane(scan, "sagittal")
    for y in range(SHAPE[1]):
        assert np.array_equal(coronal.slice_hu(y), hu[::-1, y, :])
    for x in range(SHAPE[2]):
        # Slices run along their normal, which for this plane points to the patient's right.
        assert np.array_equal(sagittal.slice_hu(SHAPE[2] - 1 - x), hu[::-1, :, x])


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
@pytest.mark.parametrize("tilt", [0.0, 0.32, -0.32])
def test_tilted_and_uneven_stacks_are_interpolated_in_the_patient(plane: Any, tilt: float) -> None:
    for offsets in (np.arange(9) * 3.0, [0, 1, 2.5, 3, 7, 8, 12, 13, 14]):
        place = geometry(RIGHT, BACK, offsets, tilt)
        stack = in_plane(volume(place), plane)
        assert isinstance(stack, Reformatted)
        check(stack, whole=tilt == 0)
        step = stack.geometry.spacing_mm[0]
        assert step == pytest.approx(np.diff(offsets).min())
        if tilt:
            assert np.isnan(stack.slice_hu(0)).any()  # beyond the slices' edges is nothing


def test_derived_stacks_are_cut_as_their_slices_say() -> None:
    draw = np.random.default_rng(1)
    place = Geometry.axial(9)
    one = Volume.from_hu(draw.normal(size=SHAPE).astype(np.float32), place)
    two = Volume.from_hu(draw.normal(size=SHAPE).astype(np.float32), place)
    live = LiveSlices(one, "x", {3: two.slice_hu(3)})
    for stack in (Difference(one, two), Blend(one, two, 0.3), Blend(one, two), live, Other(one)):
        whole = np.stack([stack.slice_hu(z) for z in range(9)])
        assert np.allclose(in_plane(stack, "coronal").slice_hu(4), whole[::-1, 4], atol=1e-7)
        sagittal = in_plane(stack, "sagittal").slice_hu(2)
        assert np.allclose(sagittal, whole[::-1, :, SHAPE[2] - 3], atol=1e-7)


class Other:
    """A stack of a kind that nobody knows of."""

    def __init__(self, base: Volume) -> None:
        self.base = base

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def __len__(self) -> int:
        return len(self.base)

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        return 2 * self.base.slice_hu(index)


def test_a_single_slice_has_no_other_plane() -> None:
    one = volume(geometry(RIGHT, BACK, [0.0]))
    assert in_plane(one, "coronal") is one


@pytest.mark.parametrize("how", ["maximum", "minimum", "mean"])
def test_slabs(how: Any) -> None:
    scan = volume(geometry(RIGHT, BACK, np.arange(9) * 2.0))
    hu = scan.hu()
    reduce = {"maximum": np.max, "minimum": np.min, "mean": np.mean}[how]
    slab = Slab(scan, how, 8.0)
    assert list(slab.members(4)) == [2, 3, 4, 5, 6]
    assert list(slab.members(0)) == [0, 1, 2]
    for index, group in ((4, slice(2, 7)), (0, slice(0, 3)), (8, slice(6, 9))):
        assert np.allclose(slab.slice_hu(index), reduce(hu[group], axis=0), rtol=1e-6)
    assert np.array_equal(Slab(scan, how, 0.0).slice_hu(3), hu[3])


def test_a_slab_knows_nothing_where_no_slice_does() -> None:
    scan = volume(geometry(RIGHT, BACK, np.arange(3.0)))
    hu = scan.hu()
    hu[:, 0, 0] = np.nan
    hu[0, 0, 1] = np.nan
    holed = replace(scan, voxels=hu)
    for how, want in (("maximum", hu[1:, 0, 1].max()), ("mean", hu[1:, 0, 1].mean())):
        seen = Slab(holed, how, 2.0).slice_hu(1)  # type: ignore[arg-type]
        assert np.isnan(seen[0, 0])
        assert seen[0, 1] == pytest.approx(want)


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_slices_upon_each_other_are_shown_one_after_the_other(plane: Any) -> None:
    scan = volume(geometry(RIGHT, BACK, np.zeros(9)))
    stack = in_plane(scan, plane)
    assert stack.geometry.spacing_mm[0] == 1.0
    seen = stack.slice_hu(3)
    assert seen.shape[0] == 9
    assert not np.isnan(seen).any()
