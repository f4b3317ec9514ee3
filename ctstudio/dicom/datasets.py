"""The headers of new images: derived from a source file, or made from nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pydicom.valuerep import format_number_as_ds

from ctstudio import __version__
from ctstudio.ct.volume import Volume
from ctstudio.dicom.encoding import Encoding
from ctstudio.dicom.plausible import usable_rescale
from ctstudio.dicom.sources import Reference

MAKER = "CT Studio"

# What describes the stored values of the source, or pictures on top of them, and is no longer true.
_STALE = (
    "PixelData", "SmallestImagePixelValue", "LargestImagePixelValue",
    "SmallestPixelValueInSeries", "LargestPixelValueInSeries",
    "SmallestImagePixelValueInPlane", "LargestImagePixelValueInPlane",
    "ModalityLUTSequence", "VOILUTSequence", "RealWorldValueMappingSequence",
    "IconImageSequence", "PixelPaddingValue", "PixelPaddingRangeLimit", "DerivationCodeSequence",
    "SourceImageSequence", "DigitalSignaturesSequence", "MACParametersSequence",
    "PixelDataProviderURL", "SOPInstanceStatus", "SOPAuthorizationDateTime",
    "InstanceCreatorUID", "DeviceSerialNumber", "StationName", "GantryID",
    "DateOfLastCalibration", "TimeOfLastCalibration", "NumberOfFrames",
)  # fmt: skip

# What a file of several images says of its study, beside the groups of patient and trial.
_OF_STUDY = {
    "SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
    "StudyID", "StudyDescription", "StudyInstanceUID", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "PatientPosition", "BodyPartExamined", "Laterality",
}  # fmt: skip

# What counts the pixels of the source, and is not true of another grid.
_OF_THE_OLD_GRID = (
    "ReconstructionTargetCenterPatient", "ReconstructionDiameter", "PixelAspectRatio",
    "ImagesInAcquisition", "NumberOfSlices", "NominalScannedPixelSpacing",
)  # fmt: skip

# Where left and right do not apply, so that Laterality may be absent (PS3.3 C.7.3.1, PS3.16 L).
_UNPAIRED = {
    "ABDOMEN", "ABDOMENPELVIS", "ADRENAL", "AORTA", "BLADDER", "BRAIN", "CEREBELLUM", "CERVIX",
    "CHEST", "CHESTABDOMEN", "CHESTABDPELVIS", "CIRCLEOFWILLIS", "COCCYX", "CORONARYARTERY",
    "CSPINE", "CTSPINE", "DUODENUM", "ESOPHAGUS", "GALLBLADDER", "HEAD", "HEADNECK", "HEART",
    "ILEUM", "JEJUNUM", "LARYNX", "LIVER", "LSPINE", "LSSPINE", "MEDIASTINUM", "MOUTH", "NECK",
    "NECKCHEST", "NECKCHESTABDOMEN", "NECKCHESTABDPELV", "NOSE", "PANCREAS", "PELVIS", "PHARYNX",
    "PROSTATE", "RECTUM", "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH", "THYMUS",
    "THYROID", "TLSPINE", "TONGUE", "TRACHEA", "TSPINE", "URETHRA", "UTERUS", "WHOLEBODY",
}  # fmt: skip

# Transfer syntaxes that never keep every bit: JPEG baseline, extended and progressive.
_LOSSY = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 53, 55)}


@dataclass(frozen=True)
class NewSeries:
    """What the images of one new series share."""

    series_uid: str
    study_uid: str
    description: str
    method: str
    created: datetime
    encoding: Encoding
    unit: str

    @classmethod
    def begin(
        cls, volume: Volume, encoding: Encoding, *, description: str, method: str = ""
    ) -> NewSeries:
        return cls(
            series_uid=generate_uid(prefix=None),
            study_uid=volume.source.study_uid or generate_uid(prefix=None),
            description=plain(description)[:64].strip(),
            method=plain(method)[:1024],
            created=datetime.now(),
            encoding=encoding,
            unit=volume.unit,
        )


def plain(text: str) -> str:
    """``text`` in the characters that every DICOM character set has."""
    folded = unicodedata.normalize("NFKD", text.replace("±", "+-").replace("µ", "u"))
    return folded.encode("ascii", "ignore").decode().replace("\\", "/")


def derive(
    source: Dataset, index: int, series: NewSeries, references: Iterable[Reference]
) -> Dataset:
    """Turn the header of a source image into that of its derived image; ``source`` is changed.

    Patient, study, frame of reference, geometry, acquisition and window stay (PS3.3 C.7.6.1.1.2,
    C.12.1): identity, equipment, pixel description and rescale are new. Private elements,
    overlays and curves go.
    """
    meta = source.file_meta
    padding = _padding_values(source)
    scanner = _scanner(source)
    history = str(source.get("DerivationDescription", "") or "")
    _drop_stale(source)

    kind = source.get("ImageType") or []
    kind = [kind] if isinstance(kind, str) else list(kind)
    source.ImageType = ["DERIVED", "SECONDARY", *(kind[2:3] or _default_kind(source))]
    _identify(source, index, series)
    source.SeriesNumber = _number(source, "SeriesNumber") + 1000
    source.DerivationDescription = "; ".join(filter(None, (series.method, history)))[:1024]
    _refer(source, references)
    if scanner is not None:
        others = list(source.get("ContributingEquipmentSequence") or [])
        source.ContributingEquipmentSequence = Sequence([*others, scanner])
    if meta.get("TransferSyntaxUID") in _LOSSY:
        source.LossyImageCompression = "01"

    _state_laterality(source)
    had_rescale = "RescaleSlope" in source
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in source:
            del source[keyword]
    _describe_pixels(source, series, rescale=had_rescale or not series.encoding.identity)
    for keyword, value in padding.items():
        stored = series.encoding.stored_scalar(value)
        if stored is None:
            break  # a range limit without its value means nothing
        source.add_new(keyword, "SS", stored)
    return source


def derive_from_several(
    source: Dataset,
    volume: Volume,
    index: int,
    series: NewSeries,
    references: Iterable[Reference],
) -> Dataset:
    """The header of one CT image made from a file of several (enhanced CT, PS3.3 A.38).

    Patient and study are the file's; the place of the slice is the volume's. What the file states
    of each frame's acquisition is in functional groups, which a CT image does not have.
    """
    number = _number(source, "SeriesNumber") + 1000
    data = create(volume, index, series, series_number=number, tags={})
    for element in source:
        if element.tag.group in (0x0010, 0x0012) or element.keyword in _OF_STUDY:
            data[element.tag] = element
    data.remove_private_tags()
    data.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    _refer(data, references)
    scanner = _scanner(source)
    if scanner is not None:
        data.ContributingEquipmentSequence = Sequence([scanner])
    history = str(source.get("DerivationDescription", "") or "")
    steps = (series.method or plain("; ".join(volume.derivation)), history)
    data.DerivationDescription = "; ".join(filter(None, steps))[:1024]
    return data


def place(data: Dataset, volume: Volume, index: int) -> None:
    """Say where slice ``index`` of a resampled volume lies, in place of its source's words."""
    geometry = volume.geometry
    data.Rows, data.Columns = volume.shape[1:]
    data.ImagePositionPatient = _decimals(*geometry.positions_mm[index])
    data.ImageOrientationPatient = _decimals(*geometry.row_direction, *geometry.column_direction)
    if geometry.spacing_known:
        data.PixelSpacing = _decimals(*geometry.spacing_mm)
    data.SliceLocation = _decimals(geometry.offsets_mm[index])
    if "SpacingBetweenSlices" in data and geometry.slice_spacing_mm:
        data.SpacingBetweenSlices = _decimals(geometry.slice_spacing_mm)
    for keyword in _OF_THE_OLD_GRID:
        if keyword in data:
            del data[keyword]
    if not geometry.tilted and "GantryDetectorTilt" in data:
        del data.GantryDetectorTilt  # there are programs that would shear by it once more


