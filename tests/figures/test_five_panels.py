"""The five panels of a segmentation, and overlays on panels."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.ct.labels import Label
from ctstudio.ct.window import Window
from ctstudio.figures.compose import compose
from ctstudio.figures.five_panels import TITLES, Segmented, five_panels
from ctstudio.figures.panel import Panel, render

RED = Label(1, "Vessel", (200, 0, 0))
BLUE = Label(2, "Nodule", (0, 0, 200))


def shown(several: bool = False) -> Segmented:
    image = np.full((20, 24), 50, np.float32)
    truth, found = np.zeros((20, 24), int), np.zeros((20, 24), int)
    truth[2:6, 3:9] = 1
    found[4:8, 3:9] = 1
    if several:
        truth[12:15, 12:20] = found[12:14, 12:20] = 2
    return Segmented(image, truth, found, 0.25 + 0.5 * (found > 0).astype(np.float32))


def pixels(panel: Panel) -> np.ndarray:
    return render(panel, panel.image.shape)


def test_the_order_and_what_each_panel_shows() -> None:
    window, case = Window(50, 100), shown()
    panels = five_panels(case, window, labels=[RED])
    assert tuple(panel.title for panel in panels) == TITLES
    original, truth, found, true_over, found_over = map(pixels, panels)
    assert (original == 128).all()
    assert np.array_equal(truth[..., 0] == 255, case.truth == 1)
    assert set(np.unique(truth)) == {0, 255}
    # The generated mask is its probability, from black to white.
    assert np.abs(found[..., 0] - 255.0 * case.inside).max() <= 1
    for picture, mask in ((true_over, case.truth), (found_over, case.found)):
        tinted = (picture != original).any(axis=2)
        assert np.array_equal(tinted, mask == 1)
        opacity = round(255 * 0.45) / 255
        want = 128 * (1 - opacity) + np.array(RED.colour) * opacity
        assert np.abs(picture[mask == 1] - want).max() <= 1


def test_several_labels_have_their_colours() -> None:
    case = shown(several=True)
    panels = five_panels(case, Window(50, 100), labels=[RED, BLUE])
    truth, found = pixels(panels[1]), pixels(panels[2])
    for picture, mask in ((truth, case.truth), (found, case.found)):
        assert (picture[mask == 0] == 0).all()
        assert (picture[mask == 1] == RED.colour).all()
        assert (picture[mask == 2] == BLUE.colour).all()


def test_overlays_keep_their_edges_at_any_size() -> None:
    case = shown()
    panel = five_panels(case, Window(50, 100), labels=[RED])[3]
    picture = render(panel, (31, 47))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 2
    assert np.array_equal(render(panel, (40, 48))[::2, ::2], pixels(panel))
    with pytest.raises(ValueError, match="overlay"):
        Panel(case.image, Window(50, 100), overlay=np.zeros((20, 23, 4), np.uint8))


def test_they_make_one_row() -> None:
    figure = compose(five_panels(shown(), Window(50, 100)), columns=5, height_px=200)
    assert figure.width > 5 * 240
    assert figure.height < 2 * 240
