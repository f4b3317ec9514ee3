"""What a figure measures lies in one place, and is counted by the original's slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.ct.common_place import common_slices, counterpart, misfit
from ctstudio.ct.metrics import psnr
from ctstudio.ct.phantom import thorax
from ctstudio.ct.volume import Volume
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec, StyleSpec
from ctstudio.workflows.figures.build import Builder
from ctstudio.workflows.figures.make import film, make, still
from ctstudio.workflows.figures.material import Material, difference
from ctstudio.workflows.figures.naming import MINUS
from ctstudio.workflows.figures.report import report

SMALL = StyleSpec(width_mm=60, dpi=60, font_pt=5)
SPEC = FigureSpec(
    (LayerSpec("original"), LayerSpec("reference", number=2)),
    (
        (
            CellSpec("reference", caption="{slice}"),
            CellSpec("original", caption="{metrics}", against="reference"),
        ),
    ),
    style=SMALL,
    footer="{slice}",
)


@pytest.fixture(scope="module")
def scan() -> Volume:
    return thorax(10, 64)


def noisy(scan: Volume) -> Volume:
    noise = np.random.default_rng(2).normal(0, 25, scan.shape)
    return scan.derived(scan.hu() + noise, "noise of 25 HU")


def part(scan: Volume, where: slice) -> Volume:
    """Some slices of it, with a geometry of their own."""
    return replace(
        scan, voxels=scan.voxels[where], slope=scan.slope[where],
        intercept=scan.intercept[where], geometry=scan.geometry.select(where),
    )  # fmt: skip


def moved(scan: Volume, step: tuple[float, float, float]) -> Volume:
    geometry = replace(scan.geometry, positions_mm=scan.geometry.positions_mm + np.array(step))
    return replace(scan, geometry=geometry)


def spaced(scan: Volume, factor: float) -> Volume:
    dy, dx = scan.geometry.spacing_mm
    geometry = replace(scan.geometry, spacing_mm=(factor * dy, factor * dx))
    return replace(scan, geometry=geometry)


def of(scan: Volume, frame: str, patient: str) -> Volume:
    source = replace(scan.source, frame_of_reference_uid=frame, patient_id=patient)
    # A geometry of its own, as of another file.
    return replace(moved(scan, (0, 0, 0)), source=source)


def material(scan: Volume, reference: Volume) -> Material:
    titles = {"original": "Original", "reference": "Reference"}
    return Material({"original": noisy(scan), "reference": reference}, titles=titles)


def test_what_lies_in_one_place_fits(scan: Volume) -> None:
    assert misfit(scan, noisy(scan)) == ""
    assert misfit(scan, part(scan, slice(2, 7))) == ""
    assert misfit(part(scan, slice(2, 7)), scan) == ""
    assert misfit(of(scan, "1.2", "A"), of(scan, "1.2", "B")) == ""  # names taken out apart
    assert misfit(of(scan, "1.2", "A"), of(scan, "1.3", "A")) == ""  # exactly upon each other
    assert common_slices(scan, part(scan, slice(2, 7))) == [2, 3, 4, 5, 6]
    assert common_slices(scan, part(scan, slice(None, None, 2))) == [0, 2, 4, 6, 8]
    assert counterpart(scan, 5, part(scan, slice(2, 7))) == 3
    assert counterpart(scan, 8, part(scan, slice(2, 7))) is None


MISFITS = {
    "have 64 x 64 and 32 x 32 pixels": lambda scan: thorax(10, 32),
    "pixels measure": lambda scan: spaced(scan, 1.2),
    "no place in the patient in common": lambda scan: moved(scan, (0, 0, 5000)),
    "pixels apart": lambda scan: moved(scan, (40, 0, 0)),
    "of two patients": lambda scan: of(scan, "1.3", "B"),
    "values are HU and numbers": lambda scan: replace(moved(scan, (0, 0, 0)), unit=""),
}


@pytest.mark.parametrize("words", list(MISFITS))
def test_what_does_not_fit_is_refused_with_the_reason(scan: Volume, words: str) -> None:
    own = of(scan, "1.2", "A") if "patients" in words else scan
    other = MISFITS[words](scan)
    assert words in misfit(own, other)
    with pytest.raises(StudioError, match=words) as caught:
        still(SPEC, material(own, other))
    assert "Original" in str(caught.value)
    assert "reference" in str(caught.value)


def test_side_by_side_needs_no_fit(scan: Volume) -> None:
    cells = tuple(replace(cell, against="", caption="") for cell in SPEC.rows[0])
    still(replace(SPEC, rows=(cells,)), material(scan, thorax(4, 32)))


def test_slices_are_counted_in_the_original(scan: Volume) -> None:
    what = material(scan, part(scan, slice(3, 8)))
    rows = (tuple(replace(cell, slice="7") for cell in SPEC.rows[0]),)
    sheet = Builder.of(replace(SPEC, rows=rows), what).sheet()
    reference, original = sheet.rows[0]
    assert sheet.footer == reference.caption == "Slice 7 of 10"
    assert np.array_equal(reference.image, scan.slice_hu(6))
    one, other = (np.clip(v.slice_hu(6), -160, 240) for v in (what.stacks["original"], scan))
    assert f"{psnr(one, other, 400):.2f}" in original.caption


def test_a_slice_that_the_reference_lacks_is_told(scan: Volume) -> None:
    what = material(scan, part(scan, slice(3, 8)))
    rows = (tuple(replace(cell, slice="10") for cell in SPEC.rows[0]),)
    with pytest.raises(StudioError, match="no slice where slice 10 of the original") as caught:
        still(replace(SPEC, rows=rows), what)
    assert "4 to 8 of 10" in str(caught.value.hint)
    taken = difference(what.stacks["original"], what.stacks["reference"])
    assert len(taken) == 5
    assert np.array_equal(taken.slice_hu(0), what.stacks["original"].slice_hu(3) - scan.slice_hu(3))


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_metrics_and_differences_that_a_plane_does_not_allow_are_told_in_the_figure(scan, plane):
    """Series of unequal length: their other planes have other numbers of rows."""
    cells = tuple(replace(cell, plane=plane) for cell in SPEC.rows[0])
    style = replace(SMALL, width_mm=120)
    spec = replace(SPEC, rows=(cells,), differences="reference", style=style)
    reference = part(scan, slice(0, 8))
    texts = " ".join(still(spec, material(noisy(scan), reference)).texts)
    assert "PSNR" not in texts
    why = f"in the {plane} plane their slices have 64 x 10 and 64 x 8 pixels."
    assert f"Original is not measured against reference: {why}" in texts
    assert f"There is no difference of original and reference: {why}" in texts
    # Of one length there is nothing to explain.
    whole = still(spec, material(noisy(scan), replace(scan, geometry=scan.geometry)))
    texts = " ".join(whole.texts)
    assert "PSNR" in texts
    assert f"{MINUS} reference" in texts
    assert "in the" not in texts


def test_a_film_goes_over_the_slices_that_both_have(scan: Volume, tmp_path) -> None:
    what = material(scan, part(scan, slice(3, 8)))
    assert film(SPEC, what).count == 5
    events = make(SPEC, what, tmp_path / "a.gif")
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("5 of 10 slices" in note for note in notes)


def test_a_report_leaves_out_what_does_not_fit_and_says_why(scan: Volume) -> None:
    what = material(scan, moved(scan, (0, 0, 5000)))
    texts = " ".join(finish(report(SPEC, what)).texts)
    assert "PSNR" not in texts
    assert "is not measured against reference" in texts
    assert "no place in the patient in common" in texts


def test_a_report_measures_where_both_have_slices(scan: Volume) -> None:
    what = material(scan, part(scan, slice(3, 8)))
    rows = (tuple(replace(cell, slice="6") for cell in SPEC.rows[0]),)
    texts = " ".join(finish(report(replace(SPEC, rows=rows), what)).texts)
    assert "Mean over the slices 4, 5, 6, 7, 8 of 10." in texts
    own = what.stacks["original"]
    found = []
    for z in range(3, 8):
        one, other = (np.clip(v.slice_hu(z), -160, 240) for v in (own, scan))
        found.append(psnr(one, other, 400))
    assert f"{np.mean(found):.2f} dB" in texts


def test_a_training_on_tiny_images_says_why_it_has_no_ssim(make_run, monkeypatch) -> None:
    from ctstudio.workflows.figures import report as module
    from ctstudio.workflows.figures.material import Training
    from ctstudio.workflows.figures.templates import Given, template

    run = make_run("a", {"title": "A recipe"})
    known = module.summarise(run)
    best = {"psnr": 31.5, "ssim": float("nan")}
    monkeypatch.setattr(module, "summarise", lambda folder: replace(known, best=best))
    spec = template("progress").make(Given(training=True))
    what = Material({}, {layer.name: Training(run) for layer in spec.layers})
    texts = " ".join(finish(report(spec, what)).texts)
    assert "nan" not in texts.split()
    assert "SSIM not defined: the images are smaller than its window of 11 pixels" in texts
    assert "31.5 dB" in texts
