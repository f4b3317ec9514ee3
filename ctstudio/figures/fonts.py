"""The bundled typeface for text on images: the same on the screen, in files, on every machine."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import ImageFont

from ctstudio.resources import resource

REGULAR, BOLD = "Inter-Regular.otf", "Inter-SemiBold.otf"
MOST_KEPT = 512
"""So many words of a face stay drawn: those of a film are the same in nearly every frame."""


class Face(ImageFont.FreeTypeFont):  # type: ignore[misc]
    """A typeface of one size that draws and measures every line only once.

    What it gives is what Pillow's own gives, to the bit.
    """

    def __init__(self, data: bytes, size_px: int) -> None:
        super().__init__(BytesIO(data), size_px)
        self._mask = lru_cache(MOST_KEPT)(super().getmask2)
        self._length = lru_cache(8 * MOST_KEPT)(super().getlength)
        self._box = lru_cache(MOST_KEPT)(super().getbbox)

    def getmask2(self, *args: Any, **kwargs: Any) -> Any:
        """The mask of a line and where it lies; callers only read it."""
        return self._mask(*args, **kwargs)

    def getlength(self, *args: Any, **kwargs: Any) -> float:
        """How wide a line is drawn, px."""
        return float(self._length(*args, **kwargs))

    def getbbox(self, *args: Any, **kwargs: Any) -> tuple[float, float, float, float]:
        """Where the ink of a line lies: left, top, right, bottom, px."""
        left, top, right, bottom = self._box(*args, **kwargs)
        return left, top, right, bottom


@lru_cache(maxsize=4)
def font_bytes(name: str = REGULAR) -> bytes:
    """The font file itself, for whoever loads it by other means than Pillow."""
    data: bytes = resource("fonts", name).read_bytes()
    return data


@lru_cache(maxsize=64)
def font(size_px: int, *, bold: bool = False) -> Face:
    """Inter at ``size_px`` pixels to the em, regular or semi-bold."""
    return Face(font_bytes(BOLD if bold else REGULAR), size_px)
