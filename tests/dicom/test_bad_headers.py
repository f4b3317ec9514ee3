"""Values that no scanner writes: they are left aside, said in a sentence, and stop nothing."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.ct.window import automatic, full_range
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import SeriesInfo, scan
from ctstudio.dicom.write import write_derived, write_series

SHAPE = (4, 12, 10)


def series(folder: Path, description: str = "", **texts: str) -> SeriesInfo:
    """A small series whose elements, by keyword, hold these texts in every slice."""
    hu = np.random.default_rng(3).integers(-900, 900, SHAPE).astype(np.int16)
    ones = np.ones(len(hu))
    source = Source(description="Small")
    volume = Volume(hu, ones, 0 * ones, "HU", Geometry.axial(len(hu), (2, 1, 1)), source)
    for path in finish(write_series(volume, folder, series_number=1)):
        dataset = pydicom.dcmread(path)
        if description:
            dataset.SeriesDescription = description
        for keyword, text in texts.items():
            value = text.encode() + b" " * (len(text) % 2)
            tag = Tag(tag_for_keyword(keyword))
            dataset._dict[tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.save_as(path)
    return finish(scan([folder])).series[0]


@pytest.mark.parametrize("slope", ["nan", "inf", "0", "1e300", "1e30", "1e-300", "abc"])
def test_a_slope_that_makes_no_sense_leaves_the_stored_values(tmp_path: Path, slope: str) -> None:
    info = series(tmp_path / "in", RescaleSlope=slope)
    volume = finish(read(info))
    assert any("no usable rescale" in remark for remark in info.warnings)
    np.testing.assert_array_equal(volume.hu(), volume.voxels)
    files = finish(write_derived(volume, tmp_path / "out", description="Copy", method="none"))
    again = finish(read(finish(scan([tmp_path / "out"])).series[0]))
    np.testing.assert_allclose(again.hu(), volume.hu(), atol=0.5)
    assert len(files) == len(volume)


@pytest.mark.parametrize("intercept", ["1e300", "", "nan", "inf", "abc", "-1024,0"])
def test_an_intercept_that_makes_no_sense_leaves_the_stored_values(
    tmp_path: Path, intercept: str
) -> None:
    info = series(tmp_path, RescaleIntercept=intercept)
    assert any("no usable rescale" in remark for remark in info.warnings)
    volume = finish(read(info))
    assert volume.unit == ""
    np.testing.assert_array_equal(volume.hu(), volume.voxels)


@pytest.mark.parametrize("spacing", ["0\\0", "-1\\-1", "1e9\\1e9", "1e-9\\1e-9", "1e-4\\9000"])
def test_a_spacing_that_makes_no_sense_is_unknown(tmp_path: Path, spacing: str) -> None:
    info = series(tmp_path, PixelSpacing=spacing)
    assert not info.geometry.spacing_known
    assert info.geometry.spacing_mm == (1, 1)


def test_places_a_light_year_away_are_unknown(tmp_path: Path) -> None:
    info = series(tmp_path, ImagePositionPatient="0\\0\\1e300", SliceLocation="1e300")
    assert info.slices == SHAPE[0]
    assert np.abs(info.geometry.positions_mm).max() < 1e3
    assert any("no usable positions" in remark for remark in info.warnings)


@pytest.mark.parametrize(("centre", "width"), [("1e300", "1e300"), ("0", "1e-300"), ("nan", "1")])
def test_a_window_that_shows_nothing_is_left_aside(tmp_path: Path, centre: str, width: str) -> None:
    assert series(tmp_path, WindowCenter=centre, WindowWidth=width).source.window is None


def test_texts_do_not_steer_a_terminal(tmp_path: Path) -> None:
    info = series(tmp_path, description="red \x1b[31m\r\nand \u202ebackwards\x07")
    assert all(character.isprintable() for character in info.source.description)
    assert info.source.description.endswith("backwards")


def test_images_that_share_a_place_are_counted(tmp_path: Path) -> None:
    for index in range(3):
        series(tmp_path / str(index))
    files = sorted(tmp_path.glob("*/*.dcm"))
    for path in files:  # three copies of four places, as one series
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "1.2.3", "1.2.4"
        dataset.FrameOfReferenceUID = "1.2.5"
        dataset.save_as(path)
    found = finish(scan([tmp_path])).series
    assert [info.slices for info in found] == [4, 4, 4]
    assert all("images of 3 folders share their places" in info.warnings[0] for info in found)
    for index, path in enumerate(files):
        path.rename(tmp_path / f"{index}.dcm")
    (info,) = finish(scan([tmp_path])).series
    assert any(f"{len(files)} images share" in remark for remark in info.warnings)


def test_pictures_without_a_number_have_a_window() -> None:
    hu = np.full((3, 4), np.nan, np.float32)
    assert automatic(hu).width_hu > 0
    hu[1, 2], hu[0, 0] = 40, -60
    assert (full_range(hu).lower, full_range(hu).upper) == (-60, 40)
