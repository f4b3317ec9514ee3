"""What stands on and around one picture of a sheet: sides, scale bar, insets, arrows, legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ctstudio.figures.colours import Theme
from ctstudio.figures.description import ArrowSpec, InsetSpec
from ctstudio.figures.fonts import font
from ctstudio.figures.marks import nice_length
from ctstudio.figures.panel import Panel
from ctstudio.figures.plot import Plot
from ctstudio.figures.scene import BLACK, WHITE, Box, Item, Path, Picture, Text
from ctstudio.figures.text import elide

MARK = (255, 196, 0)
"""Boxes and arrows: seen on black, on white and on every grey."""

LEAST_INSET = 0.2
LEGEND_LINES = 4
"""What does not fit into so many is counted."""

Content = Panel | Plot | None


def picture_height(content: Content, cell: int, others: Sequence[Content]) -> int:
    """How high a cell's picture is when it is ``cell`` px wide."""
    if isinstance(content, Panel):
        rows, columns = content.natural_size
        own, across = (int(length) for length in content.image.shape)
        if abs(rows - own) < 1e-6 and cell % across == 0:
            return own * (cell // across)
        return max(round(rows / columns * cell), 1)
    beside = [picture_height(panel, cell, ()) for panel in others if isinstance(panel, Panel)]
    return max(beside) if beside else round(0.72 * cell)


def patient_sides(box: Picture, em: int) -> list[Text]:
    """Patient sides at the middle of the edges, as `marks.draw_letters` has them."""
    left, right, top, bottom = box.panel.letters
    size, edge = round(0.9 * em), round(0.4 * em)
    cap = -font(size, bold=True).getbbox("R", anchor="ls")[1]
    middle, half = box.left + box.width / 2, box.top + box.height / 2 + cap / 2
    low = box.top + box.height - edge
    stroke = max(round(0.11 * size), 1)
    return [
        Text(x, round(y), letter, size, WHITE, True, align, stroke)  # type: ignore[arg-type]
        for letter, x, y, align in (
            (left, box.left + edge, half, "left"),
            (right, box.left + box.width - edge, half, "right"),
            (top, middle, box.top + edge + cap, "middle"),
            (bottom, middle, low, "middle"),
        )
        if letter
    ]


def is_covered(text: Text, items: Sequence[Item]) -> bool:
    """Whether a picture or other words among ``items`` lie over a part of a line of text."""
    return any(
        isinstance(item, Picture | Text) and _meet(_room_of(text), _room_of(item)) for item in items
    )


def _room_of(item: Picture | Text) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in px; of a line with the edge around its letters."""
    if isinstance(item, Picture):
        return item.left, item.top, item.left + item.width, item.top + item.height
    right = item.start + item.length + item.edge
    return item.start - item.edge, item.y - item.size, right, item.y + item.edge


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


def scale_bar(box: Picture, em: int, right: bool) -> list[Item]:
    """A bar of a round length, three tenths of the width at most, in a lower corner."""
    per_px = box.panel.mm_per_px(box.width)
    length = nice_length(box.width * 0.3 * per_px)
    pixels, margin, thick = max(length / per_px, 1.0), round(0.6 * em), max(round(em / 6), 2)
    left = box.left + (box.width - margin - pixels if right else margin)
    bottom = box.top + box.height - margin
    edge = max(em // 14, 1)
    unit = "mm" if box.panel.spacing_mm else "px"
    size = round(0.85 * em)
    around = (left - edge, bottom - thick - edge, pixels + 2 * edge, thick + 2 * edge)
    return [
        Box(*around, fill=BLACK),
        Box(left, bottom - thick, pixels, thick, fill=WHITE),
        Text(
            left + (pixels if right else 0.0), round(bottom - thick - 0.35 * em),
            f"{length:g} {unit}", size, WHITE, align="right" if right else "left",
            edge=max(round(0.16 * size), 1),
        ),
    ]  # fmt: skip


def part_of(box: Picture, part: Sequence[float]) -> tuple[int, int, int, int]:
    """Left, top, width, height in px of a part of a picture, on its pixels' borders."""
    rows, columns = box.panel.image.shape
    left, top = round(part[0] * columns), round(part[1] * rows)
    right = max(round((part[0] + part[2]) * columns), left + 1)
    bottom = max(round((part[1] + part[3]) * rows), top + 1)
    x, y = box.width / columns, box.height / rows
    return (
        box.left + round(left * x), box.top + round(top * y),
        max(round((right - left) * x), 1), max(round((bottom - top) * y), 1),
    )  # fmt: skip


def cropped(panel: Panel, part: Sequence[float]) -> Panel:
    rows, columns = panel.image.shape
    left, top = round(part[0] * columns), round(part[1] * rows)
    right = max(round((part[0] + part[2]) * columns), left + 1)
    bottom = max(round((part[1] + part[3]) * rows), top + 1)
    where = (slice(top, bottom), slice(left, right))
    over = None if panel.overlay is None else panel.overlay[where]
    none = ("", "", "", "")
    return replace(
        panel, image=panel.image[where], overlay=over, letters=none, title="", caption="", marks=()
    )


def frame(box: tuple[int, int, int, int], line: int) -> Box:
    return Box(*box, stroke=MARK, line=line)


def enlarged(panel: Panel, left: int, top: int, width: int, line: int) -> list[Item]:
    height = picture_height(panel, width, ())
    return [
        Picture(panel, left, top, width, height, enlarged=True),
        frame((left, top, width, height), line),
    ]


def corner_inset(box: Picture, inset: InsetSpec, em: int) -> list[Item]:
    """The enlarged part in a corner, in a frame of the box's colour."""
    part = cropped(box.panel, inset.box)
    rows, columns = part.natural_size
    width = round(inset.size * box.width)
    width = min(width, round(0.9 * box.height * columns / rows))
    width = _beside(box, inset, width, columns / rows)
    height = picture_height(part, width, ())
    left = box.left + (box.width - width if "right" in inset.place else 0)
    top = box.top + (box.height - height if "lower" in inset.place else 0)
    return enlarged(part, left, top, width, max(round(em / 8), 1))


def _beside(box: Picture, inset: InsetSpec, width: int, aspect: float) -> int:
    """At most ``width``, and narrower where the inset would cover the very part that it shows.

    Not narrower than a fifth of the picture: then it covers it.
    """
    left, top, wide, high = inset.box
    right, below = 1 - left - wide, 1 - top - high
    across = (right if "right" in inset.place else left) * box.width
    down = (below if "lower" in inset.place else top) * box.height * aspect
    fitting = math.floor(max(across, down))
    return min(width, fitting) if fitting >= LEAST_INSET * box.width else width


def arrow_items(box: Picture, arrow: ArrowSpec, em: int) -> list[Item]:
    """An arrow two and a half em long, its tip at the place."""
    angle = math.radians(arrow.angle)
    ux, uy = math.cos(angle), -math.sin(angle)
    x, y = box.left + arrow.at[0] * box.width, box.top + arrow.at[1] * box.height
    line = max(em / 7, 1.5)
    head, half, length = 0.9 * em, 0.36 * em, 2.4 * em
    neck = (x + ux * head, y + uy * head)
    tip = ((x, y), (neck[0] - uy * half, neck[1] + ux * half),
           (neck[0] + uy * half, neck[1] - ux * half))  # fmt: skip
    inside = (x + ux * 0.8 * head, y + uy * 0.8 * head)
    shaft = (inside, (x + ux * length, y + uy * length))
    return [
        Path(shaft, BLACK, line + 2 * max(em / 16, 1)),
        Path((*tip, tip[0]), BLACK, 2 * max(em / 16, 1)),
        Path(shaft, MARK, line),
        Path(tip, MARK, 0, True),
    ]


def legend_items(
    panel: Panel, left: int, top: int, width: int, em: int, theme: Theme
) -> tuple[list[Item], int]:
    """Colours and names of what lies over a picture, in lines ``width`` px long; their height."""
    if not panel.legend:
        return [], 0
    size = round(0.85 * em)
    side, leading, gap = round(0.7 * size), round(1.3 * size), round(0.9 * em)
    face, items = font(size), list[Item]()
    x, line = left, 0
    for done, (name, colour) in enumerate(panel.legend):
        words = elide(name, face, width - side - 0.4 * em)
        room = math.ceil(side + 0.4 * em + face.getlength(words))
        if x > left and x + room > left + width:
            x, line = left, line + 1
        left_over = len(panel.legend) - done
        rest = f"+ {left_over} more"
        last = line == LEGEND_LINES - 1 and left_over > 1
        if last and x + room + gap + face.getlength(rest) > left + width:
            y = round(top + line * leading + (leading + sum(face.getmetrics())) / 2)
            baseline = y - face.getmetrics()[1]
            items.append(Text(x, baseline, rest, size, theme.muted))
            break
        y = top + line * leading
        items.append(Box(x, y + round((leading - side) / 2), side, side, fill=colour))
        ascent, descent = face.getmetrics()
        baseline = round(y + (leading + ascent - descent) / 2)
        items.append(Text(round(x + side + 0.4 * em), baseline, words, size, theme.muted))
        x += room + gap
    return items, (line + 1) * leading
