"""The axes of a training's curves in a figure: round values, enough of them, none crowded."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.figures.colours import THEMES
from ctstudio.figures.plot import Plot
from ctstudio.figures.scene import Box, Text


def axis(values, *, height=600, **kwargs):
    """What stands beside the rules of a plot, and where: value to px from above."""
    steps = np.arange(len(values))
    plot = Plot({"one": (steps, np.asarray(values, float))}, **kwargs)
    items = plot.draw(0, 0, 600, height, 32, THEMES["light"])
    told = [i for i in items if isinstance(i, Text) and i.align == "right" and i.x < 200]
    rules = [i for i in items if isinstance(i, Box) and i.width > 300][: len(told)]
    words = [text.text.replace("\N{MINUS SIGN}", "-") for text in told]
    assert len(set(words)) == len(words)
    return dict(zip(map(float, words), (rule.top for rule in rules), strict=True))


def test_every_round_value_of_the_range_is_labelled():
    assert list(axis([25.7, 30.35])) == [26, 27, 28, 29, 30]
    assert list(axis([-0.2, 0.21])) == [-0.2, -0.1, 0, 0.1, 0.2]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.04, 0.15], [0.05, 0.07, 0.1]),
        ([0.0011, 0.9], [0.01, 0.1]),
        ([1e-5, 10], [1e-5, 1e-3, 0.1, 10]),
        ([0.5, 60], [0.5, 1, 2, 5, 10, 20, 50]),
        ([0.81, 0.86], [0.81, 0.82, 0.83, 0.84, 0.85, 0.86]),
    ],
)
def test_a_logarithmic_axis_has_round_values(values, wanted):
    shown = axis(values, logarithmic=True)
    assert set(wanted) & set(shown)
    assert len(shown) >= 3
    assert all(float(f"{value:.2g}") == value for value in shown)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_values_lie_where_they_are_labelled_and_apart(logarithmic):
    rng = np.random.default_rng(5)
    for _ in range(200):
        low, width = 10 ** rng.uniform(-5, 3), 10 ** rng.uniform(-2, 4)
        shown = axis([low, low * (1 + width)], logarithmic=logarithmic, height=500)
        assert 2 <= len(shown) <= 8
        values = np.array(list(shown))
        places = np.array(list(shown.values()))
        assert np.all(np.diff(places) < -30)  # a line of text is 26 px
        scale = np.log10(values) if logarithmic else values
        straight = np.polyval(np.polyfit(scale, places, 1), scale)
        assert np.abs(straight - places).max() < 2
