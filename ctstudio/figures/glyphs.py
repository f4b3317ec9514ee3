"""The bundled typeface, cut down to the letters that a file shows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import Any

from ctstudio.figures.fonts import BOLD, REGULAR, font_bytes


@lru_cache(maxsize=1)
def _known() -> frozenset[int]:
    from fontTools.ttLib import TTFont

    return frozenset(TTFont(BytesIO(font_bytes(REGULAR)), lazy=True).getBestCmap())


def lacking(texts: Iterable[str]) -> list[str]:
    """Letters that the typeface has not, in order: in their places it draws bars."""
    letters = dict.fromkeys("".join(texts))
    return [letter for letter in letters if letter.isprintable() and ord(letter) not in _known()]


@lru_cache(maxsize=8)
def subset(text: str, bold: bool) -> tuple[bytes, Any]:
    """The font with the letters of ``text`` alone, an OpenType file, and fontTools' view of it.

    The file has no name table beyond the font's own: nothing in it tells who made it or when.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    options = Options()
    options.layout_features = []
    options.notdef_outline = True
    whole = TTFont(BytesIO(font_bytes(BOLD if bold else REGULAR)), recalcTimestamp=False)
    for table in ("GSUB", "GPOS", "GDEF"):  # seconds to read, and nothing here needs them
        if table in whole:
            del whole[table]
    cutter = Subsetter(options)
    cutter.populate(text="".join(sorted(set(text) | {" "})))
    cutter.subset(whole)
    stream = BytesIO()
    whole.save(stream)
    data = stream.getvalue()
    return data, TTFont(BytesIO(data))
