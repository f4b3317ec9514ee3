"""Volume and Geometry against exact arithmetic and SimpleITK's geometry."""

from fractions import Fraction

import numpy as np
import pytest
import SimpleITK

from ctstudio.ct.volume import Geometry, Volume, orientation_letters


def make(dtype=np.int16, slope=1.0, intercept=-1024.0, n=3):
    stored = np.arange(n * 4 * 5, dtype=dtype).reshape(n, 4, 5)
    return Volume(stored, np.full(n, slope), np.full(n, intercept), "HU", Geometry.axial(n))


@pytest.mark.parametrize(
    ("slope", "intercept"), [(1.0, -1024.0), (1.0, 0.0), (2.0, -1000.5), (0.1, 0.3), (1.0, 0.25)]
)
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.uint8])
def test_rescale_is_the_exact_value_rounded_once(dtype, slope, intercept):
    volume = make(dtype, slope, intercept)
    for value, stored in zip(
        volume.slice_hu(2).ravel(), np.asarray(volume.voxels[2]).ravel(), strict=True
    ):
        exact = float(Fraction(float(stored)) * Fraction(slope) + Fraction(intercept))
        assert value == pytest.approx(exact, rel=6e-8, abs=1e-6)
    assert volume.slice_hu(0).dtype == np.float32


def test_slope_may_differ_by_slice():
    stored = np.ones((2, 2, 2), np.int16)
    volume = Volume(stored, np.array([1.0, 3.0]), np.array([0.0, -1.0]), "HU", Geometry.axial(2))
    assert volume.hu()[:, 0, 0].tolist() == [1.0, 2.0]
    assert volume.hu(1).shape == (1, 2, 2)
    assert volume.hu(0, 1)[0, 0, 0] == 1.0


def test_voxels_are_read_only_but_their_owner_may_fill_them():
    stored = np.zeros((1, 2, 2), np.int16)
    volume = Volume(stored, np.ones(1), np.zeros(1), "HU", Geometry.axial(1))
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels[0, 0, 0] = 1
    stored[0, 0, 0] = 7
    assert volume.slice_hu(0)[0, 0] == 7.0
    volume.slice_hu(0)[0, 0] = 1  # a copy
    assert volume.slice_hu(0)[0, 0] == 7.0


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"\(z, y, x\)"):
        Volume(np.zeros((2, 2)), np.ones(2), np.zeros(2), "HU", Geometry.axial(2))
    with pytest.raises(ValueError, match="one entry a slice"):
        Volume(np.zeros((2, 2, 2)), np.ones(3), np.zeros(2), "HU", Geometry.axial(2))


def test_derived_keeps_geometry_and_source_and_grows_its_history():
    volume = make()
    result = volume.derived(volume.hu() + 1, "first").derived(volume.hu(), "second")
    assert result.geometry is volume.geometry
    assert result.source is volume.source
    assert result.derivation == ("first", "second")
    assert result.unit == "HU"
    assert result.shape == (3, 4, 5)
    assert len(result) == 3


@pytest.fixture
def oblique():
    """A rotated, anisotropic geometry and the same as a SimpleITK image."""
    axis, angle = np.array([1.0, 2.0, 3.0]) / np.sqrt(14), 0.7
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
    origin, spacing = np.array([-120.0, 35.0, 870.0]), (2.5, 0.9, 0.7)
    positions = origin + np.arange(6)[:, None] * spacing[0] * rotation[:, 2]
    geometry = Geometry(positions, rotation[:, 0], rotation[:, 1], spacing[1:])
    image = SimpleITK.Image(20, 15, 6, SimpleITK.sitkInt16)
    image.SetSpacing((spacing[2], spacing[1], spacing[0]))
    image.SetDirection(rotation.ravel().tolist())
    image.SetOrigin(origin.tolist())
    return geometry, image


@pytest.mark.parametrize("index", [(0, 0, 0), (5, 14, 19), (2, 3.5, 7.25), (1.5, 2, 3)])
def test_patient_coordinates_agree_with_simpleitk(oblique, index):
    geometry, image = oblique
    z, y, x = index
    expected = image.TransformContinuousIndexToPhysicalPoint((x, y, z))
    assert geometry.to_patient(z, y, x) == pytest.approx(expected)


def test_voxel_coordinates_come_back(oblique):
    geometry, _ = oblique
    for z, y, x in ((0, 0.0, 0.0), (3, 4.5, 6.25), (5, 14.0, 19.0)):
        back = geometry.to_voxel(geometry.to_patient(z, y, x))
        assert back == pytest.approx((z, y, x), abs=1e-9)
        assert geometry.nearest_slice(geometry.to_patient(z, y, x)) == z


def test_spacing_uniformity_and_tilt(oblique):
    geometry, _ = oblique
    assert geometry.slice_spacing_mm == pytest.approx(2.5)
    assert geometry.uniform
    assert not geometry.tilted
    gap = geometry.positions_mm[[0, 1, 3, 4]]
    assert not Geometry(
        gap, geometry.row_direction, geometry.column_direction, geometry.spacing_mm
    ).uniform
    sheared = Geometry.axial(4, (5, 1, 1))
    sheared.positions_mm[:, 1] = np.arange(4) * 1.7
    assert sheared.tilted
    assert len(geometry.select(slice(1, 4)).positions_mm) == 3


def test_single_slice_has_no_spacing():
    one = Geometry.axial(1)
    assert (one.slice_spacing_mm, one.uniform, one.tilted) == (0.0, True, False)


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "S"),
        ((0, 0, -1), "I"),
        ((0, 0.8, -0.6), "PI"),
        ((0.01, -0.9, 0.43), "AS"),
        ((0, np.cos(np.deg2rad(5)), np.sin(np.deg2rad(5))), "P"),
    ],
)
def test_orientation_letters(direction, letters):
    assert orientation_letters(np.array(direction, float)) == letters
