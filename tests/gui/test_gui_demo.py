"""``ctstudio demo`` on a small series: the whole journey, and the files it leaves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.gui import demo

SECRETS = (b"Secret", b"ID-4711", b"19480229", b"ACC0815Z")


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is not JSON")


def test_journey_on_a_small_series(
    thin: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    before = {path: path.read_bytes() for path in thin.folder.iterdir()}
    assert demo.run_demo(thin.folder, out, training_seconds=3) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(demo.FILES)
    for name in demo.FILES:
        content = (out / name).read_bytes()
        assert not any(secret in content for secret in SECRETS), name
    for name in ("window.png", "compare.png", "curves.png"):
        with Image.open(out / name) as image:
            image.load()
            assert image.width > 600
            assert np.asarray(image.convert("L")).std() > 10, "not an empty picture"
    with Image.open(out / "window.png") as image:
        assert image.size == demo.SIZE
    with Image.open(out / "slices.gif") as image:
        assert image.n_frames == 14
    with Image.open(out / "training.gif") as image:
        assert image.n_frames >= 2
    report = json.loads((out / "metrics.json").read_text(), parse_constant=refuse)
    assert report["protocol"].startswith("A")
    assert report["training"]["steps"] > 10
    assert 2 < report["training"]["seconds"] < 30
    for key in ("before", "after", "total_variation_at_its_best"):
        row = report[key]
        assert row["psnr"] > 10
        assert 0 < row["ssim"] <= 1
        assert row["rmse"] > 0
    assert report["held_out_slices"] == [7, 8]
    assert report["gain_psnr_db"] == pytest.approx(
        report["after"]["psnr"] - report["before"]["psnr"], abs=1e-3
    )
    assert report["total_variation_at_its_best"]["psnr"] > report["before"]["psnr"]
    assert report["seconds"]["total"] > 3
    assert not any(isinstance(v, float) and math.isnan(v) for v in report["seconds"].values())
    assert {"ctstudio", "python", "torch", "numpy", "PySide6"} <= set(report["versions"])
    told = capsys.readouterr().err
    for name in ("Training for 3 s", "Saving slices.gif", "PSNR", "Wrote"):
        assert name in told
    assert "Secret" not in told
    assert {path: path.read_bytes() for path in thin.folder.iterdir()} == before


def test_what_the_demo_refuses(thin: Any, thick: Any, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("keep me")
    with pytest.raises(StudioError, match="not empty"):
        demo.run_demo(thin.folder, full)
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    with pytest.raises(StudioError, match="7 slices"):
        demo.run_demo(thick.folder, tmp_path / "short")
    with pytest.raises(StudioError, match="does not exist"):
        demo.run_demo(tmp_path / "gone", tmp_path / "out")
