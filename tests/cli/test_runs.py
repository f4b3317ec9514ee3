"""``ctstudio runs``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from ctstudio.cli import main

Make = Callable[..., Path]


@pytest.fixture
def some(make_run: Make) -> Path:
    """Three runs: the oldest is "first", the newest has no network."""
    make_run("first", {"phases.0.steps": 40, "phases.0.optimiser.lr": 1e-3}, age_s=30)
    make_run("second", {"phases.0.steps": 40, "phases.0.optimiser.lr": 3e-4}, age_s=20)
    return make_run(
        "third", {"phases.0.steps": 40, "phases.0.optimiser.lr": 1e-3}, age_s=10, network=False
    ).parent


def test_the_table(some: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["runs", str(some)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "Run", "third", "second", "first", "Protocol",
    ]  # fmt: skip
    first = next(line for line in lines if line.startswith("first")).split()
    for word in ("finished", "40", "0:00:10", "70.00", "0.9000", "8.00"):
        assert word in first
    assert lines[2].strip().startswith("It ended before its network was saved")
    assert lines[4].strip() == "lr = 0.0003"
    assert lines[-1] == "Protocol A; the noisy input had PSNR 29.00, SSIM 0.8000, RMSE 12.00."


def test_masks_and_trainings_without_clean_images(
    make_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("classes", labels=True, age_s=10)
    folder = make_run("blind", blind=True).parent
    assert main.run(["runs", str(folder)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "Dice  Held-out loss" in head
    assert "PSNR" not in head
    assert next(line for line in lines if line.startswith("blind")).split()[-4:-2] == ["-", "0.1"]
    assert next(line for line in lines if line.startswith("classes")).split()[-4] == "0.7500"
    assert lines[-1] == "Dice: pooled over slices."


def test_json(some: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["runs", str(some), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in told] == ["third", "second", "first"]
    assert told[1]["settings"]["phases.0.optimiser.lr"] == 3e-4
    assert told[1]["best"] == {"psnr": 70.0, "ssim": 0.9, "rmse": 8.0}
    assert told[0]["network"] is None
    assert told[0]["state"] == "failed"


def test_the_difference_of_two(some: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["runs", str(some), "--diff", "first", "second"]
    assert main.run(pair) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["Setting", "first", "second"]
    assert [row.split() for row in rows] == [["phases.0.optimiser.lr", "0.001", "0.0003"]]
    assert main.run([*pair, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"phases.0.optimiser.lr": [0.001, 0.0003]}
    assert main.run(["runs", str(some), "--diff", "first", "third"]) == 0
    assert "are the same" in capsys.readouterr().out
    assert main.run(["runs", str(some), "--diff", "first", "secnd"]) == 1
    assert "'second'" in capsys.readouterr().err


def test_trash(
    some: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import send2trash

    binned: list[Path] = []
    monkeypatch.setattr(send2trash, "send2trash", binned.append)
    assert main.run(["runs", str(some), "--trash", "first", "--trash", "thrd"]) == 1
    assert binned == []  # a mistake in a name deletes nothing
    assert main.run(["runs", str(some), "--trash", "first", "--trash", "third"]) == 0
    assert binned == [some / "first", some / "third"]
    assert "bin" in capsys.readouterr().out
    assert main.run(["runs", str(some), "--trash", "first", "--json"]) == 2


def test_without_any_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_: str(tmp_path / "data"))
    assert main.run(["runs"]) == 0
    out = capsys.readouterr().out
    assert str(tmp_path / "data" / "runs") in out
    assert "ctstudio train" in out
    assert main.run(["runs", str(tmp_path / "nowhere")]) == 2
