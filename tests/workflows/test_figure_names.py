"""What figures call their pictures, and the sign of what they subtract."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.ct.phantom import thorax
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec, StyleSpec
from ctstudio.figures.panel import Panel
from ctstudio.workflows.demo_series import QUARTER_DOSE, TRUTH
from ctstudio.workflows.denoise import method_from
from ctstudio.workflows.figures.build import Builder
from ctstudio.workflows.figures.captions import footnote
from ctstudio.workflows.figures.make import still
from ctstudio.workflows.figures.material import Material, Treated, difference
from ctstudio.workflows.figures.naming import (
    difference_title,
    series_title,
    short,
    with_kernels,
)
from ctstudio.workflows.figures.templates import TEMPLATES, Given

MINUS = "\N{MINUS SIGN}"
STYLE = StyleSpec(width_mm=180, dpi=110, font_pt=5)


@pytest.fixture(scope="module")
def phantom():
    truth = thorax(6, 64)
    truth = replace(truth, source=replace(truth.source, description=TRUTH))
    noise = np.random.default_rng(2).normal(0, 25, truth.shape)
    noisy = truth.derived(truth.hu() + noise, "")
    noisy = replace(noisy, derivation=(), source=replace(truth.source, description=QUARTER_DOSE))
    return noisy, truth


def described(stack, words, *steps):
    source = replace(stack.source, description=words)
    return replace(stack, source=source, derivation=steps)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (TRUTH, "Noise-free truth"),
        (QUARTER_DOSE, "Quarter dose (simulated)"),
        ("Full Dose Images", "Full dose"),
        ("Chest, 1/4 dose, B30f", "Quarter dose"),
        ("LOW_DOSE chest of Secret", "Low dose"),
        ("Chest of Secret", "Original"),
        ("Overdose", "Original"),
    ],
)
def test_a_series_is_called_by_what_it_is(phantom, words, wanted):
    assert series_title(described(phantom[0], words), 1) == wanted


def test_what_was_simulated_says_at_which_dose(phantom):
    for step, wanted in (
        ("simulated low dose (dose 0.25, already_noisy True)", "Quarter dose (simulated)"),
        ("simulated low dose (dose 0.15)", "15\N{NO-BREAK SPACE}% dose (simulated)"),
        ("simulated gaussian (sd 20)", "Noisy (simulated)"),
    ):
        assert series_title(described(phantom[0], "", step), 1) == wanted


def test_two_series_never_have_one_name(phantom):
    low = described(phantom[0], "low dose")
    assert series_title(low, 2, ["Low dose"]) == "Reference"
    assert series_title(low, 3, ["Low dose"]) == "Series 3"


def kernels(phantom, *names, **shown):
    """The titles of a figure of series with these kernels, that say nothing else."""
    layers = [LayerSpec("original"), LayerSpec("reference", number=2), LayerSpec("extra", number=3)]
    cells = [CellSpec(layer.name, **shown) for layer in layers[: len(names)]]
    stacks = {
        layer.name: replace(phantom[0], source=replace(phantom[0].source, description="",
                                                       kernel=name))
        for layer, name in zip(layers, names, strict=False)
    }  # fmt: skip
    titles = {
        layer.name: series_title(stacks[layer.name], layer.number) for layer in layers[: len(names)]
    }
    spec = FigureSpec(tuple(layers[: len(names)]), (tuple(cells),))
    return list(with_kernels(spec, titles, stacks).values()), spec, titles, stacks


def test_series_that_differ_by_their_kernels_are_called_by_them(phantom):
    told, spec, titles, stacks = kernels(phantom, "B70f", "B40f")
    assert told == ["Original (B70f)", "Reference (B40f)"]
    assert kernels(phantom, "Br40d\\3", "LUNG", "L")[0] == [
        "Original (Br40d)", "Reference (LUNG)", "Series 3 (L)",
    ]  # fmt: skip
    # One kernel tells nothing, nor does that of a series which is not shown.
    assert kernels(phantom, "B70f", "B70f")[0] == ["Original", "Reference"]
    alone = replace(spec, rows=((CellSpec("original"),),))
    assert list(with_kernels(alone, titles, stacks).values()) == ["Original", "Reference"]
    # Within a sentence and in a difference they are short.
    assert difference_title("Reference (B40f)", "Original (B70f)") == f"Reference {MINUS} original"
    drawn = still(
        replace(spec, style=STYLE), Material(stacks, {}, dict(zip(titles, told, strict=True)))
    )
    assert {"Original (B70f)", "Reference (B40f)"} <= set(drawn.texts)


@pytest.mark.parametrize("words", ["Zweistein", "Albertine^Z", "PX-4711", "19530203", "MUELLER"])
def test_what_is_no_kernel_is_never_a_title(phantom, words):
    assert kernels(phantom, words, "B40f")[0] == ["Original", "Reference (B40f)"]


def test_two_pictures_in_one_keep_their_titles_and_windows(phantom):
    spec, what = made(phantom, "residual")
    layers = spec.layers
    cell = CellSpec("original", window="400/40", caption="{window}", beside="denoised 1")
    titled = {"original": "Original (B70f)", "reference": "Reference (B40f)"}
    what = replace(what, titles={**what.titles, **titled})
    for how, title in (
        ("swipe", "Original (B70f) | Total variation"),
        ("checkerboard", "Original (B70f) | Total variation"),
        ("blend", "Original (B70f) 50\N{NO-BREAK SPACE}% + Total variation 50\N{NO-BREAK SPACE}%"),
    ):
        one = replace(spec, rows=((replace(cell, together=how),),), layers=layers)
        (panel,) = Builder.of(one, what).sheet().rows[0]
        assert panel.title == title
        assert panel.caption.replace("\N{NO-BREAK SPACE}", " ") == "W 400 / C 40 HU"
        # Its line is drawn as boxes and arrows are, and as the pane draws it.
        assert all(mark.colour == (255, 196, 0) for mark in panel.marks)
        assert len(panel.marks) == (how == "swipe")
    # A picture beside a difference: each side has its own scale.
    cell = replace(cell, beside="residual 1", together="swipe")
    (panel,) = Builder.of(replace(spec, rows=((cell,),)), what).sheet().rows[0]
    words = panel.caption.replace("\N{NO-BREAK SPACE}", " ")
    assert words.startswith("W 400 / C 40 HU | ± ")


def test_differences_name_both_terms():
    assert difference_title("Total variation", "Original") == f"Total variation {MINUS} original"
    assert difference_title("chest-any-dose", "Original") == f"chest-any-dose {MINUS} original"
    assert difference_title("RED-CNN", "Noise-free truth") == f"RED-CNN {MINUS} truth"
    assert short("Quarter dose (simulated)") == "quarter dose"
    assert short("BM3D") == "BM3D"
    assert difference_title(f"A {MINUS} B", "C") == f"(A {MINUS} B) {MINUS} C"


def made(phantom, template, methods=("tv",), **changes):
    noisy, truth = phantom
    spec = TEMPLATES[template].make(Given(methods, 2, window="400/40"))
    spec = replace(spec, style=STYLE, **changes)
    stacks, titles = {"original": noisy, "reference": truth}, {}
    for number, name in enumerate(stacks, start=1):
        titles[name] = series_title(stacks[name], number, titles.values())
    for layer in spec.layers:
        if layer.source == "method":
            method = method_from(layer.method, layer.settings)
            stacks[layer.name] = Treated(stacks[layer.of], method)
            titles[layer.name] = method.title
        elif layer.source == "difference":
            stacks[layer.name] = difference(stacks[layer.of], stacks[layer.minus])
    return spec, Material(stacks, {}, titles)


@pytest.mark.parametrize("template", ["residual", "grid", "five", "methods"])
@pytest.mark.parametrize("methods", [("tv",), ("tv", "bilateral")])
@pytest.mark.parametrize("ground", ["", "original", "reference"])
def test_every_difference_is_what_its_title_says(phantom, template, methods, ground):
    """Both terms are found among the titles, and NumPy's first minus second is what is shown."""
    changes = {"differences": ground} if ground else {}
    spec, what = made(phantom, template, methods, **changes)
    sheet = Builder.of(spec, what).sheet()
    panels = [p for row in sheet.rows for p in row if isinstance(p, Panel)]
    values = {
        short(what.titles[n]): s.slice_hu(3) for n, s in what.stacks.items() if n in what.titles
    }
    signed = [p for p in panels if p.colormap == "diverging"]
    # The grid's last place is the second method's, where there is one.
    assert bool(signed) == (template != "grid" or len(methods) == 1 or bool(ground))
    for panel in signed:
        one, other = panel.title.split(f" {MINUS} ")
        assert np.array_equal(panel.image, values[short(one)] - values[other]), panel.title
    told = [panel.title for panel in panels]
    if ground and template == "methods":
        # One row of differences, from the layer that was asked for.
        assert {t.split(f" {MINUS} ")[1] for t in told if MINUS in t} == {
            short(what.titles[ground])
        }  # fmt: skip
        assert len(set(told)) == len(told)
    assert not {"Original", "Reference", "Noise", "Residual"} & set(told)


