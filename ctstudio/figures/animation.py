"""Frames to an animated GIF, one at a time, with greys that stay greys.

The file is written frame by frame: memory does not grow with the number of frames, and a cancel
between two of them leaves nothing behind.

Source: CompuServe, "Graphics Interchange Format, Version 89a", 1990.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ctstudio.core.atomic import atomic_file
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work

TOLERANCE = 24.0
"""A frame whose colours lie farther than this from the palette gets a palette of its own."""


def save_gif(
    frames: Iterable[Image.Image],
    path: str | os.PathLike[str],
    *,
    seconds_per_frame: float,
    total: int,
) -> Work[Path]:
    """Write ``frames`` (RGB, one size) to a GIF that loops for ever; yield Progress for each.

    Parameters
    ----------
    frames
        Consumed one by one; may be a generator that draws them.
    seconds_per_frame
        Rounded to 10 ms, at least 20 ms (what viewers honour).
    total
        How many frames are expected, for the progress alone; 0 where it is not known.

    Returns
    -------
    pathlib.Path
        The file. It appears under its name when it is complete, or not at all.

    Raises
    ------
    StudioError
        When there is no frame, the disk is full, or the folder cannot be written to.
    ValueError
        When a frame differs in size from the first.
    """
    target = Path(path)
    delay = min(max(round(seconds_per_frame * 100), 2), 65535)
    with atomic_file(target) as temporary, temporary.open("wb") as stream:
        shared: Palette | None = None
        previous: NDArray[np.uint8] | None = None
        for done, frame in enumerate(frames, start=1):
            rgb = np.asarray(frame.convert("RGB"))
            if shared is None:
                height, width = rgb.shape[:2]
                shared = Palette.of(rgb)
                stream.write(_header(width, height, shared))
            elif rgb.shape[:2] != (height, width):
                raise ValueError(
                    f"frame {done - 1} is {rgb.shape[1]} x {rgb.shape[0]} px, the first is "
                    f"{width} x {height}"
                )
            indices, error = shared.index(rgb)
            if error <= TOLERANCE:
                stream.write(_frame(indices, previous, delay, None))
                previous = indices
            else:
                own = Palette.of(rgb)
                stream.write(_frame(own.index(rgb)[0], None, delay, own))
                previous = None
            yield Progress(done, total, "GIF")
        if shared is None:
            raise StudioError(
                f"Cannot write {target}: there is no frame.",
                hint="Choose at least one slice or preview.",
                path=target,
            )
        stream.write(b";")
    return target


class Palette:
    """256 colours or fewer: a ramp of greys first, then the colours that are left.

    A picture of up to 48 accent colours keeps 208 greys; one with a colour map gets 128 greys,
    which is still within one level, and 128 colours.
    """

    def __init__(self, greys: int, colours: NDArray[np.uint8]) -> None:
        # From white to black: Pillow takes a palette of all greys in rising order for no palette
        # at all, and then overlooks a later frame's own.
        ramp = np.rint(np.linspace(255, 0, greys)).astype(np.uint8)
        self.grey_index = np.rint(np.arange(255, -1, -1) * (greys - 1) / 255.0).astype(np.uint8)
        self.greys = greys
        self.colours = colours
        self.table = np.concatenate([np.repeat(ramp[:, None], 3, axis=1), colours])

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> Palette:
        """The palette for one frame ``(y, x, 3)`` uint8."""
        tinted = rgb[~_is_grey(rgb)]
        distinct = np.unique(_pack(tinted))
        if len(distinct) == 0:
            return cls(256, np.empty((0, 3), np.uint8))
        if len(distinct) <= 48:
            return cls(208, _unpack(distinct))
        # A square of the tinted colours alone, so that greys take no share of them; each once, so
        # that a map's strong colours, which few pixels have, are not starved.
        side = int(np.ceil(np.sqrt(len(distinct))))
        square = np.resize(_unpack(distinct), (side, side, 3))
        chosen = Image.fromarray(square).quantize(
            128, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE
        )
        listed = np.asarray(chosen.getpalette(), np.uint8).reshape(-1, 3)[:128]
        return cls(128, np.unique(listed, axis=0))

    def index(self, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """Entry of every pixel ``(y, x)`` uint8, and the largest distance of a tinted pixel."""
        out = self.grey_index[rgb[..., 1]]
        tinted = ~_is_grey(rgb)
        if not tinted.any():
            return out, 0.0
        if not len(self.colours):
            return out, 999.0
        distinct, inverse = np.unique(_pack(rgb[tinted]), return_inverse=True)
        nearest = np.empty(len(distinct), np.uint8)
        farthest = 0.0
        entries = self.table.astype(np.float32)
        for start in range(0, len(distinct), 4096):
            part = _unpack(distinct[start : start + 4096]).astype(np.float32)
            squares = np.sum((part[:, None] - entries) ** 2, axis=2)
            nearest[start : start + 4096] = squares.argmin(axis=1)
            farthest = max(farthest, float(np.sqrt(squares.min(axis=1).max())))
        out[tinted] = nearest[inverse]
        return out, farthest


def _is_grey(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    grey: NDArray[np.bool_] = (rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2])
    return grey


def _pack(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    wide = colours.astype(np.uint32)
    shift = np.array([16, 8, 0], np.uint32)
    packed: NDArray[np.uint32] = np.bitwise_or.reduce(wide << shift, axis=-1, dtype=np.uint32)
    return packed


def _unpack(packed: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)


def _colour_table(palette: Palette) -> tuple[int, bytes]:
    """The size field of a colour table and its bytes, padded to a power of two."""
    bits = max(int(np.ceil(np.log2(len(palette.table)))), 1)
    data = palette.table.tobytes()
    return bits - 1, data + bytes(3 * 2**bits - len(data))


def _header(width: int, height: int, palette: Palette) -> bytes:
    """Signature, screen, global colour table and the extension that loops for ever."""
    size, table = _colour_table(palette)
    screen = struct.pack("<HHBBB", width, height, 0xF0 | size, 0, 0)
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    return b"GIF89a" + screen + table + loop


def _frame(
    indices: NDArray[np.uint8],
    previous: NDArray[np.uint8] | None,
    delay: int,
    palette: Palette | None,
) -> bytes:
    """One frame: only the rectangle that changed, left standing for the next one to draw over."""
    top, bottom, left, right = 0, indices.shape[0], 0, indices.shape[1]
    if previous is not None:
        changed = indices != previous
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if len(rows):
            top, bottom = int(rows[0]), int(rows[-1]) + 1
            left, right = int(columns[0]), int(columns[-1]) + 1
        else:
            bottom, right = 1, 1
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0x04, delay, 0, 0)
    flags, table = 0, b""
    if palette is not None:
        size, table = _colour_table(palette)
        flags = 0x80 | size
    place = struct.pack("<BHHHHB", 0x2C, left, top, right - left, bottom - top, flags)
    return control + place + table + _compress(indices[top:bottom, left:right])


def _compress(indices: NDArray[np.uint8]) -> bytes:
    """The image data of a frame: Pillow's encoder on a still, of which only the data is kept."""
    still = BytesIO()
    Image.fromarray(np.ascontiguousarray(indices)).save(still, "GIF", optimize=False, interlace=0)
    data = still.getvalue()
    at = 13 + (3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    while data[at] == 0x21:
        at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
    at += 10 + (3 * 2 ** ((data[at + 9] & 7) + 1) if data[at + 9] & 0x80 else 0)
    return data[at:-1]
