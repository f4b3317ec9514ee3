"""DICOMDIR: what the index of a disc names is found, and what is missing is said."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.dicom.scan import scan


@pytest.fixture
def disc(tmp_path, slice_file) -> Path:
    """A file set of two series, four and three slices, as pydicom writes it."""
    files = FileSet()
    for series, slices in ((1, 4), (2, 3)):
        uid = generate_uid()
        for k in range(slices):
            path = slice_file(
                tmp_path / "loose" / f"{series}-{k}",
                np.full((6, 5), k, np.int16),
                z=2.0 * k,
                SeriesInstanceUID=uid,
                SeriesNumber=series,
                InstanceNumber=k + 1,
                StudyDate="20200101",
                StudyTime="101010",
                StudyID="1",
            )
            files.add(path)
    files.write(tmp_path / "disc")
    files._stage["t"].cleanup()  # pydicom leaves it to the collector, which warns
    shutil.rmtree(tmp_path / "loose")
    return tmp_path / "disc"


def test_a_dicomdir_given_by_name_stands_for_its_files(disc, slice_file):
    slice_file(disc / "unlisted", np.zeros((6, 5), np.int16))
    result = finish(scan([disc / "DICOMDIR"]))
    assert [s.slices for s in result.series] == [4, 3]
    assert result.skipped == ()
    assert sorted(s.slices for s in finish(scan([disc])).series) == [1, 3, 4]


def test_files_that_the_index_names_in_vain_are_reported(disc):
    (gone,) = finish(scan([disc])).series[1].source.files[1:2]
    gone.unlink()
    for path in (disc, disc / "DICOMDIR"):
        result = finish(scan([path]))
        assert [s.slices for s in result.series] == [4, 2]
        missing = [s.path for s in result.skipped if "not there" in s.reason]
        assert missing == [gone]


def test_names_are_found_whatever_their_case(disc):
    (disc / "DICOMDIR").rename(disc / "dicomdir")
    for path in sorted((p for p in disc.rglob("*") if p.name != "dicomdir"), reverse=True):
        path.rename(path.with_name(path.name.lower() + (";1" if path.is_file() else "")))
    result = finish(scan([disc / "dicomdir"]))
    assert [s.slices for s in result.series] == [4, 3]
    assert result.skipped == ()


def test_names_that_lead_out_of_the_folder_are_not_followed(disc, slice_file):
    slice_file(disc.parent / "secret", np.zeros((6, 5), np.int16))
    index = pydicom.dcmread(disc / "DICOMDIR")
    images = [r for r in index.DirectoryRecordSequence if r.DirectoryRecordType == "IMAGE"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom knows that this is no name of a file
        images[0].ReferencedFileID = ["..", "secret"]
        index.save_as(disc / "DICOMDIR")
    result = finish(scan([disc / "DICOMDIR"]))
    assert [s.slices for s in result.series] == [3, 3]
    assert [s.reason for s in result.skipped] == [
        "the DICOMDIR names a file outside its own folder"
    ]


def test_a_broken_index(disc):
    whole = (disc / "DICOMDIR").read_bytes()
    for broken in (b"", whole[:200], b"text " * 100):
        (disc / "DICOMDIR").write_bytes(broken)
        assert [s.slices for s in finish(scan([disc])).series] == [4, 3]
        with pytest.raises(StudioError, match="open its folder instead"):
            finish(scan([disc / "DICOMDIR"]))
