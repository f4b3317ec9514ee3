"""Composed figures, reopened with Pillow."""

import errno
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from ctstudio import __version__
from ctstudio.core.errors import StudioError
from ctstudio.ct.window import Window
from ctstudio.figures import compose as module
from ctstudio.figures.colours import THEMES
from ctstudio.figures.compose import compose, layout, save_png
from ctstudio.figures.fonts import font, font_bytes
from ctstudio.figures.marks import bar_ticks, nice_length, number
from ctstudio.figures.panel import Panel
from ctstudio.figures.text import elide, wrap

ABDOMEN, RESIDUAL = Window(40, 400), Window(0, 160)
LONG = "Densely connected residual network trained on projection-domain noise for forty epochs"


def panel(shape=(64, 64), seed=0, **extra):
    hu = np.random.default_rng(seed).uniform(-300, 400, shape).astype(np.float32)
    return Panel(hu, extra.pop("window", ABDOMEN), **extra)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_every_pixel_of_every_image_is_the_windows_grey(theme, count):
    panels = [panel(seed=k, title=f"Panel {k}", caption=LONG) for k in range(count)]
    figure = np.asarray(compose(panels, scale_bar=False, theme=theme, title=LONG, footer=LONG))
    plan = layout(panels, title=LONG, footer=LONG)
    assert figure.shape == (plan.height, plan.width, 3)
    for cell in plan.cells:
        assert cell.height % 64 == 0
        factor = cell.height // 64
        shown = figure[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width]
        grey = ABDOMEN.to_uint8(cell.panel.image)
        expected = np.kron(grey, np.ones((factor, factor), np.uint8))
        assert np.array_equal(shown, np.repeat(expected[..., None], 3, axis=2))


def boxes(plan):
    """Everything drawn: (left, top, right, bottom) of images, titles, captions, bars, lines."""
    em = plan.em
    for cell in plan.cells:
        right, bottom = cell.left + cell.width, cell.top + cell.height
        yield cell.left, cell.top, right, bottom
        if cell.title.lines:
            top = cell.top - cell.lift - cell.title.height
            yield cell.left, top, cell.left + cell.title.width, cell.top - cell.lift
        if cell.caption.lines:
            top = bottom + round(0.35 * em)
            yield cell.left, top, cell.left + cell.caption.width, top + cell.caption.height
        if cell.bar:
            left = right + round(0.7 * em)
            yield left, cell.top - round(1.2 * em), left + cell.bar.width, bottom + 0.3 * em
    if plan.header.lines:
        x = plan.margin
        yield x, x, x + plan.header.width, x + plan.header.height
    for left, block in plan.footer:
        yield left, plan.footer_top, left + block.width, plan.footer_top + block.height


