"""What one series UID holds of several patients or patient spaces is taken apart, and said."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.core.events import finish
from ctstudio.dicom import patients
from ctstudio.dicom.irregularities import Kind
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.scan_cache import ScanCache

SQUARE = dict(PixelSpacing=[0.7, 0.7])
DOE = dict(PatientID="17", PatientName="Doe^John", PatientBirthDate="19700102")


def kinds(series):
    return [odd.kind for odd in series.irregularities]


@pytest.fixture
def mixed(tmp_path, slice_file):
    """``mixed(first, second, ...)``: a folder of 4 slices of each, one series and study UID."""

    def make(*people):
        for n, person in enumerate(people):
            for k in range(4):
                pixels = np.full((6, 5), 10 * n + k, np.int16)
                # Between each other's places: together they would be a stack at equal distances.
                place = 2.0 * k + 2.0 * n / len(people)
                slice_file(tmp_path / "x" / f"{k}-{n}", pixels, z=place, **SQUARE, **person)
        return tmp_path / "x"

    return make


@pytest.mark.parametrize(
    "other",
    [
        dict(PatientID="18", PatientName="Roe^Jane", PatientBirthDate="19800102"),
        dict(DOE, PatientID="18"),
        dict(PatientID="17", PatientName="Roe^Jane"),
        dict(PatientID=None, PatientName="Roe^Jane", PatientBirthDate=None),
        dict(PatientID="", PatientName="Doe^John", PatientBirthDate="19991231"),
    ],
)
def test_two_patients_are_two_series(mixed, other):
    found = finish(scan([mixed(DOE, other)])).series
    assert [s.slices for s in found] == [4, 4]
    for series in found:
        assert kinds(series) == [Kind.MIXED_PATIENT]
        (warning,) = series.warnings
        assert warning.startswith("Files of 2 patients share this series UID")
        assert "Doe" not in warning
        tens = finish(read(series)).voxels[:, 0, 0] // 10
        assert len(set(tens.tolist())) == 1


@pytest.mark.parametrize(
    "again",
    [
        dict(DOE, PatientName="DOE^JOHN^^"),
        dict(DOE, PatientName="Doe, John", PatientID=" 17"),
        dict(DOE, PatientName="Doe^John=\u5c71\u7530", SpecificCharacterSet="ISO_IR 192"),
        dict(PatientID="", PatientName="", PatientBirthDate=None),
        dict(PatientID="17", PatientName=None),
        dict(DOE, PatientName="Roe^John"),  # a corrected name: number and birth date agree
        dict(DOE, PatientBirthDate="19700201"),
    ],
)
def test_one_patient_spelt_twice_is_one(mixed, again):
    (series,) = finish(scan([mixed(DOE, again)])).series
    assert series.slices == 8
    assert series.irregularities == ()


def test_images_of_nobody_join_nobody_where_there_are_two(mixed):
    nobody = dict(PatientID="", PatientName="")
    found = finish(scan([mixed(DOE, nobody, dict(DOE, PatientID="18"))])).series
    assert sorted(s.source.patient_id for s in found) == ["", "17", "18"]
    assert all("of 3 patients" in s.warnings[0] for s in found)


def test_it_stays_so_from_the_cache_and_reads_few_files(mixed, tmp_path, monkeypatch):
    folder = mixed(DOE, dict(DOE, PatientID="18"))
    cache = ScanCache(tmp_path / "scans.db", settled_ns=0)
    first = finish(scan([folder], cache=cache)).series
    opened: list[object] = []
    really = patients.read_texts
    monkeypatch.setattr(
        patients, "read_texts", lambda path, tags: (opened.append(path), really(path, tags))[1]
    )
    again = finish(scan([folder], cache=cache)).series
    assert [s.headers for s in again] == [s.headers for s in first]
    assert len(opened) == 2


def test_very_many_patients_are_told_apart_without_reading(tmp_path, slice_file, monkeypatch):
    monkeypatch.setattr(patients, "_MOST_READ", 3)
    monkeypatch.setattr(patients, "read_texts", None)
    for k in range(5):
        slice_file(tmp_path / str(k), np.zeros((6, 5), np.int16), z=k, PatientID=str(k))
    assert [s.slices for s in finish(scan([tmp_path])).series] == [1] * 5


def test_two_frames_of_reference_are_two_series(mixed, slice_file):
    folder = mixed(dict(FrameOfReferenceUID="1.2.1"), dict(FrameOfReferenceUID="1.2.2"))
    scout = dict(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], FrameOfReferenceUID="1.2.3")
    slice_file(folder / "scout", np.zeros((6, 5), np.int16), **scout)
    found = [s for s in finish(scan([folder])).series if s.slices > 1]
    assert [s.slices for s in found] == [4, 4]
    assert {s.source.frame_of_reference_uid for s in found} == {"1.2.1", "1.2.2"}
    for series in found:
        assert kinds(series) == [Kind.LOCALISER, Kind.MIXED_FRAME_OF_REFERENCE]
        assert "images of 2 frames of reference: each is shown" in series.warnings[1]


def test_a_frame_of_reference_for_every_image_tells_no_volumes_apart(mixed):
    folder = mixed(*(dict(FrameOfReferenceUID=f"1.3.{n}") for n in range(5)))
    for path in folder.iterdir():
        if not path.name.startswith("0"):
            path.unlink()
    (series,) = finish(scan([folder])).series
    assert series.slices == 5
    assert kinds(series) == [Kind.MIXED_FRAME_OF_REFERENCE]
    (odd,) = series.irregularities
    assert "Every image names a frame of reference of its own" in odd.sentence
    assert not odd.warns


def test_a_lost_frame_of_reference_is_no_other_one(mixed):
    folder = mixed(dict(FrameOfReferenceUID="1.2.1"), dict(FrameOfReferenceUID=None))
    (series,) = finish(scan([folder])).series
    assert series.irregularities == ()
