"""A part of a picture in a figure, in words, and cut out."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from ctstudio.figures.checked import wrong
from ctstudio.figures.panel import Panel


def parse_part(text: str) -> tuple[float, float, float, float] | None:
    """Left, top, width and height of a part, from 0 to 1; None for all of a picture.

    Raises
    ------
    StudioError
        For words that are no part within it.
    """
    if not text.strip():
        return None
    try:
        left, top, width, height = (
            float(word) / 100 for word in re.split(r"[\s,;]+", text.strip())
        )
    except ValueError:
        left = top = width = height = math.nan
    if not (min(left, top) >= 0 and max(left + width, top + height) <= 1.001):
        raise wrong(f"part {text!r}", "left, top, width and height in per cent, within the picture")
    if min(width, height) < 0.005:
        raise wrong(f"part {text!r}", "at least half a per cent wide and high")
    return left, top, width, height


def shown_part(panel: Panel, text: str) -> Panel:
    """``panel`` with the part of its picture that ``text`` says; words and marks stay with it."""
    part = parse_part(text)
    if part is None:
        return panel
    rows, columns = panel.image.shape
    left, top = round(part[0] * columns), round(part[1] * rows)
    right = min(max(round((part[0] + part[2]) * columns), left + 1), columns)
    bottom = min(max(round((part[1] + part[3]) * rows), top + 1), rows)
    where = (slice(min(top, rows - 1), bottom), slice(min(left, columns - 1), right))
    over = None if panel.overlay is None else panel.overlay[where]
    marks = tuple(mark.moved(-top, -left) for mark in panel.marks)
    return replace(panel, image=panel.image[where], overlay=over, marks=marks)