@pytest.mark.parametrize("shape", [(64, 64), (3, 4), (300, 20), (20, 300), (512, 512), (700, 90)])
@pytest.mark.parametrize("text", ["", "Short", LONG, LONG.replace(" ", ""), f"{LONG} {LONG}"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_nothing_overlaps_and_nothing_is_clipped(shape, text, count):
    panels = [
        panel(
            shape,
            k,
            title=text,
            caption=text,
            window=RESIDUAL if k == 2 else ABDOMEN,
            colormap="diverging" if k == 2 else "grey",
        )
        for k in range(count)
    ]
    plan = layout(panels, title=text, footer=text, height_px=160 if count == 4 else None)
    placed = list(boxes(plan))
    for left, top, right, bottom in placed:
        assert left >= 0
        assert top >= 0
        assert right <= plan.width
        assert bottom <= plan.height
    for (l1, t1, r1, b1), (l2, t2, r2, b2) in combinations(placed, 2):
        apart = r1 <= l2 + 1 or r2 <= l1 + 1 or b1 <= t2 + 1 or b2 <= t1 + 1
        assert apart, ((l1, t1, r1, b1), (l2, t2, r2, b2))


def test_text_is_really_drawn_inside_its_box():
    plain = np.asarray(compose([panel(title="")])).shape
    figure = np.asarray(compose([panel(title="Ágjpqy|")])).astype(int)
    plan = layout([panel(title="Ágjpqy|")])
    cell = plan.cells[0]
    assert figure.shape[1] == plain[1]
    band = figure[: cell.top, : cell.left + cell.width].max(axis=(1, 2))
    inked = np.flatnonzero(band > 60)
    assert inked[0] >= cell.top - cell.lift - cell.title.height
    assert inked[-1] < cell.top
    assert figure[:2].max() == 0  # the margin stays free


def test_the_disclaimer_is_always_there_and_names_nobody():
    for footer in ("", "CT Studio", LONG, f"{LONG} {LONG} {LONG}"):
        plan = layout([panel()], footer=footer)
        text = " ".join(line for _, block in plan.footer for line in block.lines)
        assert "For research use, not for diagnosis" in text


def test_panels_that_share_a_window_share_a_colour_bar():
    panels = [panel(), panel(), panel(window=RESIDUAL, colormap="diverging")]
    bars = [cell.bar is not None for cell in layout(panels).cells]
    assert bars == [False, True, True]
    assert not any(cell.bar for cell in layout(panels, colour_bar=False).cells)
    assert [cell.bar is not None for cell in layout(panels, columns=1).cells] == [True] * 3


def test_the_colour_bar_shows_the_panels_colours():
    for one in (panel(), panel(window=RESIDUAL, colormap="diverging")):
        figure = np.asarray(compose([one]))
        plan = layout([one])
        cell = plan.cells[0]
        x = cell.left + cell.width + round(0.7 * plan.em) + cell.bar.bar_px // 2
        strip = figure[cell.top + 2 : cell.top + cell.height - 2, x].astype(int)
        if one.colormap == "grey":
            assert strip[0, 0] > 250
            assert strip[-1, 0] < 5
            assert (np.diff(strip[:, 0]) <= 0).all()
        else:
            assert strip[0, 0] > strip[0, 2] + 50  # orange above
            assert strip[-1, 2] > strip[-1, 0] + 50  # blue below
            assert np.ptp(strip[len(strip) // 2]) < 12


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (-160, 240, [-160, -100, 0, 100, 200, 240]),
        (-1350, 150, [-1350, -1000, -500, 0, 150]),
        (-80, 80, [-80, -50, 0, 50, 80]),
        (0, 80, [0, 20, 40, 60, 80]),
    ],
)
def test_bar_ticks_are_round_with_both_ends(lower, upper, expected):
    assert bar_ticks(lower, upper, 20) == pytest.approx(expected)


@pytest.mark.parametrize("room", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("span", [(0, 1), (-3, 17), (-1024, 3071), (0.001, 0.0012), (-7.3, 7.3)])
def test_bar_ticks_never_crowd(span, room):
    ticks = bar_ticks(*span, room)
    assert ticks[0] == span[0]
    assert ticks[-1] == span[1]
    gaps = np.diff(ticks)
    assert (gaps > 0).all()
    assert len(ticks) == 2 or gaps.min() >= (span[1] - span[0]) / max(room, 2) * 0.99
    assert len(ticks) <= 10


def test_scale_bar_has_its_length():
    one = panel((128, 128), spacing_mm=(0.7, 0.7), window=Window(5000, 100))
    figure = np.asarray(compose([one], colour_bar=False))
    plan = layout([one], colour_bar=False)
    cell = plan.cells[0]
    inside = figure[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width, 0]
    runs = (inside == 255).sum(axis=1)
    mm = 20.0  # three tenths of 89.6 mm is 26.9 mm
    assert runs.max() == round(mm / 0.7 * cell.width / 128)


def test_lengths():
    assert [nice_length(x) for x in (26.9, 50, 49.9, 0.07, 1)] == [20, 50, 20, 0.05, 1]
    assert number(-160.0) == "\N{MINUS SIGN}160"
    assert number(0.5) == "0.5"


def test_scale_bar_is_drawn_again_only_where_the_scale_changes():
    black = Window(5000, 100)
    panels = [panel(window=black, spacing_mm=(s, s)) for s in (0.7, 0.7, 0.9)]
    figure = np.asarray(compose(panels, colour_bar=False))
    cells = layout(panels, colour_bar=False).cells
    drawn = [bool(figure[c.top : c.top + c.height, c.left : c.left + c.width].any()) for c in cells]
    assert drawn == [True, False, True]


def test_letters_stand_on_the_edges():
    black = panel((128, 128), window=Window(5000, 100), letters=("R", "L", "A", "P"))
    figure = np.asarray(compose([black], scale_bar=False, colour_bar=False))
    cell = layout([black], colour_bar=False).cells[0]
    inside = figure[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width, 0] > 100
    h, w = inside.shape
    third_h, third_w = h // 3, w // 3
    assert inside[third_h : 2 * third_h, : w // 10].any()
    assert inside[third_h : 2 * third_h, -w // 10 :].any()
    assert inside[: h // 10, third_w : 2 * third_w].any()
    assert inside[-h // 10 :, third_w : 2 * third_w].any()
    assert not inside[: h // 4, : w // 4].any()


def test_aspect_follows_the_spacing():
    cell = layout([panel((40, 100), spacing_mm=(5.0, 1.0))]).cells[0]
    assert cell.height / cell.width == pytest.approx(2.0, rel=0.01)


def test_height_is_what_was_asked_for():
    cells = layout([panel((512, 512)), panel((300, 200))], height_px=333).cells
    assert [cell.height for cell in cells] == [333, 333]
    assert layout([panel((2048, 2048))]).cells[0].height == 1024
    assert layout([panel((512, 512))]).cells[0].height == 512


def test_a_figure_needs_a_panel():
    with pytest.raises(ValueError, match="at least one panel"):
        compose([])


def test_png_names_its_program_and_nothing_else(tmp_path):
    path = tmp_path / "figure.png"
    figure = compose([panel(title="A")])
    save_png(figure, path)
    with Image.open(path) as reopened:
        assert np.array_equal(np.asarray(reopened), np.asarray(figure))
        assert reopened.text == {"Software": f"CT Studio {__version__}"}
        assert reopened.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_a_full_disk_is_explained(tmp_path, monkeypatch):
    figure = compose([panel()])

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.Image.Image, "save", full)
    with pytest.raises(StudioError, match="disk is full"):
        save_png(figure, tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_wrap_and_elide():
    face = font(16)
    for text in (LONG, LONG.replace(" ", ""), "a_b-c/" * 40, "one", "two\nlines"):
        for width in (20, 60, 200, 2000):
            lines = wrap(text, face, width, 3)
            assert len(lines) <= 3
            assert all(face.getlength(line) <= width for line in lines)
            if "…" not in "".join(lines):
                assert "".join(lines).replace(" ", "") == "".join(text.split())
    assert wrap("", face, 100, 2) == []
    assert wrap("two\nlines", face, 500, 3) == ["two", "lines"]
    assert wrap("model_of_today.pt", face, 90, 2)[0].endswith("_")
    assert elide("short", face, 500) == "short"
    assert elide(LONG, face, 100).endswith("…")


def test_the_typeface_is_bundled_with_its_licence():
    from ctstudio.resources import resource

    assert font(14).getname() == ("Inter", "Regular")
    assert font(14, bold=True).getname()[1] in {"SemiBold", "Semi Bold"}
    assert "SIL OPEN FONT LICENSE" in resource("fonts", "OFL.txt").read_text("utf-8")
    assert len(font_bytes()) < 500_000


def test_theme_colours_are_neutral_greys():
    for theme in THEMES.values():
        for colour in (theme.background, theme.text, theme.muted, theme.faint):
            assert len(set(colour)) == 1
