"""Zip archives are looked into where they lie, and refused where they would do harm."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.dicom.places import MEMBER_HEAD_BYTES, read_head
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.write import write_derived

PIXELS = np.zeros((6, 5), np.int16)


def packed(folder: Path, archive: Path, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(archive, "w", packing) as made:
        for path in sorted(folder.rglob("*")):
            made.write(path, path.relative_to(folder))
    return archive


def patched(archive: Path, at: int, value: bytes, *, local_at: int | None = None) -> Path:
    """Overwrite a field of the first entry of the directory (and of the file's own header)."""
    data = bytearray(archive.read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start + at : start + at + len(value)] = value
    if local_at is not None:
        data[local_at : local_at + len(value)] = value
    archive.write_bytes(data)
    return archive


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("syntax", ["", "1.2.840.10008.1.2.1.99"])
def test_a_series_in_an_archive_is_the_series_in_its_folder(
    stack, tmp_path, packing, syntax, drive
):
    folder = stack(5, folder="x/deep/series", syntax=syntax).parent.parent
    archive = packed(folder, tmp_path / "study.ZIP", packing)
    (plain,) = finish(scan([folder])).series
    (series,) = finish(scan([archive])).series
    assert [p.relative_to(archive) for p in series.source.files] == [
        p.relative_to(folder) for p in plain.source.files
    ]
    assert series.source.patient_name == "Phantom^Test"
    events, volume = drive(read(series))
    assert not [e for e in events if isinstance(e, Note)]
    np.testing.assert_array_equal(volume.voxels, finish(read(plain)).voxels)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.ZIP", "x"]  # nothing unpacked


def test_an_archive_among_files_and_what_was_left_out_of_it(stack, tmp_path):
    folder = stack(3, folder="x")
    (folder / "notes.txt").write_text("Nothing of interest.")
    with zipfile.ZipFile(folder / "inner.zip", "w") as inner:
        inner.writestr("a", "b")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._001").write_bytes(b"resource fork")
    archive = packed(folder, tmp_path / "study.zip")
    stack(2, folder="other", SeriesInstanceUID="1.2.3")
    result = finish(scan([tmp_path / "other", archive]))
    assert sorted(s.slices for s in result.series) == [2, 3]
    assert {(s.path.name, s.reason) for s in result.skipped} == {
        ("notes.txt", "it is not a DICOM file"),
        ("inner.zip", "it is an archive inside an archive; unpack it first"),
    }


def test_an_export_of_a_series_in_an_archive(stack, tmp_path):
    archive = packed(stack(4), tmp_path / "study.zip")
    volume = finish(read(finish(scan([archive])).series[0]))
    finish(write_derived(volume, tmp_path / "out", description="copy", method="none"))
    (copy,) = finish(scan([tmp_path / "out"])).series
    np.testing.assert_array_equal(finish(read(copy)).hu(), volume.hu())


def test_headers_of_an_archive_unpack_only_their_beginning(tmp_path, slice_file):
    folder = slice_file(tmp_path / "x" / "large", np.zeros((800, 800), np.int16)).parent
    archive = packed(folder, tmp_path / "study.zip")
    assert read_head(archive / "large") == (folder / "large").read_bytes()[:MEMBER_HEAD_BYTES]


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "..\\out", "C:out"])
def test_names_that_lead_out_are_refused(tmp_path, slice_file, name):
    data = slice_file(tmp_path / "a", PIXELS).read_bytes()
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.writestr("good", data)
        archive.writestr(name, data)
    with pytest.raises(StudioError, match=r"study.zip: the archive is not opened: .*(out|drive)"):
        finish(scan([tmp_path / "study.zip"]))


def test_an_encrypted_archive_is_refused(stack, tmp_path):
    archive = packed(stack(1), tmp_path / "study.zip")
    patched(archive, 8, b"\x01\x00", local_at=6)
    with pytest.raises(StudioError, match="it is encrypted"):
        finish(scan([archive]))


def test_bombs_are_refused(stack, tmp_path, slice_file):
    folder = stack(2)
    claims = patched(packed(folder, tmp_path / "claims.zip"), 24, struct.pack("<L", 3 << 30))
    with pytest.raises(StudioError, match=r"would unpack from \d+ kB to 3.0 GB"):
        finish(scan([claims]))
    overlap = patched(packed(folder, tmp_path / "overlap.zip"), 20, struct.pack("<L", 1 << 20))
    with pytest.raises(StudioError, match="its files overlap"):
        finish(scan([overlap]))
    # A single image may not grow a thousandfold either.
    blank = slice_file(tmp_path / "y" / "blank", np.zeros((6000, 6000), np.int16))
    series = finish(scan([packed(blank.parent, tmp_path / "blank.zip")])).series[0]
    with pytest.raises(StudioError, match="could be decoded") as caught:
        finish(read(series))
    assert "it asks for 68 MB from" in caught.value.details


def test_damaged_archives_are_reported(stack, tmp_path, drive):
    archive = packed(stack(3), tmp_path / "study.zip", zipfile.ZIP_STORED)
    whole = archive.read_bytes()
    data = bytearray(whole)
    data[whole.index(b"\xe0\x7f\x10\x00") + 20] ^= 0xFF  # a pixel of the first file
    archive.write_bytes(data)
    events, volume = drive(read(finish(scan([archive])).series[0]))
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert "wrong checksum" in note
    assert len(volume) == 2
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudioError, match="it is a broken zip archive"):
        finish(scan([archive]))


def test_an_archive_without_dicom_counts_as_one_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("a.png", "no picture")
        archive.writestr("b.png", "no picture")
    with pytest.raises(StudioError, match="it holds no DICOM file") as caught:
        finish(scan([tmp_path / "pictures.zip"]))
    assert [s.path.name for s in caught.value.skipped] == ["pictures.zip"]


def test_an_archive_that_changed_is_read_anew(stack, tmp_path):
    archive = packed(stack(3, folder="a"), tmp_path / "study.zip")
    assert finish(scan([archive])).series[0].slices == 3
    packed(stack(5, folder="b"), archive)
    assert finish(scan([archive])).series[0].slices == 5
