"""Pixels that use more bits than their header counts."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom

from ctstudio.dicom.headers import Header
from ctstudio.dicom.pixels import PixelReader, dtype_of, refusal
from ctstudio.dicom.places import open_binary

_OVERLAY_POSITION = 0x0102
_LARGEST_BYTES = 64 << 20


def bits_in_use(header: Header) -> int | None:
    """How many bits the values of an image take, where that is more than its header counts.

    None where they keep to the stored bits, and what lies beyond is the sign or an overlay, and
    for images that are compressed or cannot be read.
    """
    if header.bits_stored == header.bits_allocated or header.high_bit != header.bits_stored - 1:
        return None
    in_archive = header.frames > 1 and not header.path.is_file()
    if not header.native or in_archive or header.frame_bytes > _LARGEST_BYTES or refusal(header):
        return None
    try:
        kind = dtype_of(header).newbyteorder("<" if header.little_endian else ">")
        values = np.frombuffer(PixelReader().coded(header), kind)
        high, low = int(values.max()), int(values.min())
    except Exception:  # whatever a broken file raises: reading it will tell
        return None
    # Negative values may be written without their sign: then they are positive ones of all bits.
    bits = max(high.bit_length(), (-low - 1).bit_length() + 1 if low < 0 else 0)
    if bits <= header.bits_stored or _has_overlay_bits(header):
        return None
    return bits


def _has_overlay_bits(header: Header) -> bool:
    """Whether bits beyond the stored ones are planes of overlays, as older files keep them."""
    try:
        with warnings.catch_warnings(), open_binary(header.path) as stream:
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        # Overlays of their own have one too: the first bit, 0.
        return any(
            tag.group & 0xFF00 == 0x6000 and tag.element == _OVERLAY_POSITION and dataset[tag].value
            for tag in dataset.keys()  # noqa: SIM118  which iterates over tags, not elements
        )
    except Exception:  # whatever a broken header makes pydicom raise
        return False
