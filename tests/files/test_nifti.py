"""NIfTI in and out, judged by nibabel and SimpleITK, which know its patient system themselves."""

from __future__ import annotations

import gzip
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.files.read import read
from ctstudio.files.write import write_nifti

ORIENTATIONS = ["LPS", "LAS", "RAS", "RPI", "SLP", "PIR", "AIL"]


def _values_at_places(volume: Volume) -> dict[tuple[float, ...], float]:
    """Patient position in tenths of mm -> value, for every voxel."""
    found = {}
    for z, y, x in itertools.product(*(range(n) for n in volume.shape)):
        place = tuple(np.round(volume.geometry.to_patient(z, y, x), 1) + 0.0)
        found[place] = float(volume.slice_hu(z)[y, x])
    return found


def _itk_values_at_places(path: Path) -> dict[tuple[float, ...], float]:
    image = SimpleITK.ReadImage(path)
    return {
        tuple(np.round(image.TransformIndexToPhysicalPoint(index), 1) + 0.0): float(image[index])
        for index in itertools.product(*(range(n) for n in image.GetSize()))
    }


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_every_voxel_lies_where_simpleitk_puts_it(tmp_path: Path, opened: Any, axes: str) -> None:
    """Whatever the order of the axes in the file, and with an oblique affine on top of it."""
    generator = np.random.default_rng(1)
    affine = np.diag([1.5, 2.0, 3.5, 1.0])
    angle = 0.15
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0],
                     [0, 0, 1]])  # fmt: skip
    affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = (12.3, -45.6, 78.9)
    image = nibabel.Nifti1Image(generator.integers(-800, 900, (3, 4, 5)).astype(np.int16), affine)
    codes = nibabel.orientations.axcodes2ornt(axes)
    start = nibabel.orientations.io_orientation(affine)
    image = image.as_reoriented(nibabel.orientations.ornt_transform(start, codes))
    assert "".join(nibabel.aff2axcodes(image.affine)) == axes
    path = tmp_path / "scan.nii"
    nibabel.save(image, path)
    volume = opened(path)
    assert volume.shape == (5, 4, 3)
    geometry = volume.geometry
    assert np.all(np.diff(geometry.offsets_mm) > 0)
    assert [np.argmax(np.abs(v)) for v in (geometry.row_direction, geometry.normal)] == [0, 2]
    assert geometry.spacing_mm == pytest.approx((2.0, 1.5))
    assert geometry.slice_spacing_mm == pytest.approx(3.5)
    assert _values_at_places(volume) == _itk_values_at_places(path)


@pytest.mark.parametrize("version", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slope_and_intercept_are_exact(
    tmp_path: Path, opened: Any, version: Any, suffix: str
) -> None:
    stored = np.arange(-12, 12, dtype=np.int16).reshape(2, 3, 4)
    image = version(stored, np.diag([-1.0, -1, 1, 1]))
    path = tmp_path / f"scan{suffix}"
    # nibabel chooses a slope of its own when it writes: the bytes are set by hand.
    data = bytearray(image.to_bytes())
    offset = 112 if version is nibabel.Nifti1Image else 176
    kind = np.float32 if version is nibabel.Nifti1Image else np.float64
    rescale = np.array([0.125, -1000.5], kind).tobytes()
    data[offset : offset + len(rescale)] = rescale
    path.write_bytes(gzip.compress(bytes(data)) if suffix == ".nii.gz" else bytes(data))
    volume = opened(path)
    expected = stored.transpose(2, 1, 0) * 0.125 - 1000.5
    np.testing.assert_array_equal(volume.hu(), expected)
    np.testing.assert_array_equal(volume.voxels, stored.transpose(2, 1, 0))
    assert volume.unit == "HU"


def test_big_endian_and_a_fourth_axis_of_one(tmp_path: Path, opened: Any) -> None:
    values = np.arange(24, dtype=">i2").reshape(2, 3, 4, 1)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1, 1, 1]), header), tmp_path / "a.nii")
    volume = opened(tmp_path / "a.nii")
    assert volume.voxels.dtype.isnative
    np.testing.assert_array_equal(volume.voxels, values[..., 0].transpose(2, 1, 0))


