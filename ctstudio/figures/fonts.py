"""The bundled typeface for text on images: the same on the screen, in files, on every machine."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import ImageFont

from ctstudio.resources import resource

REGULAR, BOLD = "Inter-Regular.otf", "Inter-SemiBold.otf"


@lru_cache(maxsize=4)
def font_bytes(name: str = REGULAR) -> bytes:
    """The font file itself, for whoever loads it by other means than Pillow."""
    data: bytes = resource("fonts", name).read_bytes()
    return data


@lru_cache(maxsize=64)
def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Inter at ``size_px`` pixels to the em, regular or semi-bold."""
    return ImageFont.truetype(BytesIO(font_bytes(BOLD if bold else REGULAR)), size_px)
