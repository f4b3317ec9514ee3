"""Figures as files, read back by Pillow, tifffile, pypdfium2, an XML parser: pixels and words."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import partial

import numpy as np
import pypdfium2
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from ctstudio.core.errors import StudioError
from ctstudio.ct.window import Window
from ctstudio.figures.description import (
    ArrowSpec,
    CellSpec,
    FigureSpec,
    InsetSpec,
    LayerSpec,
    StyleSpec,
)
from ctstudio.figures.glyphs import lacking
from ctstudio.figures.panel import Panel
from ctstudio.figures.plot import Plot
from ctstudio.figures.scene import Picture, draw, draw16
from ctstudio.figures.sheet import Sheet, arrange
from ctstudio.figures.stills import SUFFIXES, read_description, save_still

RNG = np.random.default_rng(11)
HU = RNG.normal(40, 300, (60, 80)).astype(np.float32)
WINDOW = Window(40, 400)
BARE = {"letters": "none", "scale_bar": False, "colour_bar": False, "orientation": False}


def panel(**kwargs):
    return Panel(
        HU, WINDOW, **{"spacing_mm": (0.8, 0.8), "letters": ("R", "L", "A", "P"), **kwargs}
    )


def exact(rows=None, insets=(), arrows=(), **style):
    wanted = {"width_mm": 90, "dpi": 200, "pixel_exact": True, **style}
    rows = rows or [[panel(title="One"), panel(title="Two")]]
    return arrange(Sheet(rows, StyleSpec(**wanted), insets=insets, arrows=arrows))


def greys8(hu):
    """Window and level by hand, in the order that the window defines: scale, clip, round."""
    part = np.clip((hu.astype(np.float64) + 160.0) / 400.0, 0, 1)
    return np.floor(part * 255 + 0.5)


def first_picture(scene):
    return next(item for item in scene.items if isinstance(item, Picture))


def test_every_grey_is_that_of_the_window_at_a_whole_scale(tmp_path):
    scene = exact(**BARE)
    place = first_picture(scene)
    assert place.width % 80 == 0
    assert place.width // 80 == place.height // 60 == 4
    save_still(scene, tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    shown = pixels[place.top : place.top + place.height, place.left : place.left + place.width]
    wanted = greys8(HU).repeat(4, axis=0).repeat(4, axis=1)
    # Single precision may round the other way exactly between two greys.
    assert np.abs(shown - wanted).max() <= 1
    assert (shown == wanted).mean() > 0.999


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_hold_257_times_as_many_greys(tmp_path, suffix):
    scene = exact(**BARE)
    place = first_picture(scene)
    path = save_still(scene, tmp_path / f"a{suffix}", bits=16)
    if suffix == ".png":
        with Image.open(path) as image:
            assert image.mode.startswith("I")
            pixels = np.asarray(image).astype(np.int64)
    else:
        pixels = tifffile.imread(path).astype(np.int64)
    shown = pixels[place.top : place.top + place.height : 4, place.left : place.left + 320 : 4]
    part = np.clip((HU.astype(np.float64) + 160.0) / 400.0, 0, 1)
    assert np.array_equal(shown, np.floor(part * 65535 + 0.5))


def test_sixteen_and_eight_bits_show_the_same():
    scene = exact(
        rows=[[panel(title="One"), replace(panel(colormap="diverging"), window=Window(0, 900))]],
        insets=[InsetSpec((0.2, 0.2, 0.3, 0.3))],
        arrows=[ArrowSpec((0.5, 0.6), 30)],
    )
    fine, coarse = draw16(scene).astype(float), np.asarray(draw(scene)).astype(float)
    assert np.abs(fine / 257 - coarse).max() <= 1.01


def test_text_and_marks_do_not_touch_other_pixels():
    """The picture beside its letters, scale bar and inset is as exact as without them."""
    plain, marked = exact(**BARE), exact(**{**BARE, "orientation": True, "scale_bar": True})
    one, other = (first_picture(s) for s in (plain, marked))
    parts = [
        np.asarray(draw(s))[p.top : p.top + p.height, p.left : p.left + p.width]
        for s, p in ((plain, one), (marked, other))
    ]
    same = (parts[0] == parts[1]).all(axis=2)
    assert 0.85 < same.mean() < 1
    middle = same[40:-60, 40:280]
    assert middle.all()


def test_width_and_resolution_are_those_asked_for(tmp_path):
    scene = arrange(Sheet([[panel(), panel()]], StyleSpec(width_mm=85, dpi=300)))
    assert scene.width == round(85 / 25.4 * 300)
    for suffix in (".png", ".tif"):
        path = save_still(scene, tmp_path / f"a{suffix}")
        with Image.open(path) as image:
            assert image.width == scene.width
            assert image.info["dpi"] == pytest.approx((300, 300), rel=0.001)
    pdf = pypdfium2.PdfDocument(save_still(scene, tmp_path / "a.pdf"))
    assert pdf[0].get_width() / 72 * 25.4 == pytest.approx(85, abs=0.05)
    pdf.close()
    svg = ET.parse(save_still(scene, tmp_path / "a.svg")).getroot()
    assert float(svg.attrib["width"][:-2]) == pytest.approx(85, abs=0.05)


def smooth_panel(hu, **kwargs):
    return replace(panel(**kwargs), image=hu)


def lettered():
    smooth = ndimage.gaussian_filter(HU, 4) * 3
    panel = partial(smooth_panel, smooth)
    sheet = Sheet(
        [
            [panel(title="One & <two>", caption="W 400 / C 40 HU"), panel(title="Größe ± µ")],
            [Plot({"loss": (np.arange(9), np.arange(9) + 1.0)}, "Loss"), None],
        ],
        StyleSpec(width_mm=120, dpi=150),
        title="A (b) \\ title",
        footer="slice 3 of 7",
        insets=[InsetSpec((0.3, 0.3, 0.2, 0.2), "below")],
    )
    return arrange(sheet)


def test_text_stays_text_in_pdf(tmp_path):
    document = pypdfium2.PdfDocument(save_still(lettered(), tmp_path / "a.pdf"))
    text = document[0].get_textpage().get_text_range()
    document.close()
    for words in ("One & <two>", "Größe ± µ", "A (b) \\ title", "W 400 / C 40 HU", "slice 3 of 7"):
        assert words in text
    assert "For research use, not for diagnosis" in text


def test_pdf_looks_like_png(tmp_path):
    scene = lettered()
    document = pypdfium2.PdfDocument(save_still(scene, tmp_path / "a.pdf"))
    shown = document[0].render(scale=scene.dpi / 72).to_pil().convert("RGB")
    document.close()
    assert abs(shown.width - scene.width) <= 1
    ours = draw(scene).resize((shown.width // 8, shown.height // 8), Image.Resampling.BOX)
    theirs = shown.resize(ours.size, Image.Resampling.BOX)
    difference = np.abs(np.asarray(ours).astype(float) - np.asarray(theirs))
    assert difference.mean() < 2.5


def test_svg_has_text_lines_and_exact_pictures(tmp_path):
    root = ET.parse(save_still(lettered(), tmp_path / "a.svg")).getroot()
    space = "{http://www.w3.org/2000/svg}"
    words = [node.text for node in root.iter(f"{space}text")]
    assert {"One & <two>", "Größe ± µ", "a", "b", "c", "Loss"} <= set(words)
    assert list(root.iter(f"{space}polyline"))
    image = next(root.iter(f"{space}image"))
    data = image.attrib["{http://www.w3.org/1999/xlink}href"].split(",")[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(pixels, WINDOW.to_uint8(ndimage.gaussian_filter(HU, 4) * 3))


def described():
    return FigureSpec((LayerSpec("a"),), ((CellSpec("a", title="(ü) \\ <b> & c"),),))


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".toml", ".json"])
def test_the_description_travels_in_the_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".toml":
        path.write_text(described().to_toml(), encoding="utf-8")
    elif suffix == ".json":
        path.write_text(described().to_json(), encoding="utf-8")
    else:
        save_still(lettered(), path, description=described().to_json())
    assert read_description(path) == described()


def test_files_without_a_description_are_refused(tmp_path):
    for suffix in SUFFIXES:
        path = save_still(exact(), tmp_path / f"a{suffix}")
        with pytest.raises(StudioError, match="made"):
            read_description(path)
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(StudioError, match="cannot be read"):
        read_description(tmp_path / "b.png")
    with pytest.raises(StudioError, match="does not exist"):
        read_description(tmp_path / "missing.png")
    with pytest.raises(StudioError, match="kind of picture"):
        save_still(exact(), tmp_path / "c.bmp")


def test_letters_go_on_over_rows_and_skip_empty_places():
    rows = [[panel(), None], [panel(), panel()]]
    for style, wanted in (("a", ["a", "b", "c"]), ("(a)", ["(a)", "(b)", "(c)"])):
        scene = arrange(Sheet(rows, StyleSpec(letters=style, orientation=False)))
        assert [t for t in scene.texts if t in wanted] == wanted
    many = arrange(Sheet([[panel()] * 28], StyleSpec(letters="A", width_mm=900)))
    assert "AA" in many.texts
    assert "AB" in many.texts


def test_nothing_is_drawn_outside_the_figure():
    rows = [[panel(title="A title that is rather long " * 3, caption="and a caption " * 20)] * 3]
    for style in (StyleSpec(width_mm=60, font_pt=9), StyleSpec(), StyleSpec(pixel_exact=True)):
        scene = arrange(Sheet(rows, style, insets=[InsetSpec()], arrows=[ArrowSpec((1, 0))]))
        for item in scene.items:
            if hasattr(item, "start"):
                assert item.start >= 0
                assert item.start + item.length <= scene.width + 1
                assert 0 < item.y <= scene.height


def test_an_inset_shows_the_box_that_is_marked():
    where = (0.25, 0.5, 0.25, 0.25)
    scene = exact(insets=[InsetSpec(where, "lower right", 0.5)], **BARE)
    pictures = [item for item in scene.items if isinstance(item, Picture)]
    assert np.array_equal(pictures[1].panel.image, HU[30:45, 20:40])
    assert pictures[1].left + pictures[1].width == pictures[0].left + pictures[0].width
    assert pictures[1].top + pictures[1].height == pictures[0].top + pictures[0].height


def test_a_figure_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    """Files of lines and text hold the pictures' own pixels alone, whatever the resolution."""
    import psutil

    scene = arrange(Sheet([[panel()]], StyleSpec(width_mm=100, dpi=200)))
    free = scene.width * scene.height * 20
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Free", (), {"available": free}))
    with pytest.raises(StudioError, match="not enough memory") as trouble:
        save_still(scene, tmp_path / "a.png")
    fitting = int(re.search(r"(\d+) dpi", trouble.value.hint)[1])
    assert 100 < fitting < 200
    smaller = arrange(Sheet([[panel()]], StyleSpec(width_mm=100, dpi=fitting - 1)))
    save_still(smaller, tmp_path / "a.png")
    with pytest.raises(StudioError, match="not enough memory"):
        save_still(smaller, tmp_path / "b.tif", bits=16)
    save_still(scene, tmp_path / "a.svg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.svg"]


