"""Headers for people against pydicom's own reading of the same files."""

from __future__ import annotations

import zipfile

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.header import HIDDEN, MOST_CHARACTERS, walk
from ctstudio.dicom.browse import read_header
from ctstudio.dicom.scan import scan
from ctstudio.workflows.headers import place, slice_of_series
from ctstudio.workflows.headers import read_header as header_of_slice

PIXELS = np.zeros((6, 5), np.int16)


def by_name(header):
    return {element.name: element for _, element in walk(header.elements)}


def test_every_element_of_pydicom_is_there(stack):
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.3"
    path = next(stack(1, ReferencedImageSequence=Sequence([item, item])).iterdir())
    data = pydicom.dcmread(path)
    numbers = [f"({e.tag.group:04X},{e.tag.element:04X})" for e in data.file_meta]
    numbers += [f"({e.tag.group:04X},{e.tag.element:04X})" for e in data.iterall()]
    header = read_header(path)
    assert [e.tag for _, e in walk(header.elements) if e.tag] == numbers
    assert header.count == len(numbers) + 2  # the items of the sequence
    found = by_name(header)
    assert found["Pixel Data"].value == "60 bytes"
    assert found["Pixel Spacing"].value == "0.7\\0.8"
    assert found["SOP Class UID"].value.endswith("(CT Image Storage)")
    assert found["Referenced Image Sequence"].value == "2 items"
    assert [child.name for child in found["Referenced Image Sequence"].children] == [
        "Item 1",
        "Item 2",
    ]


def test_what_may_tell_whose_it_is_can_be_hidden(slice_file, tmp_path):
    path = slice_file(
        tmp_path / "a", PIXELS, PatientBirthDate="19480229", AccessionNumber="ACC9",
        OperatorsName="Who^Did", InstitutionName="Some Place", StudyDate="20210317",
    )  # fmt: skip
    data = pydicom.dcmread(path)
    data.private_block(0x0019, "OURS", create=True).add_new(1, "LO", "private words")
    data.save_as(path)
    header = read_header(path)
    secrets = ("Phantom", "19480229", "ACC9", "Who^Did", "Some Place", "20210317", "private words")
    open_text, hidden_text = header.as_text(), header.as_text(hide_personal=True)
    for secret in secrets:
        assert secret in open_text
        assert secret not in hidden_text
    assert str(tmp_path) not in hidden_text
    assert f"Patient's Name: {HIDDEN}" in hidden_text
    assert "0.7\\0.8" in hidden_text
    assert by_name(header)["Private element of OURS"].private


def test_a_long_value_is_kept_in_part_and_its_size_said(slice_file, tmp_path):
    path = slice_file(tmp_path / "a", PIXELS)
    data = pydicom.dcmread(path)
    data.TextValue = "y" * (MOST_CHARACTERS + 9)
    data.add_new(0x00091001, "OB", bytes(range(200)))
    data.save_as(path)
    header = read_header(path)
    comments = by_name(header)["Text Value"]
    assert len(comments.value) == MOST_CHARACTERS
    assert comments.size == "65,545 characters"
    raw = next(e for e in header.elements if e.tag == "(0009,1001)")
    assert raw.value.startswith("00 01 02 03")
    assert raw.size == "200 bytes"


def test_a_value_that_cannot_be_decoded_is_shown_as_stored(slice_file, tmp_path):
    path = slice_file(tmp_path / "a", PIXELS, StationName="abcdef")
    raw = path.read_bytes()
    at = raw.index(b"SH\x06\0abcdef")
    path.write_bytes(raw[:at] + b"UL" + raw[at + 2 :])  # six bytes are no numbers of four
    element = by_name(read_header(path))["Station Name (cannot be decoded)"]
    assert (element.tag, element.vr, element.value) == ("(0008,1010)", "UL", "abcdef")


def test_no_file_of_a_mixed_bag_is_refused(test_data):
    seen = 0
    for path in sorted((test_data / "awkward" / "pydicom").glob("*.dcm")):
        header = read_header(path)
        assert header.kind == "DICOM"
        assert header.as_text().count("\n") == header.count + 1
        seen += bool(header.count)
    assert seen > 20


def test_a_file_in_an_archive_and_one_that_is_gone(stack, tmp_path):
    folder = stack(2)
    archive = tmp_path / "both.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in folder.iterdir():
            zipped.write(path, f"inside/{path.name}")
    (series,) = finish(scan([archive])).series
    header = finish(header_of_slice(series, 1))
    assert header.path.parent == archive / "inside"
    assert by_name(header)["Image Position (Patient)"].value == "0.0\\0.0\\2.0"
    archive.unlink()
    with pytest.raises(StudioError, match="Cannot read"):
        finish(header_of_slice(series, 1))


def test_the_slice_is_found_where_the_volume_lacks_some(stack):
    (series,) = finish(scan([stack(5)])).series
    geometry = series.geometry.select(slice(3, None))
    assert slice_of_series(series, geometry, 0) == 3
    assert slice_of_series(series, series.geometry, 4) == 4
    assert place(series, 4).path == series.source.files[4]
    assert place(series, 4).images == 1


def test_an_image_among_several_is_counted(test_data):
    path = test_data / "awkward" / "pydicom_data" / "emri_small.dcm"
    (series,) = finish(scan([path])).series
    assert {place(series, k).image for k in range(10)} == set(range(10))
    assert place(series, 0).images == 10
