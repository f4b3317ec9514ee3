"""A file's elements up to its pixels, as raw bytes: what is cheap for thousands of files.

The ordinary file (preamble, explicit or implicit little endian) is walked here, which takes a
third of pydicom's time; anything unusual is left to pydicom.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import pydicom

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

_FIRST_PIXEL_TAG = 0x7FE00008  # before it there may be a group length
_UNDEFINED = 0xFFFFFFFF
_LONG_LENGTH = frozenset(
    (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"UT", b"SQ", b"UC", b"UR", b"SV", b"UV")
)
_SHORT_LENGTH = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())

_short = struct.Struct("<HH2sH").unpack_from
_long = struct.Struct("<HHL").unpack_from


@dataclass(frozen=True)
class Elements:
    """Raw values by tag, how they are encoded, and where the pixel element begins in the file.

    ``pixel_element`` is the offset of the pixel element's tag, whatever element is there; it means
    nothing in a deflated file.
    """

    values: dict[int, bytes]
    syntax: str
    storage_class: str
    implicit: bool
    little_endian: bool
    pixel_element: int


class UnusualError(Exception):
    """The file is not of the ordinary kind, or goes on after the bytes at hand."""


def walk(head: bytes, wanted: Collection[int]) -> Elements | None:
    """The ``wanted`` elements found in the first bytes of a file (PS3.5 7.1, PS3.10 7.1).

    None where the file is of another kind, or its pixels do not begin within ``head``.
    """
    try:
        return _walk(head, wanted)
    except (UnusualError, struct.error, RecursionError):
        return None


def _walk(head: bytes, wanted: Collection[int]) -> Elements:
    if head[128:132] != b"DICM":
        raise UnusualError
    at, meta = 132, {}
    while head[at : at + 2] == b"\x02\x00":
        element, start, length = _explicit(head, at)
        at = start + length
        meta[element] = head[start:at]
    syntax = meta.get(0x00020010, b"").decode("latin-1").strip(" \0")
    if not syntax.startswith("1.2.840.10008.1.2") or syntax in (BIG_ENDIAN, DEFLATED):
        raise UnusualError
    implicit = syntax == IMPLICIT
    values, at = (_walk_implicit if implicit else _walk_explicit)(head, at, wanted)
    storage = meta.get(0x00020002, b"").decode("latin-1").strip(" \0")
    return Elements(values, syntax, storage, implicit, True, at)


def _walk_explicit(head: bytes, at: int, wanted: Collection[int]) -> tuple[dict[int, bytes], int]:
    """The wanted elements from ``at`` on, and where the pixel element begins.

    The innermost loop of a scan: what ``_explicit`` does is written out here.
    """
    values: dict[int, bytes] = {}
    unpack, short, end = _short, _SHORT_LENGTH, len(head)
    while True:
        group, element, kind, length = unpack(head, at)
        tag = group << 16 | element
        if tag >= _FIRST_PIXEL_TAG:
            return values, at
        if kind in short:
            start = at + 8
        else:
            _, start, length = _explicit(head, at)
            if length == _UNDEFINED:
                at = _after_sequence(head, start, False)
                continue
        at = start + length
        if at > end:
            raise UnusualError
        if tag in wanted:
            values[tag] = head[start:at]


def _walk_implicit(head: bytes, at: int, wanted: Collection[int]) -> tuple[dict[int, bytes], int]:
    """The same of a file without value representations."""
    values: dict[int, bytes] = {}
    end = len(head)
    while True:
        tag, start, length = _implicit(head, at)
        if tag >= _FIRST_PIXEL_TAG:
            return values, at
        if length == _UNDEFINED:
            at = _after_sequence(head, start, True)
            continue
        at = start + length
        if at > end:
            raise UnusualError
        if tag in wanted:
            values[tag] = head[start:at]


def _explicit(head: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start and length of the value of the explicit element at ``at``."""
    group, element, kind, length = _short(head, at)
    if kind in _SHORT_LENGTH:
        return group << 16 | element, at + 8, length
    if kind not in _LONG_LENGTH:
        raise UnusualError
    (length,) = struct.unpack_from("<L", head, at + 8)
    if length == _UNDEFINED and kind == b"UN":
        raise UnusualError  # a sequence in implicit VR inside an explicit file
    return group << 16 | element, at + 12, length


