"""Files of several images: each frame is a slice at its own place, with its own rescale."""

from __future__ import annotations

import zipfile

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    JPEG2000Lossless,
    RLELossless,
)

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.dicom import pixels
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.scan_cache import ScanCache
from ctstudio.dicom.write import write_derived

VALUES = np.random.default_rng(0).integers(0, 3000, (5, 6, 8)).astype(np.int16)
ORDER = (3, 0, 4, 1, 2)  # where each frame lies, in steps of 2 mm


def group(**macros):
    """A functional group: ``PlanePosition=dict(...)`` becomes a sequence of one item."""
    made = Dataset()
    for name, tags in macros.items():
        item = Dataset()
        for keyword, value in tags.items():
            setattr(item, keyword, value)
        setattr(made, f"{name}Sequence", [item])
    return made


@pytest.fixture
def enhanced(tmp_path, slice_file):
    """An enhanced CT image: what is shared in one group, places and rescale frame by frame."""

    def make(name="enhanced", **tags):
        shared = group(
            PlaneOrientation=dict(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
            PixelMeasures=dict(PixelSpacing=[0.7, 0.7], SliceThickness=2),
        )
        frames = [
            group(
                PlanePosition=dict(ImagePositionPatient=[0, 0, 2 * ORDER[k]]),
                PixelValueTransformation=dict(
                    RescaleSlope=1 + k, RescaleIntercept=-1000 - k, RescaleType="HU"
                ),
                FrameContent=dict(StackID="1"),
            )
            for k in range(5)
        ]
        settings = dict(
            SOPClassUID=EnhancedCTImageStorage,
            NumberOfFrames=5,
            SharedFunctionalGroupsSequence=[shared],
            PerFrameFunctionalGroupsSequence=frames,
            ImagePositionPatient=None,
            ImageOrientationPatient=None,
            PixelSpacing=None,
            RescaleSlope=None,
            RescaleIntercept=None,
            PixelData=VALUES.tobytes(),
        )
        return slice_file(tmp_path / name, VALUES[0], **{**settings, **tags})

    return make


def test_frames_lie_where_their_groups_say_with_their_own_rescale(enhanced, drive):
    (series,) = finish(scan([enhanced()])).series
    assert (series.slices, series.rows, series.columns) == (5, 6, 8)
    assert series.geometry.offsets_mm.tolist() == [0, 2, 4, 6, 8]
    assert series.geometry.spacing_mm == (0.7, 0.7)
    assert series.source.slice_thickness_mm == 2
    assert series.warnings == ()
    events, volume = drive(read(series))
    assert not [e for e in events if isinstance(e, Note)]
    assert volume.unit == "HU"
    for k, place in enumerate(ORDER):
        np.testing.assert_array_equal(volume.slice_hu(place), VALUES[k] * (1.0 + k) - 1000 - k)


@pytest.mark.parametrize(
    ("syntax", "table", "pieces"),
    [
        (RLELossless, True, 1),
        (RLELossless, False, 1),
        (RLELossless, True, 3),
        (JPEG2000Lossless, True, 1),
        (JPEG2000Lossless, True, 3),
        (JPEG2000Lossless, False, 3),  # told apart by how a codestream begins
    ],
)
def test_frames_in_fragments(enhanced, syntax, table, pieces, drive):
    import imagecodecs

    if syntax == RLELossless:
        frames = [pydicom.pixels.encoders.RLELosslessEncoder.encode(
            v, rows=6, columns=8, samples_per_pixel=1, bits_allocated=16, bits_stored=16,
            pixel_representation=1, photometric_interpretation="MONOCHROME2", number_of_frames=1,
        ) for v in VALUES]  # fmt: skip
    else:
        frames = [imagecodecs.jpeg2k_encode(v, reversible=True, codecformat="j2k") for v in VALUES]
    data = encapsulate(frames, fragments_per_frame=pieces, has_bot=table)
    path = enhanced()
    dataset = pydicom.dcmread(path)
    dataset.PixelData = data
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    events, volume = drive(read(finish(scan([path])).series[0]))
    assert not [e for e in events if isinstance(e, Note)]
    np.testing.assert_array_equal(volume.voxels[list(ORDER)], VALUES)


@pytest.mark.parametrize("packing", ["archive", "deflated", "compressed in an archive"])
def test_what_must_be_unpacked_as_a_whole_is_unpacked_once(
    enhanced, tmp_path, monkeypatch, packing
):
    import imagecodecs

    path = enhanced()
    dataset = pydicom.dcmread(path)
    if packing == "deflated":
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path)
    if packing.startswith("compressed"):
        frames = [imagecodecs.jpeg2k_encode(v, reversible=True, codecformat="j2k") for v in VALUES]
        dataset.PixelData = encapsulate(frames)
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.save_as(path)
    if packing.endswith("archive"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "x/frames")
        path = tmp_path / "a.zip"
    (series,) = finish(scan([path])).series
    opened = []
    really = pixels.open_binary

    def counting(where, *args):
        opened.append(where)
        return really(where, *args)

    monkeypatch.setattr(pixels, "open_binary", counting)
    volume = finish(read(series))
    np.testing.assert_array_equal(volume.voxels[list(ORDER)], VALUES)
    assert opened == [series.headers[0].path]


