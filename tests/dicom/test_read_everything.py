"""Every voxel and the geometry of every series of real data that somebody else can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import NothingFoundError, scan

SimpleITK = pytest.importorskip("SimpleITK")

FOLDERS = [
    "awkward",
    "fda_phantom_demo_explicitLE",
    "fda_phantom_j2k_repaired",
    "lungdx_A0002_B40f_smooth",
    "lungdx_A0002_B70f_sharp",
    "totalseg_ct20_j2k",
    "training_ct/acrin_flt_013",
    "training_ct/cmb_crc_01068",
    "training_ct/covid_ny_sbu_slices",
    "training_ct/lungdx_A0001_B",
    "training_ct/lungdx_A0001_L",
]
# Slices that neither SimpleITK nor pydicom decodes as they are installed here.
UNREAD = {
    "JPGExtended.dcm", "CTImage.dcm_JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm",
}  # fmt: skip
# Its codestream is garbled.
LEFT_OUT = {"JPEG2000-embedded-sequence-delimiter.dcm"}


@pytest.fixture(autouse=True)
def quiet():
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def theirs(path: Path) -> tuple[np.ndarray, object]:
    """What others read of a file, ``(frames, y, x)`` rescaled, and SimpleITK's image of it."""
    try:
        image = SimpleITK.ReadImage(str(path))
        return SimpleITK.GetArrayFromImage(image), image
    except RuntimeError:
        pass
    dataset = pydicom.dcmread(path, force=True)
    stored = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return stored * float(slope) + float(intercept), None


def compare(series, drive) -> tuple[int, set[str]]:
    """How many slices are the same, and which files others cannot read."""
    events, volume = drive(read(series))
    left_out = {e.text.split(" (")[0] for e in events if isinstance(e, Note)}
    assert left_out <= LEFT_OUT
    headers = [header for header in series.headers if header.path.name not in left_out]
    assert len(volume) == len(headers)
    same, unread, last = 0, set(), None
    for index, header in enumerate(headers):
        if last is None or last[0] != header.path:
            try:
                last = (header.path, *theirs(header.path))
            except Exception:  # whatever their decoders raise
                unread.add(header.path.name)
                continue
        values, image = last[1:]
        np.testing.assert_array_equal(
            values[header.frame].astype(np.float32), volume.slice_hu(index), str(header.path)
        )
        same += 1
        if image is None or header.frames > 1:
            continue
        geometry = volume.geometry
        if header.position is not None:
            place = geometry.positions_mm[index]
            np.testing.assert_allclose(image.GetOrigin(), place, atol=1e-4)
        directions = np.reshape(image.GetDirection(), (3, 3))
        np.testing.assert_allclose(directions[:, 0], geometry.row_direction, atol=1e-4)
        np.testing.assert_allclose(directions[:, 1], geometry.column_direction, atol=1e-4)
        np.testing.assert_allclose(image.GetSpacing()[1::-1], geometry.spacing_mm, atol=1e-4)
        corner = image.TransformContinuousIndexToPhysicalPoint((11.0, 23.0, 0.0))
        if header.position is not None:
            np.testing.assert_allclose(geometry.to_patient(index, 23, 11), corner, atol=1e-4)
    return same, unread


@pytest.mark.parametrize("name", FOLDERS)
def test_values_and_geometry_are_what_others_read(test_data, name, drive):
    same, unread, broken = 0, set(), []
    for series in finish(scan([test_data / name])).series:
        try:
            count, missed = compare(series, drive)
        except StudioError:
            broken.append(series.headers[0].path.parent.name)
            continue
        same += count
        unread |= missed
    assert unread <= UNREAD
    assert broken == (["fda_phantom_broken_j2k"] if name == "awkward" else [])
    assert same >= 20


def test_no_folder_is_forgotten(test_data):
    listed = {name.split("/")[0] for name in FOLDERS}
    for folder in sorted(p for p in test_data.iterdir() if p.is_dir()):
        if folder.name not in listed:
            with pytest.raises(NothingFoundError):
                finish(scan([folder]))
    inside = {f"training_ct/{p.name}" for p in (test_data / "training_ct").iterdir() if p.is_dir()}
    assert inside <= set(FOLDERS)
