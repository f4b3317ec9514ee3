"""What the tests of files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctstudio.core.events import Event, finish
from ctstudio.ct.series import ScanResult
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.files.read import read
from ctstudio.files.scan import scan
from ctstudio.files.series import FileSeries


@pytest.fixture
def look() -> Callable[[Path], ScanResult]:
    """Scans every file in a folder, or one file."""

    def scanned(path: Path) -> ScanResult:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        return finish(scan(files))

    return scanned


@pytest.fixture
def only(look: Callable[[Path], ScanResult]) -> Callable[[Path], FileSeries]:
    """The one series of a path, in which nothing is skipped."""

    def one(path: Path) -> FileSeries:
        result = look(path)
        assert not result.skipped
        (series,) = result.series
        assert isinstance(series, FileSeries)
        return series

    return one


@pytest.fixture
def opened(only: Callable[[Path], FileSeries]) -> Callable[[Path], Volume]:
    """The volume of the one series of a path."""
    return lambda path: finish(read(only(path)))


@pytest.fixture
def events() -> Callable[[FileSeries], tuple[list[Event], Volume]]:
    """Everything that reading a series tells, and its volume."""

    def drained(series: FileSeries) -> tuple[list[Event], Volume]:
        told: list[Event] = []
        work = read(series)
        while True:
            try:
                told.append(next(work))
            except StopIteration as stop:
                return told, stop.value

    return drained


@pytest.fixture
def oblique() -> Volume:
    """A small volume in HU, turned about two axes, with three different spacings."""
    a, b = 0.3, -0.2
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    row, column, normal = (about_z @ about_x).T
    positions = np.array([-20.5, 31.25, -140.0]) + np.arange(5)[:, None] * 2.5 * normal
    generator = np.random.default_rng(5)
    hu: Any = generator.integers(-1024, 2000, (5, 6, 7)).astype(np.float32)
    return Volume.from_hu(hu, Geometry(positions, row, column, (0.8, 0.6)))
