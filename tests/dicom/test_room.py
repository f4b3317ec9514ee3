"""Volumes that memory does not hold: they open in a file of the cache that has no name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, finish
from ctstudio.dicom import room
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder where files of volumes go."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *a, **k: str(folder))
    return folder


@pytest.fixture
def scarce(cache, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda: 0)
    return cache


def open_series(*paths):
    (series,) = finish(scan(list(paths))).series
    return series


def in_a_file(array):
    """Whether the memory of ``array`` is a file's, as the system tells it."""
    at = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(part, 16) for part in line.split()[0].split("-"))
        if first <= at < last:
            return ".volume-" in line or "(deleted)" in line
    raise AssertionError("the array lies nowhere")


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_the_same_voxels_from_a_file_that_leaves_nothing_behind(stack, scarce, drive):
    folder = stack(7)
    events, volume = drive(read(open_series(folder)))
    assert next(e for e in events if isinstance(e, Partial)).value is volume
    assert in_a_file(volume.voxels)
    assert type(volume.voxels) is np.ndarray
    assert volume.voxels[:, 0, 0].tolist() == [100 + k for k in range(7)]
    assert not volume.voxels.flags.writeable
    assert list(scarce.iterdir()) == []


def test_slices_that_break_are_left_out_of_the_file_too(stack, scarce, drive):
    folder = stack(5)
    series = open_series(folder)
    (folder / "004").write_bytes((folder / "004").read_bytes()[:-20])
    events, volume = drive(read(series))
    assert len([e for e in events if isinstance(e, Note)]) == 1
    assert volume.voxels[:, 0, 0].tolist() == [100, 102, 103, 104]


def test_memory_is_preferred_while_there_is_some(cache):
    array = room.make_room((2, 3, 4), np.dtype(np.int16))
    assert array.shape == (2, 3, 4)
    assert not array.any()
    assert not cache.exists()


def test_memory_that_is_refused_although_it_seemed_free(stack, cache, monkeypatch):
    series = open_series(stack(2))

    def refuse(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(room.np, "zeros", refuse)
    assert finish(read(series)).voxels[:, 0, 0].tolist() == [100, 101]


def test_neither_memory_nor_disk_suffices(stack, scarce, monkeypatch):
    series = open_series(stack(2))
    usage = type("usage", (), {"free": 10})
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StudioError, match="not enough memory"):
        finish(read(series))


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_series_larger_than_memory_opens(tmp_path, slice_file):
    pixels = np.arange(1024 * 1024, dtype=np.uint32).astype(np.int16).reshape(1024, 1024)
    for k in range(48):  # 96 MiB
        slice_file(tmp_path / "series" / str(k), pixels + np.int16(k), z=k)
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from ctstudio.core.events import finish
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom import room
room._SPARE_DISK = 0
(series,) = finish(scan([Path(sys.argv[1])])).series
kept = int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (kept + (64 << 20), kept + (64 << 20)))
volume = finish(read(series))
pixels = np.arange(1024 * 1024, dtype=np.uint32).astype(np.int16).reshape(1024, 1024)
for k in range(48):
    assert np.array_equal(volume.slice_hu(k), (pixels + np.int16(k)) - np.float32(1024))
print(volume.shape)
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "series")],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == "(48, 1024, 1024)", result.stderr
    assert list((tmp_path / "cache" / "ctstudio").iterdir()) == []
