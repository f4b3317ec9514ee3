"""Label maps to DICOM segmentations (PS3.3 A.51), one file, every label a segment of its own."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, generate_uid

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.labels import LABEL_UNIT, UNKNOWN, Label
from ctstudio.ct.volume import Volume
from ctstudio.dicom.datasets import MAKER, place, plain
from ctstudio.dicom.deidentify import Deidentifier
from ctstudio.dicom.seg_codes import UNANNOTATED, concept
from ctstudio.dicom.sources import UNWRITABLE, Reference, Sources, broken

# Attributes that a segmentation takes over from its source, where they may be empty (type 2).
_TAKEN_OVER = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip


def write_segmentation(
    volume: Volume,
    path: Path,
    *,
    description: str,
    algorithm: str = "",
    number: int = 300,
    deidentify: Deidentifier | None = None,
) -> Work[Path]:
    """Write a label map as one DICOM segmentation of the binary type; returns ``path``.

    Parameters
    ----------
    volume
        A label map (`ctstudio.ct.labels.label_map`) on the slices of a DICOM series, or on those
        resampled from one. The labels that occur become segments, numbered from 1 in their order;
        where not all is annotated, the last of them is what is not.
    path
        The file, anew; a DICOM file is never overwritten.
    description
        SeriesDescription, at most 64 characters.
    algorithm
        The name of what made the labels; empty where a person drew them.
    number
        SeriesNumber.
    deidentify
        Cleans the header of every source before anything is made of it.

    Yields Progress.

    Raises
    ------
    StudioError
        When the volume is no label map, holds no label, has no DICOM source, or the file cannot be
        written.
    """
    if volume.unit != LABEL_UNIT:
        raise StudioError(
            f"{path} was not written: the values ({volume.unit or 'without a unit'}) are not "
            "labels.",
            hint="Choose a layer of labels.",
            path=path,
        )
    present = sorted(
        {int(k) for index in range(len(volume)) for k in np.unique(volume.voxels[index])}
    )
    labels = [label for label in volume.labels if label.number in present]
    labels.sort(key=lambda label: label.number == UNKNOWN)  # what is not annotated comes last
    if not any(label.number > 0 for label in labels):
        raise StudioError(
            f"{path} was not written: no voxel has a label.",
            hint="A segmentation without a segment is no DICOM object.",
            path=path,
        )
    try:
        sources = Sources(volume)
    except StudioError as error:
        raise StudioError(
            f"{path} was not written. {error.message}", hint="Write NIfTI instead.", path=path
        ) from error
    headers: list[Dataset] = []
    for index in range(len(volume)):
        if not (sources.several_images and headers):
            header = sources.header(index)[0]
            if deidentify is not None:
                deidentify.clean(header)
            headers.append(_usable(header, volume, index))
        yield Progress(index, len(volume), "Reading headers")
    if sources.resampled:  # a source slice may be the nearest of several
        headers = list({str(header.SOPInstanceUID): header for header in headers}.values())
    _agree(headers)
    yield Progress(0, 1, "Writing labels")
    with atomic_file(path) as temporary:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # highdicom's about values of the source
                dataset = _segmentation(volume, labels, headers, description, algorithm, number)
                if deidentify is not None:
                    deidentify.forget_dates(dataset)
                dataset.save_as(temporary, enforce_file_format=True)
        except UNWRITABLE as error:
            raise broken(sources.file(0), error) from error
    yield Progress(1, 1, "Writing labels")
    return path


def _segmentation(
    volume: Volume,
    labels: list[Label],
    headers: list[Dataset],
    description: str,
    algorithm: str,
    number: int,
) -> Dataset:
    import highdicom as hd

    geometry = volume.geometry
    numbers = np.zeros(65536, np.uint8 if len(labels) < 256 else np.uint16)
    for segment, label in enumerate(labels, 1):
        numbers[label.number] = segment
    dy, dx = geometry.spacing_mm
    dataset: Dataset = hd.seg.Segmentation(
        source_images=headers,
        pixel_array=numbers[np.asarray(volume.voxels)],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _describe(segment, label, algorithm) for segment, label in enumerate(labels, 1)
        ],
        series_instance_uid=generate_uid(prefix=None),
        series_number=number,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=__version__,
        device_serial_number="0",
        content_description=plain(description)[:64] or None,
        content_label="SEGMENTATION",
        pixel_measures=hd.PixelMeasuresSequence(
            pixel_spacing=(dy, dx),
            slice_thickness=volume.source.slice_thickness_mm or geometry.slice_spacing_mm or 1.0,
            spacing_between_slices=geometry.slice_spacing_mm or None,
        ),
        plane_orientation=hd.PlaneOrientationSequence(
            coordinate_system="PATIENT",
            image_orientation=[*geometry.row_direction, *geometry.column_direction],
        ),
        plane_positions=[
            hd.PlanePositionSequence("PATIENT", position) for position in geometry.positions_mm
        ],
    )
    dataset.SeriesDescription = plain(description)[:64].strip()
    dataset.ContentQualification = "RESEARCH"
    return dataset


def _describe(segment: int, label: Label, algorithm: str) -> Dataset:
    """One item of the SegmentSequence (PS3.3 C.8.20.4)."""
    import highdicom as hd

    category, kind = UNANNOTATED if label.number == UNKNOWN else concept(label.name)
    made_by = None
    if algorithm:
        made_by = hd.AlgorithmIdentificationSequence(
            name=plain(algorithm)[:64],
            version=__version__,
            family=hd.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"),
        )
    item: Dataset = hd.seg.SegmentDescription(
        segment_number=segment,
        segment_label=label.name[:64],
        segmented_property_category=hd.sr.CodedConcept(*category),
        segmented_property_type=hd.sr.CodedConcept(*kind),
        algorithm_type="AUTOMATIC" if algorithm else "MANUAL",
        algorithm_identification=made_by,
        tracking_uid=generate_uid(prefix=None),
        tracking_id=f"{segment} {label.name}"[:64],
        display_color=hd.color.CIELabColor.from_rgb(*label.colour),
    )
    return item


def _usable(header: Dataset, volume: Volume, index: int) -> Dataset:
    """A source's header with what a segmentation has to refer to, as the volume knows it."""
    where = Dataset()
    place(where, volume, index)
    where.SliceThickness = volume.source.slice_thickness_mm or volume.geometry.slice_spacing_mm or 1
    for element in where:
        if element.tag not in header and not header.get("NumberOfFrames"):
            header[element.tag] = element
    known = Reference.of(header)
    header.SOPClassUID = known.sop_class if known else CTImageStorage
    header.SOPInstanceUID = known.sop_instance if known else generate_uid(prefix=None)
    for keyword in _TAKEN_OVER:
        if keyword not in header:
            setattr(header, keyword, "")
    header.SpecificCharacterSet = "ISO_IR 192"
    return header


def _agree(headers: list[Dataset]) -> None:
    """Give all headers one study, series and frame of reference where theirs are missing."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        first = UID(str(headers[0].get(keyword) or ""), 0)
        common = first if first.is_valid else generate_uid(prefix=None)
        for header in headers:
            setattr(header, keyword, common)
