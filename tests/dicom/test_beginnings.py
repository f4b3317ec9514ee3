"""Beginnings of files come in order, whether the place is quick, slow or stuck."""

from __future__ import annotations

import threading

import pytest

from ctstudio.dicom import beginnings as module
from ctstudio.dicom.beginnings import beginnings


@pytest.fixture
def files(tmp_path):
    """A hundred files; the 40th is not there."""
    paths = [tmp_path / f"{k:03d}" for k in range(100)]
    for k, path in enumerate(paths):
        if k != 40:
            path.write_bytes(b"%d" % k)
    return paths


def flat(batches):
    return [head for heads in batches for head in heads]


def check(found):
    assert isinstance(found[40], FileNotFoundError)
    assert [h for k, h in enumerate(found) if k != 40] == [b"%d" % k for k in range(100) if k != 40]


def threads_of(paths, monkeypatch, seconds_a_file):
    """Which threads read how many files, where a file takes that long by the clock."""
    now = threading.local()
    readers = []
    really = module.read_head

    def timed(path):
        readers.append(threading.current_thread() is threading.main_thread())
        now.time = getattr(now, "time", 0.0) + seconds_a_file
        return really(path)

    monkeypatch.setattr(module, "read_head", timed)
    monkeypatch.setattr(module.time, "perf_counter", lambda: getattr(now, "time", 0.0))
    check(flat(beginnings(paths)))
    return sum(readers), len(readers) - sum(readers)


def test_files_at_hand_are_read_where_one_stands(files, monkeypatch):
    assert threads_of(files, monkeypatch, 1e-5) == (92, 8)


def test_slow_files_are_read_side_by_side(files, monkeypatch):
    assert threads_of(files, monkeypatch, 0.02) == (0, 100)


def test_while_one_is_stuck_nothing_is_told_again_and_again(files, monkeypatch):
    free = threading.Event()
    really = module.read_head

    def stuck(path):
        if path.name == "003":
            assert free.wait(10)
        return really(path)

    monkeypatch.setattr(module, "read_head", stuck)
    work = beginnings(files)
    assert next(work) == []
    assert next(work) == []
    free.set()
    check(flat(work))


def test_nothing_to_read():
    assert list(beginnings([])) == []
