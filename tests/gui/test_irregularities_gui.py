"""What is odd about a series stands above the panes, with what helps; what helps makes a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from ctstudio.core.events import finish
from ctstudio.ct.resample import Fix
from ctstudio.workflows.mend import mend

UNEVEN = (0.0, 4.0, 8.0, 15.0, 22.0)


@pytest.fixture
def leaning(hands: Any, irregular_phantom: Any) -> Any:
    """The phantom as a tilted gantry sees it, at two distances; open."""
    hands.window.open_paths([irregular_phantom("leaning", UNEVEN, tilt=15.0)])
    hands.wait(lambda: hands.layer("leaning", complete=True))
    hands.idle("scan", "read")
    return hands.layer("leaning")


def bar_of(hands: Any) -> Any:
    return hands.window.inspector.bar


def choices(hands: Any) -> dict[str, Any]:
    return {a.text(): a for a in bar_of(hands).menu.actions() if a.text()}


def test_a_regular_series_says_nothing(hands: Any, thin: Any) -> None:
    hands.open(thin)
    # Its pixels are not square, which pictures do not suffer from.
    assert not bar_of(hands).isVisible()
    assert hands.banner() == ""


def test_the_bar_tells_and_offers(hands: Any, leaning: Any) -> None:
    bar = bar_of(hands)
    assert bar.isVisible()
    assert bar.text.text() == "leaning: variable spacing, gantry tilt"
    assert "sheared by 15.0 degrees" in bar.text.toolTip()
    assert hands.banner() == "", "it is told once"
    assert list(choices(hands)) == [
        "Make it regular: upright and equal distances",
        "Shear the tilt away",
        "Resample to equal distances",
        "Split into regular stacks",
    ]
    hands.press(bar.leave)
    assert not bar.isVisible()
    hands.grid.go_to(1)
    hands.session.layer_changed.emit(leaning, -1)
    assert not bar.isVisible(), "it is left as it is"


def test_a_mended_layer_hangs_beside_its_source(hands: Any, leaning: Any) -> None:
    choices(hands)["Make it regular: upright and equal distances"].trigger()
    assert not bar_of(hands).mend.isEnabled()
    hands.idle("mend")
    mended = hands.layer("leaning, upright, equal distances")
    assert [pane.layer for pane in hands.grid.visible_panes] == [leaning, mended]
    assert hands.session.active is mended
    assert not bar_of(hands).isVisible(), "nothing is odd about it any more"
    (expected,) = finish(mend(leaning.volume, [Fix.SHEAR, Fix.UNIFORM]))
    np.testing.assert_array_equal(mended.stack.hu(), expected.hu())
    assert mended.stack.derivation == expected.derivation
    # Both panes look at the same place in the patient, and go on doing so.
    hands.grid.go_to(2)
    one, other = (pane.view for pane in hands.grid.visible_panes)
    place = mended.stack.geometry.offsets_mm[2]
    assert one.index == leaning.stack.geometry.nearest_slice(mended.stack.geometry.positions_mm[2])
    assert other.index == 2
    assert abs(leaning.stack.geometry.offsets_mm[one.index] - place) < 4


def test_what_remains_odd_is_told_of_the_mended_layer(hands: Any, leaning: Any) -> None:
    choices(hands)["Shear the tilt away"].trigger()
    hands.idle("mend")
    upright = hands.session.active
    assert upright.name == "leaning, upright"
    assert bar_of(hands).text.text().startswith("leaning, upright: The distance between slices")
    choices(hands)["Resample to equal distances"].trigger()
    hands.idle("mend")
    even = hands.session.active
    assert even.name == "leaning, upright, equal distances"
    assert even.parent is upright
    assert len(even.stack.derivation) == 2
    hands.session.remove_layer(upright)
    assert even not in hands.session.layers, "what was made of it goes with it"
    assert leaning in hands.session.layers


def test_parts_are_layers_side_by_side(hands: Any, leaning: Any) -> None:
    choices(hands)["Split into regular stacks"].trigger()
    hands.idle("mend")
    parts = [la for la in hands.session.layers if la.kind == "mended"]
    assert [la.name for la in parts] == ["leaning, part 1 of 2", "leaning, part 2 of 2"]
    assert [len(la.stack) for la in parts] == [3, 2]
    assert hands.grid.layout_name == "1x3"
    together = np.concatenate([la.stack.hu() for la in parts])
    np.testing.assert_array_equal(together, leaning.volume.hu())


@pytest.mark.parametrize("fixes", [(), (Fix.SHEAR,), (Fix.SHEAR, Fix.UNIFORM)])
def test_every_plane_shows_the_patient_as_he_is(
    hands: Any, leaning: Any, phantom_at: Any, fixes: tuple[Fix, ...]
) -> None:
    """Each pixel of each plane against the phantom at the place where the plane says it lies."""
    if fixes:
        hands.window.inspector.mender.start(leaning, fixes)
        hands.idle("mend")
        hands.window.actions_by_name["layout_1"].trigger()
        hands.grid.show_in(hands.grid.panes[0], hands.session.layers[-1])
    hands.window.actions_by_name["planes"].trigger()
    panes = hands.grid.visible_panes
    assert {pane.view.shown_plane for pane in panes} == {"axial", "coronal", "sagittal"}
    for pane in panes:
        view = pane.view
        geometry, hu = view.stack.geometry, view.hu
        dy, dx = geometry.spacing_mm
        y, x = np.mgrid[: hu.shape[0], : hu.shape[1]][..., None]
        points = geometry.positions_mm[view.index] + (
            y * dy * geometry.column_direction + x * dx * geometry.row_direction
        )
        seen = np.isfinite(hu) & (hu != -1024)
        assert seen.sum() > 300
        error = np.abs(hu - phantom_at(points))[seen]
        assert np.median(error) < 5, view.shown_plane
        # Between slices 7 mm apart edges blur; beside their place they would be off everywhere.
        assert error.mean() < 20, view.shown_plane


@pytest.mark.parametrize("looked_at", [0, 1, 2])
def test_mending_while_three_planes_are_shown(hands: Any, leaning: Any, looked_at: int) -> None:
    hands.window.actions_by_name["planes"].trigger()
    hands.grid.activate(hands.grid.panes[looked_at])
    hands.grid.go_to(-1)
    choices(hands)["Shear the tilt away"].trigger()
    hands.idle("mend")
    upright = hands.session.active
    assert upright.name == "leaning, upright"
    one, other = hands.grid.visible_panes
    assert (one.layer, other.layer) == (leaning, upright)
    assert one.view.shown_plane == other.view.shown_plane
    places = [
        p.view.stack.geometry.positions_mm[p.view.index] @ p.view.stack.geometry.normal
        for p in (one, other)
    ]
    assert places[0] == pytest.approx(places[1], abs=4.0)


def test_cancelling_leaves_nothing_behind(hands: Any, leaning: Any) -> None:
    job = hands.window.inspector.mender.start(leaning, [Fix.SHEAR, Fix.UNIFORM])
    assert hands.window.inspector.mender.start(leaning, [Fix.SHEAR]) is None
    job.cancel()
    hands.idle("mend")
    assert hands.session.layers == [leaning]
    assert bar_of(hands).mend.isEnabled()
    # A source that is closed meanwhile is not mended either.
    hands.window.inspector.mender.start(leaning, [Fix.SHEAR])
    hands.session.remove_layer(leaning)
    hands.idle("mend")
    assert hands.session.layers == []
    assert not bar_of(hands).isVisible()


def test_what_is_cancelled_in_its_last_moment_is_left_out(hands: Any, leaning: Any) -> None:
    job = hands.window.inspector.mender.start(leaning, [Fix.SHEAR])
    assert job.wait(60_000)  # it has ended, and the window has not heard of it
    job.cancel()
    hands.idle("mend")
    assert hands.session.layers == [leaning]
    assert bar_of(hands).mend.isEnabled()


def test_a_mended_layer_is_denoised_learnt_from_and_exported(
    hands: Any, leaning: Any, tmp_path: Path
) -> None:
    hands.window.inspector.mender.start(leaning, [Fix.SHEAR])
    hands.idle("mend")
    upright = hands.session.active
    window = hands.window
    assert window.train_panel.data.layer is upright
    window.denoise_panel.choose("bilateral")
    window.denoise_panel.apply()
    hands.idle("denoise")
    denoised = next(la for la in hands.session.layers if la.kind == "denoised")
    assert denoised.parent is upright
    assert denoised.stack.shape == upright.stack.shape
    hands.grid.activate(next(p for p in hands.grid.visible_panes if p.layer is denoised))
    assert window.actions_by_name["export_dicom"].isEnabled()
    for number, layer in enumerate((upright, denoised)):
        folder = tmp_path / f"out{number}"
        window.exporter.save_dicom(layer, folder)
        hands.idle("export")
        assert hands.troubles == []
        files = sorted(folder.iterdir())
        assert len(files) == len(UNEVEN)
        header = pydicom.dcmread(files[0])
        assert header.SeriesDescription.startswith("leaning, ")
        assert header.SeriesDescription.count("leaning") == 1
        said = header.DerivationDescription
        assert said.startswith("gantry tilt of 15.0 degrees sheared away")
        assert said.count("sheared") == 1
        if layer is denoised:
            assert "Bilateral" in said


def test_an_oddity_without_a_cure_can_be_dismissed(hands: Any, thin: Any, tmp_path: Path) -> None:
    for path in sorted(thin.folder.iterdir()):
        data = pydicom.dcmread(path)
        del data.PixelSpacing
        data.save_as(tmp_path / path.name)
    hands.window.open_paths([tmp_path])
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    hands.idle()
    bar = bar_of(hands)
    assert bar.text.text().startswith("Thin slab: The files state no usable pixel spacing")
    assert not bar.mend.isVisible()
    assert bar.leave.text() == "Dismiss"
    hands.press(bar.leave)
    assert not bar.isVisible()


def test_two_patients_of_one_uid_stand_apart(hands: Any, thin: Any, tmp_path: Path) -> None:
    for path in sorted(thin.folder.iterdir()):
        data = pydicom.dcmread(path)
        data.save_as(tmp_path / path.name)
        data.PatientName, data.PatientID = "Other^Person", "ID-1"
        data.save_as(tmp_path / f"other-{path.name}")
    hands.window.open_paths([tmp_path])
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    hands.idle()
    assert bar_of(hands).text.text().startswith("Thin slab: Files of 2 patients share this series")
    tree = hands.window.series_panel.tree
    headings = [tree.topLevelItem(k) for k in range(tree.topLevelItemCount())]
    assert [heading.childCount() for heading in headings] == [1, 1]
    names = {heading.text(0).split(" - ")[0] for heading in headings}
    assert names == {"Other^Person", "Secret^Name"}
