"""Stacks of pictures: what is written is read again as the volume it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.files.write import write_stack


@pytest.mark.parametrize("kind", ["png16", "tiff"])
def test_hu_and_places_come_back(tmp_path: Path, opened: Any, oblique: Volume, kind: Any) -> None:
    files = finish(write_stack(oblique, tmp_path / "out", kind))
    assert len(files) == len(oblique)
    assert all(path.is_file() for path in files)
    again = opened(tmp_path / "out")
    np.testing.assert_array_equal(again.hu(), oblique.hu())
    assert again.unit == "HU"
    for name in ("positions_mm", "row_direction", "column_direction", "spacing_mm"):
        np.testing.assert_allclose(getattr(again.geometry, name), getattr(oblique.geometry, name))
    assert again.geometry.spacing_known
    # Another reader sees the stored numbers.
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(files[2]))
    offset = oblique.hu().min() if kind == "png16" else 0
    np.testing.assert_array_equal(stored + offset, oblique.slice_hu(2))
    shutil.move(tmp_path / "out" / "stack.json", tmp_path / "elsewhere")
    assert not opened(tmp_path / "out").geometry.spacing_known


def test_fractions_are_exact_in_tiff_and_close_in_png(
    tmp_path: Path, opened: Any, oblique: Volume
) -> None:
    smooth = oblique.derived(oblique.hu() / 7, "divided by 7")
    finish(write_stack(smooth, tmp_path / "tiff", "tiff"))
    finish(write_stack(smooth, tmp_path / "png", "png16"))
    np.testing.assert_array_equal(opened(tmp_path / "tiff").hu(), smooth.hu())
    span = float(np.ptp(smooth.hu()))
    worst = np.abs(opened(tmp_path / "png").hu() - smooth.hu()).max()
    assert worst <= 0.51 * span / 65535 + 1e-4
    assert opened(tmp_path / "png").derivation == ("divided by 7",)


def test_eight_bit_numbers_stay_as_they_are_in_png(tmp_path: Path, opened: Any) -> None:
    values = np.arange(10, 82, dtype=np.float32).reshape(2, 6, 6)
    volume = Volume.from_hu(values, Geometry.axial(2), unit="")
    (first, _) = finish(write_stack(volume, tmp_path / "out", "png16"))
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(first))
    np.testing.assert_array_equal(stored, values[0])
    assert opened(tmp_path / "out").unit == ""


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, oblique: Volume) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(StudioError, match="not empty"):
        finish(write_stack(oblique, out, "tiff"))
    work = write_stack(oblique, tmp_path / "stopped", "tiff")
    for _ in range(len(oblique) + 2):
        next(work)
    work.close()
    nan = oblique.derived(np.full(oblique.shape, np.nan))
    with pytest.raises(StudioError, match="no numbers"):
        finish(write_stack(nan, tmp_path / "nan", "png16"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("positions_mm", [[0, 0, 0]]),
        ("slope", "steep"),
        ("slope", float("nan")),
        ("row_direction", [1, 0]),
        ("row_direction", [0, 0, 0]),
        ("spacing_mm", [0, 1]),
        ("files", 3),
        ("ctstudio_stack", 99),
    ],
)
def test_a_note_that_makes_no_sense_is_not_followed(
    tmp_path: Path, opened: Any, oblique: Volume, key: str, value: Any
) -> None:
    finish(write_stack(oblique, tmp_path / "out", "tiff"))
    path = tmp_path / "out" / "stack.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    again = opened(tmp_path / "out")
    assert not again.geometry.spacing_known
    np.testing.assert_array_equal(again.hu(), oblique.hu())
    assert again.unit == "HU"
