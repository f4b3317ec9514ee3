"""The cache of headers: a second scan reads nothing that it knows, and is never wrong."""

from __future__ import annotations

import os
import sqlite3
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.events import finish
from ctstudio.dicom import scan as scanning
from ctstudio.dicom.scan import scan
from ctstudio.dicom.scan_cache import ScanCache, default_cache

PIXELS = np.zeros((6, 5), np.int16)


@pytest.fixture
def cache(tmp_path) -> ScanCache:
    return ScanCache(tmp_path / "cache" / "scans.db", settled_ns=0)


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """The names of the files whose headers were parsed."""
    names: list[str] = []
    really = scanning.parse_header

    def counting(path, *others):
        names.append(path.name)
        return really(path, *others)

    monkeypatch.setattr(scanning, "parse_header", counting)
    return names


def outcome(paths, cache=None):
    result = finish(scan(paths, cache=cache))
    return [(s.headers, s.warnings, s.source) for s in result.series], result.skipped


def test_the_second_scan_parses_nothing_and_finds_the_same(stack, tmp_path, cache, parsed):
    folder = stack(5, folder="x/one", SliceThickness=2, InstanceNumber=3)
    stack(3, folder="x/two", SeriesInstanceUID="", ImagePositionPatient=None, PixelSpacing=None)
    (folder / "notes.txt").write_text("Nothing of interest.")
    with zipfile.ZipFile(tmp_path / "x" / "study.zip", "w") as archive:
        archive.write(folder / "001", "inside")
    first = outcome([tmp_path / "x"], cache)
    assert len(parsed) == 10
    assert first == outcome([tmp_path / "x"])
    parsed.clear()
    assert outcome([tmp_path / "x"], cache) == first
    assert parsed == []


def test_a_changed_file_is_read_again_even_with_its_old_size_and_time(
    stack, slice_file, cache, parsed
):
    folder = stack(4)
    outcome([folder], cache)
    path, before = folder / "002", (folder / "002").stat()
    slice_file(path, PIXELS, z=4.5)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    parsed.clear()
    assert outcome([folder], cache) == outcome([folder])
    assert parsed[0] == "002"
    assert len(parsed) == 1 + 4


def test_new_replaced_and_deleted_files(stack, slice_file, cache):
    folder = stack(4)
    outcome([folder], cache)
    (folder / "001").unlink()
    (folder / "002").rename(folder / "003")
    slice_file(folder / "new", PIXELS, z=20.0)
    assert outcome([folder], cache) == outcome([folder])
    assert outcome([folder], cache) == outcome([folder])


def test_a_part_of_a_folder_forgets_nothing_of_the_rest(stack, slice_file, cache, parsed):
    folder = stack(4)
    outcome([folder], cache)
    slice_file(folder / "new", PIXELS, z=20.0)
    outcome([folder / "new"], cache)
    parsed.clear()
    outcome([folder], cache)
    assert parsed == []


def test_files_that_have_just_changed_are_not_kept(stack, tmp_path, parsed):
    folder = stack(2)
    cache = ScanCache(tmp_path / "scans.db")
    outcome([folder], cache)
    parsed.clear()
    outcome([folder], cache)
    assert len(parsed) == 2


def test_what_may_pass_is_not_kept(stack, tmp_path, cache, monkeypatch):
    folder = stack(3)
    really = os.open

    def guarded(path, *args, **kwargs):
        if Path(path).name == "002":
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", guarded)
        assert [s.reason for s in outcome([folder], cache)[1]] == ["permission is denied"]
    assert outcome([folder], cache)[1] == ()


def test_nothing_of_the_patient_and_no_path_is_kept(stack, tmp_path, cache):
    folder = stack(
        3,
        folder="Doe_John",
        PatientName="Doe^John",
        PatientID="SECRET-4711-X",
        PatientBirthDate="19700102",
        StudyDescription="Follow up of Doe",
        SeriesDescription="Thorax of Doe",
        AccessionNumber="ACC99",
    )
    (folder / "broken").write_bytes((folder / "001").read_bytes()[:400])
    outcome([folder], cache)
    (file,) = (tmp_path / "cache").iterdir()
    base = sqlite3.connect(file)
    rows = base.execute("SELECT folder, entries FROM folders").fetchall()
    base.close()
    assert len(rows) == 1
    text = file.read_bytes() + b"".join(zlib.decompress(entries) for _, entries in rows)
    assert b"1.2.840.10008.1.2.1" in text  # it does hold the headers
    for secret in (b"Doe", b"John", b"SECRET-4711", b"19700102", b"ACC99", str(tmp_path).encode()):
        assert secret not in text


@pytest.mark.parametrize("content", [b"", b"no database " * 1000])
def test_a_broken_cache_is_begun_anew(stack, tmp_path, cache, parsed, content):
    folder = stack(3)
    file = tmp_path / "cache" / "scans.db"
    file.parent.mkdir()
    file.write_bytes(content)
    plain = outcome([folder])
    assert outcome([folder], cache) == plain
    outcome([folder], cache)
    parsed.clear()
    assert outcome([folder], cache) == plain
    assert parsed == []


def test_garbled_entries_are_ignored(stack, tmp_path, cache):
    folder = stack(3)
    plain = outcome([folder], cache)
    file = tmp_path / "cache" / "scans.db"
    for entries in (b"x", zlib.compress(b"[1]"), zlib.compress(b"[[1]]\n[[2, 3, 4]]")):
        base = sqlite3.connect(file)
        with base:
            base.execute("UPDATE folders SET entries = ?", (entries,))
        base.close()
        assert outcome([folder], cache) == plain


def test_a_cache_that_cannot_be_written_does_no_harm(stack, tmp_path):
    folder = stack(3)
    (tmp_path / "file").write_text("in the way")
    cache = ScanCache(tmp_path / "file" / "scans.db", settled_ns=0)
    assert outcome([folder], cache) == outcome([folder])


def test_the_environment_switches_it_off(monkeypatch):
    monkeypatch.setenv("CTSTUDIO_SCAN_CACHE", "off")
    assert default_cache() is None
    monkeypatch.delenv("CTSTUDIO_SCAN_CACHE")
    assert isinstance(default_cache(), ScanCache)
