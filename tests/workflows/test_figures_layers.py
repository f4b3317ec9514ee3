"""Masks over pictures, rows of differences, neighbours of networks, and whose series it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.label_pictures import paint
from ctstudio.ct.labels import Label, label_map
from ctstudio.ct.phantom import thorax
from ctstudio.ct.views import OnBase
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec, StyleSpec
from ctstudio.figures.panel import Panel, render
from ctstudio.figures.scene import Picture
from ctstudio.figures.stills import read_description
from ctstudio.workflows.figures.batch import make_each
from ctstudio.workflows.figures.build import Builder
from ctstudio.workflows.figures.make import film, make, still
from ctstudio.workflows.figures.material import Material, Treated
from ctstudio.workflows.figures.origin import content_of, others, without_content
from ctstudio.workflows.figures.overlays import Overlay
from ctstudio.workflows.open import scan

STYLE = StyleSpec(width_mm=80, dpi=110, font_pt=5)
LABELS = (Label(1, "Liver", (200, 30, 30)), Label(2, "Spleen", (30, 200, 30)))


@pytest.fixture(scope="module")
def body():
    return thorax(6, 64)


@pytest.fixture
def mask(body):
    numbers = np.zeros(body.shape, np.int32)
    numbers[2:, 10:30, 12:40] = 1
    numbers[3, 40:50, 20:24] = 2
    return label_map(numbers, body.geometry, body.source, LABELS)


def with_mask(mask_as="fill", **changes):
    layers = (LayerSpec("original"), LayerSpec("mask 1", "mask"))
    cell = CellSpec("original", mask="mask 1", mask_as=mask_as, **changes)
    return FigureSpec(layers, ((cell,),), window="400/40", style=STYLE)


def panels(spec, what):
    contents = Builder.of(spec, what).sheet().rows
    return [panel for row in contents for panel in row]


@pytest.mark.parametrize("mask_as", ["fill", "contour"])
def test_a_mask_lies_over_a_picture_as_in_the_viewer(body, mask, mask_as):
    what = Material({"original": body}, masks={"mask 1": Overlay.of("mask 1", mask)})
    (panel,) = panels(with_mask(mask_as, slice="4"), what)
    expected = paint(mask.voxels[3], LABELS, opacity=0.4, contour=mask_as == "contour")
    assert np.array_equal(panel.overlay, expected)
    assert panel.legend == (("Liver", (200, 30, 30)), ("Spleen", (30, 200, 30)))
    pixels = render(panel, (64, 64))
    plain = render(replace(panel, overlay=None), (64, 64))
    covered = expected[..., 3] > 0
    assert np.array_equal(pixels[~covered], plain[~covered])
    alpha = expected[covered][:, 3:] / 255
    mixed = plain[covered] * (1 - alpha) + expected[covered][:, :3] * alpha
    assert np.allclose(pixels[covered], mixed, atol=0.51)


def test_labels_that_are_hidden_or_elsewhere_have_no_place_in_the_legend(body, mask):
    what = Material({"original": body}, masks={"mask 1": Overlay.of("mask 1", mask, [1])})
    (panel,) = panels(with_mask(slice="4"), what)
    assert [name for name, _ in panel.legend] == ["Spleen"]
    assert not panel.overlay[15, 20, 3]
    (panel,) = panels(with_mask(slice="1"), what)
    assert panel.legend == ()
    scene = still(with_mask(slice="4"), what)
    assert "Spleen" in scene.texts
    quiet = replace(with_mask(slice="4"), style=replace(STYLE, legend=False))
    assert "Spleen" not in still(quiet, what).texts


def test_masks_follow_other_planes_and_lie_over_one_another(body, mask):
    other = label_map(np.full(body.shape, 3, np.int32), body.geometry, body.source, ())
    what = Material(
        {"original": body},
        masks={"mask 1": Overlay.of("mask 1", mask), "mask 2": Overlay.of("lungs", other)},
    )
    spec = with_mask(plane="coronal", slice="16")
    spec = replace(spec, layers=(*spec.layers, LayerSpec("mask 2", "mask", number=2)))
    (alone,) = panels(spec, what)
    assert alone.overlay.shape[:2] == alone.image.shape
    assert alone.overlay[..., 3].any()
    both = replace(spec, rows=((replace(spec.cells[0], mask="all"),),))
    (panel,) = panels(both, what)
    assert (panel.overlay[..., 3] > 0).all()
    assert "lungs" in [name for name, _ in panel.legend]


def test_a_mask_of_another_size_is_refused(body):
    small = thorax(6, 32)
    wrong = label_map(np.ones(small.shape, np.int32), small.geometry, small.source, ())
    what = Material({"original": body}, masks={"mask 1": Overlay.of("mask 1", wrong)})
    with pytest.raises(StudioError, match="32 x 32"):
        panels(with_mask(slice="4"), what)
    with pytest.raises(StudioError, match="not there"):
        panels(with_mask(), Material({"original": body}))


def test_a_row_of_differences_is_a_switch(body):
    noisy = body.derived(body.hu() + 7, "more")
    layers = (LayerSpec("original"), LayerSpec("reference", number=2))
    cells = (CellSpec("original"), CellSpec(), CellSpec("reference", title="Truth"))
    spec = FigureSpec(layers, (cells,), window="400/40", style=STYLE)
    what = Material({"original": noisy, "reference": body}, titles={"original": "Original"})
    assert len(panels(spec, what)) == 3
    found = panels(replace(spec, differences="original"), what)
    assert len(found) == 4  # the original minus itself is no picture
    assert isinstance(found[3], Panel)
    assert np.array_equal(found[3].image, body.slice_hu(3) - noisy.slice_hu(3))
    assert found[3].colormap == "diverging"
    # In a wide figure, and in one of several rows, they stand below.
    wide = replace(spec, rows=((*cells, *cells[:2]),), differences="original")
    assert [type(p).__name__[0] for p in panels(wide, what)] == list("PNPPN" + "NNPNN")
    assert found[3].title == "Truth \N{MINUS SIGN} original"  # as its own picture is called
    # The description stays as it is, and travels so.
    wanted = replace(spec, differences="original")
    assert FigureSpec.parse(wanted.to_json()) == wanted
    with pytest.raises(StudioError, match="differences"):
        FigureSpec.parse(replace(spec, differences="nothing").to_json())


def test_networks_of_several_slices_see_the_neighbours(body):
    class Deep:
        title = description = name = "deep"
        neighbours = 3

        def denoise_slice(self, hu):
            assert hu.shape == (3, 64, 64)
            return hu[0] + 0 * hu[1]

    seen = Treated(body, Deep())
    assert np.array_equal(seen.slice_hu(4), body.slice_hu(3))
    assert np.array_equal(seen.slice_hu(0), body.slice_hu(0))  # nothing lies before it


def test_a_figure_knows_its_series_again(body, tmp_path):
    spec = FigureSpec((LayerSpec("original"),), ((CellSpec("original"),),), style=STYLE)
    what = Material({"original": body})
    path = finish(make(spec, what, tmp_path / "a.png"))
    kept = read_description(path)
    assert kept.layers[0].content == content_of(body)
    assert without_content(kept) == spec
    assert others(kept, what) == ""
    told = others(kept, Material({"original": thorax(9, 64)}))
    assert "had 6 slices of 64 x 64, here it has 9 slices of 64 x 64" in told
    told = others(kept, Material({"original": body.derived(body.hu() + 1, "more")}))
    assert "other values" in told
    assert others(spec, Material({"original": thorax(9, 64)})) == ""  # it does not say


def test_what_is_gone_is_said_by_its_name(body):
    spec = FigureSpec((LayerSpec("original"),), ((CellSpec("original"),),), style=STYLE)
    with pytest.raises(StudioError, match="original, which is not there"):
        still(spec, Material({}))


def test_metrics_name_what_they_compare_with_as_the_figure_does(body):
    noisy = body.derived(body.hu() + 7, "more")
    layers = (LayerSpec("original"), LayerSpec("reference", number=2))
    cells = (
        CellSpec("reference", title="Full dose"),
        CellSpec("original", against="reference", caption="{metrics}"),
    )
    spec = FigureSpec(layers, (cells,), window="400/40", style=STYLE)
    scene = still(spec, Material({"original": noisy, "reference": body}))
    words = " ".join(scene.texts)
    assert "(protocol A, against full dose)" in words
    lines = [text for text in scene.texts if "RMSE" in text]
    assert all("HU" in line for line in lines)  # a number and its unit stand in one line
    assert any(isinstance(item, Picture) for item in scene.items)


def test_a_film_keeps_its_legend_in_every_frame(body, mask):
    spec = replace(with_mask(), style=replace(STYLE, dpi=60))
    what = Material({"original": body}, masks={"mask 1": Overlay.of("mask 1", mask)})
    moving = film(spec, what)
    frames = [np.asarray(moving.draw(k, 1.0).convert("RGB")) for k in (0, 3, 5)]
    # Slice 1 has no label, slice 4 has two, slice 6 has one: below the picture nothing changes.
    low = [frame[-24:] for frame in frames]
    assert len({frame.shape for frame in frames}) == 1
    red = [(frame == (200, 30, 30)).all(axis=2).any() for frame in low]
    assert red == [True] * 3


def test_a_series_without_slices_is_refused(body):
    class Empty(OnBase):
        base = body

        def __len__(self):
            return 0

    spec = FigureSpec((LayerSpec("original"),), ((CellSpec("original"),),), style=STYLE)
    with pytest.raises(StudioError, match="no slices"):
        still(spec, Material({"original": Empty()}))


def test_a_batch_takes_networks_that_are_loaded_and_no_reference(tmp_path, irregular_phantom):
    """In the window a network has a title and no file; a series has no second one beside it."""

    class Loaded:
        name = title = description = "My network"
        neighbours = 1

        def denoise_slice(self, hu):
            return hu + 500

    layers = (
        LayerSpec("original"),
        LayerSpec("reference", number=2),
        LayerSpec("denoised 1", "method", method="My network", of="original"),
    )
    cells = (CellSpec("original"), CellSpec("denoised 1", against="reference", caption="{metrics}"))
    spec = FigureSpec(layers, (cells,), window="400/40", style=STYLE)
    found = finish(scan([irregular_phantom("one", [0, 4, 8])])).series
    with pytest.raises(StudioError):
        finish(make_each(spec, found, [], tmp_path / "a.png"))
    known = {"My network": Loaded()}
    (made,) = finish(make_each(spec, found, [], tmp_path / "a.svg", known=known))
    text = made.read_text(encoding="utf-8")
    assert "My network" in text
    assert "reference" not in text
    assert "PSNR" not in text