def create(
    volume: Volume, index: int, series: NewSeries, *, series_number: int, tags: Mapping[str, Any]
) -> Dataset:
    """The header of one image of a new CT series (CT Image IOD, PS3.3 A.3)."""
    geometry, source = volume.geometry, volume.source
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = CTImageStorage
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Modality = "CT"
    today = series.created.strftime("%Y%m%d")
    data.StudyDate = source.study_date or today
    data.StudyTime = series.created.strftime("%H%M%S")
    data.AcquisitionDate, data.AcquisitionTime = data.StudyDate, data.StudyTime
    data.AccessionNumber = data.ReferringPhysicianName = data.StudyID = ""
    data.StudyDescription = source.study_description[:64]
    data.PatientName, data.PatientID = source.patient_name, source.patient_id
    data.PatientBirthDate = data.PatientSex = ""
    data.PatientPosition = "HFS"
    data.KVP = data.AcquisitionNumber = ""
    if source.kernel:
        data.ConvolutionKernel = source.kernel[:16]
    thickness = source.slice_thickness_mm or geometry.slice_spacing_mm
    data.SliceThickness = _decimals(thickness) if thickness else ""
    data.SeriesNumber = series_number
    data.FrameOfReferenceUID = source.frame_of_reference_uid
    data.PositionReferenceIndicator = ""
    data.ImagePositionPatient = _decimals(*geometry.positions_mm[index])
    data.ImageOrientationPatient = _decimals(*geometry.row_direction, *geometry.column_direction)
    data.SliceLocation = _decimals(geometry.offsets_mm[index])
    data.PixelSpacing = _decimals(*geometry.spacing_mm)
    data.Rows, data.Columns = volume.shape[1:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    if source.window is not None:
        data.WindowCenter = _decimals(source.window.centre_hu)
        data.WindowWidth = _decimals(source.window.width_hu)
    if volume.derivation:
        data.DerivationDescription = plain("; ".join(volume.derivation))[:1024]
    _identify(data, index, series)
    _describe_pixels(data, series, rescale=True)
    for keyword, value in tags.items():
        if tag_for_keyword(keyword) is None:
            raise ValueError(f"{keyword!r} is not the keyword of a DICOM element")
        setattr(data, keyword, value)
    _state_laterality(data)
    return data


def _identify(data: Dataset, index: int, series: NewSeries) -> None:
    """New UIDs and dates; the equipment module names this program."""
    now = series.created
    if not data.get("SOPClassUID"):
        kinds = {"CT": CTImageStorage, "MR": MRImageStorage}
        data.SOPClassUID = kinds.get(data.get("Modality", ""), SecondaryCaptureImageStorage)
    data.SOPInstanceUID = generate_uid(prefix=None)
    data.SeriesInstanceUID = series.series_uid
    if not data.get("StudyInstanceUID"):
        data.StudyInstanceUID = series.study_uid
    data.InstanceNumber = index + 1
    data.SeriesDescription = series.description
    for event in ("InstanceCreation", "Series", "Content"):
        setattr(data, f"{event}Date", now.strftime("%Y%m%d"))
        setattr(data, f"{event}Time", now.strftime("%H%M%S"))
    data.Manufacturer = data.ManufacturerModelName = MAKER
    data.SoftwareVersions = __version__
    data.BurnedInAnnotation = "NO"
    data.ContentQualification = "RESEARCH"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationVersionName = f"CTSTUDIO_{__version__}"[:16]
    data.file_meta = meta


def _refer(data: Dataset, references: Iterable[Reference]) -> None:
    """Name the images that this one was made of (PS3.3 C.7.6.1)."""
    items = []
    for reference in references:
        item = Dataset()
        item.ReferencedSOPClassUID = reference.sop_class
        item.ReferencedSOPInstanceUID = reference.sop_instance
        item.PurposeOfReferenceCodeSequence = _code(
            "121322", "Source image for image processing operation"
        )
        items.append(item)
    if items:
        data.SourceImageSequence = Sequence(items)


def _state_laterality(data: Dataset) -> None:
    """Laterality is type 2C: absent for unpaired body parts, else there, empty where unknown."""
    if "Laterality" not in data and data.get("BodyPartExamined") not in _UNPAIRED:
        data.Laterality = ""


def _describe_pixels(data: Dataset, series: NewSeries, *, rescale: bool) -> None:
    data.SamplesPerPixel = 1
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit = 15
    data.PixelRepresentation = 1
    if rescale:
        data.RescaleIntercept = _decimals(series.encoding.intercept)
        data.RescaleSlope = _decimals(series.encoding.slope)
        data.RescaleType = "HU" if series.unit == "HU" else "US"


def _drop_stale(data: Dataset) -> None:
    for tag in list(data.keys()):
        repeating = tag.group & 0xFF00 in (0x5000, 0x6000)  # curves and overlays
        if (
            tag.is_private
            or repeating
            or tag.group in (0x0000, 0x0002, 0x4FFE, 0x7FE0, 0xFFFA, 0xFFFC)
        ):
            del data[tag]
    data.remove_private_tags()  # those inside sequences
    for keyword in _STALE:
        if keyword in data:
            del data[keyword]


def _padding_values(source: Dataset) -> dict[str, float]:
    """PixelPaddingValue and PixelPaddingRangeLimit in the unit of the rescaled values."""
    slope, intercept = rescale_of(source)
    signed = source.get("PixelRepresentation") == 1
    values: dict[str, float] = {}
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        stored = source.get(keyword)
        if isinstance(stored, bytes) and len(stored) >= 2:
            stored = int.from_bytes(stored[:2], "little")
        if not isinstance(stored, int):
            break
        # The element's own sign is often wrong; the pixel representation decides.
        stored &= 0xFFFF
        if signed and stored >= 0x8000:
            stored -= 0x10000
        values[keyword] = stored * slope + intercept
    return values


def rescale_of(source: Dataset) -> tuple[float, float]:
    """Slope and intercept as the series was read: 1 and 0 where the header's make no sense."""

    def number(keyword: str) -> float | None:
        try:
            return float(source.get(keyword))
        except (TypeError, ValueError):
            return None

    slope, intercept = usable_rescale(
        number("RescaleSlope"), number("RescaleIntercept"), str(source.get("Modality") or "")
    )
    return slope or 1.0, intercept


def _scanner(source: Dataset) -> Dataset | None:
    """The equipment that made the source, for the ContributingEquipmentSequence."""
    if not source.get("Manufacturer"):
        return None
    item = Dataset()
    for keyword in (
        "Manufacturer", "InstitutionName", "StationName", "ManufacturerModelName",
        "DeviceSerialNumber", "SoftwareVersions",
    ):  # fmt: skip
        if source.get(keyword):
            setattr(item, keyword, source[keyword].value)
    item.PurposeOfReferenceCodeSequence = _code("109101", "Acquisition Equipment")
    return item


def _code(value: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return Sequence([item])


def _default_kind(source: Dataset) -> list[str]:
    return ["AXIAL"] if source.get("Modality") == "CT" else []


def _number(source: Dataset, keyword: str) -> int:
    try:
        return int(source.get(keyword) or 0)
    except (TypeError, ValueError):
        return 0


def _decimals(*values: float | np.floating[Any]) -> str | list[str]:
    """Values as decimal strings of at most 16 characters."""
    # Adding 0 turns -0.0 into 0.0.
    texts = [format_number_as_ds(float(v) + 0.0) for v in values]
    texts = [t[:-2] if t.endswith(".0") else t for t in texts]
    return texts[0] if len(texts) == 1 else texts
