"""De-identification: no word, number or date of the patient is left in any byte, and the rest is
as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.ct.resample import resample_uniform
from ctstudio.ct.volume import Volume
from ctstudio.dicom.deidentified import copy_deidentified
from ctstudio.dicom.deidentify import Deidentifier, Options, basic_profile
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.write import write_derived

# Sources full of oddities: pydicom warns of some when a test makes or reads them.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value|The value length:UserWarning")

# A few rows of PS3.15 Table E.1-1 as it is printed.
PRINTED = {
    "AccessionNumber": "Z", "AcquisitionComments": "X", "AcquisitionContextSequence": "X/Z",
    "AcquisitionDate": "X/Z", "AcquisitionDateTime": "X/Z/D", "AcquisitionTime": "X/Z",
    "AcquisitionDeviceProcessingDescription": "X/D", "AcquisitionFieldOfViewLabel": "D",
    "AdmittingDiagnosesDescription": "X", "CassetteID": "X", "ConcatenationUID": "U",
    "ClinicalTrialSponsorName": "D", "ConsultingPhysicianName": "Z", "ContentDate": "Z/D",
    "ContentSequence": "D", "ContrastBolusAgent": "Z/D", "CurveDate": "X",
    "DerivationDescription": "X", "DetectorID": "X/D", "DeviceSerialNumber": "X/Z/D",
    "DeviceUID": "U", "DigitalSignaturesSequence": "X", "DimensionOrganizationUID": "U",
    "PatientName": "Z", "PatientBirthDate": "Z", "PatientSex": "Z", "PatientAge": "X",
    "SOPInstanceUID": "U", "StudyInstanceUID": "U", "SeriesInstanceUID": "U",
    "StudyDescription": "X", "SeriesDescription": "X", "InstitutionName": "X/Z/D",
    "ReferencedImageSequence": "X/Z/U*", "SourceImageSequence": "X/Z/U*",
}  # fmt: skip

FLAT = np.zeros((4, 4), np.int16)
MARK = "Zoraqel"
DAY, TIME = "19620413", "113355"
FORBIDDEN = (MARK, "Zo^raqel", DAY, TIME, "1.2.826.0.1.99887766", "Quickenborn", "PID-5550123")

TEXTS = {
    "AE": MARK, "LO": f"{MARK} clinic", "LT": f"Said {MARK}", "PN": f"{MARK}^Quickenborn",
    "SH": MARK, "ST": MARK, "UC": MARK, "UT": f"On {DAY} {MARK} said", "CS": MARK.upper(),
    "UR": f"https://{MARK.lower()}.example", "DA": DAY, "TM": TIME, "DT": DAY + TIME,
    "AS": "063Y", "OB": MARK.encode() + b"\0", "OW": MARK.encode() + b"\0",
}  # fmt: skip


def filled(keyword: str, tag: int) -> object:
    """A value that tells of the patient, in whatever the element can hold."""
    kind = dictionary_VR(tag)
    if kind == "SQ":
        item = Dataset()
        item.PatientName, item.TextValue = TEXTS["PN"], TEXTS["UT"]
        item.add_new(0x00990010, "LO", MARK)
        item.add_new(0x00991001, "UT", MARK)
        item.ReferencedSOPInstanceUID = "1.2.826.0.1.99887766.5"
        return Sequence([item])
    if kind == "UI":
        return f"1.2.826.0.1.99887766.{tag}"
    return TEXTS.get(kind)


@pytest.fixture
def telltale(slice_file) -> Callable[..., list[Path]]:
    """``telltale(folder, n)``: CT slices with every attribute of the table filled."""

    def make(folder: Path, n: int = 3, **tags) -> list[Path]:
        paths = []
        for k in range(n):
            path = slice_file(folder / f"{MARK}-{k}", np.full((6, 5), 100 + k, np.int16), z=2.0 * k)
            data = pydicom.dcmread(path)
            for tag in basic_profile():
                keyword = keyword_for_tag(tag)
                if keyword and tag >> 16 > 2 and keyword not in ("PixelData",):
                    value = filled(keyword, tag)
                    if value is not None:
                        setattr(data, keyword, value)
            data.SOPInstanceUID = f"1.2.826.0.1.99887766.9.{k}"
            data.PatientID = "PID-5550123"
            # What the table does not know of.
            data.add_new(0x00090010, "LO", "MAKER")
            data.add_new(0x00091001, "LT", f"private, {MARK}")
            data.add_new(0x60000010, "US", 2)
            data.add_new(0x60000022, "LO", MARK)
            data.ConvolutionKernel = "of Quickenborn"
            data.DateOfDocumentOrVerbalTransactionTrial = DAY
            code = Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "X", "Thing"
            code.ResponsibleOrganization = "Somewhere"
            code.OperatorsName = TEXTS["PN"]
            code.add_new(0x00990010, "LO", MARK)
            data.AnatomicRegionSequence = [code]
            data.KVP = 120
            source = Dataset()
            source.ReferencedSOPClassUID = data.SOPClassUID
            source.ReferencedSOPInstanceUID = f"1.2.826.0.1.99887766.9.{(k + 1) % n}"
            data.SourceImageSequence = [source]
            for keyword, value in tags.items():
                setattr(data, keyword, value)
            data.preamble = (MARK * 20).encode()[:128]
            data.file_meta.SourceApplicationEntityTitle = MARK
            data.file_meta.PrivateInformationCreatorUID = "1.2.826.0.1.99887766.3"
            data.file_meta.PrivateInformation = MARK.encode() + b"\0"
            data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
            data.save_as(path, enforce_file_format=True)
            paths.append(path)
        return paths

    return make


def load(path: Path) -> Volume:
    (series,) = finish(scan([path])).series
    return finish(read(series))


def left_over(paths: list[Path], words=FORBIDDEN) -> set[str]:
    """Which of ``words`` is found in any byte, in any case, in 8 or 16 bits a character."""
    found = set()
    for path in paths:
        data = path.read_bytes().lower()
        for word in words:
            if any(word.lower().encode(c) in data for c in ("utf-8", "utf-16-le", "utf-16-be")):
                found.add(word)
    return found


def test_the_table_is_the_printed_one():
    table = {keyword_for_tag(tag): action for tag, action in basic_profile().items()}
    assert len(basic_profile()) >= 600
    assert {keyword: table.get(keyword) for keyword in PRINTED} == PRINTED


@pytest.mark.parametrize("shift", [False, True])
def test_no_byte_tells_of_the_patient(telltale, tmp_path, drive, shift):
    files = telltale(tmp_path / "in")
    assert left_over(files, (MARK, DAY, "PID-5550123", "Quickenborn", "1.2.826.0.1.99887766"))
    before = {path: path.read_bytes() for path in files}
    options = Options(shift_dates=shift)
    events, out = drive(copy_deidentified([files], tmp_path / "out", Deidentifier(options)))
    words = tuple(w for w in FORBIDDEN if w != TIME) if shift else FORBIDDEN
    assert left_over(out, words) == set()
    assert MARK.lower() not in "".join(str(p.relative_to(tmp_path)) for p in out).lower()
    assert {path: path.read_bytes() for path in files} == before
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("Convolution Kernel repeated" in note for note in notes)
    header = pydicom.dcmread(out[0])
    assert not any(e.tag.is_private for e in header.iterall())
    assert header.AnatomicRegionSequence[0].CodeMeaning == "Thing"
    assert header.PatientIdentityRemoved == "YES"
    codes = [item.CodeValue for item in header.DeidentificationMethodCodeSequence]
    assert codes == (["113100", "113107"] if shift else ["113100"])
    assert header.LongitudinalTemporalInformationModified == ("MODIFIED" if shift else "REMOVED")
    if not shift:
        dates = {e.value for e in header.iterall() if e.VR in ("DA", "DT", "TM")}
        assert dates <= {"", None, "19000101", "19000101000000", "000000"}


def test_what_is_not_of_the_patient_stays(telltale, tmp_path):
    files = telltale(tmp_path / "in")
    out = finish(copy_deidentified([files], tmp_path / "out", Deidentifier()))
    was, now = load(tmp_path / "in"), load(tmp_path / "out")
    np.testing.assert_array_equal(now.hu(), was.hu())
    np.testing.assert_array_equal(now.geometry.positions_mm, was.geometry.positions_mm)
    assert now.geometry.spacing_mm == was.geometry.spacing_mm
    assert now.unit == "HU"
    header = pydicom.dcmread(out[0])
    assert (header.KVP, header.Modality) == (120, "CT")
    assert list(header.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL"]


def test_uids_keep_their_relations(telltale, tmp_path):
    first, second = telltale(tmp_path / "a"), telltale(tmp_path / "b", SeriesInstanceUID="1.2.9")
    out = finish(copy_deidentified([first, second], tmp_path / "out", Deidentifier()))
    assert [p.parent.name for p in out] == ["series001"] * 3 + ["series002"] * 3
    headers = [pydicom.dcmread(p) for p in out]
    assert len({h.StudyInstanceUID for h in headers}) == 1
    assert len({h.FrameOfReferenceUID for h in headers}) == 1
    assert len({h.SeriesInstanceUID for h in headers}) == 2
    own = [h.SOPInstanceUID for h in headers[:3]]
    assert len(set(own)) == 3
    referred = [h.SourceImageSequence[0].ReferencedSOPInstanceUID for h in headers[:3]]
    assert referred == own[1:] + own[:1]
    assert all(UID(uid).is_valid and len(uid) <= 64 for uid in own)
    assert all(h.file_meta.MediaStorageSOPInstanceUID == h.SOPInstanceUID for h in headers)
    assert headers[0].SOPClassUID.name == "CT Image Storage"


def test_a_key_makes_it_repeatable_and_no_key_does_not():
    uid, patient = "1.2.3.4", "PID-5550123"
    keyed = [Deidentifier(Options(key="well kept")) for _ in range(2)]
    assert keyed[0].uid(uid) == keyed[1].uid(uid) != uid
    assert keyed[0].pseudonym(patient) == keyed[1].pseudonym(patient)
    others = [Deidentifier(Options(key="another")), Deidentifier(), Deidentifier()]
    assert len({d.uid(uid) for d in (keyed[0], *others)}) == 4
    assert keyed[0].uid("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"


def test_shifted_dates_keep_their_distances(telltale, tmp_path):
    first = telltale(tmp_path / "a", 1, StudyDate="20200229", AcquisitionDate="20200301",
                     AcquisitionDateTime="20200302101112.5+0100", PatientBirthDate=DAY)  # fmt: skip
    second = telltale(tmp_path / "b", 1, StudyDate="20210301", PatientID="PID-5550123")
    other = telltale(tmp_path / "c", 1, StudyDate="20200229", PatientID="PID-7777")
    deidentifier = Deidentifier(Options(key="k", shift_dates=True))
    out = finish(copy_deidentified([first, second, other], tmp_path / "out", deidentifier))
    a, b, c = (pydicom.dcmread(path) for path in out)

    def day(text: str) -> np.datetime64:
        return np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:8]}")

    shift = day(a.StudyDate) - np.datetime64("2020-02-29")
    assert np.timedelta64(-3650, "D") <= shift < np.timedelta64(0, "D")
    assert day(a.AcquisitionDate) - np.datetime64("2020-03-01") == shift
    assert day(a.AcquisitionDateTime) - np.datetime64("2020-03-02") == shift
    assert a.AcquisitionDateTime.endswith("101112.5+0100")
    assert day(b.StudyDate) - np.datetime64("2021-03-01") == shift
    assert c.StudyDate != a.StudyDate
    assert not a.PatientBirthDate
    assert a.PatientID == b.PatientID != c.PatientID


def test_a_name_of_ones_own(telltale, tmp_path):
    deidentifier = Deidentifier(Options(patient="Case 7"))
    (path,) = finish(copy_deidentified([telltale(tmp_path / "a", 1)], tmp_path / "o", deidentifier))
    header = pydicom.dcmread(path)
    assert (str(header.PatientName), header.PatientID) == ("Case 7", "Case 7")


def test_drawings_in_unused_bits_go(slice_file, tmp_path):
    pixels = np.array([[-5, 1000], [700, 3]], np.int16)
    drawn = (pixels & 0x0FFF) | np.array([[0x1000, 0], [0, 0x1000]], np.int16)
    path = slice_file(tmp_path / "in", drawn.astype(np.int16), BitsStored=12, HighBit=11)
    data = pydicom.dcmread(path)
    data.add_new(0x60000100, "US", 16)
    data.add_new(0x60000102, "US", 12)
    data.save_as(path)
    was = load(path)
    (out,) = finish(copy_deidentified([[path]], tmp_path / "out", Deidentifier()))
    np.testing.assert_array_equal(load(out).hu(), was.hu())
    stored = np.frombuffer(pydicom.dcmread(out).PixelData, np.int16).reshape(2, 2)
    np.testing.assert_array_equal(stored, pixels)  # the twelfth bit extends the sign, no more


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"BurnedInAnnotation": "YES"}, "say of themselves"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "may be drawn"),
        ({"Modality": "OT"}, "may be drawn"),
        ({"BodyPartExamined": "HEAD"}, "a face"),
        ({"BurnedInAnnotation": "NO"}, ""),
    ],
)
def test_what_it_cannot_see_is_pointed_out(slice_file, tmp_path, drive, tags, words):
    path = slice_file(tmp_path / "in", np.zeros((4, 4), np.int16), **tags)
    events, _ = drive(copy_deidentified([[path]], tmp_path / "out", Deidentifier()))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert [bool(re.search(words, note)) for note in notes] == ([True] if words else [])


@pytest.mark.parametrize(
    "name",
    [
        "fda_phantom_demo_explicitLE",
        "fda_phantom_j2k_repaired",
        "lungdx_A0002_B40f_smooth",
        "totalseg_ct20_j2k",
        "training_ct/acrin_flt_013",
        "training_ct/cmb_crc_01068",
        "training_ct/covid_ny_sbu_slices",
        "training_ct/lungdx_A0001_L",
        "awkward/ge_head_gantry_tilt_variable_spacing",
        "awkward/dcmqi/ct-3slice",
        "awkward/dcmqi/24x38x3/multiframe/mf.dcm",
        "awkward/pydicom/MR_small_bigendian.dcm",
        "awkward/pydicom_data/emri_small_jpeg_ls_lossless.dcm",
        "awkward/pydicom_data/bad_sequence.dcm",
    ],
)
def test_real_series_stay_valid_and_keep_their_values(test_data, tmp_path, name, validator_errors):
    series = finish(scan([test_data / name])).series[0]
    files = series.source.files[:2]
    out = finish(copy_deidentified([files], tmp_path / "out", Deidentifier()))
    for source, path in zip(files, out, strict=True):
        assert not validator_errors(path) - validator_errors(source)
        was, now = pydicom.dcmread(source), pydicom.dcmread(path)
        assert now.PixelData == was.PixelData
        words = [str(was.get(k) or "") for k in ("PatientName", "PatientID", "AccessionNumber")]
        unlike = [w for w in words if len(w) > 5 and not w.isdigit() and w != "REMOVED"]
        assert left_over([path], (*unlike, was.SOPInstanceUID or "-no uid-")) == set()


def test_pixels_that_end_too_early_are_refused(test_data, tmp_path):
    path = test_data / "awkward" / "pydicom_data" / "emri_small_jpeg_2k_lossless_too_short.dcm"
    with pytest.raises(StudioError, match="cannot be carried over") as caught:
        finish(copy_deidentified([[path]], tmp_path / "out", Deidentifier()))
    assert path.name in str(caught.value)
    assert not (tmp_path / "out").exists()


# -- series made of others -----------------------------------------------------------------------


@pytest.mark.parametrize("resampled", [False, True])
def test_a_derived_series_without_the_patient(telltale, tmp_path, resampled, drive):
    telltale(tmp_path / "in", SliceThickness="2")
    volume = load(tmp_path / "in")
    result = finish(resample_uniform(volume, 1.5)) if resampled else volume.derived(volume.hu())
    deidentifier = Deidentifier()
    work = write_derived(
        result, tmp_path / "out", description="Test filter", method="Test", deidentify=deidentifier
    )
    _, out = drive(work)
    assert left_over(out) == set()
    header = pydicom.dcmread(out[0])
    assert header.SeriesDescription == "Test filter"
    assert header.PatientIdentityRemoved == "YES"
    assert not header.ContentDate
    source = pydicom.dcmread(volume.source.files[0])
    assert header.StudyInstanceUID == deidentifier.uid(source.StudyInstanceUID)
    assert header.SourceImageSequence[0].ReferencedSOPInstanceUID == deidentifier.uid(
        source.SOPInstanceUID
    )
    np.testing.assert_allclose(load(tmp_path / "out").hu(), result.hu(), atol=0.5)


def test_a_series_made_of_a_file_of_several_images(test_data, tmp_path):
    path = test_data / "awkward" / "dcmqi" / "24x38x3" / "multiframe" / "mf.dcm"
    data = pydicom.dcmread(path)
    data.StudyDescription, data.PatientName, data.StudyDate = MARK, MARK, DAY
    data.save_as(tmp_path / "several.dcm")
    volume = load(tmp_path / "several.dcm")
    out = finish(
        write_derived(
            volume, tmp_path / "out", description="x", method="y", deidentify=Deidentifier()
        )
    )
    assert left_over(out, (MARK, DAY, data.StudyInstanceUID, data.SOPInstanceUID)) == set()


def test_names_hidden_in_code_strings_and_colour_profiles_go(slice_file, tmp_path, drive):
    """The code strings of the standard beside them stay, and so do profiles that name nobody."""
    for number, profile in enumerate(("Scanner of Zoraqel", "sRGB"), 1):
        path = slice_file(tmp_path / "in" / f"{number}.dcm", FLAT, PatientName="Zoraqel^Q")
        data = pydicom.dcmread(path)
        data.ImageType = ["ORIGINAL", "PRIMARY", "ZORAQEL", "SUM"]
        data.BodyPartExamined, data.ConversionType = "ZORAQEL", "WSD"
        data.ICCProfile = b"\0\0" + profile.encode("utf-16-be") + b"\0\0"
        data.save_as(path)
    files = sorted((tmp_path / "in").iterdir())
    events, _ = drive(copy_deidentified([files], tmp_path / "out", Deidentifier()))
    notes = [event.text for event in events if isinstance(event, Note)]
    first, second = (pydicom.dcmread(p) for p in sorted((tmp_path / "out").iterdir()))
    assert list(first.ImageType) == ["ORIGINAL", "PRIMARY", "", "SUM"]
    assert first.BodyPartExamined == ""
    assert first.ConversionType == "WSD"
    assert "ICCProfile" not in first
    assert "sRGB" in second.ICCProfile.decode("utf-16-be")
    assert any("ICC Profile repeated a name or number and was removed" in n for n in notes)
    assert any("Image Type repeated a name or number and was emptied" in n for n in notes)


def test_sequences_without_end_are_refused(slice_file, tmp_path):
    path = slice_file(tmp_path / "in" / "1.dcm", FLAT)
    data = pydicom.dcmread(path)
    for _ in range(150):
        item = Dataset()
        item.ReferencedStudySequence = data.get("ReferencedStudySequence", [])
        data.ReferencedStudySequence = [item]
    data.save_as(path)
    with pytest.raises(StudioError, match="more than 100 deep"):
        finish(copy_deidentified([[path]], tmp_path / "out", Deidentifier()))
    assert not (tmp_path / "out").exists()
