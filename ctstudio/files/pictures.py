"""JPEG, PNG, TIFF and GIF to grey values."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ctstudio.files.items import BrokenError, Item, require_plausible

FORMATS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF",
}  # fmt: skip
_PIXELS = 1 << 27
_SILENT = logging.NullHandler()
# ITU-R BT.601 in 16 bits, as Pillow has it: the weights add up to 65536, so grey stays grey.
_LUMA = (19595, 38470, 7471)
_GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N"}


@dataclass(frozen=True)
class Picture:
    """What is known of a picture before its pixels: ``dtype`` is that of its grey values.

    ``pages`` are the indices of a TIFF's pages that have the size of the first; ``other_pages``
    counts the rest.
    """

    rows: int
    columns: int
    dtype: np.dtype[Any]
    colour: bool
    pages: tuple[int, ...] = (0,)
    other_pages: int = 0


def head(stream: BinaryIO, item: Item, name: str) -> Picture:
    """Read the header of a picture of format ``name`` (a value of ``FORMATS``).

    Raises
    ------
    BrokenError
        Where it is no such picture, too large, or has a kind of pixels that is not read.
    """
    if name == "TIFF":
        return _tiff_head(stream, item)
    with _pillow(stream, name) as image:
        rows, columns, mode = image.height, image.width, image.mode
        if getattr(image, "is_animated", False):
            raise BrokenError("it is a film, and no slice of a scan")
        if mode == "P" and name == "GIF":  # palettes of greys are the rule, as in DRIVE's masks
            mode = "L" if _is_grey(image.getpalette() or []) else mode
    _require_size(rows, columns)
    deep = mode.startswith("I")
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    return Picture(rows, columns, dtype, mode not in _GREY_MODES)


def decode(stream: BinaryIO, name: str, page: int) -> NDArray[Any]:
    """The grey values ``(y, x)`` of a picture, or of one page of a TIFF.

    Colour becomes its luminance (ITU-R BT.601), black and white becomes 0 and 255.
    Raises whatever a decoder raises for broken data.
    """
    if name == "TIFF":
        return _tiff_page(stream, page)
    with _pillow(stream, name) as image:
        if image.mode.startswith("I"):
            return np.asarray(image).astype(np.uint16)
        return np.array(image.convert("L"))


def _pillow(stream: BinaryIO, name: str) -> Any:
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        # Sizes are judged below; what else Pillow remarks upon does not concern the pixels.
        warnings.simplefilter("ignore")
        try:
            return Image.open(stream, formats=[name])
        except UnidentifiedImageError as error:
            raise BrokenError(f"it is no {name} picture, or a broken one") from error
        except Image.DecompressionBombError as error:
            raise BrokenError("it is far larger than a slice of a scan") from error


def _is_grey(palette: Sequence[int]) -> bool:
    return all(palette[k] == palette[k + 1] == palette[k + 2] for k in range(0, len(palette), 3))


def _require_size(rows: int, columns: int) -> None:
    if not 0 < rows * columns <= _PIXELS:
        raise BrokenError(f"{columns} x {rows} pixels are no slice of a scan")


def _tiff(stream: BinaryIO) -> Any:
    import tifffile

    # Without a handler its remarks on odd files would be printed among the program's own words.
    logging.getLogger("tifffile").addHandler(_SILENT)
    try:
        return tifffile.TiffFile(stream)
    except tifffile.TiffFileError as error:
        raise BrokenError("it is no TIFF picture, or a broken one") from error


def _tiff_head(stream: BinaryIO, item: Item) -> Picture:
    with _tiff(stream) as tiff:
        first = tiff.pages[0]
        axes, kind = str(first.axes), first.dtype
        if kind is None or kind.kind not in "biuf" or axes not in ("YX", "YXS", "SYX"):
            raise BrokenError(f"its pixels ({kind}, {axes}) are no grey values or colours")
        shape = tuple(first.shape)
        pages = tuple(
            index
            for index, page in enumerate(tiff.pages)
            if tuple(page.shape) == shape and page.dtype == kind
        )
        require_plausible(first.nbytes * len(pages), item.size)
        colour = len(shape) == 3 or int(first.photometric) == 3
        rows, columns = (shape[1], shape[2]) if axes == "SYX" else (shape[0], shape[1])
        _require_size(rows, columns)
        dtype = _grey_dtype(kind)
        if int(first.photometric) == 3:
            dtype = np.dtype(np.uint8)
        return Picture(rows, columns, dtype, colour, pages, len(tiff.pages) - len(pages))


def _grey_dtype(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(np.float32) if kind.kind == "f" else kind.newbyteorder("=")


def _tiff_page(stream: BinaryIO, index: int) -> NDArray[Any]:
    with _tiff(stream) as tiff:
        page = tiff.pages[index]
        values: NDArray[Any] = page.asarray()
        photometric, axes = int(page.photometric), str(page.axes)
        if photometric == 3:
            # The colour map has 16 bits a channel, one row for each of red, green and blue.
            return (_luminance(page.colormap.T[values]) >> 8).astype(np.uint8)
    if axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 3:
        values = _luminance(values) if values.shape[2] >= 3 else values[..., 0]
    if values.dtype.kind == "b":
        values = values * np.uint8(255)
    if photometric == 0 and values.dtype.kind == "u":
        values = np.iinfo(values.dtype).max - values
    return values.astype(_grey_dtype(values.dtype), copy=False)


def _luminance(colours: NDArray[Any]) -> NDArray[Any]:
    """``(y, x, 3 or more)`` to ``(y, x)`` of the same dtype; what follows blue is left out."""
    red, green, blue = (colours[..., k] for k in range(3))
    if colours.dtype.kind == "f":
        grey = (red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]) / 65536
    else:
        wide = [channel.astype(np.int64) for channel in (red, green, blue)]
        grey = (sum(w * c for w, c in zip(_LUMA, wide, strict=True)) + 0x8000) >> 16
    return np.asarray(grey, colours.dtype)
