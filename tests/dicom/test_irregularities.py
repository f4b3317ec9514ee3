"""Irregularities of series: each is found, named, and offered a fix that mends it."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.core.events import finish
from ctstudio.ct.resample import Fix, mend
from ctstudio.dicom.irregularities import Kind, of_stack
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.workflows.info import as_text
from ctstudio.workflows.info import report as describe
from ctstudio.workflows.open import scan as scan_anything

PIXELS = np.zeros((6, 5), np.int16)
SQUARE = dict(PixelSpacing=[0.7, 0.7])


def only(path):
    (series,) = finish(scan([path])).series
    return series


def kinds(series):
    return [entry.kind for entry in series.irregularities]


def test_a_regular_series_has_none(stack):
    series = only(stack(5, SliceThickness=2, **SQUARE))
    assert series.irregularities == ()
    assert series.warnings == ()


@pytest.mark.parametrize(
    ("heights", "tags", "kind", "words", "fixes"),
    [
        ((0, 2, 4, 8, 10), {}, Kind.GAP, "missing after slice 3", {Fix.UNIFORM, Fix.SPLIT}),
        ((0, 2, 2, 4, 6), {}, Kind.DUPLICATE_POSITION, "2 images share", {Fix.UNIFORM, Fix.SPLIT}),
        ((0, 2, 4, 7, 10), {}, Kind.VARIABLE_SPACING, "from 2 to 3 mm", {Fix.UNIFORM, Fix.SPLIT}),
        ((0, 2, 4), dict(SliceThickness=5), Kind.OVERLAP, "Slices of 5 mm lie 2 mm", set()),
        ((0, 2, 4), dict(PixelSpacing=None), Kind.MISSING_SPACING, "no usable pixel", set()),
        ((0, 2, 4), dict(PixelSpacing=[1.4, 0.7]), Kind.NON_SQUARE_PIXELS, "1.4 mm", {Fix.SQUARE}),
    ],
)
def test_each_is_named_and_offers_what_mends_it(
    tmp_path, slice_file, heights, tags, kind, words, fixes
):
    for k, z in enumerate(heights):
        slice_file(tmp_path / str(k), PIXELS, z=z, **{**SQUARE, **tags})
    series = only(tmp_path)
    (found,) = series.irregularities
    assert found.kind is kind
    assert words in found.sentence
    assert found.fixes[0] is Fix.LEAVE
    assert set(found.fixes[1:]) == fixes
    assert series.warnings == ((found.sentence,) if found.warns else ())
    volume = finish(read(series))
    for fix in found.fixes[1:]:
        for mended in finish(mend(volume, fix)):
            assert of_stack(mended.geometry, None) == []


def test_a_tilt_can_be_sheared_away(tmp_path, slice_file):
    shear = 3 * np.tan(np.radians(12.0))
    for k in range(5):
        place = [0, f"{shear * k:.4f}", 3 * k]
        slice_file(tmp_path / str(k), PIXELS, ImagePositionPatient=place, **SQUARE)
    series = only(tmp_path)
    (found,) = series.irregularities
    assert (found.kind, found.fixes) == (Kind.GANTRY_TILT, (Fix.LEAVE, Fix.SHEAR))
    assert "12.0 degrees" in found.sentence
    (upright,) = finish(mend(finish(read(series)), Fix.SHEAR))
    assert of_stack(upright.geometry, None) == []


def test_missing_places_and_orientation(stack):
    nothing = dict(ImagePositionPatient=None, ImageOrientationPatient=None)
    assert kinds(only(stack(3, **nothing, **SQUARE))) == [
        Kind.MISSING_ORIENTATION,
        Kind.MISSING_POSITION,
    ]


def test_what_one_series_mixes_is_taken_apart_and_said(stack, slice_file):
    folder = stack(4, **SQUARE)
    slice_file(
        folder / "scout",
        np.zeros((9, 4), np.int16),
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        **SQUARE,
    )
    found = finish(scan([folder])).series
    for series in found:
        assert kinds(series) == [Kind.LOCALISER]
        assert series.warnings[0].startswith("This series holds 1 localiser image, shown")
    for k in range(3):
        slice_file(
            folder / f"coronal{k}",
            PIXELS,
            ImagePositionPatient=[0, k, 0],
            ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
            **SQUARE,
        )
    slice_file(folder / "large", np.zeros((12, 12), np.int16), **SQUARE)
    slice_file(folder / "fine", PIXELS, PixelSpacing=[0.3, 0.3])
    found = finish(scan([folder])).series
    assert sorted(series.slices for series in found) == [1, 1, 1, 3, 4]
    for series in found:
        assert kinds(series) == [
            Kind.LOCALISER,
            Kind.MIXED_SIZE,
            Kind.MIXED_ORIENTATION,
            Kind.MIXED_SPACING,
        ]
        assert "images of 2 orientations" in " ".join(series.warnings)


def test_another_series_in_the_folder_mixes_nothing(stack, slice_file):
    folder = stack(3, **SQUARE)
    slice_file(folder / "other", np.zeros((9, 4), np.int16), SeriesInstanceUID="1.2", **SQUARE)
    assert all(series.irregularities == () for series in finish(scan([folder])).series)


def test_a_real_head_with_tilt_and_three_distances(test_data):
    series = only(test_data / "awkward" / "ge_head_gantry_tilt_variable_spacing")
    assert kinds(series) == [Kind.VARIABLE_SPACING, Kind.GANTRY_TILT, Kind.MIXED_THICKNESS]
    assert "The slices are 4 to 7 mm thick." in series.irregularities[2].sentence
    volume = finish(read(series))
    (upright,) = finish(mend(volume, Fix.SHEAR))
    (even,) = finish(mend(upright, Fix.UNIFORM))
    assert of_stack(even.geometry, None) == []
    assert len(even.derivation) == 2
    # The head is where it was: the centre of what is denser than water stays in place.
    assert np.linalg.norm(_centre(upright) - _centre(volume)) < 0.1
    parts = finish(mend(volume, Fix.SPLIT))
    assert sum(len(part) for part in parts) == len(volume)
    assert all(part.geometry.uniform for part in parts)


def test_a_report_holds_all_of_them(stack):
    folder = stack(4, SliceThickness=5)
    report = describe(finish(scan([folder])).series)[0]
    kinds_and_fixes = [(odd["name"], odd["fixes"]) for odd in report.irregularities]
    assert kinds_and_fixes == [
        ("overlapping slices", ["leave"]),
        ("non-square pixels", ["leave", "square"]),
    ]
    assert report.warnings == ()
    text = as_text([report], finish(scan_anything([folder])))
    assert "#1 note: The pixels are not square: rows lie 0.7 mm apart, columns 0.8 mm." in text


def _centre(volume):
    """Mean patient position of bone, slice by slice."""
    places = []
    for k in range(len(volume)):
        y, x = np.nonzero(volume.slice_hu(k) > 100)
        places.append(volume.geometry.to_patient(k, y.mean(), x.mean()))
    return np.mean(places, axis=0)


def test_two_studies_of_one_series_uid_are_two_series(tmp_path, slice_file):
    pixels = np.zeros((4, 5), np.int16)
    for k in range(6):
        slice_file(tmp_path / f"{k}.dcm", pixels, z=float(k), StudyInstanceUID=f"1.2.{k % 2}")
    found = finish(scan([tmp_path])).series
    assert [s.slices for s in found] == [3, 3]
    assert all(any("2 studies" in warning for warning in s.warnings) for s in found)


def test_images_of_one_instance_uid_at_other_places_are_kept(tmp_path, slice_file):
    pixels = np.zeros((4, 5), np.int16)
    for k in range(4):
        slice_file(tmp_path / f"{k}.dcm", pixels, z=float(k), SOPInstanceUID="1.2.3")
    (found,) = finish(scan([tmp_path])).series
    assert found.slices == 4
    assert any("3 images have the SOP instance UID" in warning for warning in found.warnings)
