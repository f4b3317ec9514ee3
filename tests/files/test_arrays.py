"""NumPy files as series; nothing in them is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctstudio.core.events import finish
from ctstudio.files.read import read


@pytest.mark.parametrize(
    ("kind", "held"),
    [("i2", "i2"), (">i4", "i4"), ("u1", "u1"), ("f2", "f4"), ("f8", "f4"), ("?", "u1")],
)
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_numbers_of_any_kind_open(
    tmp_path: Path, opened: Any, kind: str, held: str, shape: tuple[int, ...]
) -> None:
    values = (np.arange(np.prod(shape)).reshape(shape) % 7).astype(kind)
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    volume = opened(tmp_path / "a.npy")
    assert volume.voxels.dtype == np.dtype(held)
    assert volume.unit == ""
    np.testing.assert_array_equal(volume.hu(), values.reshape(volume.shape))
    assert volume.shape == (shape if len(shape) == 3 else (1, *shape))


def test_signed_values_down_to_air_are_hu(tmp_path: Path, opened: Any) -> None:
    values = np.full((2, 3, 3), np.nan, np.float32)
    values[1, 0, 0] = -1000.25
    np.save(tmp_path / "a.npy", values)
    assert opened(tmp_path / "a.npy").unit == "HU"
    np.save(tmp_path / "a.npy", np.full((2, 3, 3), np.nan, np.float32))
    assert opened(tmp_path / "a.npy").unit == ""


def test_each_array_of_an_npz_is_a_series(tmp_path: Path, look: Any) -> None:
    first, second = np.arange(24).reshape(2, 3, 4), np.eye(5)
    np.savez_compressed(tmp_path / "a.npz", first=first, second=second, odd=np.zeros(3))
    series = look(tmp_path / "a.npz").series
    assert [s.title for s in series] == ["a.npz: first", "a.npz: second"]
    assert any("odd was left out" in warning for warning in series[0].warnings)
    np.testing.assert_array_equal(finish(read(series[0])).voxels, first)
    np.testing.assert_array_equal(finish(read(series[1])).voxels[0], second)


class _Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("sprung"),))


def test_pickles_are_refused_unopened(
    tmp_path: Path, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([[_Trap()]], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", x=np.array([[_Trap()]], object))
    result = look(tmp_path)
    assert not result.series
    assert all("not plain numbers" in s.reason for s in result.skipped)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("values", [np.zeros((2, 2), complex), np.zeros(4), np.zeros((1, 0, 3))])
def test_what_is_no_picture_is_refused(tmp_path: Path, look: Any, values: Any) -> None:
    np.save(tmp_path / "a.npy", values)
    (skipped,) = look(tmp_path).skipped
    assert skipped.path.name == "a.npy"


def test_headers_that_promise_more_than_there_is_are_refused(tmp_path: Path, look: Any) -> None:
    np.save(tmp_path / "short.npy", np.zeros((8, 8)))
    data = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(data[:-1])
    (tmp_path / "no zip.npz").write_bytes(data)
    (tmp_path / "words.npy").write_bytes(b"words")
    with (tmp_path / "large.npy").open("wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 1 << 20)}
        np.lib.format.write_array_header_1_0(stream, header)
    result = look(tmp_path)
    assert not result.series
    reasons = {s.path.name: s.reason for s in result.skipped}
    assert len(reasons) == 4
    assert reasons["short.npy"] == "it holds 511 of 512 bytes"
    assert reasons["large.npy"] == f"it holds 0 of {1 << 63} bytes"
