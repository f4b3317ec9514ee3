"""Folders of JPEG, PNG and TIFF as series."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, SliceReady, finish
from ctstudio.files.items import natural
from ctstudio.files.read import read


def _save(folder: Path, name: str, values: Any, **options: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values)).save(folder / name, **options)
    return folder / name


def _notes(told: Any) -> list[str]:
    return [event.text for event in told if isinstance(event, Note)]


def test_numbers_in_names_are_ordered_by_their_size(tmp_path: Path, only: Any, opened: Any) -> None:
    for number in (10, 2, 1, 9, 100):
        _save(tmp_path, f"img{number}.png", np.full((4, 5), number, np.uint8))
    names = [path.name for path in only(tmp_path).source.files]
    assert names == ["img1.png", "img2.png", "img9.png", "img10.png", "img100.png"]
    assert opened(tmp_path).hu()[:, 0, 0].tolist() == [1, 2, 9, 10, 100]


def test_a_name_may_hold_any_number() -> None:
    long = "9" * 5000
    names = [f"a{long}", "a10", "A9", "a09", "b", "a"]
    assert sorted(names, key=natural) == ["a", "A9", "a09", "a10", f"a{long}", "b"]


def test_grey_pictures_state_their_scale_and_are_not_hu(tmp_path: Path, only: Any, events: Any):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    _save(tmp_path / "scan", "1.png", grey)
    series = only(tmp_path)
    assert series.title == "scan"
    assert "8-bit picture values 0 to 255, not HU." in series.warnings
    assert not series.geometry.spacing_known
    assert series.geometry.edge_letters == ("", "", "", "")
    told, volume = events(series)
    assert volume.unit == ""
    assert not _notes(told)
    np.testing.assert_array_equal(volume.slice_hu(0), grey)


def test_colour_becomes_the_luminance_of_bt601(tmp_path: Path, only: Any, opened: Any) -> None:
    generator = np.random.default_rng(2)
    colour = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    _save(tmp_path / "png", "1.png", colour)
    tifffile.imwrite(tmp_path / "png.tif", colour, photometric="rgb")
    weights = np.array([0.299, 0.587, 0.114])
    expected = colour @ weights
    for path in (tmp_path / "png", tmp_path / "png.tif"):
        assert any("luminance" in warning for warning in only(path).warnings)
        assert np.abs(opened(path).slice_hu(0) - expected).max() <= 0.51


def test_grey_saved_as_colour_stays_exactly_what_it_was(tmp_path: Path, opened: Any) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    _save(tmp_path, "1.png", np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(opened(tmp_path).slice_hu(0), grey)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_are_kept(tmp_path: Path, opened: Any, kind: str) -> None:
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    _save(tmp_path, f"1.{kind}", values)
    volume = opened(tmp_path)
    assert volume.voxels.dtype == np.uint16
    assert volume.unit == ""
    np.testing.assert_array_equal(volume.slice_hu(0), values)


def test_black_and_white_and_palettes(tmp_path: Path, opened: Any) -> None:
    mask = np.eye(8, dtype=bool)
    _save(tmp_path / "mask", "1.png", mask)
    np.testing.assert_array_equal(opened(tmp_path / "mask").slice_hu(0), mask * 255)
    (tmp_path / "palette").mkdir()
    image = Image.fromarray((np.arange(64) % 4).astype(np.uint8).reshape(8, 8), "P")
    image.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160, 240, 240, 240])
    for name in ("1.png", "1.tif"):
        image.save(tmp_path / "palette" / name)
        found = opened(tmp_path / "palette" / name).slice_hu(0)
        np.testing.assert_array_equal(found.ravel()[:4], [0, 80, 160, 240])


def test_white_is_zero_tiff_is_turned_round(tmp_path: Path, opened: Any) -> None:
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    tifffile.imwrite(tmp_path / "1.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(opened(tmp_path).slice_hu(0), 255 - values)


@pytest.mark.parametrize(
    ("kind", "low", "unit"),
    [
        (np.int16, -1000, "HU"),
        (np.int16, -500, "HU"),
        (np.int16, -499, ""),
        (np.float32, -900, "HU"),
        (np.uint16, 0, ""),
    ],
)
def test_only_signed_values_that_reach_air_are_hu(
    tmp_path: Path, only: Any, events: Any, kind: Any, low: int, unit: str
) -> None:
    """Only the last slice reaches down: all of them decide."""
    for number in range(4):
        values = np.full((4, 4), low if number == 3 else 7, kind)
        tifffile.imwrite(tmp_path / f"{number}.tif", values)
    told, volume = events(only(tmp_path))
    assert volume.unit == unit
    assert any("taken as HU" in note for note in _notes(told)) == (unit == "HU")
    partial = next(event.value for event in told if isinstance(event, Partial))
    assert isinstance(partial, type(volume))
    assert partial.unit == unit
    assert sorted(e.index for e in told if isinstance(e, SliceReady)) == [0, 1, 2, 3]
    np.testing.assert_array_equal(volume.hu()[:, 0, 0], [7, 7, 7, low])


def test_pages_of_a_tiff_are_slices(tmp_path: Path, only: Any, opened: Any) -> None:
    stack = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    with tifffile.TiffWriter(tmp_path / "stack.tif") as writer:
        for page in stack:
            writer.write(page, metadata=None)
        writer.write(np.zeros((2, 2), np.int16), metadata=None)
    series = only(tmp_path)
    assert series.title == "stack.tif"
    assert "1 page of another size or kind is left out." in series.warnings
    np.testing.assert_array_equal(opened(tmp_path).voxels, stack)


def test_other_sizes_are_series_of_their_own(tmp_path: Path, look: Any) -> None:
    for number in range(3):
        _save(tmp_path / "scan", f"{number}.png", np.zeros((8, 6), np.uint8))
    _save(tmp_path / "scan", "logo.png", np.zeros((4, 4), np.uint8))
    _save(tmp_path / "other", "1.png", np.zeros((8, 6), np.uint8))
    found = {(s.title, s.slices, s.rows, s.columns) for s in look(tmp_path).series}
    assert found == {("scan (PNG 6 x 8)", 3, 8, 6), ("scan (PNG 4 x 4)", 1, 4, 4),
                     ("other", 1, 8, 6)}  # fmt: skip


def test_a_broken_picture_is_named_and_the_rest_is_read(
    tmp_path: Path, look: Any, events: Any
) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    whole = buffer.getvalue()
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(whole)
    (tmp_path / "3.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "4.png").write_bytes(b"no picture")
    (tmp_path / "5.jpg").write_bytes(b"")
    result = look(tmp_path)
    assert {s.path.name for s in result.skipped} == {"4.png", "5.jpg"}
    assert all("broken" in s.reason for s in result.skipped)
    (series,) = result.series
    told, volume = events(series)
    assert [note for note in _notes(told) if note.startswith("3.png was left out: ")]
    assert len(volume) == 3
    assert len(volume.source.files) == 3
    np.testing.assert_array_equal(volume.geometry.positions_mm[:, 2], [0, 1, 2])


def test_nothing_but_broken_pictures_is_an_error_that_names_one(tmp_path: Path, look: Any) -> None:
    path = _save(tmp_path, "1.png", np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    (series,) = look(tmp_path).series
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(StudioError, match=r"1\.png"):
        finish(read(series))


def test_a_picture_that_asks_for_too_much_is_refused(tmp_path: Path, look: Any) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["ImageLength"].overwrite(60_000)
        tiff.pages[0].tags["ImageWidth"].overwrite(60_000)
    (skipped,) = look(path).skipped
    assert "MB from" in skipped.reason


def test_the_slices_of_the_residual_network_article(test_data: Path, look: Any) -> None:
    """Read with another library: 119 pictures, the middle ones equal to its grey values."""
    result = look(test_data / "article_part3_jpeg")
    assert [(s.title, s.slices, s.rows, s.columns) for s in result.series] == [
        ("lung_data_1", 119, 512, 512),
        ("lung_data_3", 119, 512, 512),
    ]
    series = result.series[0]
    volume = finish(read(series))
    assert series.source.files[59].name == "IMG-0001-00060.jpg"
    colour = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(series.source.files[59])).astype(float)
    grey = colour @ [0.299, 0.587, 0.114] if colour.ndim == 3 else colour
    # Decoders of JPEG may round differently by one.
    assert np.abs(volume.slice_hu(59) - grey).max() <= 1.51
    assert volume.unit == ""


def test_slices_in_hu_and_their_masks(test_data: Path, look: Any) -> None:
    images, masks = look(test_data / "lung_masks_2d").series
    volume, mask = finish(read(images)), finish(read(masks))
    assert (volume.unit, mask.unit) == ("HU", "")
    assert [p.name for p in volume.source.files] == [p.name for p in mask.source.files]
    assert set(np.unique(mask.voxels)) == {0, 255}
    for index in (0, 7):
        expected = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(volume.source.files[index]))
        np.testing.assert_array_equal(volume.slice_hu(index), expected.reshape(512, 512))
    # Lungs hold air: the masked voxels lie where HU is low.
    assert volume.hu()[mask.voxels == 255].mean() < -600
