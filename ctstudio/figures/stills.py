"""Scenes to files: PNG and TIFF with 8 or 16 bits, SVG, PDF; and the description out of them."""

from __future__ import annotations

import html
import logging
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.figures.description import FigureSpec
from ctstudio.figures.pdf import DESCRIPTION_KEY, to_pdf
from ctstudio.figures.room import require_room
from ctstudio.figures.scene import Scene, draw, draw16
from ctstudio.figures.svg import METADATA_ID, to_svg

SUFFIXES = (".png", ".tif", ".tiff", ".svg", ".pdf")
PNG_KEY = "ctstudio_figure"
PROGRAM = f"CT Studio {__version__}"
INCHES_PER_METRE = 39.3701
LARGEST_DESCRIPTION = 2**20


def save_still(
    scene: Scene, path: str | os.PathLike[str], *, description: str = "", bits: int = 8
) -> Path:
    """Write a figure by the ending of ``path``; whole, or not at all.

    Parameters
    ----------
    description
        ASCII text that travels in the file's metadata (`FigureSpec.to_json`).
    bits
        8 or 16 a channel; of PNG and TIFF alone.

    Raises
    ------
    StudioError
        For another ending, a full disk, a folder that cannot be written to, more px than there is
        memory for.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise StudioError(
            f"{target.name} does not say what kind of picture it is.",
            hint=f"Give a name that ends in {', '.join(SUFFIXES)}.",
            path=target,
        )
    require_room(scene, bits if suffix not in (".svg", ".pdf") else 0)
    with atomic_file(target) as temporary:
        if suffix == ".svg":
            temporary.write_text(to_svg(scene, description), encoding="utf-8")
        elif suffix == ".pdf":
            temporary.write_bytes(to_pdf(scene, description))
        elif suffix == ".png":
            temporary.write_bytes(_png(scene, description, bits))
        else:
            _tiff(scene, temporary, description, bits)
    return target


def _pixels(scene: Scene, bits: int) -> Any:
    """``(y, x, 3)``, or ``(y, x)`` where no pixel has a hue."""
    pixels = draw16(scene) if bits == 16 else np.asarray(draw(scene))
    grey = bool(np.all(pixels == pixels[..., :1]))
    return np.ascontiguousarray(pixels[..., 0]) if grey else pixels


def _png(scene: Scene, description: str, bits: int) -> bytes:
    """A PNG of 8 or 16 bits. Source: W3C, "Portable Network Graphics", 2nd edition, 2003."""
    import struct
    import zlib

    pixels = _pixels(scene, bits)
    height, width = pixels.shape[:2]
    stored = pixels.astype(">u2" if bits == 16 else "u1", copy=False)
    rows = np.ascontiguousarray(stored).view(np.uint8).reshape(height, -1)
    step = rows.shape[1] // width
    # Each row as its difference from the pixel before: pictures and text both shrink.
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 1
    filtered[:, 1 : step + 1] = rows[:, :step]
    filtered[:, step + 1 :] = rows[:, step:] - rows[:, :-step]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    per_metre = round(scene.dpi * INCHES_PER_METRE)
    parts = [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2 if pixels.ndim == 3 else 0,
                                   0, 0, 0)),
        chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
        chunk(b"tEXt", b"Software\0" + PROGRAM.encode("latin-1")),
    ]  # fmt: skip
    if description:
        packed = zlib.compress(description.encode())
        parts.append(chunk(b"iTXt", PNG_KEY.encode() + b"\0\1\0\0\0" + packed))
    parts.append(chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6)))
    return b"".join([*parts, chunk(b"IEND", b"")])


def _tiff(scene: Scene, path: Path, description: str, bits: int) -> None:
    import tifffile

    pixels = _pixels(scene, bits)
    tifffile.imwrite(
        path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack",
        compression="zlib", predictor=True, resolution=(scene.dpi, scene.dpi),
        resolutionunit="INCH", description=description or None, software=PROGRAM, metadata=None,
    )  # fmt: skip


def read_description(path: str | os.PathLike[str]) -> FigureSpec:
    """The description that travels in a figure, film or report, or that a TOML or JSON file is.

    Raises
    ------
    StudioError
        When the file cannot be read, or holds none.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    try:
        with file.open("rb") as stream:
            start = stream.read(LARGEST_DESCRIPTION if suffix in (".toml", ".json") else 1)
    except OSError as error:
        raise explain_os_error(error, file, "read") from error
    if suffix in (".toml", ".json"):
        return FigureSpec.parse(start.decode("utf-8", "replace"))
    readers = {
        ".png": _from_picture, ".gif": _from_picture, ".tif": _from_tiff, ".tiff": _from_tiff,
        ".svg": _from_text, ".html": _from_text, ".pdf": _from_pdf,
        ".mp4": _from_video, ".webm": _from_video,
    }  # fmt: skip
    reader = readers.get(suffix)
    try:
        text = reader(file) if reader is not None else ""
    except Exception as error:  # whatever a library makes of a foreign file
        raise StudioError(
            f"{file} cannot be read.", hint="Check that it is whole.", path=file, details=str(error)
        ) from error
    if not text:
        raise StudioError(
            f"{file} does not say how it was made.",
            hint="Give a figure that CT Studio has made, or its description as TOML or JSON.",
            path=file,
        )
    return FigureSpec.parse(text)


def _from_picture(file: Path) -> str:
    from PIL import Image

    with Image.open(file) as image:
        text = image.info.get(PNG_KEY) or image.info.get("comment") or ""
    return text.decode("utf-8") if isinstance(text, bytes) else str(text)


def _from_tiff(file: Path) -> str:
    import tifffile

    logger = logging.getLogger("tifffile")
    before, logger.disabled = logger.disabled, True  # what is wrong with the file is said here
    try:
        with tifffile.TiffFile(file) as tiff:
            tag = tiff.pages[0].tags.get("ImageDescription")
    finally:
        logger.disabled = before
    return "" if tag is None else str(tag.value)


def _from_text(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    found = re.search(rf'id="{METADATA_ID}"[^>]*>(.*?)</(?:metadata|script)>', text, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def _from_pdf(file: Path) -> str:
    found = re.search(
        rb"/" + DESCRIPTION_KEY.encode() + rb" \(((?:[^\\)]|\\.)*)\)", file.read_bytes()
    )
    return re.sub(rb"\\(.)", rb"\1", found[1]).decode() if found else ""


def _from_video(file: Path) -> str:
    import av

    with av.open(str(file)) as container:
        told = {key.lower(): value for key, value in container.metadata.items()}
    return told.get("comment", "")
