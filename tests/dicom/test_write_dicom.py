"""Writing: round trips, what is kept and what is new, and a validator's word on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, finish
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.ct.window import Window
from ctstudio.dicom.encoding import Range, choose
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.write import write_derived, write_series


def load(*paths) -> Volume:
    (series,) = finish(scan(list(paths))).series
    return finish(read(series))


def denoised(volume: Volume) -> Volume:
    noise = np.random.default_rng(3).normal(0, 9.7, volume.shape).astype(np.float32)
    return volume.derived(volume.hu() + noise, "test filter, strength 3")


def phantom(shape=(3, 24, 20)) -> Volume:
    hu = np.random.default_rng(2).uniform(-1024, 3071, shape).astype(np.float32)
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(0.3), np.sin(0.3)])
    positions = np.array([[-7.123456789, 3.25, 1.5]]) + np.outer(
        np.arange(shape[0]) * 2.5, np.cross(row, column)
    )
    geometry = Geometry(positions, row, column, (0.7, 1 / 3))
    source = Source(
        description="Phantom",
        modality="CT",
        patient_name="Phantom^Thorax",
        patient_id="PHANTOM-1",
        study_description="Demonstration",
        kernel="ramp",
        slice_thickness_mm=2.5,
        window=Window(-600, 1500),
    )
    return Volume.from_hu(hu, geometry, source=source)


def test_derived_round_trip_and_tags(stack, tmp_path, drive):
    folder = stack(4, WindowCenter=40, WindowWidth=400, Manufacturer="ScanCo", KVP=120)
    original = load(folder)
    result = denoised(original)
    before = {p: p.read_bytes() for p in folder.iterdir()}
    events, paths = drive(
        write_derived(result, tmp_path / "out", description="TV λ 3", method="Total variation")
    )
    assert [p.parent for p in paths] == [tmp_path / "out"] * 4
    assert sum(e.text == "Writing slices" for e in events if isinstance(e, Progress)) == 4
    back = load(tmp_path / "out")
    assert np.abs(back.hu() - result.hu()).max() <= 0.5
    np.testing.assert_array_equal(back.geometry.positions_mm, original.geometry.positions_mm)
    assert back.source.window == Window(40, 400)
    assert {p: p.read_bytes() for p in folder.iterdir()} == before

    headers = [pydicom.dcmread(p) for p in paths]
    sources = [pydicom.dcmread(p) for p in original.source.files]
    assert len({h.SeriesInstanceUID for h in headers}) == 1
    assert len({h.SOPInstanceUID for h in headers}) == 4
    for header, source in zip(headers, sources, strict=True):
        assert header.SeriesInstanceUID != source.SeriesInstanceUID
        for kept in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientName", "PatientID", "KVP"):
            assert header[kept].value == source[kept].value
        assert list(header.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        item = header.SourceImageSequence[0]
        assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert header.DerivationDescription == "Total variation"
        assert header.SeriesDescription == "TV  3"
        assert header.Manufacturer == "CT Studio"
        assert header.ContributingEquipmentSequence[0].Manufacturer == "ScanCo"
        assert (header.BurnedInAnnotation, header.ContentQualification) == ("NO", "RESEARCH")
        assert header.file_meta.TransferSyntaxUID.name == "Explicit VR Little Endian"
        assert (header.BitsAllocated, header.PixelRepresentation) == (16, 1)
        assert header.RescaleType == "HU"


def test_private_tags_overlays_and_padding(tmp_path, slice_file):
    nested = Dataset()
    nested.CodeValue = "1"
    nested.add_new(0x00191001, "LO", "private and nested")
    pixels = np.array([[0, 1024], [3000, 63536]], np.uint16)  # -2000 as a careless writer has it
    path = slice_file(
        tmp_path / "in" / "a", pixels.view(np.int16), PixelPaddingValue=None,
        ProcedureCodeSequence=[nested], SmallestImagePixelValue=None,
    )  # fmt: skip
    data = pydicom.dcmread(path)
    data.add_new(0x00091001, "LO", "private")
    data.add_new(0x00280120, "US", 63536)
    data.add_new(0x60000010, "US", 2)
    data.save_as(path)
    volume = load(path)
    (out,) = finish(write_derived(volume, tmp_path / "out", description="copy", method="nothing"))
    header = pydicom.dcmread(out)
    assert not any(e.tag.is_private for e in header.iterall())
    assert 0x60000010 not in header
    assert header["PixelPaddingValue"].VR == "SS"
    assert header.PixelPaddingValue == -2000 - 1024
    np.testing.assert_array_equal(load(out).hu(), volume.hu())


def test_new_series_is_valid_and_comes_back(tmp_path, drive, validator_errors):
    volume = phantom()
    _, paths = drive(
        write_series(
            volume, tmp_path / "out", series_number=2, description="Quarter dose",
            tags={"ProtocolName": "Thorax", "BodyPartExamined": "CHEST", "KVP": 120},
        )
    )  # fmt: skip
    back = load(tmp_path / "out")
    assert np.abs(back.hu() - volume.hu()).max() <= 0.5
    for mine, theirs in (
        (back.geometry.positions_mm, volume.geometry.positions_mm),
        (back.geometry.row_direction, volume.geometry.row_direction),
        (back.geometry.column_direction, volume.geometry.column_direction),
        (back.geometry.spacing_mm, volume.geometry.spacing_mm),
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert back.unit == "HU"
    source = back.source
    assert (source.patient_name, source.patient_id) == ("Phantom^Thorax", "PHANTOM-1")
    assert (source.description, source.series_number) == ("Quarter dose", 2)
    assert (source.kernel, source.window) == ("ramp", Window(-600, 1500))
    header = pydicom.dcmread(paths[0])
    assert header.ProtocolName == "Thorax"
    assert header.Manufacturer == "CT Studio"
    for path in paths:
        assert not validator_errors(path)


def test_new_series_without_any_tags_is_valid(tmp_path, validator_errors):
    hu = np.zeros((1, 8, 8), np.float32)
    volume = Volume.from_hu(hu, Geometry.axial(1))
    (path,) = finish(write_series(volume, tmp_path / "out", series_number=1))
    assert not validator_errors(path)


@pytest.mark.parametrize(
    ("low", "high", "unit", "slope", "largest_error"),
    [
        (-1024, 3071, "HU", 1.0, 0.5),
        (-3024, 32767, "HU", 1.0, 0.5),
        (-1024, 40000, "HU", 1.0, 0.5),  # fits once the intercept is moved
        (-1024, 3071, "HU", 0.1, 0.05),
        (-4000, 4000, "HU", 0.1, 0.5),
        (0, 65535, "", 1.0, 0.51),
        (0, 1, "", 1.0, 1e-4),
        (0, 1e6, "", 1.0, 10.0),
        (5, 5, "", 1.0, 0.5),
    ],
)
def test_encoding_is_exact_to_half_a_unit(low, high, unit, slope, largest_error):
    encoding = choose(Range(low, high), slope, unit=unit)
    assert not encoding.clips
    values = np.linspace(low, high, 10_001, dtype=np.float32)
    back = encoding.stored(values) * encoding.slope + encoding.intercept
    error = np.abs(back - values.astype(np.float64)).max()
    assert error <= encoding.slope / 2 + 1e-9
    assert error <= largest_error * 1.0001


def test_unavoidable_clipping_is_said(tmp_path, drive):
    hu = np.zeros((2, 4, 4), np.float32)
    hu[0, 0, :3] = -1000, 1e6, np.nan
    volume = Volume.from_hu(hu, Geometry.axial(2))
    events, _ = drive(write_series(volume, tmp_path / "out", series_number=1))
    notes = [e.text for e in events if isinstance(e, Note)]
    assert "clipped" in notes[0]
    assert "1 voxel" in notes[1]
    back = load(tmp_path / "out").hu()
    assert back[0, 0, 0] == -1000
    assert back[0, 0, 1] > 60_000
    assert back[1, 2, 2] == 0


def test_disk_full_leaves_nothing(stack, tmp_path, monkeypatch):
    volume = denoised(load(stack(3)))

    def full(self, filename, **kwargs):
        Path(filename).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(filename))

    monkeypatch.setattr(Dataset, "save_as", full)
    with pytest.raises(StudioError, match="disk is full"):
        finish(write_derived(volume, tmp_path / "new" / "out", description="x", method="y"))
    assert list((tmp_path / "new").iterdir()) == []


def test_closing_midway_leaves_nothing(stack, tmp_path):
    work = write_derived(denoised(load(stack(3))), tmp_path / "w/out", description="x", method="y")
    for event in work:
        if isinstance(event, Progress) and event.text == "Writing slices":
            break
    work.close()
    assert list((tmp_path / "w").iterdir()) == []


def test_nothing_is_overwritten(stack):
    folder = stack(2)
    with pytest.raises(StudioError, match="not empty"):
        finish(write_derived(denoised(load(folder)), folder, description="x", method="y"))


def test_sources_that_are_gone_or_absent(stack, tmp_path):
    folder = stack(2)
    result = denoised(load(folder))
    (folder / "001").unlink()
    with pytest.raises(StudioError, match="001"):
        finish(write_derived(result, tmp_path / "out", description="x", method="y"))
    with pytest.raises(StudioError, match="not read from one DICOM file a slice"):
        finish(write_derived(phantom(), tmp_path / "out", description="x", method="y"))
    assert not (tmp_path / "out").exists()
