"""Images that are there twice: true copies are left out, others that claim to be one are kept."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctstudio.core.events import Progress, Work
from ctstudio.dicom.headers import Header
from ctstudio.dicom.pixels import PixelReader, dtype_of, refusal
from ctstudio.dicom.room import free_memory

_YIELD_SECONDS = 0.05
_SHARE = 4  # an image of which several copies do not fit into memory is not decoded


@dataclass(frozen=True)
class Sorted:
    """The images without copies, in their order, and what was found."""

    images: tuple[Header, ...]
    copies: int = 0
    unreadable: int = 0
    """Copies that cannot be read, where another one can."""
    differing: int = 0
    """Images with the instance UID and the place of another one, but other values."""
    elsewhere: int = 0
    """Images with the instance UID of another one, but another place."""


def without_copies(headers: Sequence[Header]) -> Work[Sorted]:
    """Of images that have one instance UID and one place, those whose values differ.

    Pixels are read of such images only. Yields Progress.
    """
    keys = [(h.sop_uid or str(h.path), h.frame, h.position) for h in headers]
    count = Counter(keys)
    elsewhere = len(count) - len({key[:2] for key in count})
    repeated = [k for k, key in enumerate(keys) if count[key] > 1]
    if not repeated:
        return Sorted(tuple(headers), elsewhere=elsewhere)
    reader = PixelReader()
    prints: dict[int, bytes | None] = {}
    last = time.monotonic()
    for done, k in enumerate(repeated):
        prints[k] = _print_of_bytes(reader, headers[k])
        if time.monotonic() - last > _YIELD_SECONDS:
            yield Progress(done, len(repeated), "Comparing images that are there twice")
            last = time.monotonic()
    alike = defaultdict(set)
    for k in repeated:
        alike[keys[k]].add(prints[k])
    for done, k in enumerate(repeated):
        if len(alike[keys[k]]) > 1:  # coded in other ways, they may yet be the same
            prints[k] = _print_of_values(reader, headers[k])
        if time.monotonic() - last > _YIELD_SECONDS:
            yield Progress(done, len(repeated), "Comparing images that are there twice")
            last = time.monotonic()
    readable = {keys[k] for k in repeated if prints[k] is not None}
    seen: set[tuple[object, bytes | None]] = set()
    images: list[Header] = []
    copies = unreadable = differing = 0
    known: set[object] = set()
    for k, (key, header) in enumerate(zip(keys, headers, strict=True)):
        if count[key] > 1:
            if prints[k] is None and key in readable:
                unreadable += 1
                continue
            if (key, prints[k]) in seen:
                copies += 1
                continue
            seen.add((key, prints[k]))
            differing += key in known
            known.add(key)
        images.append(header)
    return Sorted(tuple(images), copies, unreadable, differing, elsewhere)


def _print_of_bytes(reader: PixelReader, header: Header) -> bytes | None:
    """What stands for the coded pixels and what they mean; None where they cannot be read."""
    if refusal(header):
        return None
    try:
        coded = reader.coded(header)
    except Exception:  # whatever a broken file raises: reading it will tell
        return None
    digest = hashlib.blake2b(coded, digest_size=16)
    digest.update(
        repr((header.syntax, header.rows, header.columns, header.bits_stored, header.high_bit,
              header.signed, header.slope, header.intercept)).encode()
    )  # fmt: skip
    return digest.digest()


def _print_of_values(reader: PixelReader, header: Header) -> bytes | None:
    """The same of the values, decoded and rescaled."""
    if refusal(header):
        return None
    try:
        if _SHARE * 8 * header.rows * header.columns > free_memory():
            return None
        stored = np.empty((header.rows, header.columns), dtype_of(header))
        reader.fill(header, stored)
    except Exception:  # whatever a codec raises for broken data
        return None
    values = stored * np.float64(header.slope) + header.intercept
    return hashlib.blake2b(values.data.cast("B"), digest_size=16).digest()
