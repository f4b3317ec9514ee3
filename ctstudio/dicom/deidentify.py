"""De-identification after the Basic Application Level Confidentiality Profile (PS3.15 Annex E).

Every attribute of Table E.1-1 is removed, emptied, replaced or mapped; so is what the table cannot
know of: private elements, names and dates that it does not list, and texts that repeat what the
patient's own elements say. Pixels stay as they are.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ctstudio import __version__
from ctstudio.dicom.codecs import keep_stored_bits
from ctstudio.dicom.drawn_on import text_drawn
from ctstudio.dicom.headers import NATIVE

_DICOM_ROOT = "1.2.840.10008."
_DATES = ("DA", "DT", "TM")
_TEXTS = ("LO", "SH", "ST", "LT", "UT", "UC", "CS", "AE", "UR", "PN")
_BYTES = ("OB", "UN")  # which may hold text, such as the descriptions in a colour profile
_ACQUISITION_CONTEXT = 0x00400555  # may be empty, and has to be there in enhanced CT
_SHORTEST_IDENTIFIER = 4
_LONGEST_SHIFT_DAYS = 3650

# Classes in which an attribute of several actions may be empty or absent: none of those attributes
# is of type 1 there. In all others it is replaced.
_LENIENT = {
    f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("2", "4", "7")  # CT, MR, secondary capture
}  # fmt: skip

_DUMMIES: dict[str, Any] = {
    "DA": "19000101", "DT": "19000101000000", "TM": "000000", "AS": "000Y", "CS": "NONE",
    "PN": "Anonymous", "AE": "NONE", "DS": "0", "IS": "0", "OB": b"\0\0", "OW": b"\0\0",
    "UN": b"\0\0", "UR": "", "SQ": (),
}  # fmt: skip

# Where the texts that identify a patient stand; other elements may repeat them, names also in
# parts.
_NAMES = (
    "PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName",
    "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "RequestingPhysician",
    "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy",
)  # fmt: skip
_NUMBERS = (
    "PatientID", "OtherPatientIDs", "PatientAddress", "PatientTelephoneNumbers",
    "AccessionNumber", "InstitutionName", "InstitutionAddress", "AdmissionID",
    "DeviceSerialNumber",
)  # fmt: skip

_WITH_FACE = ("HEAD", "BRAIN", "SKULL", "FACE", "NECK", "SINUS", "ORBIT", "WHOLEBODY", "MAXILLA")


@dataclass(frozen=True)
class Options:
    """How to de-identify.

    ``key``: whoever knows it gets the same new UIDs, pseudonyms and shifts in another run; empty
    for one that nobody knows. ``shift_dates``: dates are shifted by one number of days for each
    patient rather than removed (Retain Longitudinal Temporal Information with Modified Dates), and
    times of day stay. ``patient``: name and identifier to write; empty for a pseudonym.
    """

    key: str = ""
    shift_dates: bool = False
    patient: str = ""


@dataclass
class Deidentifier:
    """Cleans datasets; all that one instance cleans keep their relations to one another."""

    options: Options = Options()
    _key: bytes = field(default=b"", repr=False)
    remarks: dict[str, None] = field(default_factory=dict)
    """What should be looked at by a person, in sentences, each once."""

    def __post_init__(self) -> None:
        self._key = self.options.key.encode() or secrets.token_bytes(32)

    # -- whole objects ---------------------------------------------------------------------------

    def clean(self, data: Dataset) -> None:
        """De-identify ``data`` and its ``file_meta`` in place; pixels may be absent."""
        self._remark(data)
        if any(e.tag.group & 0xFF00 == 0x6000 and e.tag.element == 0x0102 and e.value
               for e in data):  # fmt: skip
            _clear_overlay_bits(data)
        patient = str(data.get("PatientID") or "") or str(data.get("PatientName") or "")
        identifiers = _identifiers(data)
        lenient = str(data.get("SOPClassUID") or "") in _LENIENT
        shift = self._shift(patient)
        self._walk(data, lenient, shift)
        self._clear_repeated(data, identifiers)
        name = self.options.patient or self.pseudonym(patient)
        data.PatientName, data.PatientID = name, name
        self._state_method(data)
        self._renew_meta(data)

    def forget_dates(self, data: Dataset) -> None:
        """Remove the dates of ``data``, such as those of its making, where dates are removed."""
        if not self.options.shift_dates:
            lenient = str(data.get("SOPClassUID") or "") in _LENIENT
            for element in list(data):
                if element.VR in _DATES:
                    self._act(data, element, basic_profile().get(element.tag, "X/Z"), lenient, None)

    def uid(self, uid: str) -> str:
        """The UID that stands for ``uid``; those of the standard itself stay."""
        uid = uid.strip(" \0")
        if not uid or uid.startswith(_DICOM_ROOT):
            return uid
        return f"2.25.{int.from_bytes(self._digest('uid', uid)[:16], 'big')}"

    def pseudonym(self, patient: str) -> str:
        """The name that stands for a patient's identifier."""
        return f"ANON-{self._digest('patient', patient).hex()[:8].upper()}"

    def _digest(self, what: str, text: str) -> bytes:
        return hmac.new(self._key, f"{what}:{text}".encode(), hashlib.sha256).digest()

    def _shift(self, patient: str) -> timedelta | None:
        if not self.options.shift_dates:
            return None
        number = int.from_bytes(self._digest("days", patient)[:8], "big")
        return timedelta(days=-1 - number % _LONGEST_SHIFT_DAYS)

    # -- elements --------------------------------------------------------------------------------

    def _walk(self, data: Dataset, lenient: bool, shift: timedelta | None) -> None:
        table = basic_profile()
        for tag in list(data.keys()):
            repeating = tag.group & 0xFF00 in (0x5000, 0x6000)  # curves and overlays
            known = dictionary_has_tag(tag)
            if tag.is_private or repeating or not known or tag.element == 0:
                del data[tag]
                continue
            element = data[tag]
            action = table.get(tag)
            if action is None and element.VR in (*_DATES, "PN"):
                action = "X/Z"  # what the table does not know of is no safer
            if action is None and element.VR == "UI":
                action = "U"
            if action is not None:
                self._act(data, element, action, lenient, shift)
            elif element.VR == "SQ":
                for item in element.value:
                    self._walk(item, False, shift)

    def _act(
        self,
        data: Dataset,
        element: DataElement,
        action: str,
        lenient: bool,
        shift: timedelta | None,
    ) -> None:
        tag = element.tag
        if element.VR in _DATES and shift is not None and not _of_a_life(element.keyword):
            element.value = _shifted(element, shift)
        elif action == "U" or (element.VR == "UI" and "D" in action):
            element.value = self._mapped(element.value)
        elif action.endswith("U*"):
            for item in element.value:
                self._walk(item, False, shift)
        elif action == "X" or (action == "X/D" and lenient):
            del data[tag]
        elif element.VR == "SQ" and "X" in action and tag != _ACQUISITION_CONTEXT:
            del data[tag]  # where there may be none, there may be no empty one either
        elif "D" in action and not (lenient and "Z" in action):
            dummy = _DUMMIES.get(element.VR, "ANONYMIZED" if element.VR in _TEXTS else 0)
            element.value = Sequence([]) if element.VR == "SQ" else dummy
        elif element.VR == "SQ":
            element.value = Sequence([])
        else:
            element.value = None if element.VR not in _TEXTS else ""

    def _mapped(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, str):
            return self.uid(value)
        return [self.uid(str(uid)) for uid in value]

    def _clear_repeated(self, data: Dataset, identifiers: Iterable[str]) -> None:
        """Empty the texts that repeat what identifies the patient."""
        known = list(identifiers)
        if not known:
            return
        patterns = "|".join(re.escape(text) for text in known)
        repeats = re.compile(rf"(?<![A-Za-z0-9])(?:{patterns})(?![A-Za-z0-9])", re.I)
        self._clear_within(data, repeats, _as_bytes(known))

    def _clear_within(
        self, data: Dataset, repeats: re.Pattern[str], hidden: re.Pattern[bytes]
    ) -> None:
        for element in list(data):
            if element.VR == "SQ":
                for item in element.value:
                    self._clear_within(item, repeats, hidden)
            elif element.VR == "CS" and repeats.search(_words(element.value)):
                # The words of the standard beside it stay, each in its place.
                several = element.value if element.VM > 1 else [element.value]
                kept = ["" if repeats.search(str(word)) else str(word) for word in several]
                element.value = "\\".join(kept).rstrip("\\")
                self._remark_cleared(element, "emptied")
            elif element.VR in _TEXTS and repeats.search(_words(element.value)):
                element.value = ""
                self._remark_cleared(element, "emptied")
            elif (
                element.VR in _BYTES
                and element.tag.group != 0x7FE0  # pixels
                and isinstance(element.value, bytes)
                and hidden.search(element.value)
            ):
                del data[element.tag]
                self._remark_cleared(element, "removed")

    def _remark_cleared(self, element: DataElement, done: str) -> None:
        self.remarks[f"{element.name} repeated a name or number and was {done}."] = None

    # -- what is said of it ----------------------------------------------------------------------

    def _state_method(self, data: Dataset) -> None:
        """The attributes that tell what was done (PS3.15 E.1.1, PS3.3 C.7.1.1)."""
        codes = [("113100", "Basic Application Confidentiality Profile")]
        if self.options.shift_dates:
            codes.append(
                ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
            )
        items = []
        for value, meaning in codes:
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
            items.append(item)
        data.PatientIdentityRemoved = "YES"
        data.DeidentificationMethod = f"CT Studio {__version__}: PS3.15 2026c basic profile"
        data.DeidentificationMethodCodeSequence = Sequence(items)
        data.LongitudinalTemporalInformationModified = (
            "MODIFIED" if self.options.shift_dates else "REMOVED"
        )

    def _renew_meta(self, data: Dataset) -> None:
        """File meta information holds UIDs and titles of the systems it passed through."""
        old = getattr(data, "file_meta", FileMetaDataset())
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = data.get("SOPClassUID") or old.get("MediaStorageSOPClassUID")
        instance = data.get("SOPInstanceUID") or self._mapped(old.get("MediaStorageSOPInstanceUID"))
        meta.MediaStorageSOPInstanceUID = instance
        implicit = data.original_encoding[0]
        usual = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        meta.TransferSyntaxUID = old.get("TransferSyntaxUID") or usual
        meta.ImplementationVersionName = f"CTSTUDIO_{__version__}"[:16]
        data.file_meta = meta
        data.preamble = b"\0" * 128

    def _remark(self, data: Dataset) -> None:
        if sentence := text_drawn(data):
            self.remarks[f"{sentence}; it was not removed. Look at every image."] = None
        part = str(data.get("BodyPartExamined") or "").upper()
        if any(words in part for words in _WITH_FACE):
            self.remarks[
                "The images show the head: a face can be made of them, and recognised."
            ] = None


