"""Images that are there twice: copies are left out, others that claim to be one are kept."""

from __future__ import annotations

import shutil
import warnings
import zipfile

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from ctstudio.core.events import Note, finish
from ctstudio.ct.resample import Fix, mend
from ctstudio.dicom.irregularities import Kind
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan

SQUARE = dict(PixelSpacing=[0.7, 0.7])


def altered(path, to, value=7):
    """A copy of ``path`` at ``to``, one pixel of which holds ``value``; its UIDs are the same."""
    data = pydicom.dcmread(path)
    pixels = data.pixel_array.copy()
    pixels[2, 2] = value
    data.PixelData = pixels.tobytes()
    to.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(to)
    return to


def only(*paths):
    (series,) = finish(scan(list(paths))).series
    return series


def test_other_pixels_under_the_same_uid_and_place_are_kept_and_named(stack):
    folder = stack(4, **SQUARE)
    altered(folder / "002", folder / "zzz")
    series = only(folder)
    assert series.slices == 5
    assert [odd.kind for odd in series.irregularities] == [Kind.CONFLICT, Kind.DUPLICATE_POSITION]
    assert series.warnings[0].startswith("1 image has the SOP instance UID and the place of anoth")
    volume = finish(read(series))
    assert (volume.voxels[:, 2, 2] == 7).sum() == 1
    parts = finish(mend(volume, Fix.SPLIT))
    assert sorted(len(part) for part in parts) == [1, 4]


def test_another_rescale_is_another_image(stack, slice_file):
    folder = stack(3, **SQUARE)
    data = pydicom.dcmread(folder / "001")
    data.RescaleIntercept = -1000
    data.save_as(folder / "other")
    series = only(folder)
    assert series.slices == 4
    assert Kind.CONFLICT in [odd.kind for odd in series.irregularities]


@pytest.mark.parametrize("packed", [False, True])
def test_a_filtered_double_in_another_folder_is_a_series_of_its_own(stack, tmp_path, packed):
    folder = stack(5, folder="x/a", **SQUARE)
    for path in folder.iterdir():
        altered(path, tmp_path / "x/b" / path.name)
    place = tmp_path / "x"
    if packed:
        place = tmp_path / "x.zip"
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((tmp_path / "x").rglob("*")):
                archive.write(path, path.relative_to(tmp_path / "x"))
    found = finish(scan([place])).series
    assert [s.slices for s in found] == [5, 5]
    assert [finish(read(s)).voxels[0, 2, 2] for s in found] == [100, 7]
    for series in found:
        assert [odd.kind for odd in series.irregularities] == [Kind.CONFLICT]
        assert "images of 2 folders share their places" in series.warnings[0]
        assert series.warnings[1].startswith("5 images have the SOP instance UID")


def test_folders_that_meet_in_one_place_are_one_volume(stack, tmp_path, slice_file):
    stack(4, folder="x/a", **SQUARE)
    for k in range(3, 8):
        slice_file(tmp_path / f"x/b/{k}", np.zeros((6, 5), np.int16), z=2.0 * k, **SQUARE)
    series = only(tmp_path / "x")
    assert series.slices == 9
    assert [odd.kind for odd in series.irregularities] == [Kind.DUPLICATE_POSITION]


def test_a_copy_that_is_coded_in_another_way_is_a_copy(tmp_path, slice_file):
    pixels = np.arange(64, dtype=np.int16).reshape(8, 8)
    path = slice_file(tmp_path / "a", pixels, **SQUARE)
    data = pydicom.dcmread(path)
    stream = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)
    data.PixelData = encapsulate([stream])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = JPEG2000Lossless
    data.save_as(tmp_path / "b")
    series = only(tmp_path)
    assert series.slices == 1
    assert series.warnings == ("1 file repeats an image that is already there and was left out.",)


@pytest.mark.parametrize("broken", ["000", "zzz"])
def test_of_a_whole_and_a_cut_copy_the_whole_one_counts(stack, broken, drive):
    folder = stack(4, **SQUARE)
    whole = folder / "002"
    (folder / broken).write_bytes(whole.read_bytes()[:-20])
    series = only(folder)
    assert series.slices == 4
    assert series.warnings == (
        "1 copy of an image cannot be read and was left out: another copy can.",
    )
    events, volume = drive(read(series))
    assert len(volume) == 4
    assert not [event for event in events if isinstance(event, Note)]


def test_two_cut_copies_count_as_one_broken_slice(stack, drive):
    folder = stack(4, **SQUARE)
    cut = (folder / "002").read_bytes()[:-20]
    (folder / "002").write_bytes(cut)
    (folder / "copy").write_bytes(cut)
    events, volume = drive(read(only(folder)))
    assert len(volume) == 3
    assert len([event for event in events if isinstance(event, Note)]) == 1


def test_a_whole_folder_twice_is_one_series(stack, tmp_path):
    shutil.copytree(stack(5, folder="x/a", **SQUARE), tmp_path / "x/b")
    series = only(tmp_path / "x")
    assert series.slices == 5
    assert "5 files repeat" in series.warnings[0]


def test_pixels_are_read_of_repeated_images_only(stack, monkeypatch):
    from ctstudio.dicom.pixels import PixelReader

    folder = stack(6, **SQUARE)
    altered(folder / "003", folder / "again")
    read_of: list[str] = []
    really = PixelReader.coded
    monkeypatch.setattr(
        PixelReader, "coded", lambda self, h: (read_of.append(h.path.name), really(self, h))[1]
    )
    only(folder)
    assert sorted(read_of) == ["003", "again"]


def test_files_of_one_name_in_an_archive_are_all_there(stack, tmp_path):
    folder = stack(3, **SQUARE)
    archive = tmp_path / "twice.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in sorted(folder.iterdir()):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the name that is there already
                made.write(path, "CT/image")
        made.write(folder / "001", "CT/image (2)")
        made.write(folder / "001", "./.")
    series = only(archive)
    assert series.slices == 3
    names = {path.name for path in series.source.files}
    assert names <= {"image", "image (2)", "image (3)", "image (4)", "unnamed"}
    assert finish(read(series)).voxels[:, 0, 0].tolist() == [100, 101, 102]
    assert "2 files repeat" in series.warnings[0]
    assert finish(scan([archive])).skipped == ()
