"""A small series on disk, written with pydicom alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ctstudio.cli import main

SLICES, SIDE = 6, 48


def _write(folder: Path, name: str) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    body = np.where(x**2 + y**2 < 20**2, 40, -1000)
    study, series, frame = (generate_uid(entropy_srcs=[name, part]) for part in "abc")
    for z in range(SLICES):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name, str(z)])
        ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.Modality, ds.SeriesDescription, ds.PatientName = "CT", name, "Secret^Name"
        ds.PatientID, ds.StudyDate, ds.StudyTime = "SECRET7", "20200101", "120000"
        ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "19700101", "O", "SECRET8"
        ds.StudyID, ds.ReferringPhysicianName, ds.Manufacturer = "1", "", "None"
        ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 3, z + 1, 1
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient = [0, 0, 2.5 * z]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness, ds.KVP = [0.8, 0.8], 2.5, 120
        ds.PatientPosition, ds.PositionReferenceIndicator = "HFS", ""
        ds.Rows = ds.Columns = SIDE
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        noisy = body + rng.normal(0, 30, body.shape)
        ds.PixelData = (np.rint(noisy) + 1024).astype("<i2").tobytes()
        ds.save_as(folder / f"{z:03}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture(scope="session")
def series_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six slices of a noisy disc of 40 HU."""
    return _write(tmp_path_factory.mktemp("series") / "one", "noisy disc")


@pytest.fixture
def make_series(tmp_path: Path) -> Callable[[str], Path]:
    """Writes another such series, with the given description."""
    return lambda name: _write(tmp_path / name.replace(" ", "-"), name)


def hu_of(folder: Path) -> np.ndarray:
    """HU of a folder of DICOM, by position, read with pydicom."""
    slices = sorted(
        (pydicom.dcmread(p) for p in folder.rglob("*.dcm")),
        key=lambda ds: float(ds.ImagePositionPatient[2]),
    )
    return np.stack(
        [ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in slices]
    )


@pytest.fixture
def read_hu() -> Callable[[Path], np.ndarray]:
    return hu_of


@pytest.fixture
def refused(
    series_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[Sequence[str]], tuple[int, str]]:
    """Runs what must fail in an empty folder, which stays so; its status and what it says.

    SERIES in a word is the folder of the series. What is said comes without its line breaks.
    """

    def run(words: Sequence[str]) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        status = main.run([word.replace("SERIES", str(series_folder)) for word in words])
        assert status != 0
        assert list(tmp_path.iterdir()) == []
        return status, " ".join(capsys.readouterr().err.split())

    return run
