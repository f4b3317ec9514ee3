"""Reading: exact values against SimpleITK, the streaming contract, broken slices."""

from __future__ import annotations

from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
)

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Gaze, Note, Partial, Progress, SliceReady, finish
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan


def open_series(*paths):
    (series,) = finish(scan(list(paths))).series
    return series


@pytest.mark.parametrize("name", ["fda_phantom_demo_explicitLE", "totalseg_ct20_j2k"])
def test_order_and_spacing_of_slices_equal_simpleitk(test_data, name):
    sitk = pytest.importorskip("SimpleITK")
    series = open_series(test_data / name)
    volume = finish(read(series))
    assert volume.unit == "HU"
    # SimpleITK is given the files in our order, so the order is checked on its own.
    tops = []
    for k, path in enumerate(series.source.files):
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[0], volume.slice_hu(k))
        tops.append(image.GetOrigin())
    np.testing.assert_allclose(tops, volume.geometry.positions_mm, atol=1e-4)
    assert np.all(np.diff([t[2] for t in tops]) > 0)
    image = sitk.ReadImage([str(p) for p in series.source.files])
    dx, dy, dz = image.GetSpacing()
    np.testing.assert_allclose(volume.geometry.spacing_mm, (dy, dx), atol=1e-4)
    np.testing.assert_allclose(volume.geometry.slice_spacing_mm, dz, atol=1e-4)
    corner = image.TransformContinuousIndexToPhysicalPoint((11.0, 23.0, 5.0))
    np.testing.assert_allclose(volume.geometry.to_patient(5, 23, 11), corner, atol=1e-4)


def test_partial_comes_first_and_every_slice_once(stack, drive):
    events, volume = drive(read(open_series(stack(7))))
    partial = next(e for e in events if isinstance(e, Partial))
    order = [e.index for e in events if isinstance(e, SliceReady)]
    assert order == [3, 4, 2, 5, 1, 6, 0]
    first_ready = next(k for k, e in enumerate(events) if isinstance(e, SliceReady))
    assert events.index(partial) < first_ready
    assert [e.done for e in events if isinstance(e, Progress)] == sorted(
        e.done for e in events if isinstance(e, Progress)
    )
    assert partial.value is volume
    assert volume.voxels[:, 0, 0].tolist() == [100 + k for k in range(7)]
    assert volume.slice_hu(2)[0, 0] == 102 - 1024
    assert not volume.voxels.flags.writeable


def test_partial_holds_its_first_slice(stack):
    work = read(open_series(stack(7)), first=1)
    event = next(work)
    while not isinstance(event, Partial):
        event = next(work)
    assert event.value.voxels[1, 0, 0] == 101
    assert next(work) == SliceReady(1)
    work.close()


def test_what_somebody_looks_at_is_read_next(tmp_path, slice_file):
    pixels = np.zeros((8, 8), np.uint16)
    data = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k")  # decoded one by one
    layout = dict(Rows=8, Columns=8, BitsAllocated=16, BitsStored=16, HighBit=15)
    for k in range(100):
        slice_file(
            tmp_path / f"{k:03d}", data, z=k, syntax=JPEG2000Lossless, PixelRepresentation=0,
            **layout,
        )  # fmt: skip
    gaze = Gaze()
    order = []
    for event in read(open_series(tmp_path), first=10, gaze=gaze):
        if isinstance(event, SliceReady):
            order.append(event.index)
            if len(order) == 2:
                gaze.slice = 80
    assert order[:3] == [10, 11, 9]
    assert sorted(order) == list(range(100))
    turn = order.index(80)
    assert turn < 40, "what is under way is finished, nothing else"
    assert order[turn : turn + 5] == [80, 81, 79, 82, 78]


def test_a_broken_slice_in_the_middle_is_left_out_by_name(stack, drive):
    folder = stack(7)
    series = open_series(folder)
    whole = (folder / "004").read_bytes()
    (folder / "004").write_bytes(whole[:-20])
    # Known from the header when scanned after, found while reading when it broke in between.
    for info in (open_series(folder), series):
        events, volume = drive(read(info))
        (note,) = [e for e in events if isinstance(e, Note)]
        assert "004" in note.text
        assert "Explicit VR Little Endian" in note.text
        assert len(volume) == len(volume.source.files) == 6
        assert volume.geometry.offsets_mm.tolist() == [0, 2, 4, 8, 10, 12]
        assert volume.voxels[:, 0, 0].tolist() == [100, 101, 102, 104, 105, 106]


