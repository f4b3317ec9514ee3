"""Pages of reports: what belongs together stays together, and nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest

from ctstudio.figures.document import (
    FEWEST_ROWS,
    Block,
    Document,
    Figure,
    Heading,
    Paragraph,
    Table,
    save_document,
)
from ctstudio.figures.scene import Box, Scene, Text


def pages_of(path: Path) -> list[list[str]]:
    """The lines of every page, as pypdfium2 reads them."""
    document = pypdfium2.PdfDocument(path)
    pages = [page.get_textpage().get_text_range().splitlines() for page in document]
    document.close()
    return pages


def numbered(name: str, count: int) -> tuple[tuple[str, ...], ...]:
    return tuple((f"{name}{k}", "value") for k in range(count))


def saved(tmp_path: Path, *blocks: Block) -> list[list[str]]:
    return pages_of(save_document(Document("A title", blocks), tmp_path / "a.pdf"))


@pytest.mark.parametrize("above", range(20, 44, 3))
def test_a_short_table_is_not_torn_from_itself_or_its_heading(tmp_path: Path, above: int) -> None:
    blocks = (
        Table((), numbered("above", above)),
        Heading("Below"),
        Paragraph("Some words on it."),
        Table(("Name", "Value"), numbered("row", 9)),
    )
    pages = saved(tmp_path, *blocks)
    found = {k for k, page in enumerate(pages) for line in page if "row" in line}
    (where,) = found
    assert "Below" in pages[where]
    assert "Some words on it." in pages[where]
    assert sum("above" in line for page in pages for line in page) == above


@pytest.mark.parametrize("rows", [45, 46, 47, 48, 49, 50, 51, 52, 100, 200])
def test_a_long_table_goes_on_below_its_head(tmp_path: Path, rows: int) -> None:
    pages = saved(tmp_path, Heading("Long"), Table(("Name", "Value"), numbered("row", rows)))
    shown = [[line for line in page if line.startswith("row")] for page in pages]
    assert [line for page in shown for line in page] == [f"row{k} value" for k in range(rows)]
    for page, lines in zip(pages, shown, strict=True):
        assert "Name Value" in page
        assert len(lines) >= FEWEST_ROWS - 1


def picture(height: int) -> Figure:
    """200 dpi, as wide as a page's room, with a word in it."""
    items = (Box(0, 0, 1370, height, fill=(200, 200, 200)), Text(10, 40, "inside", 30, (0, 0, 0)))
    return Figure(Scene(1370, height, 200, (255, 255, 255), items))


@pytest.mark.parametrize(("above", "page"), [(5, 0), (20, 0), (30, 1)])
def test_a_figure_is_made_a_little_smaller_rather_than_leave_a_page_empty(
    tmp_path: Path, above: int, page: int
) -> None:
    """It takes 62 % of a page: with 5 rows it fits, with 20 it is made smaller."""
    blocks = (Table((), numbered("above", above)), Heading("Figure"), picture(1250))
    pages = saved(tmp_path, *blocks)
    assert "inside" in pages[page]
    assert "Figure" in pages[page]


def test_a_row_taller_than_others_and_a_figure_taller_than_a_page(tmp_path: Path) -> None:
    blocks = (Table(("Name", "Value"), (("long", "word " * 400),)), picture(9000), Table((), ()))
    pages = saved(tmp_path, *blocks)
    assert sum(line.count("word") for page in pages for line in page) == 400
    assert sum("inside" in page for page in pages) == 1
