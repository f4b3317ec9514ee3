"""A report of headings, paragraphs, tables and figures, as one HTML or PDF file."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.core.errors import StudioError
from ctstudio.figures.colours import LIGHT
from ctstudio.figures.compose import DISCLAIMER
from ctstudio.figures.fonts import font
from ctstudio.figures.pdf import to_pdf
from ctstudio.figures.scene import Box, Item, Picture, Scene, Strip, Text
from ctstudio.figures.scene import Path as Line
from ctstudio.figures.svg import METADATA_ID, to_svg
from ctstudio.figures.text import wrap

SUFFIXES = (".html", ".pdf")
DPI = 200
PAGE_MM = (210.0, 297.0)
MARGIN_MM = 18.0
SHRUNK = 0.75
"""A figure is made smaller down to that rather than begin a new page."""
FEWEST_ROWS = 4
"""Of a table on either side of the end of a page, the heading among them."""
STYLE = """
body{font:15px/1.5 Inter,system-ui,Helvetica,Arial,sans-serif;color:#141414;margin:2.5em auto;
max-width:60em;padding:0 1.5em}h1{font-size:1.7em;line-height:1.2}h2{font-size:1.15em;
margin:2em 0 .4em}p{margin:.5em 0}table{border-collapse:collapse;margin:.6em 0}
th,td{text-align:left;vertical-align:top;padding:.25em 1.4em .25em 0;border-bottom:1px solid #ddd}
th{font-weight:600}td{overflow-wrap:anywhere}svg{max-width:100%;height:auto;margin:.6em 0}
footer{color:#606060;border-top:1px solid #ddd;margin-top:3em;padding-top:.8em;font-size:.85em}
"""


@dataclass(frozen=True)
class Heading:
    """Of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of texts; the first is the heading unless it is empty."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Figure:
    """A scene, as wide as the page at most."""

    scene: Scene


Block = Heading | Paragraph | Table | Figure


@dataclass(frozen=True, eq=False)
class Document:
    """A title and what follows it; ``description`` travels in the file."""

    title: str
    blocks: Sequence[Block]
    description: str = ""

    @property
    def texts(self) -> list[str]:
        """Every text that a reader sees, those of figures as well."""
        found = [self.title]
        for block in self.blocks:
            if isinstance(block, Heading | Paragraph):
                found.append(block.text)
            elif isinstance(block, Table):
                found += [*block.head, *(cell for row in block.rows for cell in row)]
            else:
                found += block.scene.texts
        return found


def save_document(document: Document, path: str | os.PathLike[str]) -> Path:
    """Write a report by the ending of ``path``: whole, self-contained, or not at all.

    Raises
    ------
    StudioError
        For another ending, a full disk, a folder that cannot be written to.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise StudioError(
            f"{target.name} does not say what kind of report it is.",
            hint=f"Give a name that ends in {' or '.join(SUFFIXES)}.",
            path=target,
        )
    with atomic_file(target) as temporary:
        if suffix == ".html":
            temporary.write_text(to_html(document), encoding="utf-8")
        else:
            temporary.write_bytes(to_pdf(_pages(document), document.description))
    return target


def to_html(document: Document) -> str:
    """One page without anything from outside."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(document.title)}</title>",
        f'<meta name="generator" content="CT Studio {__version__}">',
        f"<style>{STYLE}</style>",
    ]
    if document.description:
        # Nothing in it may end the element that holds it.
        text = document.description.replace("<", "\\u003c")
        parts.append(f'<script type="application/json" id="{METADATA_ID}">{text}</script>')
    parts.append(f"</head><body><h1>{escape(document.title)}</h1>")
    for block in document.blocks:
        if isinstance(block, Heading):
            parts.append(f"<h2>{escape(block.text)}</h2>")
        elif isinstance(block, Paragraph):
            parts.append(f"<p>{escape(block.text)}</p>")
        elif isinstance(block, Table):
            parts.append(_html_table(block))
        else:
            svg = to_svg(block.scene)
            parts.append(re.sub(r"^<\?xml[^>]*\?>\s*", "", svg))
    parts.append(f"<footer>{DISCLAIMER}. Made by CT Studio {__version__}.</footer></body></html>")
    return "\n".join(parts)


def _html_table(table: Table) -> str:
    rows = []
    if table.head:
        rows.append("<tr>" + "".join(f"<th>{escape(c)}</th>" for c in table.head) + "</tr>")
    for row in table.rows:
        rows.append("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>")
    return "<table>" + "".join(rows) + "</table>"


@dataclass(frozen=True)
class _Row:
    """The lines of each cell of a table's row, and how tall it is."""

    cells: tuple[tuple[str, ...], ...]
    bold: bool
    height: int


class _Pager:
    """Blocks onto pages, from top to bottom; what belongs together stays on one page."""

    def __init__(self) -> None:
        self.width, self.height = (round(mm / 25.4 * DPI) for mm in PAGE_MM)
        self.margin = round(MARGIN_MM / 25.4 * DPI)
        self.em = round(9.5 / 72 * DPI)
        self.room = self.width - 2 * self.margin
        self.bottom = self.height - self.margin - 2 * self.em  # below it lies the page's number
        self.pages: list[list[Item]] = [[]]
        self.y = self.margin

    def need(self, height: int) -> None:
        """Begin a new page where there is less room than that."""
        if self.y + height > self.bottom and self.y > self.margin:
            self.pages.append([])
            self.y = self.margin

    def line(self, x: float, text: str, size: int, bold: bool) -> None:
        self.pages[-1].append(Text(x, round(self.y + size), text, size, LIGHT.text, bold))

    def lines(self, text: str, size: int, *, bold: bool = False, after: float = 0.5) -> None:
        """Wrapped text over the whole width."""
        leading = round(1.4 * size)
        for words in self._wrapped(text, size, bold):
            self.need(leading)
            self.line(self.margin, words, size, bold)
            self.y += leading
        self.y += round(after * self.em)

    def _wrapped(self, text: str, size: int, bold: bool = False) -> list[str]:
        return wrap(text, font(size, bold=bold), self.room, 400)

    def least(self, blocks: Sequence[Block]) -> int:
        """What the first of ``blocks`` take on one page: paragraphs up to a table or a figure."""
        height = 0
        for block in blocks:
            if isinstance(block, Paragraph):
                lines = len(self._wrapped(block.text, self.em))
                height += lines * round(1.4 * self.em) + round(0.5 * self.em)
                continue
            if isinstance(block, Table):
                rows, _ = self._laid(block)
                height += sum(row.height for row in rows[: self._together(rows)])
            elif isinstance(block, Figure):
                height += round(SHRUNK * block.scene.height * self._scale(block.scene))
            break
        # With what is taller than a page nothing can stand together.
        return height if height < 0.8 * (self.bottom - self.margin) else 5 * self.em

    def _laid(self, table: Table) -> tuple[list[_Row], list[float]]:
        """Rows of wrapped cells, and the columns' widths: what their texts ask for, in the page."""
        size = self._small
        rows = [(table.head, True)] if table.head else []
        rows += [(row, False) for row in table.rows]
        if not rows:
            return [], []
        count = max(len(row) for row, _ in rows)
        wanted = [0.0] * count
        for row, bold in rows:
            for k, cell in enumerate(row):
                wanted[k] = max(wanted[k], font(size, bold=bold).getlength(cell))
        spare = self.room - self._gap * (count - 1)
        if sum(wanted) > spare:
            # Short columns keep their width; the long ones share what is left.
            short = [w for w in wanted if w <= spare / count]
            each = (spare - sum(short)) / max(count - len(short), 1)
            wanted = [w if w <= spare / count else each for w in wanted]
        laid = []
        for row, bold in rows:
            face = font(size, bold=bold)
            cells = tuple(tuple(wrap(c, face, wanted[k], 60)) for k, c in enumerate(row))
            lines = max((len(cell) for cell in cells), default=1)
            rule = round(0.15 * self.em) + round(0.2 * self.em)
            laid.append(_Row(cells, bold, max(lines, 1) * round(1.35 * size) + rule))
        return laid, wanted

    @property
    def _small(self) -> int:
        return round(0.9 * self.em)

    @property
    def _gap(self) -> int:
        return round(1.2 * self.em)

    def _together(self, rows: Sequence[_Row]) -> int:
        """How many rows from the first on stay on one page: all of a short table."""
        whole = sum(row.height for row in rows)
        return len(rows) if whole <= 0.75 * (self.bottom - self.margin) else FEWEST_ROWS

    def table(self, table: Table) -> None:
        """A long one goes on over the page, below its heading, and not for a row or two."""
        rows, widths = self._laid(table)
        head = rows[:1] if table.head else []
        self.need(sum(row.height for row in rows[: self._together(rows)]))
        while rows:
            left, count = self.bottom - self.y, 0
            for row in rows:
                left -= row.height
                count += left >= 0
            if 0 < len(rows) - count < FEWEST_ROWS:
                count = len(rows) - FEWEST_ROWS
            count = max(count, len(head) + 1)
            for row in rows[:count]:
                self._row(row, widths)
            rows = rows[count:]
            if rows:
                self.need(self.height)
                rows = [*head, *rows]
        self.y += round(0.6 * self.em)

    def _row(self, row: _Row, widths: Sequence[float]) -> None:
        top, x = self.y, float(self.margin)
        for lines, width in zip(row.cells, widths, strict=False):
            self.y = top
            for words in lines:
                self.line(x, words, self._small, row.bold)
                self.y += round(1.35 * self._small)
            x += width + self._gap
        self.y = top + row.height
        at = self.y - round(0.2 * self.em)
        self.pages[-1].append(Box(self.margin, at, self.room, 1, fill=(221, 221, 221)))

    def _scale(self, scene: Scene) -> float:
        tall = self.bottom - self.margin - 3 * self.em
        return min(DPI / scene.dpi, self.room / scene.width, tall / scene.height)

    def figure(self, scene: Scene) -> None:
        """A scene at its own size, as large as the page, or a little smaller for what is left."""
        scale = self._scale(scene)
        left = (self.bottom - self.y) / scene.height
        if SHRUNK * scale <= left < scale:
            scale = left
        self.need(math.floor(scene.height * scale))
        self.pages[-1] += [_moved(item, scale, self.margin, self.y) for item in scene.items]
        self.y += round(scene.height * scale) + self.em

    def scenes(self) -> list[Scene]:
        """The pages, numbered."""
        result = []
        size = round(0.75 * self.em)
        for number, items in enumerate(self.pages, start=1):
            words = f"{DISCLAIMER}  ·  CT Studio {__version__}  ·  {number} / {len(self.pages)}"
            foot = Text(self.margin, self.height - self.margin, words, size, LIGHT.faint)
            page = (*items, foot)
            result.append(Scene(self.width, self.height, DPI, LIGHT.background, page))
        return result


def _pages(document: Document) -> list[Scene]:
    pager = _Pager()
    pager.lines(document.title, round(1.7 * pager.em), bold=True)
    for number, block in enumerate(document.blocks, start=1):
        if isinstance(block, Heading):
            pager.y += round(0.6 * pager.em)
            # It does not stand alone at the end of a page.
            pager.need(2 * pager.em + pager.least(document.blocks[number:]))
            pager.lines(block.text, round(1.15 * pager.em), bold=True, after=0.2)
        elif isinstance(block, Paragraph):
            pager.lines(block.text, pager.em)
        elif isinstance(block, Table):
            pager.table(block)
        else:
            pager.figure(block.scene)
    return pager.scenes()


def _moved(item: Item, scale: float, left: int, top: int) -> Item:
    """An item of a scene, at another place and scale."""
    if isinstance(item, Text):
        size = max(round(item.size * scale), 4)
        x, y = left + item.x * scale, top + item.y * scale
        return replace(item, x=x, y=y, size=size, edge=round(item.edge * scale))
    if isinstance(item, Line):
        points = tuple((left + x * scale, top + y * scale) for x, y in item.points)
        return replace(item, points=points, line=item.line * scale)
    x0, y0 = left + item.left * scale, top + item.top * scale
    width, height = item.width * scale, item.height * scale
    if isinstance(item, Picture | Strip):
        edges = round(x0), round(y0), round(x0 + width), round(y0 + height)
        return replace(
            item, left=edges[0], top=edges[1], width=max(edges[2] - edges[0], 1),
            height=max(edges[3] - edges[1], 1),
        )  # fmt: skip
    line = max(round(item.line * scale), 1)
    return replace(item, left=x0, top=y0, width=width, height=max(height, 1.0), line=line)