def test_metres_and_micrometres_become_mm(tmp_path: Path, opened: Any) -> None:
    for unit, factor in (("meter", 1000.0), ("micron", 0.001)):
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.diag([2.0, 2, 3, 1]) / factor)
        image.header.set_xyzt_units(unit)
        nibabel.save(image, tmp_path / f"{unit}.nii")
        geometry = opened(tmp_path / f"{unit}.nii").geometry
        assert geometry.spacing_mm == pytest.approx((2, 2))
        assert geometry.slice_spacing_mm == pytest.approx(3)


def test_without_an_orientation_no_side_is_named(tmp_path: Path, only: Any) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), None)
    nibabel.save(image, tmp_path / "a.nii")
    series = only(tmp_path / "a.nii")
    assert series.geometry.edge_letters == ("", "", "", "")
    assert any("no orientation" in warning for warning in series.warnings)


def test_label_maps_are_recognised(tmp_path: Path, only: Any, events: Any) -> None:
    labels = np.zeros((40, 40, 12), np.uint8)
    labels[5:20, 5:30, 2:9] = 3
    labels[22:36, 8:30, 4:10] = 7
    noise = np.random.default_rng(0).integers(0, 200, labels.shape, dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), tmp_path / "labels.nii.gz")
    nibabel.save(nibabel.Nifti1Image(noise, np.eye(4)), tmp_path / "noise.nii.gz")
    series = only(tmp_path / "labels.nii.gz")
    assert series.is_label
    assert series.source.modality == "SEG"
    _, volume = events(series)
    assert set(np.unique(volume.voxels)) == {0, 3, 7}
    assert not only(tmp_path / "noise.nii.gz").is_label


