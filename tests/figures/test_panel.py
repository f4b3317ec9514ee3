"""Pixels of panels: the window's greys, the diverging map, sizes."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_table
from ctstudio.figures.panel import Panel, render

ABDOMEN = Window(40, 400)


def image(shape=(30, 40), seed=0):
    return np.random.default_rng(seed).uniform(-300, 400, shape).astype(np.float32)


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_greys_are_exactly_the_windows_at_whole_multiples(factor):
    hu = image()
    pixels = render(Panel(hu, ABDOMEN), (30 * factor, 40 * factor))
    expected = np.kron(ABDOMEN.to_uint8(hu), np.ones((factor, factor), np.uint8))
    for channel in range(3):
        assert np.array_equal(pixels[..., channel], expected)


@pytest.mark.parametrize("size", [(45, 60), (20, 25), (100, 77)])
def test_other_sizes_are_resampled_within_the_window(size):
    ramp = np.tile(np.linspace(-2000, 2000, 40, dtype=np.float32), (30, 1))
    pixels = render(Panel(ramp, ABDOMEN), size)
    assert pixels.shape == (*size, 3)
    row = pixels[0, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row) >= -2).all()
    flat = render(Panel(np.full((30, 40), 40, np.float32), ABDOMEN), size)
    assert (flat == 128).all()


def test_not_a_number_is_black():
    hu = np.full((4, 4), np.nan, np.float32)
    assert not render(Panel(hu, ABDOMEN), (4, 4)).any()


@pytest.mark.parametrize("dark", [True, False])
def test_the_diverging_map_is_symmetric_and_even(dark):
    table = diverging_table(dark)
    assert table.shape == (255, 3)
    lab = rgb2lab(table[None] / 255.0)[0]
    centre = lab[127]
    assert np.hypot(centre[1], centre[2]) < 3  # neutral
    assert centre[0] < 5 if dark else centre[0] > 95
    # The same lightness for the same magnitude on either side, and steadily away from the centre.
    assert np.abs(lab[:, 0] - lab[::-1, 0]).max() < 9
    away = np.diff(lab[127:, 0]) * (1 if dark else -1)
    assert (away > -0.6).all()
    # Blue and orange stay apart along the axis that remains in red-green blindness.
    assert lab[0, 2] < -15
    assert lab[-1, 2] > 15


def test_diverging_panels_are_symmetric_around_zero():
    values = np.array([[-80, -40, 0, 40, 160]], np.float32)
    panel = Panel(values, Window(40, 80), colormap="diverging")
    assert panel.bounds == (-80, 80)
    pixels = render(panel, (1, 5))
    table = diverging_table()
    for place, entry in ((0, 0), (2, 127), (4, 254)):
        assert pixels[0, place].tolist() == table[entry].tolist()
    assert abs(int(pixels[0, 1].max()) - int(pixels[0, 3].max())) < 60


def test_natural_size_follows_the_spacing():
    hu = image((20, 40))
    assert Panel(hu, ABDOMEN).natural_size == (20, 40)
    assert Panel(hu, ABDOMEN, spacing_mm=(5.0, 1.0)).natural_size == (100, 40)
    assert Panel(hu, ABDOMEN, spacing_mm=(1.0, 2.0)).natural_size == (20, 80)
    assert Panel(hu, ABDOMEN, spacing_mm=(0.78125, 0.78126)).natural_size == (20, 40)
    assert Panel(hu, ABDOMEN, spacing_mm=(0.5, 0.5)).mm_per_px(80) == 0.25
    assert Panel(hu, ABDOMEN).mm_per_px(80) == 0.5


def test_wrong_panels_are_refused():
    with pytest.raises(ValueError, match="one image"):
        Panel(np.zeros((2, 3, 4), np.float32), ABDOMEN)
    with pytest.raises(ValueError, match="positive"):
        Panel(image(), ABDOMEN, spacing_mm=(0.0, 1.0))