def test_an_inset_leaves_the_part_that_it_shows_uncovered():
    box = (0.4, 0.2, 0.25, 0.5)
    for place, size in (("lower right", 0.6), ("upper left", 0.6), ("lower left", 0.9)):
        scene = exact(rows=[[panel()]], insets=[InsetSpec(box, place, size)], **BARE)
        whole, inset = (item for item in scene.items if isinstance(item, Picture))
        left, top = whole.left + box[0] * whole.width, whole.top + box[1] * whole.height
        right, bottom = left + box[2] * whole.width, top + box[3] * whole.height
        beside = inset.left >= right - 2 or inset.left + inset.width <= left + 2
        above = inset.top >= bottom - 2 or inset.top + inset.height <= top + 2
        assert beside or above, place
        assert inset.width >= 0.2 * whole.width


def test_letters_that_the_typeface_lacks_are_known():
    assert lacking(["Lung \u80ba, \u2603", "W 400 / C \u2212600 HU, \u00b1 100 \u00b7 \u00e9"]) == [
        "\u80ba",
        "\u2603",
    ]


def test_letters_of_the_sides_are_whole_or_not_there():
    """An inset that reaches the middle of the right edge takes the letter there away."""
    style = {**BARE, "orientation": True}
    plain = exact(rows=[[panel()]], **style).texts
    assert {"R", "L", "A", "P"} <= set(plain)
    inset = InsetSpec((0.1, 0.1, 0.2, 0.2), "lower right", 0.7)
    assert "L" not in exact(rows=[[panel()]], insets=[inset], **style).texts
    assert "R" in exact(rows=[[panel()]], insets=[inset], **style).texts


