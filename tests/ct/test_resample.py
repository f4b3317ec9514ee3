"""Mended stacks against closed forms and SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, finish
from ctstudio.ct.resample import (
    AIR_HU,
    Fix,
    mend,
    regular_parts,
    resample_uniform,
    shear_tilt_away,
    split,
    square_pixels,
    tilt_degrees,
)
from ctstudio.ct.volume import Geometry, Source, Volume

TILT = np.radians(18.5)
ROW, COLUMN = np.array([1.0, 0, 0]), np.array([0, np.cos(TILT), np.sin(TILT)])


def geometry(heights, *, tilted=False, spacing=(0.9, 0.8)) -> Geometry:
    """Slices at ``heights`` mm of the table; with a tilt the gantry leans, the table does not."""
    positions = np.array([[-20.0, -25.0, z] for z in heights])
    column = COLUMN if tilted else np.array([0, 1.0, 0])
    return Geometry(positions, ROW, column, spacing)


def centres(g: Geometry, shape) -> np.ndarray:
    """Patient mm of every voxel, ``(z, y, x, 3)``."""
    _, rows, columns = shape
    down = np.arange(rows)[:, None, None] * g.spacing_mm[0] * g.column_direction
    right = np.arange(columns)[:, None] * g.spacing_mm[1] * g.row_direction
    return g.positions_mm[:, None, None] + down + right


def volume(g: Geometry, values, shape=(60, 64)) -> Volume:
    """``values`` of the patient's coordinates, as these slices would show them."""
    shape = (len(g.positions_mm), *shape)
    return Volume.from_hu(np.float32(values(centres(g, shape))), g, derivation=("made",))


def ramp(place):
    return 3.0 * place[..., 0] - 2.0 * place[..., 1] + 1.5 * place[..., 2] + 40.0


def ellipsoid(place):
    """Water with soft edges in air: 18, 14 and 22 mm from the centre to the edge."""
    radius = np.linalg.norm((place - [5.0, 2.0, 8.0]) / [18.0, 14.0, 22.0], axis=-1)
    return -1000.0 + 1000.0 / (1.0 + np.exp(12.0 * (radius - 1.0)))


HEIGHTS = np.arange(-20, 40, 2.5)


def test_a_ramp_is_kept_exactly_when_the_tilt_is_sheared_away():
    before = volume(geometry(HEIGHTS, tilted=True), ramp)
    assert tilt_degrees(before.geometry) == pytest.approx(18.5)
    after = finish(shear_tilt_away(before))
    assert not after.geometry.tilted
    np.testing.assert_allclose(after.geometry.offsets_mm, before.geometry.offsets_mm, atol=1e-9)
    inside = after.voxels != AIR_HU
    assert inside.sum() > 0.95 * before.voxels.size
    exact = ramp(centres(after.geometry, after.shape))
    np.testing.assert_allclose(after.voxels[inside], exact[inside], atol=1e-3)
    assert after.derivation == (
        "made",
        "gantry tilt of 18.5 degrees sheared away (linear, in plane)",
    )


def test_the_middle_slice_is_not_touched():
    before = volume(geometry(HEIGHTS, tilted=True), ellipsoid)
    after = finish(shear_tilt_away(before))
    k = len(before) // 2
    where = (before.geometry.positions_mm[k] - after.geometry.positions_mm[k]) @ COLUMN / 0.9
    y = round(where)
    assert where == pytest.approx(y, abs=1e-6)
    np.testing.assert_array_equal(after.voxels[k, y : y + 60, :], before.voxels[k])


def test_a_tilted_ellipsoid_is_upright_afterwards():
    before = volume(geometry(HEIGHTS, tilted=True), ellipsoid)
    after = finish(shear_tilt_away(before))
    exact = ellipsoid(centres(after.geometry, after.shape))
    # Linear interpolation over 0.9 mm of an edge that is some 6 mm wide.
    assert np.abs(after.voxels - exact)[after.voxels != AIR_HU].max() < 15
    # What a viewer would show that stacked the slices as they are: the far ones stand off.
    naive = Geometry(after.geometry.positions_mm, ROW, COLUMN, (0.9, 0.8))
    assert np.abs(before.voxels - ellipsoid(centres(naive, before.shape))).max() > 300


