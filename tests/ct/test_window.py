import numpy as np
import pytest

from ctstudio.ct.window import PRESETS, Window, automatic, full_range


def test_abdomen_preset_is_the_range_of_protocol_a():
    assert (PRESETS["Abdomen"].lower, PRESETS["Abdomen"].upper) == (-160.0, 240.0)
    assert str(PRESETS["Abdomen"]) == "W 400 / C 40"


def test_bounds_are_black_and_white_and_the_centre_is_grey():
    window = Window(40, 400)
    greys = window.to_uint8(np.array([-5000.0, -160, 40, 240, 5000]))
    assert greys.tolist() == [0, 0, 128, 255, 255]
    assert greys.dtype == np.uint8
    assert window.apply(np.array([40.0])).dtype == np.float32


def test_greys_are_rounded_to_nearest():
    hu = np.arange(-200, 280, dtype=np.float32)
    exact = np.clip((hu.astype(float) + 160) / 400, 0, 1) * 255
    assert np.abs(Window(40, 400).to_uint8(hu) - exact).max() <= 0.5 + 1e-4


def test_every_grey_of_a_narrow_window_is_reached():
    hu = np.linspace(0, 80, 10001)
    assert len(np.unique(Window(40, 80).to_uint8(hu))) == 256


@pytest.mark.parametrize("width", [0.0, -5.0, float("nan")])
def test_width_must_be_positive(width):
    with pytest.raises(ValueError, match="positive"):
        Window(0, width)


def test_windows_from_data():
    hu = np.arange(1001, dtype=np.float32)
    assert (full_range(hu).lower, full_range(hu).upper) == (0.0, 1000.0)
    assert automatic(hu).lower == pytest.approx(1.0)
    assert automatic(hu).upper == pytest.approx(999.0)
    assert Window.from_range(5, 5).width_hu == 1.0