@pytest.mark.parametrize("place", ["lower right", "below"])
def test_an_enlarged_part_is_as_smooth_in_files_of_lines_as_in_png(tmp_path, place):
    """Embedded pixels of the inset beside those of the picture that is drawn of px."""
    scene = arrange(
        Sheet(
            [[panel()]],
            StyleSpec(width_mm=90, dpi=200, **BARE),
            insets=[InsetSpec((0.3, 0.3, 0.2, 0.2), place)],
        )
    )
    (part,) = [item for item in scene.items if isinstance(item, Picture) and item.enlarged]
    size = (part.width, part.height)
    assert part.width % part.panel.image.shape[1]  # not a whole multiple: it is resampled
    line = 3
    inside = np.s_[
        part.top + line : part.top + part.height - line,
        part.left + line : part.left + part.width - line,
    ]
    wanted = np.asarray(draw(scene))[inside]
    save_still(scene, tmp_path / "a.svg")
    tree = ET.parse(tmp_path / "a.svg").getroot()
    coded = [e.get("{http://www.w3.org/1999/xlink}href") for e in tree.iter() if "image" in e.tag]
    images = [Image.open(io.BytesIO(base64.b64decode(c.partition(",")[2]))) for c in coded]
    save_still(scene, tmp_path / "a.pdf")
    page = pypdfium2.PdfDocument(tmp_path / "a.pdf")[0]
    images += [o.get_bitmap().to_pil() for o in page.get_objects([3])]
    found = [image.convert("RGB") for image in images if image.size == size]
    assert len(found) == 2
    for image in found:
        pixels = np.asarray(image)[line:-line, line:-line]
        assert np.array_equal(pixels, wanted)
