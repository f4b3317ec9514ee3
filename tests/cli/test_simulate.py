"""``ctstudio simulate``: noise of a lower dose, from a series to a series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ctstudio.cli import main
from tests.cli.conftest import hu_of

Maker = Callable[[str], Path]
Reader = Callable[[Path], np.ndarray]
INSIDE = np.s_[:, 14:34, 14:34]


def test_noise_of_a_known_strength_is_added(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], read_hu: Reader
) -> None:
    before = {file.name: file.read_bytes() for file in series_folder.iterdir()}
    words = ["simulate", str(series_folder), "--noise", "gaussian", "--set", "sd=40"]
    for name, seed in (("one", "1"), ("again", "1"), ("other", "2")):
        assert main.run([*words, "--seed", seed, "--out", str(tmp_path / name)]) == 0
        assert f"6 files written to {tmp_path / name}" in capsys.readouterr().out
    added = read_hu(tmp_path / "one") - read_hu(series_folder)
    assert added[INSIDE].std() == pytest.approx(40, rel=0.05)
    assert abs(added[INSIDE].mean()) < 4 * 40 / np.sqrt(added[INSIDE].size)
    assert np.array_equal(read_hu(tmp_path / "again"), read_hu(tmp_path / "one"))
    other = read_hu(tmp_path / "other") - read_hu(series_folder)
    assert abs(np.corrcoef(other[INSIDE].ravel(), added[INSIDE].ravel())[0, 1]) < 0.1
    assert {file.name: file.read_bytes() for file in series_folder.iterdir()} == before


def test_less_dose_is_more_noise_and_the_header_says_which(
    series_folder: Path, tmp_path: Path, read_hu: Reader
) -> None:
    added = {}
    for dose in ("0.5", "0.125"):
        out = tmp_path / dose
        line = ["simulate", str(series_folder), "--dose", dose, "--set", "photons=2e4"]
        assert main.run([*line, "--deidentify", "--out", str(out)]) == 0
        added[dose] = read_hu(out) - read_hu(series_folder)
    # Added noise: 1/dose - 1 of the full dose's variance.
    ratio = added["0.125"][INSIDE].std() / added["0.5"][INSIDE].std()
    assert ratio == pytest.approx(np.sqrt((8 - 1) / (2 - 1)), rel=0.1)
    made = pydicom.dcmread(min((tmp_path / "0.125").iterdir()))
    source = pydicom.dcmread(min(series_folder.iterdir()))
    assert made.SeriesDescription == "12.5 % of the dose"
    assert list(made.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert "dose 0.125" in made.DerivationDescription
    assert made.DerivationDescription.endswith("seed 1")
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert "Secret" not in str(made)
    assert "SECRET" not in str(made)


def test_half_the_dose_of_a_scan_has_twice_its_noise(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], read_hu: Reader
) -> None:
    out = tmp_path / "half"
    line = ["simulate", str(series_folder), "--dose", "0.5", "--matched", "--out", str(out)]
    assert main.run(line) == 0
    told = capsys.readouterr().err
    assert "Like the noise of this scan: kernel" in told
    before, after = read_hu(series_folder), read_hu(out)
    assert after[INSIDE].var() == pytest.approx(2 * before[INSIDE].var(), rel=0.15)
    made = pydicom.dcmread(min(out.iterdir()))
    assert "already_noisy True" in made.DerivationDescription


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dose", "2"], "dose"),
        (["--dose", "much"], "Give a number"),
        (["--dose", "0.2", "--set", "dose=0.3"], "--dose or --set dose"),
        (["--noise", "gauss"], "gaussian"),
        (["--noise", "gaussian", "--dose", "0.5"], "dose"),
        (["--noise", "gaussian", "--matched"], "--matched belongs to --noise low_dose"),
        (["--matched", "--set", "photons=1e5"], "leave out --set photons"),
        (["--series", "7"], "There is no series '7'"),
        (["--seed", "-1"], "--seed"),
        (["--out", "SERIES/in"], "it lies in the folder of the series"),
    ],
)
def test_it_refuses_before_anything_is_written(
    options: Sequence[str], words: str, refused: Callable[[Sequence[str]], tuple[int, str]]
) -> None:
    out = () if "--out" in options else ("--out", "out")
    _, told = refused(["simulate", "SERIES", *options, *out])
    assert words in told


def test_what_was_not_measured_stays_as_it_is(tmp_path: Path, make_series: Maker) -> None:
    """Some scanners pad with exactly -1500 HU."""
    source = make_series("padded")
    for file in source.iterdir():
        made = pydicom.dcmread(file)
        pixels = made.pixel_array.copy()
        pixels[:6] = round((-1500 - float(made.RescaleIntercept)) / float(made.RescaleSlope))
        made.PixelData = pixels.tobytes()
        made.save_as(file)
    for noise in ("low_dose", "gaussian"):
        out = tmp_path / noise
        assert main.run(["simulate", str(source), "--noise", noise, "--out", str(out)]) == 0
        assert (hu_of(out)[:, :6] == -1500).all()
        assert hu_of(out)[:, 6:].std() > 1


@pytest.mark.parametrize("kind", ["tiff", "png", "nifti", "dicom"])
def test_no_kind_of_file_holds_the_description_of_a_scan_without_names(
    kind: str, tmp_path: Path, make_series: Maker
) -> None:
    source = make_series("Thorax Mueller Hansi")
    words = ["simulate", str(source), "--noise", "gaussian", "--as", kind]
    for name, more in (("as-is", []), ("clean", ["--deidentify"])):
        assert main.run([*words, *more, "--out", str(tmp_path / name)]) == 0
    held = b"".join(p.read_bytes() for p in (tmp_path / "clean").iterdir())
    assert b"Mueller" not in held
    assert b"SECRET" not in held.upper()


def test_a_scan_whose_noise_cannot_be_measured_is_named(
    tmp_path: Path, make_series: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_series("flat")
    for file in source.iterdir():
        made = pydicom.dcmread(file)
        made.PixelData = (0 * made.pixel_array + 1000).tobytes()
        made.save_as(file)
    out = tmp_path / "out"
    assert main.run(["simulate", str(source), "--matched", "--out", str(out)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert str(source) in told.replace(" ", "")
    assert "leave out --matched" in told


def test_what_is_not_hu_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(folder / "1.png")
    out = tmp_path / "out"
    assert main.run(["simulate", str(folder), "--out", str(out)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "1.png are not HU" in told
    assert not out.exists()
