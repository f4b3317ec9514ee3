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
from ctstudio.figures.palette import Dither, Palette

TOLERANCE = 24.0
"""A frame whose colours lie farther than this from the palette gets a palette of its own."""

TRIES_EVERY = 24
"""After so many frames it is tried again whether repeated pixels are better left out."""


class Oversize(Exception):
    """A file has grown to ``size`` bytes, beyond its limit, after ``done`` frames."""

    def __init__(self, done: int, size: int) -> None:
        super().__init__(f"{size} bytes after {done} frames")
        self.done, self.size = done, size


def save_gif(
    frames: Iterable[Image.Image],
    path: str | os.PathLike[str],
    *,
    seconds_per_frame: float,
    total: int,
    greys: int = 256,
    dither: Dither = "none",
    comment: str = "",
    limit_bytes: int | None = None,
) -> Work[Path]:
    """Write ``frames`` (one size) to a GIF that loops for ever; yield Progress for each.

    Parameters
    ----------
    frames
        Consumed one by one; may be a generator that draws them. Mode "L", of greys alone, takes
        half the time of "RGB".
    seconds_per_frame
        Rounded to 10 ms, at least 20 ms (what viewers honour).
    total
        How many frames are expected, for the progress alone; 0 where it is not known.
    greys
        At most so many, 2 to 256; fewer make a smaller file.
    dither
        How greys between those of the palette are drawn; see `Palette.index`.
    comment
        Text that travels in the file.
    limit_bytes
        Give up where the file grows larger.

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
    Oversize
        When the file would be larger than ``limit_bytes``; nothing is left of it.
    """
    target = Path(path)
    delay = min(max(round(seconds_per_frame * 100), 2), 65535)
    with atomic_file(target) as temporary, temporary.open("wb") as stream:
        encoder = Encoder(delay, greys=greys, dither=dither, comment=comment)
        for done, frame in enumerate(frames, start=1):
            stream.write(encoder.add(pixels(frame)))
            if limit_bytes is not None and stream.tell() + 1 > limit_bytes:
                raise Oversize(done, stream.tell())
            yield Progress(done, total, "GIF")
        if not encoder.frames:
            raise StudioError(
                f"Cannot write {target}: there is no frame.",
                hint="Choose at least one slice or preview.",
                path=target,
            )
        stream.write(b";")
    return target


def pixels(frame: Image.Image) -> NDArray[np.uint8]:
    """A frame as `Encoder` takes it: ``(y, x)`` uint8 of mode "L", else ``(y, x, 3)`` RGB."""
    return np.asarray(frame if frame.mode in ("L", "RGB") else frame.convert("RGB"))


class Encoder:
    """Frames ``(y, x, 3)`` RGB or ``(y, x)`` greys, uint8, to the bytes of a GIF, one by one."""

    def __init__(
        self, delay: int, *, greys: int = 256, dither: Dither = "none", comment: str = ""
    ) -> None:
        self.frames = 0
        self._delay, self._greys, self._dither, self._comment = delay, greys, dither, comment
        self._shared: Palette | None = None
        self._previous: NDArray[np.uint8] | None = None
        self._leave_out = False
        self._size = (0, 0)

    def add(self, frame: NDArray[np.uint8]) -> bytes:
        """What the file goes on with."""
        start = b""
        height, width = frame.shape[:2]
        if self._shared is None:
            self._size = height, width
            self._shared = Palette.of(frame, self._greys)
            start = _header(width, height, self._shared) + _remark(self._comment)
        elif (height, width) != self._size:
            raise ValueError(
                f"frame {self.frames} is {width} x {height} px, the first is "
                f"{self._size[1]} x {self._size[0]}"
            )
        indices, error = self._shared.index(frame, self._dither)
        if error <= TOLERANCE:
            body = self._shortest(indices, self._shared.free)
            self._previous = indices
        else:
            own = Palette.of(frame, self._greys)
            body = _frame(own.index(frame, self._dither)[0], None, self._delay, own)
            self._previous = None
        self.frames += 1
        return start + body

    def _shortest(self, indices: NDArray[np.uint8], free: int | None) -> bytes:
        """Pixels that stay as they were are written again, or left out, whichever takes less."""
        previous = self._previous
        if previous is None or free is None:
            return _frame(indices, previous, self._delay, None)
        if self.frames > 2 and self.frames % TRIES_EVERY:
            return _frame(indices, previous, self._delay, None, free if self._leave_out else None)
        ways = [_frame(indices, previous, self._delay, None, entry) for entry in (None, free)]
        self._leave_out = len(ways[1]) < len(ways[0])
        return min(ways, key=len)


def _colour_table(palette: Palette) -> tuple[int, bytes]:
    """The size field of a colour table and its bytes, padded to a power of two."""
    entries = len(palette.table) + (palette.free is not None)
    bits = max(int(np.ceil(np.log2(entries))), 1)
    data = palette.table.tobytes()
    return bits - 1, data + bytes(3 * 2**bits - len(data))


def _header(width: int, height: int, palette: Palette) -> bytes:
    """Signature, screen, global colour table and the extension that loops for ever."""
    size, table = _colour_table(palette)
    screen = struct.pack("<HHBBB", width, height, 0xF0 | size, 0, 0)
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    return b"GIF89a" + screen + table + loop


def _remark(text: str) -> bytes:
    """A comment extension; nothing for no text."""
    if not text:
        return b""
    data = text.encode("utf-8")
    parts = [data[k : k + 255] for k in range(0, len(data), 255)]
    return b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\x00"


def _frame(
    indices: NDArray[np.uint8],
    previous: NDArray[np.uint8] | None,
    delay: int,
    palette: Palette | None,
    free: int | None = None,
) -> bytes:
    """One frame: only the rectangle that changed, left standing for the next one to draw over.

    With a ``free`` entry, the pixels of it that stay as they were are transparent.
    """
    top, bottom, left, right = 0, indices.shape[0], 0, indices.shape[1]
    if previous is not None:
        changed = indices != previous
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if len(rows):
            top, bottom = int(rows[0]), int(rows[-1]) + 1
            left, right = int(columns[0]), int(columns[-1]) + 1
        else:
            bottom, right = 1, 1
        if free is not None:
            indices = np.where(changed, indices, np.uint8(free))
    flags, table = 0x04, b""
    if previous is not None and free is not None:
        flags |= 0x01
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, delay, free or 0, 0)
    flags = 0
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
