"""Synthetic DICOM slices, written by pydicom alone, and a driver that keeps the events."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ctstudio.core.events import Event, Work


def fixed_length_uid() -> str:
    """A new UID of 44 characters: files that differ in nothing else are of one size."""
    return f"2.25.{10**38 + secrets.randbelow(2 * 10**38)}"


SERIES = generate_uid()
STUDY = generate_uid()
FRAME = generate_uid()


def make_slice(
    path: Path, pixels: np.ndarray | bytes, *, z: float = 0.0, syntax: str = "", **tags: Any
) -> Path:
    """One CT slice; a keyword set to None leaves its element out. ``bytes`` are a codestream."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, fixed_length_uid()
    data.SeriesInstanceUID, data.StudyInstanceUID = SERIES, STUDY
    data.FrameOfReferenceUID, data.Modality = FRAME, "CT"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.PatientName, data.PatientID, data.SeriesNumber = "Phantom^Test", "T1", 4
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing = [0.7, 0.8]
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    if isinstance(pixels, np.ndarray):
        bits = pixels.dtype.itemsize * 8
        data.Rows, data.Columns = pixels.shape
        data.BitsAllocated = data.BitsStored = bits
        data.HighBit = bits - 1
        data.PixelRepresentation = int(pixels.dtype.kind == "i")
    pixel_bytes = pixels.tobytes() if isinstance(pixels, np.ndarray) else encapsulate([pixels])
    data.add_new("PixelData", "OW", pixel_bytes)
    data["PixelData"].is_undefined_length = isinstance(pixels, bytes)
    for keyword, value in tags.items():
        if value is not None:
            setattr(data, keyword, value)
        elif keyword in data:
            del data[keyword]
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


@pytest.fixture
def slice_file() -> Callable[..., Path]:
    return make_slice


@pytest.fixture
def stack(tmp_path: Path) -> Callable[..., Path]:
    """``stack(n, **tags)``: a folder of ``n`` slices 2 mm apart; slice k holds 100 + k."""

    def make(n: int = 7, folder: str = "series", **tags: Any) -> Path:
        for k in range(n):
            # Names run against the order of the slices.
            pixels = np.full((6, 5), 100 + k, np.int16)
            make_slice(tmp_path / folder / f"{n - k:03d}", pixels, z=2.0 * k, **tags)
        return tmp_path / folder

    return make


def drive(work: Work[Any]) -> tuple[list[Event], Any]:
    """Run to the end; all events and the result."""
    events: list[Event] = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as stop:
            return events, stop.value


@pytest.fixture(name="drive")
def drive_fixture() -> Callable[[Work[Any]], tuple[list[Event], Any]]:
    return drive


@pytest.fixture(name="validator_errors")
def validator_errors_fixture() -> Callable[[Path], Counter[str]]:
    """The error lines of dciodvfy (dicom3tools) for a file, each with its count."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")

    def errors(path: Path) -> Counter[str]:
        done = subprocess.run([program, str(path)], capture_output=True, check=False)
        lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
        return Counter(line for line in lines if line.startswith("Error"))

    return errors
