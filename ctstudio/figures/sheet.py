"""Cells to a scene: where every picture, letter, bar, inset and line of text of a figure goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import ImageFont

from ctstudio.figures.bars import Bar
from ctstudio.figures.colours import THEMES, Theme
from ctstudio.figures.compose import DISCLAIMER
from ctstudio.figures.description import ArrowSpec, InsetSpec, StyleSpec
from ctstudio.figures.fonts import font
from ctstudio.figures.measured import mark_items
from ctstudio.figures.ornaments import (
    Content,
    arrow_items,
    corner_inset,
    cropped,
    enlarged,
    frame,
    is_covered,
    legend_items,
    part_of,
    patient_sides,
    picture_height,
    scale_bar,
)
from ctstudio.figures.panel import Panel
from ctstudio.figures.plot import Plot
from ctstudio.figures.scene import Item, Picture, Place, Scene, Text
from ctstudio.figures.text import (
    FIXED,
    MINUS,
    Block,
    shrunk_to_words,
    steady,
    values_of,
    wrap,
)

MM_PER_INCH = 25.4
POINTS_PER_INCH = 72.0
MOST_TITLE, MOST_CAPTION = 3, 10
"""Lines."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """What a figure is made of.

    Parameters
    ----------
    rows
        The contents, row by row; None is an empty place. Rows may be of different lengths.
    insets, arrows
        Marked in every picture alike.
    notes
        Footnotes, each on a line of its own above the footer.
    """

    rows: Sequence[Sequence[Content]]
    style: StyleSpec
    title: str = ""
    footer: str = ""
    insets: Sequence[InsetSpec] = ()
    arrows: Sequence[ArrowSpec] = ()
    notes: Sequence[str] = ()


@dataclass
class _Plan:
    """The figure while it is laid out."""

    sheet: Sheet
    em: int
    gap: int
    theme: Theme
    titles: ImageFont.FreeTypeFont
    captions: ImageFont.FreeTypeFont
    by_line: bool  # of captions: every value of a list stands on a line of its own
    items: list[Item] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def text(self, block: Block, x: float, y: float, colour: tuple[int, int, int]) -> None:
        """Lines whose upper left corner is at ``x, y``, as `Block.draw` places them."""
        ascent, descent = block.font.getmetrics()
        baseline = (block.line_height + ascent - descent) / 2
        bold = "Semi" in str(block.font.getname()[1])
        size = round(block.font.size)
        for index, line in enumerate(block.lines):
            at = round(y + index * block.line_height + baseline)
            self.items.append(Text(x, at, line, size, colour, bold))


def arrange(sheet: Sheet) -> Scene:
    """Work out the figure.

    Its width is that of the style, to the px. With ``pixel_exact`` every pixel of an image is a
    square of whole px instead, and the resolution on paper is what the width then asks for.
    """
    style = sheet.style
    wide = round(style.width_mm / MM_PER_INCH * style.dpi)
    em = max(round(style.font_pt / POINTS_PER_INCH * style.dpi), 6)
    gap = max(round(0.7 * em), 2)
    columns = max(len(row) for row in sheet.rows)
    bars = _bars(sheet, columns)
    side = [_bar_room(sheet.rows, bars, c, em) for c in range(columns)]
    margin = round(0.5 * em)
    spare = wide - 2 * margin - (columns - 1) * gap - sum(side)
    cell = max(spare // columns, 4 * em)
    cell = _exact(sheet.rows, cell) if style.pixel_exact else cell
    width = 2 * margin + columns * cell + (columns - 1) * gap + sum(side)
    lefts = [margin + sum(cell + side[k] + gap for k in range(c)) for c in range(columns)]
    letters = _lettering(sheet)
    plan = _Plan(sheet, em, gap, THEMES[style.theme], *_faces(sheet, letters, cell, em))
    y = margin
    if sheet.title:
        header = Block.fit(sheet.title, font(round(1.25 * em), bold=True), width - 2 * margin, 3)
        plan.text(header, margin, y, plan.theme.text)
        y += header.height + round(0.5 * em)
    scale: float | None = None
    for r in range(len(sheet.rows)):
        y, scale = _row(plan, r, lefts, cell, bars[r], letters[r], y, scale)
        y += round(0.9 * em)
    y = _footer(plan, margin, width, y - round(0.4 * em))
    # Exact to the px where the width is asked for; cells are whole px wide.
    full = width if style.pixel_exact else max(wide, width)
    dpi = full / style.width_mm * MM_PER_INCH
    ground = plan.theme.background
    return Scene(full, y + margin, dpi, ground, tuple(plan.items), tuple(plan.places))


def _faces(
    sheet: Sheet, letters: Sequence[Sequence[str]], cell: int, em: int
) -> tuple[ImageFont.FreeTypeFont, ImageFont.FreeTypeFont, bool]:
    """The fonts of titles and captions, and whether values stand one below the other.

    The same in all of a figure, and in all frames of a film: no line depends on a digit.
    """
    shown = [content for row in sheet.rows for content in row if content is not None]
    longest = max((letter for row in letters for letter in row), key=len, default="")
    indent = _indent(longest, font(em, bold=True))
    titles = shrunk_to_words((c.title for c in shown), em, cell - indent, bold=True)
    told = [c.caption for c in shown]
    captions = shrunk_to_words(told, round(0.85 * em), cell)
    lists = [line for text in told for line in text.splitlines() if len(values_of(line)) > 1]
    return titles, captions, any(captions.getlength(steady(line)) > cell for line in lists)


def _indent(letter: str, face: ImageFont.FreeTypeFont) -> float:
    """How far a title stands behind its letter."""
    return face.getlength(f"{letter}  ") if letter else 0.0


def _title_lines(title: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """A title in lines; a long difference is broken between its terms, where they fit so."""
    terms = title.replace(f" {MINUS} ", f"\n{MINUS}{FIXED}")
    broken = wrap(terms, face, width, MOST_TITLE + 1)
    if face.getlength(title) <= width or len(broken) > MOST_TITLE:
        return wrap(title, face, width, MOST_TITLE)
    return broken


def _exact(rows: Sequence[Sequence[Content]], cell: int) -> int:
    """The nearest width at which the widest image has whole px for each of its pixels."""
    widths = [int(p.image.shape[1]) for row in rows for p in row if isinstance(p, Panel)]
    widest = max(widths, default=0)
    return widest * max(cell // widest, 1) if widest else cell


def _bars(sheet: Sheet, columns: int) -> list[list[bool]]:
    """Where a colour bar stands: beside the last of neighbours that share a window."""
    result = []
    for row in sheet.rows:
        own = [False] * columns
        for c, panel in enumerate(row):
            if sheet.style.colour_bar and isinstance(panel, Panel):
                after = row[c + 1] if c + 1 < len(row) else None
                same = isinstance(after, Panel) and after.scale == panel.scale
                own[c] = not same
        result.append(own)
    return result


def _bar_room(
    rows: Sequence[Sequence[Content]], bars: list[list[bool]], column: int, em: int
) -> int:
    """How much the bars of a column need beside its pictures."""
    wanted = [
        Bar(panel, 10 * em, em).width
        for row, own in zip(rows, bars, strict=True)
        if column < len(row)
        and own[column]
        and isinstance(panel := row[column], Panel)
        # Beside an empty place there is room as it is.
        and not (column + 1 < len(row) and row[column + 1] is None)
    ]
    return max(wanted) + round(0.5 * em) if wanted else 0


def _lettering(sheet: Sheet) -> list[list[str]]:
    """A letter for every cell that is not empty, in the order of reading."""
    style, number, result = sheet.style.letters, 0, []
    for row in sheet.rows:
        names = []
        for content in row:
            if content is None or style == "none":
                names.append("")
                continue
            name = ""
            rest = number
            while rest >= 0:
                name = chr(ord("a") + rest % 26) + name
                rest = rest // 26 - 1
            names.append({"a": name, "A": name.upper(), "(a)": f"({name})"}[style])
            number += 1
        result.append(names)
    return result


def _row(
    plan: _Plan,
    number: int,
    lefts: Sequence[int],
    cell: int,
    bars: Sequence[bool],
    letters: Sequence[str],
    y: int,
    scale: float | None,
) -> tuple[int, float | None]:
    """Lay out one row from ``y`` on; where it ends, and the scale of its last picture."""
    em, theme, style = plan.em, plan.theme, plan.sheet.style
    row = plan.sheet.rows[number]
    titles = plan.titles
    heads = []
    for content, letter in zip(row, letters, strict=True):
        indent = _indent(letter, titles)
        title = content.title if content is not None else ""
        lines = _title_lines(title, titles, cell - indent)
        heads.append((indent, Block(tuple(lines or ([""] if letter else [])), titles)))
    band = max((head.height for _, head in heads), default=0)
    lift = round(0.25 * em) if band else 0
    unit = any(bars) and any(isinstance(p, Panel) and p.unit for p in row)
    top = y + max(band + lift, round(1.3 * em) if unit else 0)
    bottom = top
    for c, content in enumerate(row):
        height = picture_height(content, cell, row)
        plan.places.append(Place(number, c, lefts[c], top, cell, height))
        if content is None:
            continue
        left, (indent, head) = lefts[c], heads[c]
        head_top = top - lift - head.height
        if letters[c]:
            mark = Block((letters[c],), titles)
            plan.text(mark, left, head_top, theme.text)
        plan.text(head, left + indent, head_top, theme.text)
        if isinstance(content, Plot):
            plan.items += content.draw(left, top, cell, height, em, theme)
        else:
            box = Picture(content, left, top, cell, height)
            scale = _picture(plan, box, scale)
            if bars[c]:
                bar = Bar(content, height, em)
                plan.items += bar.draw(left + cell + round(0.5 * em), top, theme)
        under = top + height
        words = content.caption
        if plan.by_line:
            words = "\n".join(value for line in words.splitlines() for value in values_of(line))
        caption = Block.fit(words, plan.captions, cell, MOST_CAPTION)
        plan.text(caption, left, under + round(0.3 * em), theme.muted)
        under += caption.height + (round(0.3 * em) if caption.lines else 0)
        if isinstance(content, Panel) and style.legend and not _told_before(row, c):
            start = under + round(0.3 * em)
            items, tall = legend_items(content, left, start, cell, em, theme)
            plan.items += items
            under = start + tall if items else under
        bottom = max(bottom, under)
    # Below the words, which are of the whole picture.
    boxes = [
        Picture(content, lefts[c], top, cell, picture_height(content, cell, row))
        for c, content in enumerate(row)
        if isinstance(content, Panel)
    ]
    bottom = max((_insets_below(plan, box, bottom) for box in boxes), default=bottom)
    return bottom, scale if style.scale_bar else None


def _told_before(row: Sequence[Content], column: int) -> bool:
    """Whether the picture to the left has the same legend."""
    panel, before = row[column], row[column - 1] if column else None
    both = isinstance(panel, Panel) and isinstance(before, Panel)
    return both and panel.legend == before.legend  # type: ignore[union-attr]


def _picture(plan: _Plan, box: Picture, scale: float | None) -> float:
    """One picture with all that stands on it; its mm a px."""
    em, style, panel = plan.em, plan.sheet.style, box.panel
    plan.items.append(box)
    own = panel.mm_per_px(box.width)
    corners = {inset.place for inset in plan.sheet.insets}
    plan.items += mark_items(box, em)
    over: list[Item] = []
    for inset in plan.sheet.insets:
        over.append(frame(part_of(box, inset.box), max(round(em / 8), 1)))
        if inset.place != "below":
            over += corner_inset(box, inset, em)
    bar: list[Item] = []
    if style.scale_bar and (scale is None or not math.isclose(scale, own, rel_tol=1e-3)):
        right = "lower left" in corners and "lower right" not in corners
        bar = scale_bar(box, em, right)
    if style.orientation:
        # Half a letter is worse than none.
        told = patient_sides(box, em)
        plan.items += [text for text in told if not is_covered(text, [*over, *bar])]
    plan.items += over
    for arrow in plan.sheet.arrows:
        plan.items += arrow_items(box, arrow, em)
    plan.items += bar
    return own


def _insets_below(plan: _Plan, box: Picture, under: int) -> int:
    """The enlarged parts that stand under a picture; where they end."""
    below = [inset for inset in plan.sheet.insets if inset.place == "below"]
    if not below:
        return under
    gap, line = plan.gap // 2, max(round(plan.em / 8), 1)
    width = (box.width - (len(below) - 1) * gap) // len(below)
    bottom = under
    for index, inset in enumerate(below):
        part = cropped(box.panel, inset.box)
        left, top = box.left + index * (width + gap), under + gap
        plan.items += enlarged(part, left, top, width, line)
        bottom = max(bottom, top + picture_height(part, width, ()))
    return bottom


def _footer(plan: _Plan, margin: int, width: int, y: int) -> int:
    """Footnotes, the figure's own line and "for research use"; where they end."""
    em = plan.em
    words = [plan.sheet.footer, DISCLAIMER if plan.sheet.style.disclaimer else ""]
    small = font(round(0.75 * em))
    lines = [(note, plan.theme.muted) for note in plan.sheet.notes]
    if own := "  ·  ".join(word for word in words if word):
        lines.append((own, plan.theme.faint))
    for text, colour in lines:
        block = Block.fit(text, small, width - 2 * margin, 4)
        plan.text(block, margin, y, colour)
        y += block.height
    return y
