"""Panels to one picture: a grid with titles, captions, scale bar, letters and colour bars."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.figures.colours import THEMES
from ctstudio.figures.fonts import font
from ctstudio.figures.marks import ColourBar, draw_letters, draw_scale_bar
from ctstudio.figures.measured import draw_marks
from ctstudio.figures.panel import Panel, picture
from ctstudio.figures.text import Block, ink

DISCLAIMER = "For research use, not for diagnosis"
WIDEST = 2.0
"""A panel is at most this many times as wide as the panels are high."""


@dataclass(frozen=True)
class Cell:
    """Where one panel lies: the image's left, top, width, height in px, its texts and its bar.

    ``lift`` is the distance from the image up to its title.
    """

    panel: Panel
    left: int
    top: int
    width: int
    height: int
    lift: int
    title: Block
    caption: Block
    bar: ColourBar | None


@dataclass(frozen=True)
class Layout:
    """Where everything of a figure lies, in px."""

    width: int
    height: int
    em: int
    margin: int
    header: Block
    footer: tuple[tuple[int, Block], ...]
    footer_top: int
    cells: tuple[Cell, ...]


def default_columns(count: int) -> int:
    """Up to three panels side by side, then the squarest grid."""
    return count if count <= 3 else math.ceil(math.sqrt(count))


def default_height(panels: Sequence[Panel]) -> int:
    """The height at which the tallest image is drawn: a whole multiple of it near 512 px.

    Images over 1024 px are reduced to that.
    """
    natural = max(panel.natural_size[0] for panel in panels)
    if natural > 1024:
        return 1024
    return round(natural * max(math.floor(512 / natural), 1))


def image_size(panel: Panel, height: int) -> tuple[int, int]:
    """(height, width) in px at which a panel is drawn in a row ``height`` px high."""
    natural_height, natural_width = panel.natural_size
    scale = min(height / natural_height, WIDEST * height / natural_width)
    return max(round(natural_height * scale), 1), max(round(natural_width * scale), 1)


def layout(
    panels: Sequence[Panel],
    *,
    columns: int | None = None,
    height_px: int | None = None,
    title: str = "",
    footer: str = "",
    colour_bar: bool = True,
) -> Layout:
    """Work out where everything goes; parameters as in `compose`."""
    if not panels:
        raise ValueError("a figure needs at least one panel")
    row_height = height_px or default_height(panels)
    em = min(max(round(row_height / 30), 13), 64)
    margin, gap, row_gap = round(1.2 * em), round(0.7 * em), round(1.3 * em)
    titles, small = font(em, bold=True), font(round(0.85 * em))
    count = min(columns or default_columns(len(panels)), len(panels))
    rows = [list(panels[start : start + count]) for start in range(0, len(panels), count)]

    sizes = [[image_size(panel, row_height) for panel in row] for row in rows]
    bars = [
        [
            ColourBar(panel, sizes[r][c][0], em)
            if colour_bar and (c + 1 == len(row) or row[c + 1].scale != panel.scale)
            else None
            for c, panel in enumerate(row)
        ]
        for r, row in enumerate(rows)
    ]
    lefts, widths, x = [], [], margin
    for c in range(count):
        column = [(sizes[r][c], bars[r][c]) for r in range(len(rows)) if c < len(rows[r])]
        # Narrow images still get room for a title.
        width = max(size[1] + (bar.width + gap if bar else 0) for size, bar in column)
        width = max(width, 13 * em)
        lefts.append(x)
        widths.append(width)
        x += width + gap
    total_width = x - gap + margin

    header = Block.fit(title, font(round(1.2 * em), bold=True), total_width - 2 * margin, 3)
    y = margin + (header.height + round(0.6 * em) if header.lines else 0)
    cells: list[Cell] = []
    for row, row_sizes, row_bars in zip(rows, sizes, bars, strict=True):
        # Text is as wide as its image, but for narrow images, where it may reach over the bar.
        rooms = [size[1] if size[1] >= 13 * em else widths[c] for c, size in enumerate(row_sizes)]
        above = [Block.fit(p.title, titles, room, 2) for p, room in zip(row, rooms, strict=True)]
        below = [Block.fit(p.caption, small, room, 4) for p, room in zip(row, rooms, strict=True)]
        # The bars' units stand above them: beside the titles, or below where a title runs over.
        unit = round(1.5 * em) if any(bar and bar.panel.unit for bar in row_bars) else 0
        over = any(
            bar and block.width > size[1] + 0.5 * em
            for block, size, bar in zip(above, row_sizes, row_bars, strict=True)
        )
        lift = round(0.35 * em) + (round(1.1 * em) if unit and over else 0)
        band = max(block.height for block in above)
        top = y + max(band + lift if band else 0, unit)
        for c, panel in enumerate(row):
            height, width = row_sizes[c]
            texts = above[c], below[c]
            cells.append(Cell(panel, lefts[c], top, width, height, lift, *texts, row_bars[c]))
        y = top + max(size[0] for size in row_sizes)
        captions = max(block.height for block in below)
        y += (captions + round(0.35 * em) if captions else 0) + row_gap
    lines, footer_height = _footer(footer, total_width - 2 * margin, em)
    footer_top = y - row_gap + round(0.8 * em)
    bottom = footer_top + footer_height + round(0.8 * em)
    placed = tuple((margin + offset, block) for offset, block in lines)
    return Layout(total_width, bottom, em, margin, header, placed, footer_top, tuple(cells))


def _footer(text: str, width: int, em: int) -> tuple[list[tuple[int, Block]], int]:
    """The footer's blocks with their offsets; the disclaimer at the right, or on its own line."""
    face = font(round(0.75 * em))
    disclaimer = Block.fit(DISCLAIMER, face, width, 2)
    if not text:
        return [(0, disclaimer)], disclaimer.height
    own = Block.fit(text, face, width, 1)
    if own.width + 2 * em + disclaimer.width <= width:
        offset = width - math.ceil(disclaimer.width)
        return [(0, own), (offset, disclaimer)], own.height
    own = Block.fit(text, face, width, 3)
    return [(0, Block((*own.lines, *disclaimer.lines), face))], own.height + disclaimer.height


