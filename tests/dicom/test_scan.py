"""Scanning: what is found, how it is grouped and ordered, what is said of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, finish
from ctstudio.dicom.headers import parse_header
from ctstudio.dicom.places import Stamp, read_head
from ctstudio.dicom.scan import scan

PIXELS = np.zeros((6, 5), np.int16)


def test_slices_are_ordered_by_position_not_by_name(stack, drive):
    events, result = drive(scan([stack(7)]))
    (series,) = result.series
    assert series.geometry.offsets_mm.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert [p.name for p in series.source.files] == [f"{7 - k:03d}" for k in range(7)]
    assert (series.slices, series.rows, series.columns) == (7, 6, 5)
    assert series.geometry.spacing_mm == (0.7, 0.8)
    assert series.warnings == ()
    assert series.title == "Series 4"
    assert series.transfer_syntax == "Explicit VR Little Endian"
    assert any(isinstance(e, Progress) for e in events)


@pytest.mark.parametrize(
    ("orientation", "axis", "sign"),
    [
        ([0, 1, 0, 0, 0, -1], 0, -1),  # sagittal: the normal points to the patient's right
        ([1, 0, 0, 0, 0, -1], 1, 1),  # coronal: it points to the back
    ],
)
def test_order_follows_the_normal_of_any_orientation(tmp_path, slice_file, orientation, axis, sign):
    for k in (3, 0, 2, 1):
        position = [0.0, 0.0, 0.0]
        position[axis] = 5.0 * k
        slice_file(
            tmp_path / f"{k}",
            PIXELS,
            ImagePositionPatient=position,
            ImageOrientationPatient=orientation,
        )
    (series,) = finish(scan([tmp_path])).series
    assert [p.name for p in series.source.files] == ["0", "1", "2", "3"][::sign]
    assert np.all(np.diff(series.geometry.offsets_mm) > 0)


def test_nested_folders_files_and_junk(tmp_path, slice_file, stack):
    folder = stack(3, folder="a/b/c/series")
    (tmp_path / "a/notes.dcm").write_text("This is a text file with the wrong name.\n")
    (tmp_path / "a/empty").write_bytes(b"")
    (tmp_path / "a/picture.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(500))
    single = slice_file(tmp_path / "single", PIXELS, SeriesInstanceUID="1.2.3")
    result = finish(scan([tmp_path / "a", single]))
    assert sorted(s.slices for s in result.series) == [1, 3]
    assert {s.path.name: s.reason for s in result.skipped} == {
        "notes.dcm": "it is not a DICOM file",
        "empty": "it is empty",
        "picture.jpg": "it is not a DICOM file",
    }
    assert folder.is_dir()


def test_localiser_with_the_same_uid_is_its_own_series(stack, slice_file):
    folder = stack(4)
    slice_file(
        folder / "scout",
        np.zeros((9, 4), np.int16),
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
    )
    result = finish(scan([folder]))
    assert sorted(s.slices for s in result.series) == [1, 4]


def test_empty_series_uid_falls_back_to_the_folder(stack, tmp_path):
    stack(3, folder="x/one", SeriesInstanceUID="")
    stack(4, folder="x/two", SeriesInstanceUID=None)
    assert sorted(s.slices for s in finish(scan([tmp_path / "x"])).series) == [3, 4]


def test_duplicates_are_dropped_with_a_warning(stack):
    folder = stack(4)
    (folder / "copy").write_bytes((folder / "001").read_bytes())
    (series,) = finish(scan([folder])).series
    assert series.slices == 4
    assert series.warnings == ("1 file repeats an image that is already there and was left out.",)


def test_missing_slice_is_named(stack):
    folder = stack(7)
    (folder / "004").unlink()  # slice index 3
    (series,) = finish(scan([folder])).series
    (warning,) = series.warnings
    assert warning.startswith("1 slice seems to be missing after slice 3: there the gap is 4 mm")


def test_varying_spacing_is_named(tmp_path, slice_file):
    for k, z in enumerate((0, 2, 4, 6.7, 9.4)):
        slice_file(tmp_path / str(k), PIXELS, z=z)
    (series,) = finish(scan([tmp_path])).series
    assert series.warnings == ("The distance between slices varies from 2 to 2.7 mm.",)
    assert not series.geometry.uniform


def test_gantry_tilt_is_measured(tmp_path, slice_file):
    shear = 3 * np.tan(np.radians(12.0))
    for k in range(5):
        slice_file(tmp_path / str(k), PIXELS, ImagePositionPatient=[0, f"{shear * k:.4f}", 3 * k])
    (series,) = finish(scan([tmp_path])).series
    assert "sheared by 12.0 degrees" in series.warnings[0]


def test_missing_spacing_and_positions(tmp_path, slice_file):
    nothing = dict(PixelSpacing=None, ImagePositionPatient=None, ImageOrientationPatient=None)
    for k in (2, 0, 1):
        slice_file(tmp_path / f"{9 - k}", PIXELS, InstanceNumber=k, SliceThickness=3, **nothing)
    (series,) = finish(scan([tmp_path])).series
    assert not series.geometry.spacing_known
    assert series.geometry.spacing_mm == (1.0, 1.0)
    assert [p.name for p in series.source.files] == ["9", "8", "7"]
    assert series.geometry.slice_spacing_mm == 3.0
    text = " ".join(series.warnings)
    assert "pixel spacing" in text
    assert "ordered by instance number" in text


def test_two_volumes_under_one_uid_are_taken_apart(stack, tmp_path):
    stack(4, folder="x/first", AcquisitionNumber=1)
    stack(4, folder="x/second", AcquisitionNumber=2)
    assert [s.slices for s in finish(scan([tmp_path / "x"])).series] == [4, 4]


def test_window_and_texts(stack):
    folder = stack(
        2,
        WindowCenter=[50, -600],
        WindowWidth=[350, 1500],
        SpecificCharacterSet="ISO_IR 192",
        SeriesDescription="Thorax 1,0 Lunge für Übung",
        ConvolutionKernel="B70f",
        SliceThickness="2.0",
    )
    (series,) = finish(scan([folder])).series
    source = series.source
    assert (source.window.centre_hu, source.window.width_hu) == (50, 350)
    assert series.title == source.description == "Thorax 1,0 Lunge für Übung"
    assert (source.kernel, source.slice_thickness_mm, source.series_number) == ("B70f", 2.0, 4)


def test_undefined_length_sequences_are_walked(tmp_path, slice_file):
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.PurposeOfReferenceCodeSequence = Sequence([inner])
    for item in (inner, outer):
        item.is_undefined_length_sequence_item = True
    path = slice_file(tmp_path / "a", PIXELS, SourceImageSequence=Sequence([outer]))
    data = pydicom.dcmread(path)
    data["SourceImageSequence"].is_undefined_length = True
    data.SourceImageSequence[0].is_undefined_length_sequence_item = True
    data.save_as(path)
    assert finish(scan([path])).series[0].rows == 6


def test_header_longer_than_the_first_read(tmp_path, slice_file):
    path = slice_file(tmp_path / "a", PIXELS + 7, TextValue="x" * 100_000)
    header = parse_header(path, read_head(path), Stamp.of(path.stat()))
    assert header.pixel_offset > 100_000
    assert header.rows == 6


@pytest.mark.parametrize("missing", [8, 100])
def test_a_codestream_that_begins_behind_the_first_read_is_heard(tmp_path, slice_file, missing):
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    data = imagecodecs.jpeg2k_encode(
        pixels, level=0, codecformat="j2k", reversible=True, bitspersample=13
    )
    layout = dict(Rows=8, Columns=8, BitsAllocated=16, BitsStored=16, HighBit=15)
    path = slice_file(
        tmp_path / "a", data, syntax=JPEG2000Lossless, PixelRepresentation=0, **layout
    )
    whole = path.read_bytes()
    head = whole[: whole.index(b"\xff\x4f\xff\x51") + missing]
    stamp = Stamp.of(path.stat())
    assert parse_header(path, head, stamp) == parse_header(path, whole, stamp)
    assert parse_header(path, head, stamp).bits_stored == 13


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (dict(NumberOfFrames=-3), "asks for '-3' frames"),
        (dict(NumberOfFrames=3000), "asks for 3000 frames from a file of"),
        (dict(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "colour"),
        (dict(Rows=None), "no image"),
        (dict(BitsStored=40), "contradicts itself"),
        (dict(PixelData=None), "no pixel data|ends before"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path, slice_file, tags, words):
    slice_file(tmp_path / "x/odd", PIXELS, **tags)
    with pytest.raises(StudioError, match="odd") as caught:
        finish(scan([tmp_path / "x/odd"]))
    assert any(word in caught.value.message for word in words.split("|"))
    slice_file(tmp_path / "x/good", PIXELS)
    assert len(finish(scan([tmp_path / "x"])).skipped) == 1


def test_header_cut_off(tmp_path, slice_file):
    whole = slice_file(tmp_path / "x", PIXELS).read_bytes()
    for length in (1, 100, 131, 132, 140, 200, 300, 500, 700):
        path = tmp_path / "cut"
        path.write_bytes(whole[:length])
        with pytest.raises(StudioError, match="cut"):
            finish(scan([path]))


def test_nothing_to_find(tmp_path):
    with pytest.raises(StudioError, match="is empty"):
        finish(scan([tmp_path]))
    with pytest.raises(StudioError, match="does not exist"):
        finish(scan([tmp_path / "missing"]))
    with pytest.raises(StudioError, match="nothing to open"):
        finish(scan([]))
    (tmp_path / "notes.txt").write_text("Nothing here. " * 50)
    with pytest.raises(StudioError, match="1 file was skipped") as caught:
        finish(scan([tmp_path]))
    assert caught.value.path == tmp_path
    assert "notes.txt: it is not a DICOM file" in caught.value.details


def test_permission_denied_for_a_file_and_a_folder(stack, monkeypatch):
    folder = stack(3)
    closed = folder / "closed"
    closed.mkdir()
    really_open, really_list = os.open, os.scandir

    def guarded_open(path, *args, **kwargs):
        if Path(path).name == "002":
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *args, **kwargs)

    def guarded_list(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return really_list(path)

    monkeypatch.setattr(os, "open", guarded_open)
    monkeypatch.setattr(os, "scandir", guarded_list)
    result = finish(scan([folder]))
    assert result.series[0].slices == 2
    assert {(s.path.name, s.reason) for s in result.skipped} == {
        ("002", "permission is denied"),
        ("closed", "permission is denied"),
    }
    with pytest.raises(StudioError, match="permission is denied"):
        finish(scan([closed]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_pipes_and_loops_do_not_hang(stack):
    folder = stack(2)
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "dangling").symlink_to(folder / "gone")
    result = finish(scan([folder]))
    assert result.series[0].slices == 2
    assert {s.path.name for s in result.skipped} == {"pipe", "dangling"}


def test_scan_can_be_closed_at_any_event(stack):
    work = scan([stack(5)])
    next(work)
    work.close()
