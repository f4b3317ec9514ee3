"""``ctstudio evaluate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.classical.denoisers import DENOISERS
from ctstudio.cli import main


def test_a_series_with_simulated_noise(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["--noise", "gaussian", "--set", "sd=35", "--slices", "2", "--out", str(out)]
    assert main.run(["evaluate", str(series_folder), "--method", "tv", *arguments]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "case-1.png", "evaluation.csv", "evaluation.json", "evaluation.md",
    ]  # fmt: skip
    shown = capsys.readouterr().out
    assert "| Total variation |" in shown
    assert "sd 35" in shown
    assert "Secret" not in shown
    document = json.loads((out / "evaluation.json").read_text())
    noisy, tv, blended = document["entries"]
    assert blended["method"].startswith("Total variation, ")  # the truth is noisy itself
    assert tv["means"]["psnr A"]["value"] > noisy["means"]["psnr A"]["value"] + 1
    assert list(noisy["means"])[:3] == ["psnr A", "ssim A", "rmse A"]


def test_a_dose_of_the_scans_own(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["--matched", "--slices", "1", "--protocol", "A", "--as-set", "--out", str(out)]
    series = str(test_data / "fda_phantom_demo_explicitLE")
    assert main.run(["evaluate", series, "--method", "tv", *arguments]) == 0
    capsys.readouterr()
    document = json.loads((out / "evaluation.json").read_text())
    noise = document["cases"][0]["noise"]
    assert "kernel shepp-logan, cutoff 1," in noise
    assert 4.5e5 < float(noise.split("photons ")[1].split(",")[0]) < 6.5e5


def test_a_pair_that_is_its_own_truth(series_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--truth", str(series_folder), "--method", "wavelet", "--protocol", "full"]
    arguments += ["--as-set", "--slices", "1", "--out", str(out)]
    assert main.run(["evaluate", str(series_folder), *arguments]) == 0
    noisy = json.loads((out / "evaluation.json").read_text())["entries"][0]
    assert noisy["means"]["rmse full"]["value"] == 0
    assert noisy["means"]["psnr full"]["value"] is None  # infinite


def test_series_of_one_name_each_have_a_table(
    make_series: Callable[[str], Path], tmp_path: Path
) -> None:
    """Also those of different sizes, in folders of one name."""
    one, other = make_series("one"), make_series("other")
    for number, folder in enumerate((one, other)):
        (tmp_path / str(number)).mkdir()
        folder.rename(tmp_path / str(number) / "scan")
    (tmp_path / "1" / "scan" / "005.dcm").unlink()
    out = tmp_path / "out"
    words = [str(tmp_path / "0" / "scan"), str(tmp_path / "1" / "scan"), "--noise", "gaussian"]
    words += ["--method", "wavelet", "--as-set", "--protocol", "A", "--out", str(out)]
    assert main.run(["evaluate", *words]) == 0
    text = (out / "evaluation.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")][:2] == [
        "## 0/scan", "## 1/scan",
    ]  # fmt: skip
    assert text.count("| Noisy input |") == 4  # two tables each
    rows = (out / "evaluation.csv").read_text().splitlines()[1:]
    assert sum(row.startswith("0/scan,Wavelet") for row in rows) == 6
    assert sum(row.startswith("1/scan,Wavelet") for row in rows) == 5


def test_a_filter_without_a_strength_is_judged_as_it_is(
    series_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DENOISERS, "_entries", dict(DENOISERS._entries))

    @DENOISERS.add("median", title="Median")
    def median(hu: np.ndarray, *, size: int = 3) -> np.ndarray:
        return ndimage.median_filter(hu, size)

    out = tmp_path / "out"
    words = ["--noise", "gaussian", "--method", "median", "--slices", "1", "--out", str(out)]
    assert main.run(["evaluate", str(series_folder), *words]) == 0
    assert "| Median |" in (out / "evaluation.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give a series to evaluate on, or --demo"),
        (["SERIES", "--demo"], "not both"),
        (["--demo", "--discs", "3"], "needs 4 realisations"),
        (["--demo", "--set", "dose=0.1"], "--set belongs to series that noise is simulated for"),
        (["SERIES", "--truth", "SERIES", "--noise", "gaussian"], "--noise belongs to series"),
        (["SERIES", "--truth-series", "1"], "--truth-series belongs to --truth"),
        (["SERIES", "--discs", "4"], "--discs belongs to --demo"),
        (["SERIES", "--protocol", "C"], "There is no protocol 'C'"),
        (["--demo", "--matched"], "--matched belongs to series that noise is simulated for"),
        (["SERIES", "--truth", "SERIES", "--matched"], "--matched belongs to series"),
        (["SERIES", "--matched", "--noise", "gaussian"], "--matched belongs to --noise low_dose"),
        (["SERIES", "--matched", "--set", "photons=1e5"], "leave out --set photons"),
        (["SERIES", "--noise", "grain"], "There is no noise 'grain'"),
        (["SERIES", "--set", "doze=1"], "doze"),
        (["SERIES", "SERIES", "--truth", "SERIES"], "--truth belongs to one series"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str],
    words: str,
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    given = [str(series_folder) if each == "SERIES" else each for each in arguments]
    assert main.run(["evaluate", *given, "--method", "tv", "--out", str(out)]) != 0
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_its_tables_never_lie_in_the_folder_of_a_series(
    make_series: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_series("one")
    for words in ([str(folder)], [str(folder), "--truth", str(folder)]):
        assert main.run(["evaluate", *words, "--method", "tv", "--out", str(folder / "e")]) == 1
        assert "in the folder of the series" in " ".join(capsys.readouterr().err.split())
    assert not (folder / "e").exists()


def test_a_truth_of_another_size_is_refused(
    series_folder: Path,
    make_series: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = make_series("other")
    (other / "005.dcm").unlink()
    out = tmp_path / "out"
    given = [str(series_folder), "--truth", str(other), "--method", "tv", "--out", str(out)]
    assert main.run(["evaluate", *given]) != 0
    assert "different sizes" in capsys.readouterr().err
