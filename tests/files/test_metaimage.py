"""MetaImage headers and raw slices, against SimpleITK and files that are broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from ctstudio.core.errors import StudioError
from ctstudio.files.metaimage import slices_of

HEADER = """ObjectType = Image
NDims = 3
DimSize = 5 4 3
ElementType = MET_SHORT
ElementByteOrderMSB = False
ElementDataFile = s_%03d.raw 1 3 1
"""


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.uint8])
def test_what_simpleitk_wrote(dtype: type, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 200, (3, 4, 5)).astype(dtype)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / "one.mhd"))
    assert np.array_equal(slices_of(tmp_path / "one.mhd"), values)


@pytest.mark.parametrize(("big", "order"), [("False", "<i2"), ("True", ">i2")])
def test_slices_of_their_own_of_which_some_are_missing(
    big: str, order: str, tmp_path: Path
) -> None:
    header = tmp_path / "s.mhd"
    header.write_text(HEADER.replace("MSB = False", f"MSB = {big}"))
    values = np.arange(-10, 30).reshape(2, 4, 5)
    for number, one in zip((1, 3), values, strict=True):
        one.astype(order).tofile(tmp_path / f"s_{number:03d}.raw")
    assert np.array_equal(slices_of(header), values)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ElementType = MET_SHORT", "no known form"),
        ("DimSize = 5 4 3", "no known form"),
        ("ElementDataFile = s_%03d.raw 1 3 1", "none of its raw files"),
        ("CompressedData = True", "compressed"),
        ("ElementDataFile = LOCAL", "header's own file"),
        ("ElementDataFile = s_%q.raw 1 3 1", "numbers its raw files"),
        ("ElementDataFile = s_%03d.raw one", "numbers its raw files"),
        ("ElementDataFile = ../s_%03d.raw 1 3 1", "none of its raw files"),
        ("DimSize = 5 x 3", "no known form"),
    ],
)
def test_broken_headers_are_told(line: str, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    key = line.split("=")[0].strip()
    rest = [each for each in HEADER.splitlines() if not each.startswith(key)]
    gone = line in HEADER and key != "ElementDataFile"
    (folder / "s.mhd").write_text("\n".join(rest + ([] if gone else [line])))
    np.zeros((4, 5), np.int16).tofile(tmp_path / "s_001.raw")
    with pytest.raises(StudioError, match=words):
        slices_of(folder / "s.mhd")


def test_a_raw_file_of_another_size_and_a_header_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "s.mhd").write_text(HEADER)
    (tmp_path / "s_002.raw").write_bytes(bytes(39))
    with pytest.raises(StudioError, match=r"s_002.raw cannot be read: it has 39 bytes .* 40"):
        slices_of(tmp_path / "s.mhd")
    (tmp_path / "t.mhd").write_bytes(bytes(range(256)))
    with pytest.raises(StudioError, match="no text"):
        slices_of(tmp_path / "t.mhd")