@pytest.mark.parametrize(
    "name",
    [
        "pydicom_data/eCT_Supplemental.dcm",
        "pydicom_data/emri_small.dcm",
        "pydicom_data/emri_small_RLE.dcm",
        "pydicom_data/emri_small_big_endian.dcm",
        "pydicom_data/emri_small_jpeg_2k_lossless.dcm",
        "pydicom_data/emri_small_jpeg_ls_lossless.dcm",
    ],
)
def test_pixels_of_real_files_are_those_of_pydicom(test_data, name):
    path = test_data / "awkward" / name
    (series,) = finish(scan([path])).series
    volume = finish(read(series))
    native = "emri_small.dcm" if "emri" in name else path.name
    theirs = pydicom.dcmread(path.parent / native).pixel_array
    frames = [header.frame for header in series.headers]
    assert sorted(frames) == list(range(len(theirs)))
    np.testing.assert_array_equal(volume.voxels, theirs[frames])


def test_a_file_that_ends_too_early_gives_the_frames_that_it_has(enhanced, drive):
    path = enhanced()
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(VALUES[4].tobytes()) + 10])
    events, volume = drive(read(finish(scan([path])).series[0]))
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert note == (
        "enhanced, frame 5 (Explicit VR Little Endian) was left out: it holds 10 of 96 pixel bytes."
    )
    assert len(volume) == 4


def test_frames_without_groups_keep_the_order_of_the_file(enhanced):
    path = enhanced(PerFrameFunctionalGroupsSequence=None, SharedFunctionalGroupsSequence=None)
    (series,) = finish(scan([path])).series
    np.testing.assert_array_equal(finish(read(series)).voxels, VALUES)


def test_pieces_that_cannot_be_told_apart_are_refused(enhanced):
    path = enhanced()
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([b"abcd"] * 3, has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.save_as(path)
    with pytest.raises(StudioError, match="5 frames cannot be told apart in 3 compressed pieces"):
        finish(scan([path]))


def test_two_time_points_in_one_file_are_two_series(enhanced):
    path = enhanced()
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 4
    frames = dataset.PerFrameFunctionalGroupsSequence
    del frames[4]
    for k, frame in enumerate(frames):
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, k % 2]
        frame.FrameContentSequence[0].TemporalPositionIndex = k // 2 + 1
    dataset.save_as(path)
    result = finish(scan([path])).series
    assert [[h.frame for h in series.headers] for series in result] == [[0, 1], [2, 3]]


def test_a_series_is_derived_of_frames(enhanced, tmp_path):
    path = enhanced()
    volume = finish(read(finish(scan([path])).series[0]))
    finish(write_derived(volume, tmp_path / "whole", description="x", method="y"))
    again = finish(read(finish(scan([tmp_path / "whole"])).series[0]))
    np.testing.assert_allclose(again.hu(), volume.hu(), atol=0.5)
    dataset = pydicom.dcmread(path)
    # A single frame in a plane of its own makes a series of one slice from a file of several.
    sagittal = group(PlaneOrientation=dict(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]))
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    for k, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        axial = group(PlaneOrientation=dict(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]))
        frame.update(sagittal if k == 2 else axial)
    dataset.save_as(path)
    found = finish(scan([path])).series
    assert [series.slices for series in found] == [4, 1]
    single = finish(read(found[1]))
    (out,) = finish(write_derived(single, tmp_path / "one", description="x", method="y"))
    again = finish(read(finish(scan([out])).series[0]))
    np.testing.assert_allclose(again.hu(), single.hu(), atol=0.5)
    np.testing.assert_allclose(again.geometry.positions_mm, single.geometry.positions_mm)


def test_with_a_cache_they_are_found_again(enhanced, tmp_path):
    cache = ScanCache(tmp_path / "scans.db", settled_ns=0)
    path = enhanced()
    plain = finish(scan([path])).series[0]
    for _ in range(2):
        assert finish(scan([path], cache=cache)).series[0].headers == plain.headers
