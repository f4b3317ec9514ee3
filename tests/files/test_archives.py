"""Zip archives: read in memory, within limits."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from ctstudio.core.events import Note, finish
from ctstudio.files import items
from ctstudio.files.read import read


def _png(value: int, size: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_folders_in_an_archive_are_series(tmp_path: Path, look: Any) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in (11, 2, 1):
            archive.writestr(f"a/img{number}.png", _png(number))
        archive.writestr("b/1.png", _png(7))
        archive.writestr("__MACOSX/a/._img1.png", b"resource fork")
        archive.writestr("readme.txt", b"words")
        buffer = io.BytesIO()
        np.save(buffer, np.ones((2, 3), np.int16))
        archive.writestr("array.npy", buffer.getvalue())
        image = nibabel.Nifti1Image(np.full((2, 3, 4), 5, np.int16), np.eye(4))
        archive.writestr("ct.nii", image.to_bytes())
    result = look(path)
    assert not result.skipped
    volumes = {s.title: finish(read(s)) for s in result.series}
    assert {title: v.shape for title, v in volumes.items()} == {
        "scans.zip: a": (3, 8, 8), "scans.zip: b": (1, 8, 8), "array.npy": (1, 2, 3),
        "ct.nii": (4, 3, 2),
    }  # fmt: skip
    assert volumes["scans.zip: a"].hu()[:, 0, 0].tolist() == [1, 2, 11]
    assert list(tmp_path.iterdir()) == [path]


def test_members_that_climb_out_of_the_archive_go_nowhere(tmp_path: Path, look: Any) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with zipfile.ZipFile(inner / "a.zip", "w") as archive:
        archive.writestr("../../evil1.png", _png(3))
    series = look(inner / "a.zip").series
    assert [finish(read(s)).slice_hu(0)[0, 0] for s in series] in ([], [3.0])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "inner"]


def test_a_bomb_is_refused(tmp_path: Path, look: Any) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("1.tif", bytes(80 << 20))
    (skipped,) = look(path).skipped
    assert "80 MB from" in skipped.reason


def test_too_much_in_all_is_refused(
    tmp_path: Path, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.png", _png(number))
    assert len(look(path).series) == 1
    monkeypatch.setattr(items, "ARCHIVE_BYTES", 4 * len(_png(0)))
    (skipped,) = look(path).skipped
    assert "unpacks to" in skipped.reason
    monkeypatch.setattr(items, "ARCHIVE_MEMBERS", 4)
    (skipped,) = look(path).skipped
    assert "5 files" in skipped.reason


def test_a_damaged_member_is_named_and_the_rest_is_read(
    tmp_path: Path, look: Any, events: Any
) -> None:
    path = tmp_path / "a.zip"
    noise = np.random.default_rng(1).integers(0, 256, (3, 40, 40), dtype=np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for number, values in enumerate(noise):
            buffer = io.BytesIO()
            Image.fromarray(values).save(buffer, "BMP" if number == 2 else "PNG")
            archive.writestr(f"{number}.png", buffer.getvalue())
    data = bytearray(path.read_bytes())
    (series,) = look(path).series
    at = data.index(b"IDAT") + 400
    data[at] ^= 255
    path.write_bytes(bytes(data))
    result = look(path)
    assert {str(s.path.relative_to(path)) for s in result.skipped} == {"0.png", "2.png"}
    assert "damaged" in result.skipped[0].reason
    told, volume = events(series)
    assert next(e.text for e in told if isinstance(e, Note)).startswith("0.png was left out")
    np.testing.assert_array_equal(volume.voxels, noise[1:2])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing more", None])
def test_what_is_no_archive_of_pictures_is_named(
    tmp_path: Path, look: Any, content: bytes | None
) -> None:
    path = tmp_path / "a.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", b"words")
    else:
        path.write_bytes(content)
    (skipped,) = look(path).skipped
    assert skipped.path == path
    assert "archive" in skipped.reason