@pytest.mark.parametrize("methods", [("tv",), ("tv", "bilateral"), ("tv", "bilateral", "nlm")])
def test_no_template_leaves_places_empty_without_need(phantom, methods):
    # The ground minus itself is no picture.
    for name, most in (("residual", 0), ("grid", 0), ("five", 0), ("methods", 1)):
        spec, what = made(phantom, name, methods)
        rows = Builder.of(spec, what).sheet().rows
        columns = max(map(len, rows))
        empty = sum(columns - sum(cell is not None for cell in row) for row in rows)
        assert empty <= (most if len(methods) > 1 else 0), name


def test_words_of_the_whole_slice_do_not_stand_beneath_an_inset(phantom):
    spec, what = made(phantom, "methods")
    scene = still(spec, what)
    metrics = [item for item in scene.items if "PSNR" in getattr(item, "text", "")]
    assert metrics
    place = scene.places[1]
    insets = [
        item
        for item in scene.items
        if hasattr(item, "panel") and item.top > place.top + place.height
    ]
    assert len(insets) == 5
    assert max(item.y for item in metrics) < min(item.top for item in insets)
    assert len({item.top for item in insets}) == 1  # side by side


def test_protocols_are_explained_once_in_the_figure(phantom):
    spec, what = made(phantom, "five")
    told = " ".join(still(spec, what).texts).replace("\N{NO-BREAK SPACE}", " ")
    assert told.count("Protocol A:") == 1
    assert f"[{MINUS}160, 240]" in told
    assert "data range 400 HU" in told
    assert "11 \N{MULTIPLICATION SIGN} 11" in told
    other = tuple(replace(cell, protocol="full") for cell in spec.rows[0])
    told = " ".join(still(replace(spec, rows=(other,)), what).texts)
    assert "not clipped" in told
    assert "Protocol\N{NO-BREAK SPACE}A:" not in told
    assert "4096" in footnote("full")
    alone = FigureSpec((LayerSpec("original"),), ((CellSpec("original"),),), style=STYLE)
    assert "rotocol" not in " ".join(still(alone, what).texts)


def test_slices_are_subtracted_where_they_lie(phantom):
    noisy, truth = phantom
    half = replace(truth, voxels=truth.voxels[::2], slope=truth.slope[::2],
                   intercept=truth.intercept[::2],
                   geometry=truth.geometry.select(slice(None, None, 2)))  # fmt: skip
    found = difference(half, noisy).slice_hu(4)
    assert np.array_equal(found, truth.slice_hu(4) - noisy.slice_hu(4))
    with pytest.raises(StudioError, match="32 x 32"):
        difference(thorax(6, 32), noisy).slice_hu(0)
