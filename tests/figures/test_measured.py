"""Measurements and colour maps in figures: where they lie, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ctstudio.ct.window import Window
from ctstudio.figures.colour_maps import sequential_table
from ctstudio.figures.compose import compose, layout
from ctstudio.figures.measured import mark_items
from ctstudio.figures.panel import Mark, Panel, render
from ctstudio.figures.scene import Path, Picture, Text

GREEN = (111, 216, 192)
FLAT = np.full((100, 200), 40.0, np.float32)


def near(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    data = np.asarray(image.convert("RGB")).astype(int)
    found: np.ndarray = np.argwhere(np.abs(data - colour).max(-1) < 40)
    return found


def test_a_line_lies_where_its_pixels_do() -> None:
    plain = Panel(FLAT, Window(40, 400))
    marked = Panel(FLAT, Window(40, 400), marks=(Mark(((20.0, 30.0), (20.0, 150.0))),))
    one, two = (compose([panel], height_px=400) for panel in (plain, marked))
    cell = layout([marked], height_px=400).cells[0]
    changed = np.argwhere((np.asarray(one) != np.asarray(two)).any(-1))
    assert changed[:, 0].mean() == pytest.approx(cell.top + 20.5 * 4, abs=1)
    left, right = changed[:, 1].min(), changed[:, 1].max()
    assert (left, right) == pytest.approx((cell.left + 30.5 * 4, cell.left + 150.5 * 4), abs=3)
    assert len(near(two, GREEN)) > 400


def test_words_stay_within_the_picture() -> None:
    words = ("12.3 ± 4.5 HU", "30.0 to 50.0 HU", "100.0 mm²  100 px")
    box = Picture(Panel(FLAT, Window(40, 400)), 10, 20, 400, 200)
    for y, x in ((50, 100), (0, 0), (99, 199), (50, 190)):
        mark = Mark(((y, x), (y, x - 1.0)), words)
        panel = Panel(FLAT, Window(40, 400), marks=(mark,))
        texts = [
            item
            for item in mark_items(Picture(panel, 10, 20, 400, 200), 14)
            if isinstance(item, Text)
        ]
        assert [item.text for item in texts] == list(words)
        for item in texts:
            assert box.left <= item.start
            assert item.start + item.length <= box.left + box.width
            assert box.top <= item.y - item.size
            assert item.y <= box.top + box.height


def test_what_lies_outside_of_a_cut_out_part_is_left_out() -> None:
    square = Mark(((-50, 50), (50, 50), (50, 150), (-50, 150)), ("x",), closed=True)
    panel = Panel(FLAT, Window(40, 400), marks=(square, square.moved(500, 0)))
    items = mark_items(Picture(panel, 0, 0, 400, 200), 14)
    paths = [item for item in items if isinstance(item, Path)]
    points = np.array([p for path in paths for p in path.points])
    assert points.min() >= 0
    assert points[:, 0].max() <= 400
    assert points[:, 1].max() == pytest.approx(101)
    assert len([item for item in items if isinstance(item, Text)]) == 1


def test_colours_are_those_of_the_table_and_so_is_the_bar() -> None:
    ramp = np.linspace(-160, 240, 256, dtype=np.float32)[None].repeat(64, axis=0)
    table = sequential_table("ember")
    panel = Panel(ramp, Window(40, 400), table=table)
    grey = Window(40, 400).to_uint8(ramp)
    assert np.array_equal(render(panel, ramp.shape), table[grey])
    plan = layout([panel], height_px=256)
    (cell,) = plan.cells
    assert cell.bar is not None
    figure = np.asarray(compose([panel], height_px=256))
    left = cell.left + cell.width + round(0.7 * plan.em) + cell.bar.bar_px // 2
    bar = figure[cell.top + 2 : cell.top + cell.height - 2, left]
    seen = {tuple(colour) for colour in bar.tolist()}
    assert len(seen & {tuple(colour) for colour in table.tolist()}) > 100
    other = Panel(ramp, Window(40, 400))
    bars = [c.bar is not None for c in layout([other, panel]).cells]
    assert bars == [True, True], "greys and colours do not share a bar"
