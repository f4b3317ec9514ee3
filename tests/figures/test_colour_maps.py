"""Colour maps, judged by scikit-image's CIELAB and CIEDE2000; plots of several layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ctstudio.figures.colour_maps import MAPS, sequential_table
from ctstudio.figures.plots import Bars, Lines, Picture, save_plots_png

COLOURED = [name for name in MAPS if name != "grey"]


@pytest.mark.parametrize("name", COLOURED)
def test_equal_steps_of_value_are_equal_steps_of_lightness(name: str) -> None:
    color = pytest.importorskip("skimage.color")
    lab = color.rgb2lab(sequential_table(name)[None] / 255.0)[0]
    even = np.linspace(lab[0, 0], lab[-1, 0], len(lab))
    assert lab[:, 0] == pytest.approx(even, abs=0.8)  # 8 bits a colour allow no less
    # And no step stands out in colour, either: as even as plain grey, or more.
    steps = color.deltaE_ciede2000(lab[:-8:8], lab[8::8])
    assert steps.max() / steps.min() < 2.2
    assert lab[-1, 0] - lab[0, 0] > 75


def test_grey_is_grey_and_tables_cannot_be_changed() -> None:
    assert np.array_equal(sequential_table("grey")[:, 1], np.arange(256))
    assert len({sequential_table(name).tobytes() for name in MAPS}) == len(MAPS)
    with pytest.raises(ValueError, match="read-only"):
        sequential_table("ember")[0] = 1


def test_plots_are_one_picture_with_everything_in_it(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 50)
    lines = Lines("MTF", "Frequency (1/mm)", "MTF", [("one: 50 %", x, 1 - x), ("two", x, 1 - x**2)])
    picture = Picture("a layer\nmedian 5", np.outer(x, x), (1.0, 2.0), 1.0, "HU")
    bars = Bars("Contrast to noise", "CNR", [("one", 1.5), ("another " * 12, 3.0)])
    path = tmp_path / "plots.png"
    save_plots_png(path, [lines, picture, bars, lines], title="Tools", footer="Region 1")
    with Image.open(path) as image:
        assert image.info["Software"].startswith("CT Studio")
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    seen = {tuple(colour) for colour in pixels[::7].tolist()}
    assert (0, 0x72, 0xB2) in seen  # the first curve
    table = {tuple(colour) for colour in sequential_table("ember").tolist()}
    assert len(seen & table) > 60  # the picture and its bar
    assert (255, 255, 255) in seen
