"""Words in narrow columns: whole, even, the same in all panels and in all frames of a film."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ctstudio.ct.window import Window
from ctstudio.figures.description import StyleSpec
from ctstudio.figures.fonts import font
from ctstudio.figures.panel import Panel
from ctstudio.figures.scene import Text
from ctstudio.figures.sheet import Sheet, arrange
from ctstudio.figures.text import SMALLEST, wrap
from ctstudio.workflows.figures.captions import metric_words, window_words

MINUS = "\N{MINUS SIGN}"
SLICE = np.zeros((64, 64), np.float32)
LUNG = Window(-600, 1200)
SIDES = ("R", "L", "A", "P")


def caption(psnr=25.68, ssim=0.91, rmse=20.8):
    found = metric_words({"psnr": psnr, "ssim": ssim, "rmse": rmse}, "A", ", against reference")
    return f"{found}\n{window_words(LUNG, 'HU', signed=False)}"


def figure(titles, told, width_mm=85.0, **style):
    row = [
        Panel(SLICE, LUNG, title=title, caption=words, spacing_mm=(0.7, 0.7), letters=SIDES)
        for title, words in zip(titles, told, strict=True)
    ]
    return arrange(Sheet([row], StyleSpec(width_mm=width_mm, disclaimer=False, **style)))


def below(scene, column):
    """The lines under a picture."""
    place = scene.places[column]
    return [
        item.text
        for item in scene.items
        if isinstance(item, Text) and not item.bold and not item.edge
        and place.left <= item.x < place.left + place.width and item.y > place.top + place.height
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [3, 4, 5])
def test_every_value_stands_whole_on_a_line_and_the_window_is_told(columns):
    told = [caption(20.0 + 3.31 * k, 0.8 + 0.02 * k, 30.0 / (k + 1)) for k in range(columns)]
    scene = figure(["Total variation"] * columns, told, font_pt=6.5)
    for column in range(columns):
        lines = below(scene, column)
        assert re.fullmatch(r"PSNR \d\d\.\d\d dB", lines[0])
        assert re.fullmatch(r"SSIM 0\.\d{3}", lines[1])
        assert re.fullmatch(r"RMSE \d+\.\d HU", lines[2])
        assert f"W 1200 / C {MINUS}600 HU" in " ".join(lines)
        assert "…" not in "".join(lines)
        place = scene.places[column]
        for item in scene.items:
            if isinstance(item, Text) and item.text in lines and item.x == place.left:
                assert item.length <= place.width


def test_panels_of_one_figure_break_alike_whatever_their_numbers():
    wide = figure(["One", "Two"], [caption()] * 2, width_mm=180)
    assert below(wide, 0)[0] == "PSNR 25.68 dB, SSIM 0.910, RMSE 20.8 HU"
    # Three columns of a page have room for a line.
    three = figure(["One"] * 3, [caption()] * 3, width_mm=180)
    assert below(three, 0)[0] == below(wide, 0)[0]
    for width in np.arange(60, 180, 2.0):
        scene = figure(["One", "Two"], [caption(9.7, 0.1, 9.9), caption(19.7, 0.1, 19.9)], width)
        assert len(below(scene, 0)) == len(below(scene, 1)), width


def test_a_film_stays_as_tall_as_its_first_frame():
    for width in np.arange(66, 180, 4.0):
        scenes = [figure(["One"] * 3, [caption(v, 0.5, v)] * 3, width) for v in (9.96, 88.88)]
        assert scenes[0].height == scenes[1].height, width


def test_a_title_becomes_a_little_smaller_rather_than_be_broken():
    scene = figure(["Reference", "Original", "Bilateral filter"], [""] * 3, 64, font_pt=8)
    bold = [item for item in scene.items if isinstance(item, Text) and item.bold and not item.edge]
    assert {"Reference", "Original"} <= {item.text for item in bold}
    usual = round(8 / 72 * 300)
    assert {item.size for item in bold} != {usual}
    assert all(SMALLEST * usual - 1 <= item.size <= usual for item in bold)


def test_the_sign_of_a_difference_stands_before_what_is_taken_away():
    face = font(20, bold=True)
    for term in ("Original", "Total variation", "Bilateral filter of 3 px"):
        for width in range(140, 400, 7):
            for line in wrap(f"{term} {MINUS} reference", face, width, 9):
                assert not line.endswith(MINUS)
    # A negative number is no difference.
    assert wrap(f"from {MINUS}160", font(20), 1000, 1) == [f"from {MINUS}160"]


def test_a_long_difference_is_broken_between_its_terms():
    titles = [f"Total variation {MINUS} {term}" for term in ("quarter dose", "truth")]
    for width in range(70, 111, 2):
        bold = [i for i in figure(titles, ["", ""], width).items if isinstance(i, Text) and i.bold]
        lines = [item.text for item in bold if len(item.text) > 1]
        assert f"{MINUS} quarter dose" in lines or titles[0] in lines, (width, lines)
    assert f"{MINUS} quarter dose" in [i.text for i in figure(titles, ["", ""], 80).items
                                       if isinstance(i, Text)]  # fmt: skip


def test_a_number_too_wide_for_its_line_is_broken_before_its_unit():
    face = font(20)
    lines = wrap("PSNR\N{NO-BREAK SPACE}23.72\N{NO-BREAK SPACE}dB", face, 120, 9)
    assert lines == ["PSNR 23.72", "dB"]


def test_the_scale_bar_and_the_patients_side_do_not_lie_upon_each_other():
    for width in (40, 60, 90, 140):
        scene = figure(["One"] * 4, [""] * 4, width, font_pt=7)
        marked = [item for item in scene.items if isinstance(item, Text) and item.edge]
        bar = next(item for item in marked if item.text.endswith("mm"))
        for side in marked:
            apart = side.start >= bar.start + bar.length or side.start + side.length <= bar.start
            assert side is bar or apart or side.y < bar.y - bar.size
        assert sum(item.text == "P" for item in marked) >= 3
