"""Segmentations out and in: against frames read by hand, and files that others wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from skimage.color import lab2rgb

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.ct.labels import Label, label_map
from ctstudio.ct.resample import resample_uniform
from ctstudio.ct.volume import Volume
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.seg import write_segmentation
from ctstudio.dicom.seg_read import peek, read_segmentation

LABELS = (
    Label(1, "Lung left", (20, 200, 40)),
    Label(2, "Nodule, größer", (230, 30, 10)),
    Label(7, "Something else", (10, 60, 240)),
)


def load(path: Path) -> Volume:
    (series,) = finish(scan([path])).series
    return finish(read(series))


def few(volume: Volume, count: int = 4) -> Volume:
    """The first slices of a volume of one file a slice."""
    if len(volume.source.files) != len(volume):
        return volume
    part = slice(0, count)
    return replace(
        volume,
        voxels=volume.voxels[part],
        slope=volume.slope[part],
        intercept=volume.intercept[part],
        geometry=volume.geometry.select(part),
        source=replace(volume.source, files=volume.source.files[part]),
    )


def stack_tags() -> dict[str, str]:
    """What highdicom asks of a source, beside what a slice of the tests has."""
    empty = (
        "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
        "ReferringPhysicianName",
    )  # fmt: skip
    return {**dict.fromkeys(empty, ""), "SliceThickness": "2"}


def labelled(volume: Volume, labels=LABELS) -> Volume:
    """Blobs of every label; the last slice but one stays empty."""
    rng = np.random.default_rng(5)
    numbers = np.zeros(volume.shape, np.uint8)
    for z in range(len(volume)):
        for label in labels:
            y, x = rng.integers(0, numbers.shape[1] - 1), rng.integers(0, numbers.shape[2] - 1)
            numbers[z, y : y + 3, x : x + 2] = label.number
    if len(volume) > 2:
        numbers[-2] = 0
    return label_map(numbers, volume.geometry, volume.source, labels, ("made up",))


def write(labels: Volume, path: Path, **settings) -> Path:
    return finish(write_segmentation(labels, path, description="Test", **settings))


def read_back(path: Path, on: Volume, drive) -> tuple[Volume, list[str]]:
    events, found = drive(read_segmentation(path, on))
    return found, [event.text for event in events if isinstance(event, Note)]


@pytest.fixture
def volume(stack) -> Volume:
    return load(stack(5, PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 100"))


def by_hand(path: Path, on: Volume) -> np.ndarray:
    """The label map of a file of ours, by pydicom and the standard alone."""
    data = pydicom.dcmread(path)
    size = data.Rows * data.Columns
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    numbers = np.zeros(on.shape, int)
    for k, item in enumerate(data.PerFrameFunctionalGroupsSequence):
        place = np.array(item.PlanePositionSequence[0].ImagePositionPatient, float)
        (z,) = np.flatnonzero(np.abs(on.geometry.positions_mm - place).max(1) < 1e-3)
        inside = bits[k * size : (k + 1) * size].reshape(data.Rows, data.Columns) > 0
        numbers[z][inside] = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    return numbers


def test_round_trip_with_names_and_colours(volume, tmp_path, drive, validator_errors):
    labels = labelled(volume)
    path = write(labels, tmp_path / "seg.dcm")
    assert not validator_errors(path)
    expected = np.choose(np.searchsorted([0, 1, 2, 7], labels.voxels), [0, 1, 2, 3])
    np.testing.assert_array_equal(by_hand(path, volume), expected)
    back, notes = read_back(path, volume, drive)
    np.testing.assert_array_equal(back.voxels, expected)
    assert notes == []
    assert back.unit == "class"
    assert [label.number for label in back.labels] == [1, 2, 3]
    assert [label.name for label in back.labels] == [label.name for label in LABELS]
    for mine, theirs in zip(back.labels, LABELS, strict=True):
        assert np.abs(np.subtract(mine.colour, theirs.colour)).max() <= 2
    assert back.geometry is volume.geometry


def test_what_the_file_says(volume, tmp_path):
    path = write(labelled(volume), tmp_path / "seg.dcm", algorithm="Residual network")
    data = pydicom.dcmread(path)
    source = pydicom.dcmread(volume.source.files[0])
    for kept in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientName", "PatientID"):
        assert data[kept].value == source[kept].value
    (series,) = data.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert len(series.ReferencedInstanceSequence) == len(volume)
    assert data.SegmentationType == "BINARY"
    assert data.ContentQualification == "RESEARCH"
    assert data.SeriesInstanceUID != source.SeriesInstanceUID
    lung, nodule, other = data.SegmentSequence
    assert lung.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lung"
    assert nodule.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Nodule"
    assert other.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    assert nodule.SegmentLabel == "Nodule, größer"
    assert lung.SegmentAlgorithmType == "AUTOMATIC"
    assert lung.SegmentAlgorithmName == "Residual network"
    for item, label in zip(data.SegmentSequence, LABELS, strict=True):
        stored = np.array(item.RecommendedDisplayCIELabValue, float)
        lab = stored * [100, 255, 255] / 65535 - [0, 128, 128]
        assert np.abs(255 * lab2rgb(lab) - label.colour).max() < 1.5
    drawn = pydicom.dcmread(write(labelled(volume), tmp_path / "drawn.dcm"))
    assert drawn.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"


@pytest.mark.parametrize(
    "name",
    [
        "awkward/ge_head_gantry_tilt_variable_spacing",
        "awkward/ibsi_orientation_cc-by-4.0",
        "awkward/dcmqi/24x38x3/image",
        "awkward/dcmqi/24x38x3/multiframe/mf.dcm",
        "totalseg_ct20_j2k",
    ],
)
def test_round_trip_on_real_series(test_data, tmp_path, name, drive, validator_errors):
    volume = few(load(test_data / name))
    labels = labelled(volume, LABELS[:2])
    path = write(labels, tmp_path / "seg.dcm")
    back, notes = read_back(path, volume, drive)
    np.testing.assert_array_equal(back.voxels, labels.voxels)
    assert notes == []
    theirs = validator_errors(volume.source.files[0])
    assert not validator_errors(path) - theirs


def test_round_trip_on_a_resampled_series(test_data, tmp_path, drive):
    volume = load(test_data / "awkward" / "dcmqi" / "ct-3slice")
    spacing = volume.geometry.slice_spacing_mm
    finer = finish(resample_uniform(volume, spacing / 2))
    labels = labelled(finer, LABELS[:2])
    path = write(labels, tmp_path / "seg.dcm")
    back, _ = read_back(path, finer, drive)
    np.testing.assert_array_equal(back.voxels, labels.voxels)
    coarse, notes = read_back(path, volume, drive)
    np.testing.assert_array_equal(coarse.voxels, labels.voxels[::2])
    assert any("lie on no slice" in note for note in notes)


# -- files of others -----------------------------------------------------------------------------


def test_one_liver_in_every_coding(test_data, drive):
    volume = load(test_data / "awkward" / "dcmqi" / "ct-3slice")
    reference = pydicom.dcmread(
        test_data / "awkward" / "dcmqi" / "ct-3slice_seg" / "liver.dcm"
    ).pixel_array
    for name in ("liver", "liver_deflate", "liver_expb", "liver_j2k", "liver_rle"):
        path = test_data / "awkward" / "pydicom_data" / f"{name}.dcm"
        back, notes = read_back(path, volume, drive)
        assert np.count_nonzero(back.voxels) == np.count_nonzero(reference)
        order = [int(np.flatnonzero((back.voxels == frame).all((1, 2)))[0]) for frame in reference]
        assert sorted(order) == [0, 1, 2], name
        assert notes == []
        assert [label.name for label in back.labels] == ["Liver"]
        found = peek(path)
        assert found.title == "Liver Segmentation"
        assert found.belongs_to(volume)


def test_frames_that_do_not_fill_whole_bytes(test_data, drive):
    path = test_data / "awkward" / "pydicom_data" / "liver_nonbyte_aligned.dcm"
    whole = load(test_data / "awkward" / "dcmqi" / "ct-3slice")
    with pytest.raises(StudioError, match="510 x 510 pixels, the slices 512 x 512"):
        finish(read_segmentation(path, whole))
    cut = replace(whole, voxels=whole.voxels[:, :510, :510])
    back, _ = read_back(path, cut, drive)
    expected = pydicom.dcmread(path).pixel_array
    for frame in expected:
        assert any((frame == values).all() for values in back.voxels)


def rewritten(path: Path, change) -> Path:
    data = pydicom.dcmread(path)
    change(data)
    data.save_as(path)
    return path


def test_frames_in_another_order_and_turned(volume, tmp_path, drive):
    labels = labelled(volume, LABELS[:2])
    path = write(labels, tmp_path / "seg.dcm")

    def turn(data):
        """The same voxels, written from the far corner, last frame first."""
        frames = data.pixel_array[::-1, ::-1, ::-1]
        groups = list(data.PerFrameFunctionalGroupsSequence)[::-1]
        dy, dx = volume.geometry.spacing_mm
        for item in groups:
            place = item.PlanePositionSequence[0]
            x, y, z = place.ImagePositionPatient
            place.ImagePositionPatient = [
                x + (data.Columns - 1) * dx, y + (data.Rows - 1) * dy, z,
            ]  # fmt: skip
        data.PerFrameFunctionalGroupsSequence = groups
        shared = data.SharedFunctionalGroupsSequence[0]
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
        data.PixelData = packed + b"\0" * (len(packed) % 2)

    back, _ = read_back(rewritten(path, turn), volume, drive)
    np.testing.assert_array_equal(back.voxels, labels.voxels)


def test_rows_and_columns_exchanged(stack, tmp_path, drive):
    volume = load(stack(3, PixelSpacing=[0.8, 0.8]))
    square = replace(volume, voxels=volume.voxels[:, :5, :5])
    labels = labelled(square, LABELS[:1])
    path = tmp_path / "seg.dcm"
    # The source's own size would not do: the slices are 6 x 5.
    write(labelled(volume, LABELS[:1]), path)

    def exchange(data):
        frames = np.array([plane.T for plane in labels.voxels if plane.any()])
        kept = [k for k in range(3) if labels.voxels[k].any()]
        data.Rows = data.Columns = 5
        groups = list(data.PerFrameFunctionalGroupsSequence)[: len(frames)]
        for item, k in zip(groups, kept, strict=True):
            place = [float(v) for v in square.geometry.positions_mm[k]]
            item.PlanePositionSequence[0].ImagePositionPatient = place
        data.PerFrameFunctionalGroupsSequence = groups
        data.NumberOfFrames = len(frames)
        shared = data.SharedFunctionalGroupsSequence[0]
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 1, 0, 0]
        packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
        data.PixelData = packed + b"\0" * (len(packed) % 2)

    back, _ = read_back(rewritten(path, exchange), square, drive)
    np.testing.assert_array_equal(back.voxels, labels.voxels)


def theirs(volume: Volume, pixels: np.ndarray, kind: str, path: Path, segments=2, **more) -> Path:
    """A segmentation by highdicom alone."""
    import highdicom as hd

    tissue = hd.sr.CodedConcept("85756007", "SCT", "Tissue")
    data = hd.seg.Segmentation(
        [pydicom.dcmread(file) for file in volume.source.files],
        pixels,
        kind,
        [
            hd.seg.SegmentDescription(k, f"Part {k}", tissue, tissue, "MANUAL")
            for k in range(1, segments + 1)
        ],
        hd.UID(), 1, hd.UID(), 1, "Maker", "Model", "1", "1", **more,
    )  # fmt: skip
    data.save_as(path)
    return path


@pytest.fixture
def plain(stack) -> Volume:
    return load(stack(4, **stack_tags()))


def test_fractions_from_one_half_on(plain, tmp_path, drive):
    rng = np.random.default_rng(1)
    fractions = rng.uniform(0, 1, (*plain.shape, 2))
    fractions /= np.maximum(fractions.sum(-1, keepdims=True), 1)
    path = theirs(
        plain, fractions, "FRACTIONAL", tmp_path / "f.dcm",
        max_fractional_value=200, fractional_type="PROBABILITY",
    )  # fmt: skip
    back, notes = read_back(path, plain, drive)
    stored = np.rint(fractions * 200)  # what the file holds
    expected = np.where(stored.max(-1) >= 100, stored.argmax(-1) + 1, 0)
    np.testing.assert_array_equal(back.voxels, expected)
    assert any("one half" in note for note in notes)


def test_segments_that_overlap(plain, tmp_path, drive):
    pixels = np.zeros((*plain.shape, 2), np.uint8)
    pixels[1, :4, :4, 0] = 1
    pixels[1, 2:, 2:, 1] = 1
    back, notes = read_back(theirs(plain, pixels, "BINARY", tmp_path / "o.dcm"), plain, drive)
    np.testing.assert_array_equal(back.voxels[1], np.where(pixels[1, ..., 1], 2, pixels[1, ..., 0]))
    assert any("overlap in 4 voxels" in note for note in notes)


def test_the_label_map_type(plain, tmp_path, drive):
    pixels = np.random.default_rng(2).integers(0, 3, plain.shape).astype(np.uint8)
    back, notes = read_back(theirs(plain, pixels, "LABELMAP", tmp_path / "l.dcm"), plain, drive)
    np.testing.assert_array_equal(back.voxels, pixels)
    assert [label.name for label in back.labels] == ["Part 1", "Part 2"]
    assert notes == []


def test_frames_that_name_their_image_instead_of_a_place(plain, tmp_path, drive):
    labels = labelled(plain, LABELS[:2])
    path = theirs(plain, np.asarray(labels.voxels), "BINARY", tmp_path / "r.dcm")

    def forget(data):
        for item in data.PerFrameFunctionalGroupsSequence:
            del item.PlanePositionSequence

    back, _ = read_back(rewritten(path, forget), plain, drive)
    np.testing.assert_array_equal(back.voxels, labels.voxels)


# -- what does not fit ---------------------------------------------------------------------------


def move(data):
    for item in data.PerFrameFunctionalGroupsSequence:
        x, y, z = item.PlanePositionSequence[0].ImagePositionPatient
        item.PlanePositionSequence[0].ImagePositionPatient = [x + 2.4, y, z]


def lift(data):
    for item in data.PerFrameFunctionalGroupsSequence:
        x, y, z = item.PlanePositionSequence[0].ImagePositionPatient
        item.PlanePositionSequence[0].ImagePositionPatient = [x, y, z + 500]


def lean(data):
    shared = data.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 0.8, 0.6]


def zoom(data):
    shared = data.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: setattr(data, "FrameOfReferenceUID", "1.2.3"), "frame of reference"),
        (lambda data: setattr(data, "Rows", 12), "12 pixels"),
        (zoom, "0.5 x 0.5 mm"),
        (lean, "at an angle"),
        (move, "displaced by 3.0 x 0.0 pixels"),
        (lift, "none of its frames"),
        (lambda data: setattr(data, "SegmentationType", "ODD"), "ODD"),
        (lambda data: setattr(data, "NumberOfFrames", 900), "900 frames"),
        (lambda data: setattr(data, "PixelData", b"\1\0"), "2 of"),
        (lambda data: delattr(data, "PixelData"), "no pixels"),
        (lambda data: delattr(data, "SharedFunctionalGroupsSequence"), "no segment|broken|fit"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(volume, tmp_path, change, words):
    path = rewritten(write(labelled(volume), tmp_path / "seg.dcm"), change)
    if change.__name__ == "<lambda>" and words.startswith("no segment"):
        # Nothing but spacing and angle stood there: those of the series are taken.
        assert len(finish(read_segmentation(path, volume))) == len(volume)
        return
    with pytest.raises(StudioError, match=words) as caught:
        finish(read_segmentation(path, volume))
    assert caught.value.hint
    assert str(path) in caught.value.message


def test_what_is_no_segmentation(volume, tmp_path):
    with pytest.raises(StudioError, match="no DICOM segmentation"):
        finish(read_segmentation(volume.source.files[0], volume))
    with pytest.raises(StudioError, match="No such file"):
        peek(tmp_path / "nowhere.dcm")
    with pytest.raises(StudioError, match="not labels"):
        write(volume, tmp_path / "seg.dcm")
    empty = label_map(np.zeros(volume.shape, np.uint8), volume.geometry, volume.source)
    with pytest.raises(StudioError, match="no voxel has a label"):
        write(empty, tmp_path / "seg.dcm")
    pictures = replace(labelled(volume), source=replace(volume.source, format="PNG"))
    with pytest.raises(StudioError, match="no DICOM header"):
        write(pictures, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_a_source_is_never_written_over(volume):
    target = volume.source.files[0]
    before = target.read_bytes()
    with pytest.raises(StudioError, match="never overwritten"):
        write(labelled(volume), target)
    assert target.read_bytes() == before
