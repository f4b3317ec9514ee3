"""What makes frames quick to draw changes no pixel: kept words, figures of greys alone."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ctstudio.ct.window import Window
from ctstudio.figures.animation import Encoder
from ctstudio.figures.compose import compose
from ctstudio.figures.description import StyleSpec
from ctstudio.figures.fonts import font, font_bytes
from ctstudio.figures.panel import Mark, Panel, picture, render
from ctstudio.figures.scene import draw
from ctstudio.figures.sheet import Sheet, arrange

ABDOMEN = Window(40, 400)


def panels(**extra):
    hu = np.random.default_rng(3).uniform(-300, 400, (2, 40, 50)).astype(np.float32)
    letters = ("R", "L", "A", "P")
    first = Panel(hu[0], ABDOMEN, "Original", "slice 3\nW 400", (0.7, 0.7), letters=letters)
    return [first, Panel(hu[1], ABDOMEN, "Denoised", "µ, §", (0.9, 0.9), **extra)]


def coloured():
    table = np.random.default_rng(4).integers(0, 256, (256, 3), dtype=np.uint8)
    overlay = np.full((40, 50, 4), (255, 0, 0, 90), np.uint8)
    return {
        "signed": {"colormap": "diverging"},
        "mapped": {"table": table},
        "masked": {"overlay": overlay},
        "marked": {"marks": (Mark(((3, 3), (30, 40)), ("12 mm",)),)},
    }


@pytest.mark.parametrize("place", [(3, 20), (7.4, 31), (40.75, 20.5)])
@pytest.mark.parametrize("edge", [0, 2])
def test_words_are_drawn_as_pillow_draws_them(place, edge):
    plain = ImageFont.truetype(BytesIO(font_bytes()), 15)
    for anchor in ("ls", "ms", "lm", "rm"):
        for _ in range(2):  # the second time from what is kept
            images = [Image.new("RGB", (160, 60), (40, 90, 200)) for _ in range(2)]
            for image, face in zip(images, (plain, font(15)), strict=True):
                ImageDraw.Draw(image).text(
                    place, "Ágq 12 −3", font=face, anchor=anchor, fill=(250, 240, 9),
                    stroke_width=edge, stroke_fill=(9, 8, 7),
                )  # fmt: skip
            assert np.array_equal(*map(np.asarray, images))
            assert np.asarray(images[1]).std() > 1
    assert font(15).getlength("Ágq") == plain.getlength("Ágq")
    assert font(15).getbbox("Ágq", anchor="ls") == plain.getbbox("Ágq", anchor="ls")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_figure_of_greys_has_the_same_greys_in_less(theme):
    options = {"height_px": 90, "title": "Title", "footer": "footer", "theme": theme}
    whole, lean = compose(panels(), **options), compose(panels(), lean=True, **options)
    assert (whole.mode, lean.mode) == ("RGB", "L")
    assert np.array_equal(np.asarray(whole), np.asarray(lean.convert("RGB")))
    style = StyleSpec(theme=theme, width_mm=80, dpi=100)
    scene = arrange(Sheet([panels()], style, title="Title", footer="footer"))
    whole, lean = draw(scene), draw(scene, lean=True)
    assert (whole.mode, lean.mode) == ("RGB", "L")
    assert np.array_equal(np.asarray(whole), np.asarray(lean.convert("RGB")))


@pytest.mark.parametrize("what", coloured())
def test_whatever_has_a_hue_keeps_it(what):
    options = {"height_px": 90}
    extra = coloured()[what]
    whole, lean = (compose(panels(**extra), lean=lean, **options) for lean in (False, True))
    assert lean.mode == "RGB"
    assert np.array_equal(np.asarray(whole), np.asarray(lean))
    assert np.ptp(np.asarray(whole), axis=2).max() > 20
    scene = arrange(Sheet([panels(**extra)], StyleSpec(width_mm=80, dpi=100)))
    assert draw(scene, lean=True).mode == "RGB"


def test_a_picture_is_the_window_s_greys_in_either_mode():
    (panel, _), size = panels(), (80, 150)
    assert np.array_equal(np.asarray(picture(panel, size, mode="L")), render(panel, size)[..., 0])
    broken = np.array([[np.nan, np.inf], [-np.inf, 40]], np.float32)
    greys = render(Panel(broken, ABDOMEN), (2, 2))[..., 0]
    assert greys.tolist() == [[0, 255], [0, 128]]


@pytest.mark.parametrize("dither", ["none", "ordered", "diffusion"])
@pytest.mark.parametrize("greys", [256, 32])
def test_gifs_of_greys_alone_are_the_same_to_the_byte(dither, greys):
    one, other = (Encoder(10, greys=greys, dither=dither) for _ in range(2))
    for seed in range(3):
        grey = np.random.default_rng(seed).integers(0, 256, (40, 50), dtype=np.uint8)
        assert one.add(grey) == other.add(np.repeat(grey[..., None], 3, axis=2))
