"""One scan and one read for DICOM and for everything else."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from ctstudio.cli.main import run as run_command
from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.dicom.write import write_derived, write_series
from ctstudio.files.write import write_nifti
from ctstudio.workflows.open import read, scan
from ctstudio.workflows.save import save


def _pictures(folder: Path, count: int = 3, size: int = 24) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(3)
    for number in range(count):
        values = generator.integers(90, 110, (size, size), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"img{number}.png")


def _dicom(folder: Path) -> Volume:
    hu = np.random.default_rng(4).integers(-1000, 500, (3, 8, 8)).astype(np.float32)
    volume = Volume.from_hu(hu, Geometry.axial(3, (2.0, 0.5, 0.5)))
    finish(write_series(volume, folder, series_number=1, description="scan"))
    return volume


def test_dicom_comes_first_and_both_are_read(tmp_path: Path) -> None:
    volume = _dicom(tmp_path / "z")
    _pictures(tmp_path / "a")
    (tmp_path / "notes.txt").write_text("words")
    result = finish(scan([tmp_path]))
    assert [s.source.format for s in result.series] == ["DICOM", "PNG"]
    assert [s.path.name for s in result.skipped] == ["notes.txt"]
    dicom, pictures = (finish(read(s)) for s in result.series)
    np.testing.assert_array_equal(dicom.hu(), volume.hu())
    assert (pictures.shape, pictures.unit) == ((3, 24, 24), "")


def test_pictures_beside_dicom_are_left_aside_unless_named(tmp_path: Path) -> None:
    _dicom(tmp_path / "scan")
    _pictures(tmp_path / "scan", 1)
    result = finish(scan([tmp_path]))
    assert [s.source.format for s in result.series] == ["DICOM"]
    (skipped,) = result.skipped
    assert "beside a DICOM series" in skipped.reason
    named = finish(scan([tmp_path / "scan", tmp_path / "scan" / "img0.png"]))
    assert [s.source.format for s in named.series] == ["DICOM", "PNG"]


def test_nothing_at_all_is_an_error_that_says_what_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(StudioError) as caught:
        finish(scan([tmp_path / "a.png"]))
    assert "it is no PNG picture, or a broken one" in caught.value.message
    assert "NIfTI" in caught.value.hint
    with pytest.raises(StudioError, match="does not exist"):
        finish(scan([tmp_path / "nowhere.png"]))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StudioError, match="is empty"):
        finish(scan([empty]))


def test_pictures_cannot_become_dicom_and_the_reason_is_told(tmp_path: Path) -> None:
    _pictures(tmp_path / "a", 1)
    (series,) = finish(scan([tmp_path / "a"])).series
    volume = finish(read(series))
    with pytest.raises(StudioError, match="read from PNG files"):
        finish(write_derived(volume, tmp_path / "out", description="x", method="y"))
    assert not (tmp_path / "out").exists()


def test_nifti_in_hu_becomes_a_ct_series_of_nobody(tmp_path: Path) -> None:
    hu = np.random.default_rng(4).integers(-1000, 500, (3, 8, 9)).astype(np.float32)
    volume = Volume.from_hu(hu, Geometry.axial(3, (2.0, 0.5, 0.75)))
    finish(write_nifti(volume, tmp_path / "scan.nii.gz"))
    (series,) = finish(scan([tmp_path])).series
    read_back = finish(read(series)).derived(hu + 1, "one added")
    save_as = save(read_back, tmp_path / "out", "dicom", description="plus one", method="one added")
    first = pydicom.dcmread(finish(save_as)[0])
    assert (first.Modality, first.SeriesDescription) == ("CT", "plus one")
    assert list(first.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
    assert first.DerivationDescription == "one added"
    assert not first.PatientName
    assert not first.PatientPosition
    (again,) = finish(scan([tmp_path / "out"])).series
    back = finish(read(again))
    np.testing.assert_array_equal(back.hu(), hu + 1)
    np.testing.assert_allclose(back.geometry.positions_mm, volume.geometry.positions_mm)
    assert back.geometry.spacing_mm == (0.5, 0.75)
    unnamed = replace(read_back, unit="")
    with pytest.raises(StudioError, match="not HU"):
        finish(save(unnamed, tmp_path / "no", "dicom", description="x", method="y"))


def test_the_command_line_takes_pictures_like_any_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _pictures(tmp_path / "scan", 4)
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        for path in (tmp_path / "scan").iterdir():
            archive.write(path, path.name)

    def run(*arguments: object, code: int = 0) -> str:
        assert run_command([str(a) for a in arguments]) == code
        told = capsys.readouterr()
        return told.out + told.err

    listed = run("info", tmp_path / "scan.zip")
    assert "4 x 24 x 24" in listed
    assert "not stated" in listed
    assert "8-bit picture values 0 to 255, not HU." in listed
    noisy = ("denoise", tmp_path / "scan.zip", "--method", "tv", "--set", "strength=30")
    for kind, count in ((None, 4), ("tiff", 4), ("nifti", 1)):
        out = tmp_path / f"as {kind}"
        run(*noisy, "--out", out, *(("--as", kind) if kind else ()))
        (series,) = finish(scan([out])).series
        assert len(series.source.files) == count
        denoised = finish(read(series)).hu()
        assert denoised.mean() == pytest.approx(100, abs=1)
        assert denoised.std() < 3  # of 5.8 before
    refused = run(*noisy, "--out", tmp_path / "no", "--as", "dicom", code=1)
    assert "does not say how large its pixels are" in refused
    run("figure", tmp_path / "scan", "--out", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width >= 24
