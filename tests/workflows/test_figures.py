"""Descriptions made into files: every template, from series, the phantom and trainings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.ct.metrics import psnr
from ctstudio.ct.phantom import thorax
from ctstudio.ct.volume import Source
from ctstudio.figures.colour_maps import sequential_table
from ctstudio.figures.description import CellSpec, FigureSpec, FilmSpec, LayerSpec, StyleSpec
from ctstudio.figures.panel import Panel
from ctstudio.figures.stills import read_description
from ctstudio.workflows.denoise import method_from
from ctstudio.workflows.figure import residual_limit
from ctstudio.workflows.figures.batch import make_each, numbered
from ctstudio.workflows.figures.build import At, Builder
from ctstudio.workflows.figures.make import film, make, still, travelling
from ctstudio.workflows.figures.material import Material, Training, Treated, gather, without_patient
from ctstudio.workflows.figures.origin import without_content
from ctstudio.workflows.figures.report import report, save_report
from ctstudio.workflows.figures.templates import TEMPLATES, Given, template
from ctstudio.workflows.figures.wording import method_of
from ctstudio.workflows.open import scan

SMALL = StyleSpec(width_mm=80, dpi=110, font_pt=5)


@pytest.fixture(scope="module")
def phantom():
    truth = thorax(6, 64)
    noise = np.random.default_rng(2).normal(0, 25, truth.shape)
    return truth.derived(truth.hu() + noise, "noise of 25 HU"), truth


def material(phantom, spec):
    noisy, truth = phantom
    stacks = {"original": noisy, "reference": truth}
    titles = {"original": "Original", "reference": "Reference"}
    methods = {}
    for layer in spec.layers:
        if layer.source == "method":
            method = method_from(layer.method, layer.settings)
            stacks[layer.name] = Treated(stacks[layer.of], method)
            titles[layer.name], methods[layer.name] = method.title, method.description
        elif layer.source == "difference":
            from ctstudio.ct.views import Difference

            stacks[layer.name] = Difference(stacks[layer.minus], stacks[layer.of])
    return Material(stacks, {}, titles, methods)


def make_template(name, phantom, **changes):
    spec = TEMPLATES[name].make(Given(("tv", "bilateral"), 2, window="400/40"))
    spec = replace(spec, style=SMALL, **changes)
    return spec, material(phantom, spec)


@pytest.mark.parametrize("name", ["single", "residual", "grid", "five", "methods"])
@pytest.mark.parametrize("suffix", [".png", ".pdf", ".gif"])
def test_every_template_makes_a_file_that_says_how(tmp_path, phantom, name, suffix):
    spec, what = make_template(name, phantom)
    path = finish(make(spec, what, tmp_path / f"a{suffix}"))
    assert without_content(read_description(path)) == spec
    if suffix == ".gif":
        with Image.open(path) as image:
            assert image.n_frames == 6


def test_the_same_file_is_made_again_from_a_file(tmp_path, phantom):
    spec, what = make_template("residual", phantom)
    one = finish(make(spec, what, tmp_path / "a.png"))
    again = finish(make(read_description(one), what, tmp_path / "b.png"))
    assert one.read_bytes() == again.read_bytes()


def test_templates_say_what_they_need():
    for name in ("residual", "grid", "five", "methods", "progress"):
        with pytest.raises(StudioError, match="needs"):
            template(name).make(Given())
    with pytest.raises(StudioError, match="no template"):
        template("six")


def test_panels_hold_the_slices_and_differences_that_are_named(phantom):
    noisy, truth = phantom
    spec, what = make_template("five", phantom)
    spec = replace(spec, rows=tuple(tuple(replace(c, slice="2") for c in row) for row in spec.rows))
    (panels,) = Builder(spec, what).sheet().rows
    assert np.array_equal(panels[0].image, truth.slice_hu(1))
    assert np.array_equal(panels[1].image, noisy.slice_hu(1))
    denoised = method_from("tv").denoise_slice(noisy.slice_hu(1))
    assert np.array_equal(panels[2].image, denoised)
    assert np.array_equal(panels[3].image, denoised - noisy.slice_hu(1))
    assert np.array_equal(panels[4].image, denoised - truth.slice_hu(1))
    assert panels[3].bounds == panels[4].bounds  # differences are of one scale
    assert panels[0].letters == truth.geometry.edge_letters


def test_metrics_stand_with_their_protocol(phantom):
    noisy, truth = phantom
    spec, what = make_template("grid", phantom)
    panels = Builder(spec, what).sheet().rows[0]
    one, other = (np.clip(v.slice_hu(3), -160, 240) for v in (noisy, truth))
    wanted = psnr(one, other, 400)
    words = panels[1].caption.replace("\N{NO-BREAK SPACE}", " ")
    assert f"PSNR {wanted:.2f} dB" in words
    assert "(protocol A, against reference)" in words


def test_another_length_of_series_is_met_by_position(phantom):
    noisy, truth = phantom
    half = replace(truth, voxels=truth.voxels[::2], slope=truth.slope[::2],
                   intercept=truth.intercept[::2],
                   geometry=truth.geometry.select(slice(None, None, 2)))  # fmt: skip
    layers = (LayerSpec("a"), LayerSpec("b", number=2))
    spec = FigureSpec(layers, ((CellSpec("a", slice="5"), CellSpec("b", slice="5")),))
    (panels,) = Builder(spec, Material({"a": noisy, "b": half})).sheet().rows
    assert np.array_equal(panels[1].image, truth.slice_hu(4))


@pytest.mark.parametrize("words", ["25 12.5 50 75", "25, 12.5; 50 75"])
def test_a_part_of_a_picture_is_cut_and_coloured(phantom, words):
    noisy, _ = phantom
    spec = FigureSpec(
        (LayerSpec("original"),),
        ((CellSpec("original", part=words, colours="ocean", window="400/40", beside="original"),),),
        style=SMALL,
    )
    ((shown,),) = Builder.of(spec, Material({"original": noisy})).sheet().rows
    assert shown.image.shape == (48, 32)
    assert np.array_equal(shown.table, sequential_table("ocean"))
    part = np.clip(noisy.slice_hu(3)[8:56, 16:48], -160, 240)
    assert np.array_equal(np.clip(shown.image, -160, 240), part)
    # The swipe's line stays where it was in the patient, the scale what it was.
    assert shown.marks[0].points[0][1] == 32 - 0.5 - 16
    assert shown.mm_per_px(32) == pytest.approx(noisy.geometry.spacing_mm[1])


@pytest.mark.parametrize(
    "words", ["1 2 3", "0 0 101 50", "-1 0 50 50", "0 0 0 50", "a b c d", "nan 0 5 5"]
)
def test_a_part_that_cannot_be_is_refused_by_name(words):
    spec = FigureSpec((LayerSpec("original"),), ((CellSpec("original", part=words),),))
    with pytest.raises(StudioError, match="part"):
        FigureSpec.from_dict(spec.to_dict())


def test_planes(phantom):
    noisy, _ = phantom
    cells = (CellSpec("a", plane="coronal", slice="middle"), CellSpec("a", plane="sagittal"))
    spec = FigureSpec((LayerSpec("a"),), (cells,), style=SMALL)
    (panels,) = Builder(spec, Material({"a": noisy})).sheet().rows
    assert panels[0].letters[:2] == ("R", "L")
    assert panels[1].letters[:2] == ("A", "P")


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (FilmSpec("slices", first=2, last=5), 4),
        (FilmSpec("slices", back=True), 10),
        (FilmSpec("slices", every=2), 3),
        (FilmSpec("flicker"), 2),
        (FilmSpec("swipe", frames=12), 12),
        (FilmSpec("blend", frames=8), 8),
    ],
)
def test_films(phantom, wanted, count):
    spec, what = make_template("grid", phantom, film=wanted)
    made = film(spec, what)
    assert made.count == count
    sizes = {made.draw(k, 1.0).size for k in range(count)}
    assert len(sizes) == 1
    small = made.draw(0, 0.5)
    assert small.width == pytest.approx(next(iter(sizes))[0] / 2, abs=2)


def test_windows_do_not_flicker_in_a_film(phantom):
    spec, what = make_template("residual", phantom)
    builder = Builder(replace(spec, window=""), what)
    bounds = []
    for k in range(6):
        contents = [panel for row in builder.sheet(At(slice=k)).rows for panel in row]
        bounds.append([panel.bounds for panel in contents if isinstance(panel, Panel)])
    assert all(found == bounds[0] for found in bounds)


def test_a_training_is_shown(tmp_path, make_run):
    run = make_run("a", steps=40)
    spec = TEMPLATES["progress"].make(Given(training=True))
    spec = replace(spec, style=SMALL)
    trainings = {layer.name: Training(run) for layer in spec.layers}
    what = Material({}, trainings)
    scene = still(spec, what)
    assert {"Step 0", "Step 40", "Loss"} <= set(scene.texts)
    path = finish(make(spec, what, tmp_path / "a.gif"))
    with Image.open(path) as image:
        assert image.n_frames == 2  # the first and the last picture are kept
    with pytest.raises(StudioError, match="no pictures"):
        still(spec, Material({}, {name: Training(tmp_path) for name in trainings}))


def test_gather_reads_series_in_order(tmp_path, irregular_phantom):
    paths = [irregular_phantom(name, [0, 4, 8]) for name in ("one", "two")]
    series = [finish(scan([path])).series[0] for path in paths]
    spec = TEMPLATES["grid"].make(Given(("tv",), 2))
    what = finish(gather(spec, series))
    assert what.stacks["reference"].source.description == "two"
    assert what.methods["denoised 1"] == method_from("tv").description
    with pytest.raises(StudioError, match="2 series, but 1 was given"):
        finish(gather(spec, series[:1]))
    with pytest.raises(StudioError, match="--run"):
        finish(gather(TEMPLATES["progress"].make(Given(training=True)), []))


def test_each_series_has_its_file_and_failures_do_not_stop_others(tmp_path, irregular_phantom):
    good = [irregular_phantom(name, [0, 4, 8]) for name in ("one", "three")]
    bad = irregular_phantom("two", [0, 4, 8])
    found = [finish(scan([path])).series[0] for path in (good[0], bad, good[1])]
    for file in bad.iterdir():
        file.unlink()
    spec = replace(TEMPLATES["single"].make(Given()), style=SMALL)
    events = list(make_each(spec, found, [], tmp_path / "a.png"))
    assert sorted(p.name for p in tmp_path.glob("*.png")) == ["a-1.png", "a-3.png"]
    assert any(isinstance(e, Note) and e.text.startswith("a-2.png") for e in events)
    with pytest.raises(StudioError, match="exists already"):
        finish(make_each(spec, found, [], tmp_path / "a.png"))
    assert [p.name for p in numbered(tmp_path / "b.png", 11)][8:] == [
        "b-09.png", "b-10.png", "b-11.png",
    ]  # fmt: skip


def test_paths_do_not_travel_unless_asked_for():
    private = str(Path("/", "home", "me"))
    layers = (LayerSpec("a"), LayerSpec("n", "method", method=f"{private}/secret/best.pt", of="a"))
    spec = FigureSpec(layers, ((CellSpec("n"),),))
    assert private not in travelling(spec)
    assert "best.pt" in travelling(spec)
    assert private in travelling(spec, keep_paths=True)


def test_what_a_header_says_of_a_patient_is_left_out():
    source = Source(patient_name="Mustermann^Erika", patient_id="PX-77", study_date="20240131")
    text = "Chest of ERIKA Mustermann, PX-77, 2024-01-31 and 20240131, W 400"
    hidden = without_patient(text, source)
    for secret in ("erika", "mustermann", "px-77", "2024"):
        assert secret not in hidden.lower()
    assert hidden.startswith("Chest of ")
    assert hidden.endswith("W 400")


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_a_report_tells_what_was_done_and_how_well(tmp_path, phantom, suffix):
    spec, what = make_template("residual", phantom)
    path = finish(save_report(spec, what, tmp_path / f"a{suffix}"))
    assert without_content(read_description(path)) == spec
    texts = " ".join(finish(report(spec, what)).texts)
    for words in (method_from("tv").description, "6 × 64 × 64", "Noise SD", "numpy", "protocol A"):
        assert words in texts
    if suffix == ".html":
        page = path.read_text(encoding="utf-8")
        assert "http://" not in page.replace("http://www.w3.org/", "")  # nothing from outside
        assert "src=" not in page
    else:
        import pypdfium2

        document = pypdfium2.PdfDocument(path)
        shown = " ".join(page.get_textpage().get_text_range() for page in document)
        document.close()
        assert "Noise SD" in shown
        assert "For research use, not for diagnosis" in shown


def test_a_report_of_a_training_has_its_settings(tmp_path, make_run):
    run = make_run("a", {"title": "A recipe"})
    spec = TEMPLATES["progress"].make(Given(training=True))
    what = Material({}, {layer.name: Training(run) for layer in spec.layers})
    texts = " ".join(finish(report(spec, what)).texts)
    assert "A recipe" in texts
    assert "phases.0.optimiser" in texts
    assert str(tmp_path) not in texts


def test_words_of_a_method_name_it_again():
    for name in ("tv", "bilateral", "wavelet", "nlm"):
        method = method_from(name)
        assert method_of(method.description) == (name, dict(method.choice.params))
    assert method_of("A network of mine (trained on chests)") is None


def test_the_scale_of_a_residual_is_that_of_what_is_known_of_it() -> None:
    values = np.linspace(-20, 20, 100, dtype=np.float32).reshape(10, 10)
    holed = values.copy()
    holed[4, 3:6] = np.nan, np.inf, -np.inf
    assert residual_limit([holed]) == residual_limit([values])
    assert residual_limit([np.full((4, 4), np.nan, np.float32)]) == residual_limit([0 * values])