def _implicit(head: bytes, at: int) -> tuple[int, int, int]:
    group, element, length = _long(head, at)
    return group << 16 | element, at + 8, length


Marks: TypeAlias = list[tuple[int, int]]
"""From where to where bytes decide how the walk goes on: tags, representations and lengths."""


def _after_sequence(head: bytes, at: int, implicit: bool, marks: Marks | None = None) -> int:
    """The offset after a sequence of undefined length whose first item is at ``at``."""
    parse = _implicit if implicit else _explicit
    seen: Marks = [] if marks is None else marks
    while True:
        begin = at
        tag, at, length = _implicit(head, at)
        seen.append((begin, at))
        if tag == 0xFFFEE0DD:
            return at
        if tag != 0xFFFEE000:
            raise UnusualError
        if length != _UNDEFINED:
            at += length
            continue
        while True:
            if head[at : at + 4] == b"\xfe\xff\x0d\xe0":
                seen.append((at, at + 8))
                at += 8
                break
            _, start, length = parse(head, at)
            seen.append((at, start))
            at = start + length
            if length == _UNDEFINED:
                at = _after_sequence(head, start, implicit, seen)


def marked(head: bytes, wanted: Collection[int]) -> tuple[Marks, dict[int, tuple[int, int]]]:
    """Of a file that `walk` reads: the marks of its walk, and where each wanted value lies."""
    marks: Marks = [(128, 132)]
    places: dict[int, tuple[int, int]] = {}
    at = 132
    implicit, meta = False, True
    while True:
        meta = meta and head[at : at + 2] == b"\x02\x00"
        parse = _implicit if implicit and not meta else _explicit
        tag, start, length = parse(head, at)
        if tag >= _FIRST_PIXEL_TAG:
            marks.append((at, at + 8))
            return marks, places
        marks.append((at, start))
        begin, at = start, start + length
        if length == _UNDEFINED:
            at = _after_sequence(head, start, implicit, marks)
        elif meta and tag in (0x00020002, 0x00020010):
            marks.append((start, at))  # the same class and syntax
            implicit = implicit or head[start:at].strip(b" \0") == IMPLICIT.encode()
        elif not meta and tag in wanted:
            places[tag] = (begin, at)


def read_with_pydicom(stream: BinaryIO, wanted: Collection[int]) -> Elements:
    """The same of any file that pydicom reads. Raises whatever pydicom raises."""
    dataset = pydicom.dcmread(
        stream, stop_before_pixels=True, force=True, specific_tags=list(wanted)
    )
    at = stream.tell()
    values: dict[int, bytes] = {}
    for tag in wanted:
        if tag in dataset:
            value = dataset.get_item(tag).value
            values[tag] = value if isinstance(value, bytes) else _as_bytes(value)
    meta = dataset.file_meta
    implicit, little = dataset.original_encoding
    return Elements(
        values=values,
        syntax=str(meta.get("TransferSyntaxUID", "") or ""),
        storage_class=str(meta.get("MediaStorageSOPClassUID", "") or ""),
        implicit=bool(implicit),
        little_endian=bool(little),
        pixel_element=at,
    )


def _as_bytes(value: object) -> bytes:
    """The text of a value that pydicom has decoded already (the character set)."""
    if isinstance(value, (list, tuple, pydicom.multival.MultiValue)):
        return "\\".join(str(v) for v in value).encode("utf-8", "replace")
    return b"" if value is None else str(value).encode("utf-8", "replace")


def pixel_span(raw: bytes, elements: Elements, start: int) -> tuple[int, int, int | None]:
    """Tag, offset of the value and length (None: undefined) of the element that ``raw`` begins
    with, at ``start`` of the file; tag 0 where ``raw`` is too short."""
    if len(raw) < 8:
        return 0, start, 0
    order = "<" if elements.little_endian else ">"
    group, element = struct.unpack_from(f"{order}HH", raw)
    if elements.implicit:
        at, size = 4, "L"
    elif raw[4:6] in _LONG_LENGTH:
        at, size = 8, "L"
    else:
        at, size = 6, "H"
    width = struct.calcsize(f"{order}{size}")
    if len(raw) < at + width:
        return 0, start, 0
    (length,) = struct.unpack_from(f"{order}{size}", raw, at)
    return (
        group << 16 | element,
        start + at + width,
        None if length == _UNDEFINED else length,
    )
