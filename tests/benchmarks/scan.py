"""A scan of 10,000 small files beside a plain pydicom loop that stops before the pixels."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ctstudio.core.events import finish
from ctstudio.dicom.scan import scan
from ctstudio.dicom.scan_cache import ScanCache

SERIES, SLICES, RUNS = 40, 250, 3

# What a scanner writes besides what a scan needs.
TEXTS = {
    "StudyDate": "20200101", "SeriesDate": "20200101", "AcquisitionDate": "20200101",
    "ContentDate": "20200101", "StudyTime": "101010", "SeriesTime": "101010",
    "AcquisitionTime": "101010", "ContentTime": "101010", "AccessionNumber": "1",
    "Manufacturer": "None", "InstitutionName": "None", "StationName": "CT1",
    "StudyDescription": "Thorax", "SeriesDescription": "Thorax axial",
    "ManufacturerModelName": "None", "PatientName": "Phantom^Test", "PatientID": "T1",
    "PatientBirthDate": "19700101", "PatientSex": "O", "BodyPartExamined": "CHEST",
    "SliceThickness": "2", "KVP": "120", "DataCollectionDiameter": "500",
    "SoftwareVersions": "1", "ProtocolName": "Thorax", "ReconstructionDiameter": "360",
    "ExposureTime": "500", "XRayTubeCurrent": "200", "Exposure": "100", "FilterType": "F",
    "ConvolutionKernel": "B40f", "PatientPosition": "HFS", "WindowCenter": "40",
    "WindowWidth": "400",
}  # fmt: skip


def write_files(root: Path) -> None:
    for series in range(SERIES):
        data = Dataset()
        for keyword, text in TEXTS.items():
            setattr(data, keyword, text)
        data.SOPClassUID, data.Modality, data.SeriesNumber = CTImageStorage, "CT", series + 1
        data.SeriesInstanceUID, data.StudyInstanceUID = generate_uid(), generate_uid()
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.Rows = data.Columns = 32
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 1
        data.add_new("PixelData", "OW", np.zeros((32, 32), np.int16).tobytes())
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        folder = root / f"study{series // 4}" / f"series{series}"
        folder.mkdir(parents=True)
        for k in range(SLICES):
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            data.InstanceNumber, data.ImagePositionPatient = k + 1, [-180, -180, 2.0 * k]
            pydicom.dcmwrite(folder / f"{k:04d}", data, enforce_file_format=True)


def theirs(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            pydicom.dcmread(path, stop_before_pixels=True)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "files"
        write_files(root)
        cache = ScanCache(Path(scratch) / "scans.db", settled_ns=0)
        finish(scan([root], cache=cache))
        works: list[Callable[[], object]] = [
            lambda: finish(scan([root])),
            lambda: finish(scan([root], cache=cache)),
            lambda: theirs(root),
        ]
        rows = [[seconds(work) for work in works] for _ in range(RUNS)]
        first, again, loop = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"{SERIES * SLICES} files: {first:.2f} s; recalled from the cache {again:.2f} s; "
        f"pydicom loop {loop:.2f} s ({loop / first:.1f} and {loop / again:.1f} times ours)"
    )


if __name__ == "__main__":
    main()
