"""Whether images may have text in their pixels, which no change of a header removes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_DRAWN_ON = ("SCREEN SAVE", "SCREENSAVE", "REFORMATTED SCREEN", "SECONDARY CAPTURE")
_PHOTOGRAPHED = {"US", "XC", "ES", "OT", "GM", "SM", "RF", "XA"}
_ASKED = ("BurnedInAnnotation", "ImageType", "Modality", "ConversionType")


def text_drawn(data: Dataset) -> str:
    """A sentence, without its full stop, on text in the pixels of an image, or "".

    Source: DICOM PS3.3 C.7.6.1.1.1 (Burned In Annotation), C.8.6.1 (Conversion Type).
    """
    words = data.get("ImageType") or ()
    kind = words.upper() if isinstance(words, str) else "\\".join(words).upper()
    burned = data.get("BurnedInAnnotation")
    photographed = data.get("Modality") in _PHOTOGRAPHED or data.get("ConversionType")
    if burned == "YES":
        return "The images say of themselves that text is drawn into their pixels"
    if any(name in kind for name in _DRAWN_ON) or (burned != "NO" and photographed):
        return "Text may be drawn into the pixels of these images"
    return ""


def text_drawn_in(path: Path) -> str:
    """The same of a file; "" where it is no DICOM file or cannot be read."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        data = dcmread(path, stop_before_pixels=True, specific_tags=list(_ASKED))
    except (OSError, InvalidDicomError):
        return ""
    return text_drawn(data)