def test_a_broken_codestream_is_left_out(tmp_path, slice_file, drive):
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    good = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)
    layout = dict(Rows=64, Columns=64, BitsAllocated=16, BitsStored=16, HighBit=15)
    for k in range(3):
        data = good if k != 1 else good[:60] + bytes(len(good) - 60)
        slice_file(
            tmp_path / str(k), data, z=k, syntax=JPEG2000Lossless, PixelRepresentation=0, **layout
        )
    events, volume = drive(read(open_series(tmp_path)))
    (note,) = [e for e in events if isinstance(e, Note)]
    assert note.text.startswith("1 (JPEG 2000")
    np.testing.assert_array_equal(volume.voxels, [pixels, pixels])


def test_all_slices_broken(stack):
    folder = stack(2)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StudioError, match="No slice") as caught:
        finish(read(open_series(folder)))
    assert "002" in caught.value.details


def test_files_gone_after_the_scan(stack):
    folder = stack(2)
    series = open_series(folder)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(StudioError, match="No slice"):
        finish(read(series))


def test_absurd_size_is_refused_before_memory_is_asked_for(tmp_path, slice_file):
    pixels = np.zeros((4, 4), np.int16)
    slice_file(tmp_path / "a", pixels, Rows=65535, Columns=65535)
    with pytest.raises(StudioError, match="No slice"):
        finish(read(open_series(tmp_path)))
    data = imagecodecs.jpeg2k_encode(pixels.astype(np.uint16), level=0, codecformat="j2k")
    layout = dict(BitsAllocated=16, BitsStored=16, HighBit=15, PixelRepresentation=0)
    other = slice_file(
        tmp_path / "b", data, syntax=JPEG2000Lossless, Rows=65535, Columns=65535, **layout
    )
    with pytest.raises(StudioError, match="No slice"):
        finish(read(open_series(other)))
    small = slice_file(tmp_path / "c", data, syntax=JPEG2000Lossless, Rows=8, Columns=4, **layout)
    with pytest.raises(StudioError, match="No slice") as caught:
        finish(read(open_series(small)))
    assert "4 x 4" in caught.value.details


def test_rescale_is_exact_slice_by_slice(tmp_path, slice_file):
    pixels = np.array([[0, 1, 1000], [4095, 7, 9]], np.uint16)
    for k in range(3):
        slice_file(
            tmp_path / str(k), pixels, z=k, RescaleSlope=f"{0.5 + k / 4}", RescaleIntercept=-10 * k
        )
    volume = finish(read(open_series(tmp_path)))
    for k in range(3):
        np.testing.assert_array_equal(volume.slice_hu(k), pixels * (0.5 + k / 4) - 10 * k)


def test_unused_high_bits_are_masked_and_signs_extended(tmp_path, slice_file):
    stored = np.array([[5, 0x7FF, 0x800, 0xFFF]], np.uint16)
    dirty = stored | 0xA000
    path = slice_file(tmp_path / "u", dirty, BitsStored=12, HighBit=11)
    assert finish(read(open_series(path))).voxels[0, 0].tolist() == [5, 2047, 2048, 4095]
    path = slice_file(tmp_path / "s", dirty.view(np.int16), BitsStored=12, HighBit=11)
    assert finish(read(open_series(path))).voxels[0, 0].tolist() == [5, 2047, -2048, -1]
    path = slice_file(tmp_path / "h", (stored << 4) | 3, BitsStored=12, HighBit=15)
    assert finish(read(open_series(path))).voxels[0, 0].tolist() == [5, 2047, 2048, 4095]


def test_slices_that_disagree_in_sign_share_int32(tmp_path, slice_file):
    slice_file(tmp_path / "a", np.array([[40000]], np.uint16), z=0)
    slice_file(tmp_path / "b", np.array([[-5]], np.int16), z=1)
    volume = finish(read(open_series(tmp_path)))
    assert volume.voxels.dtype == np.int32
    assert volume.voxels.ravel().tolist() == [40000, -5]