@lru_cache(maxsize=1)
def basic_profile() -> dict[int, str]:
    """Action by tag (PS3.15 Table E.1-1)."""
    text = files("ctstudio.dicom").joinpath("basic_profile.txt").read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {int(row[0], 16): row[1] for row in rows}


def _of_a_life(keyword: str) -> bool:
    """Dates that are of the patient, not of an examination, do not stay as an interval."""
    return "Birth" in keyword or "Death" in keyword


def _shifted(element: DataElement, shift: timedelta) -> Any:
    """Dates moved by ``shift``; times of day stay, and what is no date is emptied."""
    if element.VR == "TM" or element.value in (None, ""):
        return element.value
    several = element.value if element.VM > 1 else [element.value]
    moved = []
    for value in several:
        text = str(value)
        try:
            day = date(int(text[:4]), int(text[4:6]), int(text[6:8])) + shift
        except (ValueError, OverflowError):
            return None
        moved.append(f"{day:%Y%m%d}{text[8:]}")
    return moved if element.VM > 1 else moved[0]


def _identifiers(data: Dataset) -> list[str]:
    """Names and numbers that must not be repeated elsewhere, the longest first."""
    found: set[str] = set()
    for keyword in (*_NAMES, *_NUMBERS):
        text = _words(data.get(keyword)).strip()
        found.add(text)
        if keyword in _NAMES:
            found.update(re.split(r"[\^=\\,;/ ]+", text))
    return sorted((t for t in found if len(t) >= _SHORTEST_IDENTIFIER), key=len, reverse=True)


