"""Boxes about findings from files: Pascal VOC, one XML file a slice, named by its SOP instance UID.

That is how the collection Lung-PET-CT-Dx of The Cancer Imaging Archive gives its tumours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.boxes import Box
from ctstudio.ct.volume import Volume

EDGES = ("xmin", "ymin", "xmax", "ymax")
LARGEST = 2**20  # bytes of a file: there are a few boxes in it


def read_boxes(paths: Sequence[Path], on: Volume) -> Work[list[Box]]:
    """The boxes in XML files, or in folders of them, that were drawn on slices of ``on``.

    Raises
    ------
    StudioError
        When ``on`` does not come from DICOM files, no file is such a one, or none belongs to a
        slice of ``on``.
    """
    from ctstudio.dicom.sources import read_header

    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.xml")) if path.is_dir() else [path]
    sources = on.source.files
    if on.source.format != "DICOM" or len(sources) != len(on):
        raise StudioError(
            "Boxes are named after the slices of a DICOM series.",
            hint="Show the original series, then open its boxes.",
        )
    slices: dict[str, int] = {}
    for number, source in enumerate(sources):
        yield Progress(number, len(sources), "slices")
        header = read_header(source, only=["SOPInstanceUID"])
        slices[str(header.get("SOPInstanceUID", ""))] = number
    found: list[Box] = []
    for file in files:
        index = slices.get(file.name.removesuffix(".xml"))
        if index is not None:
            found += [Box.on_slice(name, on.geometry, index, e) for name, e in boxes_of(file)]
    if not found:
        raise StudioError(
            f"None of {len(files)} files has a box on a slice of this series.",
            hint="Their names must be the SOP instance UIDs of its slices.",
        )
    return found


def boxes_of(path: Path) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Name and edges (left, top, right, bottom in px) of each box in a file.

    Raises
    ------
    StudioError
        When the file cannot be read, or is no such annotation.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("too large")
        text = path.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise ValueError("it declares entities")
        found = []
        for item in ElementTree.fromstring(text).iter("object"):
            edges = [float(item.findtext(f"bndbox/{edge}", "")) for edge in EDGES]
            left, top, right, bottom = edges
            if not (left < right and top < bottom):
                raise ValueError("a box without an area")
            found.append(((item.findtext("name") or "").strip(), (left, top, right, bottom)))
        return found
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise StudioError(
            f"{path.name} holds no boxes that can be read.",
            hint="Boxes are XML files in the form of Pascal VOC.",
            path=path,
        ) from error
