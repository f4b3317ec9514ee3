"""``info`` and ``mend`` of series that are not what they should be: told, with a way out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ctstudio.cli import main


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    code = main.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def change(folder: Path, **tags: object) -> Path:
    """Set tags of every file; None removes one."""
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        for keyword, value in tags.items():
            if value is None:
                del data[keyword]
            else:
                setattr(data, keyword, value)
        data.save_as(path)
    return folder


def cut(folder: Path, count: int) -> Path:
    """Cut the pixels of the first ``count`` files."""
    for path in sorted(folder.iterdir())[:count]:
        path.write_bytes(path.read_bytes()[:-1000])
    return folder


def test_values_of_what_cannot_be_decoded(make_series, capsys) -> None:
    folder = cut(make_series("broken"), 6)
    code, out, err = said(capsys, "info", folder, "--values", "--full")
    assert code == 1
    assert "Error: No slice of 'broken' could be decoded" in err
    assert "Nothing is odd" not in out
    assert "- The pixels cannot be read: No slice" in out
    code, out, _ = said(capsys, "info", folder, "--values", "--json")
    assert code == 1
    (entry,) = json.loads(out)["series"]
    assert entry["values"] is None
    assert "The pixels cannot be read" in entry["warnings"][0]
    assert said(capsys, "info", folder)[0] == 0, "headers alone are sound"


def test_values_of_a_series_with_some_slices_lost(make_series, capsys) -> None:
    code, out, _ = said(capsys, "info", cut(make_series("hurt"), 2), "--values", "--full")
    assert code == 0
    assert "- 2 of 6 slices cannot be decoded: they count for nothing." in out


def test_without_any_rescale_there_are_no_hu(make_series, capsys) -> None:
    folder = change(make_series("raw"), RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    code, out, _ = said(capsys, "info", folder, "--values", "--json")
    assert code == 0
    (entry,) = json.loads(out)["series"]
    assert entry["values"]["unit"] == ""
    assert entry["values"]["smallest"] < 100, "stored values, not HU"
    assert entry["warnings"] == [
        "Some slices state no usable rescale to HU (slope and intercept): "
        "their values are shown as stored."
    ]


def test_bits_that_the_header_does_not_count(make_series, capsys) -> None:
    folder = change(make_series("cut bits"), BitsStored=8, HighBit=7)
    code, out, _ = said(capsys, "info", folder)
    assert code == 0
    assert (
        "#1 warning: The header counts 8 bits of a pixel as its value, but the pixels use " in out
    )


def test_slices_of_several_thicknesses(make_series, capsys) -> None:
    folder = make_series("two thick")
    for path in sorted(folder.iterdir())[:3]:
        data = pydicom.dcmread(path)
        data.SliceThickness = 5
        data.save_as(path)
    code, out, _ = said(capsys, "info", folder, "--full")
    assert code == 0
    assert "- mixed slice thickness: The slices are 2.5 to 5 mm thick." in out
    assert "overlap" not in out
    assert "Slice thickness" not in out
    assert "mm thick." not in out.split("odd about it")[0]


def test_what_was_resampled_does_not_contradict_itself(make_series, tmp_path, capsys) -> None:
    out = tmp_path / "thin"
    folder = make_series("thick")
    assert said(capsys, "mend", folder, "--fix", "resample", "--spacing", "1", "-o", out)[0] == 0
    text = said(capsys, "info", out, "--full")[1]
    assert "The slices lie 1 mm apart" in text
    assert "2.5 mm thick" in text
    assert "Slices of 2.5 mm lie 1 mm apart: they overlap." in text


@pytest.fixture
def flat(make_series) -> Path:
    """Six images at one position."""
    return change(make_series("moments"), ImagePositionPatient=[0, 0, 12])


def test_a_stack_without_depth_has_a_way_out(flat: Path, tmp_path: Path, capsys) -> None:
    code, out, _ = said(capsys, "mend", flat)
    assert code == 0
    assert "All 6 images lie at one position" in out
    assert "--fix split" in out
    assert "--fix resample" not in out
    for fix, words in (
        (["resample"], "there is no depth to resample in"),
        (["resample", "--spacing", "1"], "there is no depth to resample in"),
        (["all"], "No fix would make one regular stack"),
    ):
        code, _, err = said(capsys, "mend", flat, "--fix", *fix, "--out", tmp_path / "no")
        assert code == 1
        assert words in err
        assert "split" in err or "ctstudio mend PATH" in err
    parts = tmp_path / "parts"
    assert said(capsys, "mend", flat, "--fix", "split", "--out", parts)[0] == 0
    assert len(list(parts.rglob("*.dcm"))) == 6
    again = json.loads(said(capsys, "info", parts, "--json")[1])["series"]
    assert [entry["slices"] for entry in again] == [1] * 6


def test_mend_counts_series_as_info_does(make_series, tmp_path: Path, capsys) -> None:
    make_series("first")
    change(make_series("second"), SeriesDescription="", SeriesNumber=1)
    assert said(capsys, "mend", tmp_path, "--series", "1")[1].startswith("#1  ")
    assert said(capsys, "mend", tmp_path, "--series", "2")[1].startswith("#2  ")
    code, out, _ = said(capsys, "mend", tmp_path / "second")
    assert (code, out) == (0, "#1  (no description): nothing is odd about it.\n")


def test_a_uid_of_two_series_asks_for_a_number(make_series, tmp_path: Path, capsys) -> None:
    folder = make_series("one")
    shutil.copytree(folder, tmp_path / "another")
    change(tmp_path / "another", PatientID="18", PatientName="Other")
    uid = pydicom.dcmread(folder / "000.dcm").SeriesInstanceUID
    code, _, err = said(capsys, "mend", tmp_path, "--series", uid)
    assert code == 1
    assert "2 series have this UID" in err
    assert "--series and its number" in err
    assert said(capsys, "mend", tmp_path, "--series", "2")[0] == 0


def test_nothing_is_written_beside_a_single_file(make_series, tmp_path: Path, capsys) -> None:
    folder = make_series("lonely")
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    before = sorted(folder.iterdir())
    for given in (folder, folder / "000.dcm"):
        out = folder / "out"
        for command in (["denoise", "--method", "tv"], ["deidentify"]):
            code, _, err = said(capsys, command[0], given, *command[1:], "--out", out)
            assert code == 1
            assert "it lies in the folder of the series" in err
            assert "Choose a folder elsewhere." in err
    assert sorted(folder.iterdir()) == before


def test_a_nifti_file_may_have_results_beside_it(tmp_path: Path, capsys) -> None:
    import nibabel

    values = np.random.default_rng(1).integers(-100, 100, (8, 8, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 1, 2, 1.0])), tmp_path / "scan.nii")
    out = tmp_path / "denoised"
    assert said(capsys, "denoise", tmp_path / "scan.nii", "--method", "tv", "--out", out)[0] == 0
    assert list(out.iterdir())


def test_what_nifti_cannot_hold_is_told_before_the_work(
    make_series, flat: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    from ctstudio.workflows import open as opening

    uneven = make_series("uneven")
    (uneven / "002.dcm").unlink()

    def read(*args: object, **kwargs: object) -> None:
        raise AssertionError("the long work has begun")

    monkeypatch.setattr(opening, "read", read)
    out = tmp_path / "out"
    for folder, words in ((uneven, "are not evenly spaced"), (flat, "lie at one position")):
        code, _, err = said(
            capsys, "denoise", folder, "--method", "tv", "--out", out, "--as", "nifti"
        )
        assert code == 1
        assert f"{out / 'volume.nii.gz'} was not written: " in err
        assert words in err
        assert "ctstudio mend --fix" in err
    assert not out.exists()