def test_labels_fall_on_the_organs_of_the_dicom_series(test_data: Path, only: Any) -> None:
    """Labels in LAS order, against a series read as DICOM: agreement by geometry alone.

    Each organ's mean HU is that of its tissue; with rows turned round they are not.
    """
    from ctstudio.dicom.read import read as read_dicom
    from ctstudio.dicom.scan import scan as scan_dicom

    folder = test_data / "totalseg_ct20_j2k"
    ct = finish(read_dicom(finish(scan_dicom([folder / "dicom"])).series[0]))
    series = only(folder / "example_seg_dicom.nii.gz")
    assert series.is_label
    labels = finish(read(series))
    assert labels.shape == ct.shape
    np.testing.assert_allclose(labels.geometry.positions_mm, ct.geometry.positions_mm, atol=0.01)
    np.testing.assert_allclose(labels.geometry.spacing_mm, ct.geometry.spacing_mm, atol=1e-4)
    np.testing.assert_allclose(labels.geometry.row_direction, ct.geometry.row_direction, atol=1e-6)
    hu = ct.hu()
    inside, turned = hu[labels.voxels > 0], hu[:, ::-1][labels.voxels > 0]
    # Organs hold no air; what lies opposite to them partly does.
    assert np.mean(inside < -200) < 0.2 * np.mean(turned < -200)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_what_is_written_lies_where_it_did_and_holds_the_same_hu(
    tmp_path: Path, opened: Any, oblique: Volume, suffix: str
) -> None:
    path = tmp_path / f"scan{suffix}"
    assert finish(write_nifti(oblique, path)) == path
    assert _itk_values_at_places(path) == _values_at_places(oblique)
    image = nibabel.load(path)
    assert image.get_data_dtype() == np.int16
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    # nibabel counts to the right and to the front.
    first = image.affine @ [0, 0, 0, 1]
    np.testing.assert_allclose(first[:3] * [-1, -1, 1], oblique.geometry.positions_mm[0], atol=1e-4)
    again = opened(path)
    np.testing.assert_array_equal(again.hu(), oblique.hu())
    np.testing.assert_allclose(
        again.geometry.positions_mm, oblique.geometry.positions_mm, atol=1e-4
    )
    np.testing.assert_allclose(again.geometry.normal, oblique.geometry.normal, atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_fractions_are_written_as_they_are_and_hu_are_known_again(
    tmp_path: Path, only: Any, events: Any, oblique: Volume
) -> None:
    """No value is far below zero: only the header can say that these are HU."""
    fractions = oblique.derived(np.abs(oblique.hu()) / 7)
    finish(write_nifti(fractions, tmp_path / "a.nii"))
    told, again = events(only(tmp_path / "a.nii"))
    np.testing.assert_array_equal(again.hu(), fractions.hu())
    assert again.unit == "HU"
    assert not [event for event in told if isinstance(event, Note)]


def test_a_tilted_stack_keeps_its_shear(tmp_path: Path, opened: Any) -> None:
    geometry = Geometry.axial(4, (2.0, 1.0, 1.0))
    positions = geometry.positions_mm + np.arange(4)[:, None] * [0, 0.7, 0]
    tilted = Volume.from_hu(
        np.zeros((4, 3, 3), np.float32), replace(geometry, positions_mm=positions)
    )
    finish(write_nifti(tilted, tmp_path / "a.nii"))
    assert int(nibabel.load(tmp_path / "a.nii").header["qform_code"]) == 0
    again = opened(tmp_path / "a.nii").geometry
    assert again.tilted
    np.testing.assert_allclose(again.positions_mm, positions, atol=1e-5)


def test_uneven_slices_are_refused(tmp_path: Path) -> None:
    geometry = Geometry.axial(3)
    positions = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 5]], float)
    volume = Volume.from_hu(
        np.zeros((3, 2, 2), np.float32), replace(geometry, positions_mm=positions)
    )
    with pytest.raises(StudioError, match="not evenly spaced"):
        finish(write_nifti(volume, tmp_path / "a.nii"))
    with pytest.raises(StudioError, match=r"\.nii"):
        finish(write_nifti(volume, tmp_path / "a.img"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:100],
        lambda data: b"nothing of the kind" * 40,
        lambda data: data[:70] + (128).to_bytes(2, "little") + data[72:],  # RGB
        lambda data: data[:42] + (30000).to_bytes(2, "little") * 3 + data[48:],
    ],
    ids=["short", "foreign", "colour", "bomb"],
)
def test_broken_files_are_named(tmp_path: Path, look: Any, spoil: Any) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), tmp_path / "a.nii")
    data = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").write_bytes(spoil(data))
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(spoil(data)))
    (tmp_path / "c.nii.gz").write_bytes(spoil(data))
    result = look(tmp_path)
    assert not result.series
    assert {s.path.name for s in result.skipped} == {"a.nii", "b.nii.gz", "c.nii.gz"}


def test_missing_voxels_are_an_error_that_names_the_file(tmp_path: Path, only: Any) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 9, 9), np.int16), np.eye(4)), tmp_path / "a.nii")
    (tmp_path / "a.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:-100])
    with pytest.raises(StudioError, match=r"a\.nii"):
        finish(read(only(tmp_path / "a.nii")))


def test_several_volumes_in_one_file_are_refused(tmp_path: Path, look: Any) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 5)), np.eye(4)), tmp_path / "a.nii")
    (skipped,) = look(tmp_path).skipped
    assert "4 dimensions" in skipped.reason


def test_nothing_is_printed_about_a_header_that_is_mended(
    tmp_path: Path, only: Any, caplog: pytest.LogCaptureFixture
) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.eye(4)), tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    data[80:84] = np.float32(-2).tobytes()  # a negative distance between columns
    (tmp_path / "a.nii").write_bytes(bytes(data))
    assert only(tmp_path / "a.nii").slices == 4
    assert not caplog.records