def sitk_slices(image: Volume, first: int, last: int) -> SimpleITK.Image:
    """Slices ``first`` to ``last`` (equally far apart, not sheared) as SimpleITK sees them."""
    g = image.geometry
    made = SimpleITK.GetImageFromArray(image.hu(first, last + 1))
    apart = g.offsets_mm[last] - g.offsets_mm[first] if last > first else 1.0
    made.SetSpacing((g.spacing_mm[1], g.spacing_mm[0], float(apart)))
    made.SetOrigin(g.positions_mm[first].tolist())
    made.SetDirection(np.stack([g.row_direction, g.column_direction, g.normal], 1).ravel().tolist())
    return made


def test_sheared_slices_are_those_of_simpleitk():
    generator = np.random.default_rng(0)
    before = volume(geometry(HEIGHTS[:5], tilted=True), ellipsoid)
    before = before.derived(generator.normal(0, 100, before.shape).astype(np.float32))
    after = finish(shear_tilt_away(before))
    for k in range(len(before)):
        theirs = SimpleITK.GetArrayFromImage(
            SimpleITK.Resample(
                sitk_slices(before, k, k),
                sitk_slices(after, k, k),
                SimpleITK.Transform(),
                SimpleITK.sitkLinear,
                AIR_HU,
                SimpleITK.sitkFloat32,
            )
        )[0]
        # SimpleITK holds the outermost half pixel; here nothing is held.
        both = (after.voxels[k] != AIR_HU) & (theirs != AIR_HU)
        assert both.sum() >= 59 * 64
        np.testing.assert_allclose(after.voxels[k][both], theirs[both], atol=0.02)


def test_slices_between_slices_are_those_of_simpleitk():
    generator = np.random.default_rng(1)
    before = volume(geometry([0, 4, 8, 15, 22, 23.5]), ramp, (9, 11))
    before = before.derived(generator.normal(0, 100, before.shape).astype(np.float32))
    after = finish(resample_uniform(before, 0.7))
    places = before.geometry.offsets_mm
    for k, place in enumerate(after.geometry.offsets_mm):
        low = min(int(np.searchsorted(places, place, "right")) - 1, len(before) - 2)
        theirs = SimpleITK.Resample(
            sitk_slices(before, low, low + 1),
            sitk_slices(after, k, k),
            SimpleITK.Transform(),
            SimpleITK.sitkLinear,
        )
        np.testing.assert_allclose(
            after.voxels[k], SimpleITK.GetArrayFromImage(theirs)[0], atol=1e-2
        )


@pytest.mark.parametrize("tilted", [False, True])
def test_a_ramp_is_kept_exactly_at_equal_distances(tilted):
    heights = [0, 4, 8, 15, 22, 29, 30.08, 31.16]
    before = volume(geometry(heights, tilted=tilted), ramp, (20, 22))
    after = finish(resample_uniform(before))
    assert after.geometry.uniform
    assert after.geometry.tilted is tilted
    smallest = 1.08 * (np.cos(TILT) if tilted else 1)
    assert after.geometry.slice_spacing_mm == pytest.approx(smallest)
    assert len(after) == 29
    np.testing.assert_allclose(after.voxels, ramp(centres(after.geometry, after.shape)), atol=1e-3)
    assert after.derivation[-1].startswith("resampled to slices 1.0")


def test_a_missing_slice_is_filled_in_and_the_others_are_exact():
    heights = np.array([0, 2, 4, 8, 10.0])
    generator = np.random.default_rng(2)
    hu = generator.normal(0, 300, (5, 6, 7)).astype(np.float32)
    before = Volume.from_hu(hu, geometry(heights))
    after = finish(resample_uniform(before))
    np.testing.assert_array_equal(after.voxels[[0, 1, 2, 4, 5]], hu)
    np.testing.assert_allclose(after.voxels[3], (hu[2] + hu[3]) / 2, atol=1e-4)


