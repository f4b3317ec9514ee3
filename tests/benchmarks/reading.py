"""Scan and read of a series beside SimpleITK's series reader, a pydicom loop and the bare bytes.

All run in one process, in turn, so that a machine whose speed drifts slows all alike; the ratios
are those of one round, and of the best times. The peak of memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.write import write_series


def ours(folder: Path) -> None:
    finish(read(finish(scan([folder])).series[0]))


def sitk(folder: Path) -> None:
    import SimpleITK  # not at the top: the peak of memory is measured without it

    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(names)
    reader.Execute()


def pydicom_loop(folder: Path) -> None:
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    files.sort(key=lambda file: file.ImagePositionPatient[2])
    np.stack(
        [
            file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
            for file in files
        ]
    )


def bare_bytes(folder: Path) -> None:
    for path in folder.iterdir():
        path.read_bytes()


def seconds(work: Callable[[Path], None], folder: Path) -> float:
    start = time.perf_counter()
    work(folder)
    return time.perf_counter() - start


def compare(title: str, folder: Path, works: list[Callable[[Path], None]], runs: int) -> None:
    """Print our time and how the others' relate to it: median (least to greatest) of the rounds."""
    for work in works:
        work(folder)
    rows = np.array([[seconds(work, folder) for work in works] for _ in range(runs)])
    print(f"{title}: {statistics.median(rows[:, 0]):.3f} s, best {rows[:, 0].min():.3f} s")
    for index, work in enumerate(works[1:], 1):
        ratios = rows[:, index] / rows[:, 0]
        best = rows[:, index].min()
        print(
            f"  {work.__name__} {best:.3f} s at best: {np.median(ratios):.2f} "
            f"({ratios.min():.2f} to {ratios.max():.2f}) times ours, "
            f"best to best {best / rows[:, 0].min():.2f}"
        )


def peak(folder: Path) -> None:
    """Print how much memory scan and read took, as the system counts it."""
    volume = finish(read(finish(scan([folder])).series[0]))
    status = Path("/proc/self/status").read_text()
    most = int(status.split("VmHWM:")[1].split()[0]) / 1024
    whole = volume.voxels.nbytes / 2**20
    print(
        f"peak memory of a process that scans and reads: {most:.0f} MB for a volume of "
        f"{whole:.0f} MB; 1.2 times that and 80 MB are {1.2 * whole + 80:.0f} MB"
    )


def write_volume(folder: Path, slices: int) -> None:
    generator = np.random.default_rng(0)
    slab = generator.integers(-1000, 1500, (8, 512, 512)).astype(np.int16)
    volume = Volume(
        np.concatenate([slab] * (slices // 8 + 1))[:slices],
        np.ones(slices),
        np.zeros(slices),
        "HU",
        Geometry.axial(slices, (1.0, 0.7, 0.7)),
        Source(description="benchmark", modality="CT"),
    )
    finish(write_series(volume, folder, series_number=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(options.peak)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "series"
        write_volume(folder, options.slices)
        title = f"{options.slices} slices 512 x 512, explicit little endian"
        compare(title, folder, [ours, sitk, pydicom_loop, bare_bytes], options.runs)
        subprocess.run([sys.executable, __file__, "--peak", str(folder)], check=True)
    data = os.environ.get("CTSTUDIO_TEST_DATA")
    if data:
        folder = Path(data) / "fda_phantom_j2k_repaired"
        compare("38 slices 512 x 512, JPEG 2000", folder, [ours, sitk], options.runs)
        folder = Path(data) / "fda_phantom_demo_explicitLE"
        works = [ours, sitk, pydicom_loop, bare_bytes]
        compare("47 slices 512 x 512, a scanner's", folder, works, options.runs)


if __name__ == "__main__":
    main()
