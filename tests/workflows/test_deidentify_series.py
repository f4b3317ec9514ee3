"""De-identified copies and derived series, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ctstudio.cli.main import run
from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.dicom.write import write_series
from ctstudio.workflows.deidentify import deidentifier, deidentify_series
from ctstudio.workflows.open import read, read_labels, scan

NAME = "Quickenborn^Zora"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hu = np.random.default_rng(4).integers(-1000, 500, (3, 8, 9)).astype(np.float32)
    volume = Volume.from_hu(
        hu,
        Geometry.axial(3, (2.0, 0.5, 0.5)),
        source=Source(patient_name=NAME, patient_id="77-1234", study_date="20200229"),
    )
    finish(write_series(volume, tmp_path / "scan", series_number=1, description="For Quickenborn"))
    return tmp_path / "scan"


def volume_of(path: Path) -> Volume:
    (series,) = finish(scan([path])).series
    return finish(read(series))


def told(folder: Path) -> bool:
    words = (b"Quickenborn", b"77-1234", b"20200229")
    return any(word in path.read_bytes() for path in folder.rglob("*.dcm") for word in words)


def test_a_series_is_copied(folder, tmp_path, capsys):
    assert told(folder)
    assert run(["deidentify", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert "3 files of 1 series" in capsys.readouterr().out
    assert not told(tmp_path / "out")
    np.testing.assert_array_equal(volume_of(tmp_path / "out").hu(), volume_of(folder).hu())


def test_options_reach_the_files(folder, tmp_path):
    options = ["--shift-dates", "--patient", "Case 7", "--key", "secret"]
    for out in ("a", "b"):
        assert run(["deidentify", str(folder), "-o", str(tmp_path / out), *options]) == 0
    a, b = (pydicom.dcmread(tmp_path / out / "IM0001.dcm") for out in ("a", "b"))
    assert a.PatientID == "Case 7"
    assert a.SOPInstanceUID == b.SOPInstanceUID
    assert a.StudyDate == b.StudyDate != "20200229"
    assert len(a.StudyDate) == 8


def test_segmentations_go_along_and_still_fit(test_data, tmp_path):
    source = test_data / "awkward" / "dcmqi"
    for name in ("ct-3slice", "ct-3slice_seg"):
        shutil.copytree(source / name, tmp_path / "in" / name)
    assert run(["deidentify", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 0
    found = finish(scan([tmp_path / "out"]))
    assert (len(found.series), len(found.segmentations)) == (1, 1)
    clean = finish(read(found.series[0]))
    ((_, labels),) = finish(read_labels(found.segmentations, clean))
    original = finish(scan([tmp_path / "in"]))
    ((_, before),) = finish(read_labels(original.segmentations, finish(read(original.series[0]))))
    np.testing.assert_array_equal(labels.voxels, before.voxels)


def test_a_denoised_series_without_the_patient(folder, tmp_path):
    arguments = ["denoise", str(folder), "--method", "tv", "--out", str(tmp_path / "out")]
    assert run([*arguments, "--deidentify"]) == 0
    assert not told(tmp_path / "out")
    assert pydicom.dcmread(tmp_path / "out" / "IM0001.dcm").PatientIdentityRemoved == "YES"


def test_what_cannot_be_done_is_said(folder, tmp_path):
    (series,) = finish(scan([folder])).series
    with pytest.raises(StudioError, match="lies in the folder of the series"):
        finish(deidentify_series([series], folder / "out", deidentifier()))
    with pytest.raises(StudioError, match="not empty"):
        finish(deidentify_series([series], folder, deidentifier()))
    np.save(tmp_path / "array.npy", np.zeros((2, 4, 4), np.int16))
    (array,) = finish(scan([tmp_path / "array.npy"])).series
    with pytest.raises(StudioError, match="no DICOM"):
        finish(deidentify_series([array], tmp_path / "out", deidentifier()))
    with pytest.raises(StudioError, match="no series"):
        finish(deidentify_series([], tmp_path / "out", deidentifier()))
    assert not (tmp_path / "out").exists()


def test_what_is_left_out_is_told(folder, tmp_path, capsys):
    """Of an unknown coding, no image at all, and pixels that end too early."""
    first, second, third = sorted(folder.iterdir())
    coding, unknown = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"
    first.write_bytes(first.read_bytes().replace(coding, unknown))
    data = pydicom.dcmread(second)
    data.PixelData = pydicom.dcmread(third).PixelData[:-20]
    data.save_as(second)
    (folder / "plan.dcm").write_bytes(b"no image at all")
    assert run(["deidentify", str(folder), "-o", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "2 files" in out
    assert f"Left out: {first}" in err
    assert f"{second}: its pixels end too early" in err
    assert f"Left out: {folder / 'plan.dcm'}: it is not a DICOM file" in err


def test_one_name_for_several_patients_is_warned_of(folder, tmp_path, capsys):
    for path in sorted(folder.iterdir()):  # of the same series UID
        data = pydicom.dcmread(path)
        data.PatientID, data.PatientName = "88", "Other^Person"
        data.save_as(folder / f"other-{path.name}")
    assert run(["deidentify", str(folder), "-o", str(tmp_path / "apart")]) == 0
    assert "2 patients" not in capsys.readouterr().err
    assert len(finish(scan([tmp_path / "apart"])).series) == 2
    called = ["--patient", "Case 7"]
    assert run(["deidentify", str(folder), "-o", str(tmp_path / "out"), *called]) == 0
    assert "The series are of 2 patients: all of them are now called" in capsys.readouterr().err
