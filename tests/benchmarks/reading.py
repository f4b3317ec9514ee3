"""Scan and read of a series beside SimpleITK's series reader."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK

from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.write import write_series

SLICES, RUNS = 300, 7


def ours(folder: Path) -> None:
    finish(read(finish(scan([folder])).series[0]))


def theirs(folder: Path) -> None:
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(names)
    reader.Execute()


def bytes_alone(folder: Path) -> None:
    for path in folder.iterdir():
        path.read_bytes()


def seconds(work: Callable[[Path], None], folder: Path) -> float:
    start = time.perf_counter()
    work(folder)
    return time.perf_counter() - start


def compare(title: str, folder: Path) -> None:
    for work in (ours, theirs, bytes_alone):
        work(folder)
    rows = [[seconds(w, folder) for w in (ours, theirs, bytes_alone)] for _ in range(RUNS)]
    mine, sitk, bare = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"{title}: {mine:.3f} s; SimpleITK {sitk:.3f} s ({sitk / mine:.2f} times ours); "
        f"bytes alone {bare:.3f} s (ours is {mine / bare:.1f} times that)"
    )


def main() -> None:
    generator = np.random.default_rng(0)
    slab = generator.integers(-1000, 1500, (8, 512, 512)).astype(np.int16)
    voxels = np.concatenate([slab] * (SLICES // 8 + 1))[:SLICES]
    volume = Volume(
        voxels,
        np.ones(SLICES),
        np.zeros(SLICES),
        "HU",
        Geometry.axial(SLICES, (1.0, 0.7, 0.7)),
        Source(description="benchmark", modality="CT"),
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "series"
        finish(write_series(volume, folder, series_number=1))
        compare(f"{SLICES} slices 512 x 512, explicit little endian", folder)
    data = os.environ.get("CTSTUDIO_TEST_DATA")
    if data:
        compare("38 slices 512 x 512, JPEG 2000", Path(data) / "fda_phantom_j2k_repaired")


if __name__ == "__main__":
    main()