def test_jpeg_2000_codestream_is_believed_over_the_header(tmp_path, slice_file):
    layout = dict(syntax=JPEG2000Lossless, Rows=1, Columns=4, BitsAllocated=16)
    values = np.array([[-1000, -1, 0, 1500]], np.int16)

    def encode(array, bits):
        return imagecodecs.jpeg2k_encode(
            array, level=0, codecformat="j2k", reversible=True, bitspersample=bits
        )

    # A signed codestream under an unsigned header: it holds negative values.
    path = slice_file(
        tmp_path / "a", encode(values, 16), BitsStored=16, HighBit=15, PixelRepresentation=0,
        **layout,
    )  # fmt: skip
    series = open_series(path)
    assert finish(read(series)).voxels[0].tolist() == values.tolist()
    assert "disagree" in series.warnings[0]
    # An unsigned 13-bit codestream under a signed 16-bit header: two's complement of 13 bits.
    complement = (values.view(np.uint16) & 0x1FFF).astype(np.uint16)
    path = slice_file(
        tmp_path / "b", encode(complement, 13), BitsStored=16, HighBit=15, PixelRepresentation=1,
        **layout,
    )  # fmt: skip
    assert finish(read(open_series(path))).voxels[0].tolist() == values.tolist()


def test_other_encodings_give_the_same_values(tmp_path, slice_file):
    pixels = np.random.default_rng(1).integers(-1000, 2000, (31, 17)).astype(np.int16)
    layout = dict(Rows=31, Columns=17, BitsAllocated=16, BitsStored=16, HighBit=15)
    paths = [
        slice_file(tmp_path / "implicit", pixels, syntax=ImplicitVRLittleEndian),
        slice_file(tmp_path / "deflated", pixels, syntax=DeflatedExplicitVRLittleEndian),
        slice_file(
            tmp_path / "jpegls", imagecodecs.jpegls_encode(pixels.view(np.uint16)),
            syntax=JPEGLSLossless, PixelRepresentation=1, **layout,
        ),
    ]  # fmt: skip
    for path in paths:
        volume = finish(read(open_series(path)))
        np.testing.assert_array_equal(volume.voxels[0], pixels, path.name)


def test_every_transfer_syntax_of_one_slice(test_data):
    folder = test_data / "awkward" / "cornerstone_transfer_syntaxes"
    reference = finish(read(open_series(folder / "CTImage.dcm"))).slice_hu(0)
    # Lossless ones are equal; lossy ones are as far off as their few bits (12, 8) make them.
    lossy = {"JPEG2000TransferSyntax": 12, "JPEGLSLossy": 3, "Process1Transfer": 200, "Process": 80}
    seen = 0
    for path in sorted(folder.glob("CTImage.dcm_*")):
        values = finish(read(open_series(path))).slice_hu(0)
        allowed = next((v for k, v in lossy.items() if k in path.name), 0)
        if "Process14" in path.name:
            allowed = 0
        assert np.abs(values - reference).max() <= allowed, path.name
        seen += 1
    assert seen >= 13


@pytest.mark.parametrize(
    ("tags", "unit"),
    [
        (dict(), "HU"),
        (dict(RescaleType="HU"), "HU"),
        (dict(RescaleType="US"), ""),
        (dict(Modality="MR", RescaleSlope=None, RescaleIntercept=None), ""),
        (dict(RescaleSlope=None, RescaleIntercept=None), ""),
        (dict(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), ""),
    ],
)
def test_unit(tmp_path, slice_file, tags, unit):
    path = slice_file(tmp_path / "a", np.ones((3, 3), np.int16), **tags)
    assert finish(read(open_series(path))).unit == unit


def test_monochrome1_is_not_inverted(tmp_path, slice_file):
    pixels = np.array([[1, 2, 3]], np.int16)
    path = slice_file(tmp_path / "a", pixels, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(finish(read(open_series(path))).slice_hu(0), pixels - 1024.0)


def test_eight_bit_secondary_capture(tmp_path, slice_file):
    pixels = np.arange(200, dtype=np.uint8).reshape(10, 20)
    path = slice_file(
        tmp_path / "a", pixels, Modality="OT", RescaleSlope=None, PixelSpacing=None,
        ImagePositionPatient=None, ImageOrientationPatient=None,
    )  # fmt: skip
    series = open_series(path)
    volume = finish(read(series))
    np.testing.assert_array_equal(volume.voxels[0], pixels)
    assert not volume.geometry.spacing_known


def test_closing_the_reader_early_stops_it(stack):
    series = open_series(stack(40))
    for events in range(1, 12):
        work = read(series)
        for _ in range(events):
            next(work)
        work.close()
    assert len(finish(read(replace(series)))) == 40
