"""A DICOM file's header for people: every element with its name, private ones too."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.datadict import dictionary_description, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import UID

from ctstudio.core.errors import StudioError
from ctstudio.ct.header import Element, FileHeader, bytes_as_text, shortened
from ctstudio.dicom.elements import DEFLATED, Elements, pixel_span
from ctstudio.dicom.places import open_binary

# Beside names, dates, private elements and all of group 0010, these may tell whose the image is.
_PERSONAL = {
    "AccessionNumber", "StudyID", "InstitutionName", "InstitutionAddress",
    "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber", "ImageComments",
    "AdditionalPatientHistory", "AdmissionID", "RequestedProcedureID", "ScheduledProcedureStepID",
    "PerformedProcedureStepID", "FillerOrderNumberImagingServiceRequest",
    "PlacerOrderNumberImagingServiceRequest", "SourceApplicationEntityTitle",
}  # fmt: skip
_PERSONAL_VRS = {"PN", "DA", "DT"}
_DEPTH = 16  # of sequences in sequences; a broken file may go on


def read_header(path: Path) -> FileHeader:
    """All elements of a file (or member of an archive) up to its pixels; these are measured only.

    What cannot be decoded is shown as it is stored.

    Raises
    ------
    StudioError
        When the file cannot be read, or is not DICOM.
    """
    try:
        with warnings.catch_warnings(), open_binary(path) as stream:
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            elements = [*_elements(dataset.file_meta), *_elements(dataset)]
            pixels = _pixels(stream, dataset)
    except OSError as error:
        raise StudioError(
            f"Cannot read {path}: {error.strerror or error}.",
            hint="Check that the file is still where it was.",
            path=path,
        ) from error
    except Exception as error:  # whatever a broken header makes pydicom raise
        raise StudioError(
            f"The header of {path} cannot be read.",
            hint="Copy the file again from where it came.",
            path=path,
            details=str(error),
        ) from error
    if pixels is not None:
        elements.append(pixels)
    return FileHeader(path, "DICOM", tuple(elements))


def _elements(dataset: pydicom.Dataset, depth: int = 0) -> Iterable[Element]:
    for tag in sorted(dataset.keys()):
        try:
            yield _element(dataset[tag], depth)
        except Exception:  # one broken value must not hide the others
            yield _undecoded(tag, dataset.get_item(tag))


def _element(element: DataElement, depth: int) -> Element:
    tag = element.tag
    personal = _is_personal(tag, element.VR, element.keyword)
    name = element.name
    if tag.is_private and not tag.is_private_creator:
        owner = str(element.private_creator or "")
        # What the dictionary knows stands in brackets there; of the rest its owner alone is known.
        name = name.removeprefix("[").removesuffix("]")
        if name == "Private tag data":
            name = f"Private element of {owner}" if owner else "Private element"
    children: tuple[Element, ...] = ()
    if element.VR == "SQ":
        items = list(element.value or [])
        value, size = ("1 item" if len(items) == 1 else f"{len(items)} items"), ""
        if depth < _DEPTH:
            children = tuple(
                Element("", f"Item {k}", children=tuple(_elements(item, depth + 1)))
                for k, item in enumerate(items, 1)
            )
        personal = False  # its items say of themselves whether they are
    else:
        value, size = _value(element.value)
    return Element(
        tag=_number(tag),
        name=name,
        vr=str(element.VR),
        value=value,
        keyword=element.keyword,
        size=size,
        private=tag.is_private,
        personal=personal,
        children=children,
    )


def _undecoded(tag: BaseTag, element: RawDataElement | DataElement) -> Element:
    raw = element.value
    value, size = bytes_as_text(raw) if isinstance(raw, bytes) else shortened(str(raw))
    try:
        name, vr = dictionary_description(tag), dictionary_VR(tag)
    except KeyError:
        name, vr = "Private element" if tag.is_private else "Unknown element", ""
    return Element(
        _number(tag),
        f"{name} (cannot be decoded)",
        str(element.VR or vr),
        value,
        size=size,
        private=tag.is_private,
        personal=_is_personal(tag, vr, ""),
    )


def _is_personal(tag: BaseTag, vr: str, keyword: str) -> bool:
    if tag.is_private:
        return not tag.is_private_creator  # nobody knows what is in there
    return tag.group == 0x0010 or vr in _PERSONAL_VRS or keyword in _PERSONAL


def _number(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


def _value(value: Any) -> tuple[str, str]:
    if value is None:
        return "", ""
    if isinstance(value, bytes):
        return bytes_as_text(value)
    if isinstance(value, UID):
        name = value.name
        return (f"{value} ({name})", "") if name != value else (str(value), "")
    if isinstance(value, (list, tuple, pydicom.multival.MultiValue)):
        return shortened("\\".join(str(v) for v in value))
    return shortened(str(value))


def _pixels(stream: BinaryIO, dataset: pydicom.Dataset) -> Element | None:
    """How large the pixels are; None where there are none."""
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "") or "")
    if syntax == DEFLATED:
        return None  # they are packed together with the header
    implicit, little = dataset.original_encoding
    at = stream.tell()
    known = Elements({}, syntax, "", bool(implicit), bool(little), at)
    raw = stream.read(12)
    tag, start, length = pixel_span(raw, known, at)
    if not tag:
        return None
    there = stream.seek(0, os.SEEK_END) - start
    if length is None:
        value = f"{there:,} bytes, compressed"
    elif there < length:
        value = f"{there:,} of {length:,} bytes: the file ends too early"
    else:
        value = f"{length:,} bytes"
    number = BaseTag(tag)
    vr = "" if implicit else raw[4:6].decode("ascii", "replace")
    return Element(_number(number), dictionary_description(number), vr, value, "PixelData")