def test_of_slices_at_one_position_the_first_counts():
    hu = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 4, 4), np.float32)
    after = finish(resample_uniform(Volume.from_hu(hu, geometry([0, 2, 2, 4, 6.0]))))
    assert after.voxels[:, 0, 0].tolist() == [0, 1, 3, 4]


def test_a_tiny_gap_does_not_make_a_giant():
    hu = np.zeros((4, 4, 4), np.float32)
    after = finish(resample_uniform(Volume.from_hu(hu, geometry([0, 5, 5.002, 10]))))
    assert len(after) <= 33


def test_nothing_to_interpolate():
    flat = Volume.from_hu(np.zeros((2, 4, 4), np.float32), geometry([3.0, 3.0]))
    with pytest.raises(StudioError, match="all slices lie at one position"):
        finish(resample_uniform(flat))
    with pytest.raises(ValueError, match="positive"):
        finish(resample_uniform(volume(geometry([0, 1.0]), ramp), -1.0))


@pytest.mark.parametrize("spacing", [(2.4, 0.8), (0.5, 1.1), (0.7, 0.7)])
def test_square_pixels_keep_a_ramp_and_the_place(spacing):
    before = volume(geometry([0, 2, 4.0], spacing=spacing), ramp, (21, 23))
    after = finish(square_pixels(before))
    assert after.geometry.spacing_mm == (min(spacing),) * 2
    np.testing.assert_allclose(after.voxels, ramp(centres(after.geometry, after.shape)), atol=1e-3)
    for axis in (0, 1):
        reach = (after.shape[1 + axis] - 1) * min(spacing)
        assert 0 <= (before.shape[1 + axis] - 1) * spacing[axis] - reach < min(spacing)


def test_parts_of_a_stack():
    assert regular_parts(geometry([0, 2, 4, 6])) == [[0, 1, 2, 3]]
    assert regular_parts(geometry([0, 4, 8, 15, 22, 29])) == [[0, 1, 2], [3, 4, 5]]
    assert regular_parts(geometry([0, 2, 4, 8, 10])) == [[0, 1, 2], [3, 4]]
    assert regular_parts(geometry([0, 0, 2, 2, 4])) == [[0, 2, 4], [1, 3]]
    assert regular_parts(geometry([5])) == [[0]]


def test_split_volumes_keep_values_files_and_say_so():
    stored = np.arange(6 * 4 * 4, dtype=np.int16).reshape(6, 4, 4)
    files = tuple(Path(f"{k}") for k in range(6))
    before = Volume(
        stored,
        np.arange(1.0, 7),
        np.arange(6.0),
        "HU",
        geometry([0, 4, 8, 15, 22, 29]),
        Source(files=files),
    )
    first, second = split(before)
    np.testing.assert_array_equal(second.hu(), before.hu(3))
    assert second.source.files == files[3:]
    assert np.shares_memory(first.voxels, stored)
    assert first.derivation == ("3 of 6 slices, from slice 1 (split)",)
    assert first.geometry.uniform
    assert second.geometry.uniform


def test_every_fix_can_be_applied_by_name_and_names_itself():
    before = volume(geometry([0, 2, 4, 8.0], tilted=True), ramp, (12, 12))
    assert finish(mend(before, Fix("leave"))) == [before]
    assert len(finish(mend(before, Fix.SPLIT))) == 2
    for fix in (Fix.UNIFORM, Fix.SHEAR, Fix.SQUARE):
        events = mend(before, fix)
        assert isinstance(next(events), Progress)
        (after,) = finish(events)
        assert len(after.derivation) == 2
        assert after.source.files == ()
    assert len({fix.label for fix in Fix}) == len(Fix)