def _words(value: Any) -> str:
    if value is None:
        return ""
    several = isinstance(value, (list, tuple, MultiValue))
    return "\\".join(str(v) for v in value) if several else str(value)


def _as_bytes(identifiers: Iterable[str]) -> re.Pattern[bytes]:
    """Finds texts among bytes, in whatever they may be coded there."""
    coded = {
        text.encode(coding, "ignore")
        for identifier in identifiers
        for text in (identifier, identifier.upper(), identifier.lower())
        for coding in ("utf-8", "latin-1", "utf-16-be")  # the last finds the other order as well
    }
    shortest = _SHORTEST_IDENTIFIER  # a few letters that Latin 1 knows are no name
    found = sorted(re.escape(code) for code in coded if len(code) >= shortest)
    return re.compile(b"|".join(found) or b"(?!)", re.I)


def _clear_overlay_bits(data: Dataset) -> None:
    """Clear drawings that lie in unused bits of the pixels (PS3.3 C.9.2, retired)."""
    syntax = str(data.file_meta.get("TransferSyntaxUID", "") or "")
    allocated, stored = int(data.get("BitsAllocated") or 0), int(data.get("BitsStored") or 0)
    if "PixelData" not in data or not 0 < stored < allocated or allocated not in (8, 16, 32):
        return
    if syntax and syntax not in NATIVE:
        return
    order = "<" if data.original_encoding[1] is not False else ">"
    sign = "i" if data.get("PixelRepresentation") == 1 else "u"
    values = np.frombuffer(data.PixelData, f"{order}{sign}{allocated // 8}").copy()
    keep_stored_bits(
        values,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=int(data.get("HighBit", stored - 1)),
    )
    data.PixelData = values.tobytes()