def compose(
    panels: Sequence[Panel],
    *,
    columns: int | None = None,
    height_px: int | None = None,
    title: str = "",
    footer: str = "",
    scale_bar: bool = True,
    colour_bar: bool = True,
    theme: Literal["dark", "light"] = "dark",
    lean: bool = False,
) -> Image.Image:
    """Draw ``panels`` side by side or in a grid, row by row.

    Parameters
    ----------
    columns
        Panels in a row; by default up to three side by side, then the squarest grid.
    height_px
        Height of the images. By default a whole multiple of the tallest near 512 px, at which
        greys are exactly those of the window.
    title, footer
        A header, and a line at the bottom beside "For research use, not for diagnosis".
    scale_bar
        Draw one on the first panel, and on each whose scale differs from the panel before.
    colour_bar
        Draw one beside the last of neighbouring panels that share a window.
    theme
        "dark" (black) or "light" (white).
    lean
        Give a figure without a hue as mode "L", which takes half the time: for films.

    Returns
    -------
    PIL.Image.Image
        RGB; or L, of the same greys.
    """
    plan = layout(
        panels,
        columns=columns,
        height_px=height_px,
        title=title,
        footer=footer,
        colour_bar=colour_bar,
    )
    colours, em = THEMES[theme], plan.em
    mode = "L" if lean and all(panel.neutral for panel in panels) else "RGB"
    figure = Image.new(mode, (plan.width, plan.height), ink(mode, colours.background))
    canvas = ImageDraw.Draw(figure)
    plan.header.draw(canvas, plan.margin, plan.margin, colours.text)
    scale: tuple[float, bool] | None = None
    for cell in plan.cells:
        panel = cell.panel
        size, dark = (cell.height, cell.width), colours.name == "dark"
        # Greys are pasted as greys, whatever else has a hue: a third of the memory.
        image = picture(panel, size, dark=dark, mode="L" if panel.neutral else "RGB")
        draw_letters(image, panel.letters, em)
        draw_marks(image, panel, em)
        own_scale = (panel.mm_per_px(cell.width), panel.spacing_mm is None)
        if scale_bar and (scale is None or not _same_scale(scale, own_scale)):
            draw_scale_bar(image, panel, em)
        scale = own_scale
        figure.paste(image, (cell.left, cell.top))
        if cell.bar:
            cell.bar.draw(figure, cell.left + cell.width + round(0.7 * em), cell.top, colours)
        title_top = cell.top - cell.lift - cell.title.height
        cell.title.draw(canvas, cell.left, title_top, colours.text)
        below = cell.top + cell.height + round(0.35 * em)
        cell.caption.draw(canvas, cell.left, below, colours.muted)
    for left, block in plan.footer:
        block.draw(canvas, left, plan.footer_top, colours.faint)
    return figure


def _same_scale(one: tuple[float, bool], other: tuple[float, bool]) -> bool:
    return one[1] == other[1] and math.isclose(one[0], other[0], rel_tol=1e-3)


def save_png(image: Image.Image, path: str | os.PathLike[str], *, dpi: int = 300) -> None:
    """Write a PNG that names its program and nothing else; whole, or not at all.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    info = PngInfo()
    info.add_text("Software", f"CT Studio {__version__}")
    with atomic_file(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=info, dpi=(dpi, dpi))
