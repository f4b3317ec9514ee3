"""Measuring with mouse and keys: what is drawn, told, moved, taken back, saved."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QFileDialog

from ctstudio.gui.measuring import numbers
from ctstudio.gui.measuring import tool as measuring_tool
from ctstudio.gui.measuring.drawing import COLOUR, SELECTED, words_for
from tests.gui.looking import place_of

Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
Left = Qt.MouseButton.LeftButton
DY, DX = 0.8, 1.1
TOOLS = (
    "Distance", "Angle", "Rectangular region", "Elliptical region", "Free-hand region", "Profile",
)  # fmt: skip


def draw(hands: Any, *places: tuple[float, float], view: Any = None) -> None:
    """Drag from one pixel (y, x) of the slice over others."""
    view = view or hands.view
    points = [place_of(view, *place) for place in places]
    hands.drag(view, Left, points[0], points[-1] - points[0])


def tool(hands: Any, name: str) -> None:
    hands.window.actions_by_name[f"measure_{name}"].trigger()


@pytest.fixture
def studio(hands: Any, thin: Any) -> Any:
    """A series open at slice 7."""
    hands.open(thin)
    hands.grid.go_to(7)
    hands.view.setFocus()
    hands.measuring = hands.window.measuring
    hands.measurements = hands.measuring.measurements
    hands.panel = hands.measuring.panel
    return hands


def only(hands: Any) -> Any:
    (entry,) = hands.measurements.entries
    return entry


def seen(hands: Any, view: Any, colour: str) -> int:
    """How many pixels of ``view`` have a colour."""
    image = hands.picture(view)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    want = [int(colour[k : k + 2], 16) for k in (5, 3, 1)]
    return int((np.abs(data[..., :3].astype(int) - want).max(-1) < 12).sum())


def test_a_distance_by_dragging_and_by_clicks(studio: Any) -> None:
    view, window = studio.view, studio.view.window
    studio.key(Qt.Key.Key_D)
    assert studio.window.actions_by_name["measure_distance"].isChecked()
    draw(studio, (20, 10), (60, 50))
    want = math.hypot(40 * DY, 40 * DX)
    assert only(studio).shape.length == pytest.approx(want, abs=0.4)  # whole screen pixels
    assert view.window == window, "the window is not dragged meanwhile"
    for at in ((70, 20), (70, 60)):
        studio.move(view, place_of(view, *at))
        studio.click(view, Left, place_of(view, *at))
    second = studio.measurements.entries[-1]
    assert second.shape.length == pytest.approx(40 * DX, abs=0.4)
    assert [e.name for e in studio.measurements.entries] == ["Distance 1", "Distance 2"]
    studio.key(Qt.Key.Key_Escape)
    assert view.tool is None
    assert not studio.window.actions_by_name["measure_distance"].isChecked()
    draw(studio, (10, 70), (30, 78))
    assert view.window != window, "the left button has the window again"
    assert len(studio.measurements.entries) == 2


@pytest.mark.parametrize("clicked", [True, False])
def test_an_angle(studio: Any, clicked: bool) -> None:
    studio.key(Qt.Key.Key_A)
    sides, vertex, view = ((20, 60), (60, 20)), (60, 60), studio.view
    if clicked:
        for at in (sides[0], vertex, sides[1]):
            studio.move(view, place_of(view, *at))
            studio.click(view, Left, place_of(view, *at))
    else:
        draw(studio, sides[0], vertex)
        studio.move(view, place_of(view, *sides[1]))
        studio.click(view, Left, place_of(view, *sides[1]))
    assert only(studio).shape.angle == pytest.approx(90.0, abs=0.5)


@pytest.mark.parametrize(("name", "kind"), [("rectangle", "R"), ("ellipse", "Shift+R")])
def test_a_region_tells_what_it_holds(studio: Any, thin: Any, name: str, kind: str) -> None:
    action = studio.window.actions_by_name[f"measure_{name}"]
    assert action.shortcut().toString() == kind
    studio.key(Qt.Key.Key_R, Shift if kind.startswith("Shift") else Qt.KeyboardModifier.NoModifier)
    assert action.isChecked()
    draw(studio, (30.4, 15.4), (44.6, 27.6))
    studio.measuring.dock.show()
    ((layer, reading),) = studio.measuring.numbers.read(only(studio))
    y, x = np.mgrid[:96, :80].astype(float)
    # On the screen 0.4 px is about two pixels: the edge lies safely between centres.
    inside = (abs(y - 37.5) < 7.1) & (abs(x - 21.5) < 6.1)
    got = reading.statistics
    if name == "rectangle":
        values = thin.hu[7][inside].astype(float)
        assert (got.n, got.min, got.max) == (values.size, values.min(), values.max())
        assert (got.mean, got.sd) == pytest.approx((values.mean(), values.std(ddof=1)))
        assert got.area == pytest.approx(values.size * DY * DX)
    else:
        assert got.area == pytest.approx(math.pi / 4 * 14.2 * DY * 12.2 * DX, rel=0.06)
    table = studio.panel.table
    told = [table.item(0, column).text() for column in range(table.columnCount())]
    assert told == [
        layer.name, f"{got.mean:.1f}", f"{got.sd:.1f}", f"{got.min:g}", f"{got.max:g}",
        str(got.n), f"{got.area:.1f}", "",
    ]  # fmt: skip
    assert table.horizontalHeaderItem(0).text() == "Layer (HU)"
    x, y = studio.panel.plot.curves[0].getData()
    assert y.max() > 0
    assert y[1:-1].reshape(-1, 2)[:, 0].sum() == got.n, "the histogram holds every pixel"


def test_values_between_voxels_are_told_with_one_digit(studio: Any) -> None:
    studio.window.actions_by_name["oblique"].trigger()
    studio.window.actions_by_name["tilt_up"].trigger()
    studio.view.setFocus()
    studio.key(Qt.Key.Key_R)
    draw(studio, (30.4, 15.4), (44.6, 27.6))
    words = " ".join(words_for(only(studio).shape, studio.view))
    assert re.search(r"\d", words)
    assert not re.search(r"\.\d\d", words), words
    assert not re.search(r"\.0 to", words), words


def test_an_outline_drawn_by_hand(studio: Any) -> None:
    studio.key(Qt.Key.Key_F, Shift)
    view = studio.view
    corners = [(30, 20), (30, 50), (60, 50), (60, 20), (31, 20)]
    points = [place_of(view, *c) for c in corners]
    studio.mouse(view, QEvent.Type.MouseButtonPress, points[0], Left, Left)
    for point in points[1:]:
        studio.mouse(view, QEvent.Type.MouseMove, point, held=Left)
    studio.mouse(view, QEvent.Type.MouseButtonRelease, points[-1], Left)
    ((_, reading),) = studio.measuring.numbers.read(only(studio))
    assert reading.statistics.area == pytest.approx(30 * 30 * DY * DX, rel=0.05)
    draw(studio, (80, 70), (80, 70))
    assert only(studio).shape.kind == "freehand", "a click alone is no outline"


def test_all_panes_of_the_slice_show_it_and_no_other(
    hands: Any, thin: Any, thick: Any, mirrored: Any, elsewhere: Any
) -> None:
    layers = hands.open(thin, thick, mirrored, elsewhere)
    hands.session.hang.emit(layers)
    hands.wait(lambda: len(hands.grid.visible_panes) == 4)
    panes = hands.grid.visible_panes
    hands.grid.activate(panes[0])
    hands.grid.go_to(8)  # the fifth of the thick slices
    tool(hands, "rectangle")
    draw(hands, (20, 10), (70, 60), view=panes[0].view)
    tool(hands, "end")
    assert panes[1].view.index == 4
    told = [seen(hands, pane.view, SELECTED) > 100 for pane in panes]
    assert told == [True, True, True, False]
    hands.grid.go_to(9)
    assert seen(hands, panes[0].view, SELECTED) == 0
    hands.grid.go_to(8)
    measuring = hands.window.measuring
    readings = {layer.name: r for layer, r in measuring.numbers.read(only_of(measuring))}
    assert set(readings) == {"Thin slab", "Thick slab", "Mirrored slab"}
    thin_, thick_, other = (readings[la.name].statistics for la in layers[:3])
    assert other == thin_, "the same place, stored the other way round"
    assert thick_.mean == pytest.approx(thin_.mean + 5)
    assert readings["Thick slab"].slice_index == 4


def only_of(measuring: Any) -> Any:
    (entry,) = measuring.measurements.entries
    return entry


def test_handles_and_lines_are_dragged_and_taken_back(studio: Any) -> None:
    view, window = studio.view, studio.view.window
    tool(studio, "distance")
    draw(studio, (20, 20), (20, 50))
    tool(studio, "end")
    before = only(studio).shape.points_mm
    draw(studio, (20, 50), (60, 50))
    assert only(studio).shape.length == pytest.approx(math.hypot(40 * DY, 30 * DX), abs=0.5)
    assert only(studio).shape.points_mm[0] == pytest.approx(before[0])
    moved = only(studio).shape
    draw(studio, (40, 35), (50, 35))
    assert only(studio).shape.points_mm == pytest.approx(
        moved.points_mm + np.array([0, 10 * DY, 0]), abs=0.3
    )
    assert only(studio).shape.length == pytest.approx(moved.length)
    assert view.window == window
    for want in (moved.points_mm, before):
        studio.key(Qt.Key.Key_Z, Ctrl)
        assert only(studio).shape.points_mm == pytest.approx(want)
    assert studio.window.actions_by_name["undo"].text() == "Undo draw Distance 1"
    studio.key(Qt.Key.Key_Z, Ctrl)
    assert studio.measurements.entries == []
    for _ in range(3):
        studio.key(Qt.Key.Key_Y, Ctrl)
    assert only(studio).shape.length == pytest.approx(moved.length)


def test_a_click_selects_and_moves_nothing(studio: Any) -> None:
    view = studio.view
    tool(studio, "distance")
    draw(studio, (20, 20), (20, 50))
    draw(studio, (60, 20), (60, 50))
    tool(studio, "end")
    first, before = studio.measurements.entries[0], studio.session.undo.count()
    for place in (place_of(view, 20, 50), place_of(view, 20, 35)):
        studio.measurements.select(None)
        studio.drag(view, Left, place, QPointF(1, 2))  # an unsteady hand
        assert studio.measurements.selection is first
        assert studio.measurements.entries[0].shape is first.shape
    assert studio.session.undo.count() == before
    # What is grabbed a little off its middle does not jump there.
    at = place_of(view, 20, 50)
    studio.drag(view, Left, at + QPointF(4, 3), QPointF(0, 60))
    moved = studio.measurements.entries[0].shape.points_mm[1] - first.shape.points_mm[1]
    assert moved == pytest.approx([0, 60 / view.framing.scale, 0], abs=1e-6)


def test_delete_and_escape(studio: Any) -> None:
    tool(studio, "distance")
    draw(studio, (20, 20), (20, 50))
    tool(studio, "end")
    assert studio.measurements.selection is not None
    assert seen(studio, studio.view, SELECTED) > 50
    studio.key(Qt.Key.Key_Escape)
    assert studio.measurements.selection is None
    assert seen(studio, studio.view, SELECTED) == 0
    assert seen(studio, studio.view, COLOUR) > 20
    studio.key(Qt.Key.Key_Delete)
    assert studio.measurements.entries, "nothing is selected"
    studio.click(studio.view, Left, place_of(studio.view, 20, 35))
    studio.key(Qt.Key.Key_Delete)
    assert studio.measurements.entries == []
    studio.key(Qt.Key.Key_Z, Ctrl)
    assert only(studio).name == "Distance 1"
    studio.key(Qt.Key.Key_M, Shift)
    assert seen(studio, studio.view, COLOUR) + seen(studio, studio.view, SELECTED) == 0


def test_escape_gives_up_what_is_half_drawn(studio: Any) -> None:
    tool(studio, "angle")
    draw(studio, (20, 20), (20, 50))
    studio.key(Qt.Key.Key_Escape)
    tool(studio, "angle")
    draw(studio, (30, 20), (30, 50))
    studio.grid.go_to(9)
    draw(studio, (40, 20), (40, 50))  # begun anew in another slice
    assert studio.measurements.entries == []


def test_the_list_names_and_finds_them(studio: Any, monkeypatch: Any) -> None:
    studio.measuring.dock.show()
    tool(studio, "distance")
    draw(studio, (20, 20), (20, 50))
    studio.grid.go_to(2)
    draw(studio, (30, 20), (30, 60))
    tool(studio, "end")
    rows = studio.panel.list
    told = [[rows.topLevelItem(r).text(c) for c in range(3)] for r in range(2)]
    assert [t[:2] for t in told] == [["Distance 1", "Axial 8"], ["Distance 2", "Axial 3"]]
    assert [float(t[2].removesuffix(" mm")) for t in told] == pytest.approx(
        [30 * DX, 40 * DX], abs=0.5
    )
    studio.pause(10)
    rect = rows.visualItemRect(rows.topLevelItem(0))
    studio.click_item(rows, rect.center())
    assert studio.view.index == 7
    assert studio.measurements.selection.name == "Distance 1"
    rows.topLevelItem(0).setText(0, "Nodule")
    assert studio.measurements.entries[0].name == "Nodule"
    rows.topLevelItem(0).setText(0, "  ")
    assert rows.topLevelItem(0).text(0) == "Nodule"
    studio.press(studio.panel.delete_button)
    assert [e.name for e in studio.measurements.entries] == ["Distance 2"]
    for _ in range(2):
        studio.key(Qt.Key.Key_Z, Ctrl)
    assert [e.name for e in studio.measurements.entries] == ["Distance 1", "Distance 2"]


def test_the_list_comes_and_goes_by_its_key(studio: Any) -> None:
    dock = studio.measuring.dock
    assert not dock.isVisible()
    studio.key(Qt.Key.Key_L, Shift)
    assert dock.isVisible()
    studio.key(Qt.Key.Key_L, Shift)
    assert not dock.isVisible()


def test_a_tool_says_how_it_is_used(studio: Any) -> None:
    studio.key(Qt.Key.Key_A)
    assert "vertex" in studio.window.message_label.text()


def test_jumping_to_another_plane(studio: Any) -> None:
    studio.grid.cutting.set_plane(studio.grid.active_pane, "coronal")
    studio.grid.go_to(30)
    tool(studio, "rectangle")
    draw(studio, (4, 20), (11, 50))
    tool(studio, "end")
    entry = only(studio)
    assert entry.plane == "coronal"
    ((_, reading),) = studio.measuring.numbers.read(entry)
    assert reading.slice_index == 30
    assert np.array_equal(np.sort(reading.samples), np.sort(reading.samples.round()))
    studio.grid.cutting.set_plane(studio.grid.active_pane, "axial")
    assert studio.measurements.visible(studio.view) == []
    studio.measuring.jump(entry)
    assert (studio.view.shown_plane, studio.view.index) == ("coronal", 30)
    assert studio.measurements.visible(studio.view) == [entry]


def test_a_profile_of_all_layers(hands: Any, thin: Any, mirrored: Any) -> None:
    hands.open(thin, mirrored)
    hands.view.setFocus()
    hands.grid.show_in(hands.grid.active_pane, hands.session.layers[0])
    hands.grid.go_to(7)
    hands.key(Qt.Key.Key_D, Shift)
    draw(hands, (36, 5), (36, 75))
    measuring = hands.window.measuring
    assert measuring.dock.isVisible(), "a profile is nothing without its plot"
    hands.pause(150)
    plot = measuring.panel.plot
    (x, y), (_, other) = (curve.getData() for curve in plot.curves)
    assert x[-1] == pytest.approx(70 * DX, abs=0.5)
    assert len(y) == math.ceil(x[-1] / DY) + 1
    assert y == pytest.approx(other), "one place, two ways of storing it"
    assert y.min() < -700
    assert y.max() > 0
    told = measuring.panel.table
    assert [told.item(1, c).text() for c in (3, 4)] == [f"{y.min():.0f}", f"{y.max():.0f}"]
    assert told.isColumnHidden(1)
    before, items = y.copy(), list(plot.curves)
    draw(hands, (36, 75), (76, 75))
    hands.pause(200)
    assert plot.curves == items
    assert not np.array_equal(plot.curves[0].getData()[1], before)


def test_saving(studio: Any, tmp_path: Path, monkeypatch: Any) -> None:
    studio.measuring.dock.show()
    tool(studio, "distance")
    draw(studio, (20, 20), (20, 50))
    tool(studio, "profile")
    draw(studio, (24, 20), (60, 50))
    tool(studio, "ellipse")
    draw(studio, (30, 20), (50, 50))
    for name in ("m.csv", "m.json", "p.csv"):
        target = tmp_path / name
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_, target=target, **__: (str(target), "")
        )
        if name == "p.csv":
            studio.press(studio.panel.save_plot_button)
        else:
            studio.key(Qt.Key.Key_M, Ctrl | Shift)
        text = target.read_text()
        for word in ("Secret", "ID-4711", "19480229", "ACC0815Z", "20210317", "/ct"):
            assert word not in text
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert [r["kind"] for r in rows] == ["distance", "profile", "ellipse"]
    assert [r["layer"] for r in rows] == ["Thin slab"] * 3
    assert float(rows[0]["length"]) == pytest.approx(30 * DX, abs=0.4)
    assert rows[0]["length_unit"] == "mm"
    assert (rows[2]["unit"], rows[2]["slice"], rows[2]["area_unit"]) == ("HU", "8", "mm2")
    told = json.loads((tmp_path / "m.json").read_text())["measurements"]
    assert [m["kind"] for m in told] == ["distance", "profile", "ellipse"]
    assert len(told[1]["layers"][0]["values"]) == len(told[1]["at"])
    assert told[2]["layers"][0]["mean"] == pytest.approx(float(rows[2]["mean"]))
    bins = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert sum(float(b["Thin slab (pixels)"]) for b in bins) == int(rows[2]["n"])
    # A name without its ending is not taken for leave to overwrite.
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "m"), "CSV (*.csv)")
    )
    before = (tmp_path / "m.csv").read_bytes()
    studio.key(Qt.Key.Key_M, Ctrl | Shift)
    assert "exists already" in studio.banner()
    assert (tmp_path / "m.csv").read_bytes() == before


def test_painting_and_measuring_share_the_button(studio: Any) -> None:
    actions = studio.window.actions_by_name
    tool(studio, "distance")
    actions["paint"].trigger()
    assert not actions["measure_distance"].isChecked()
    assert studio.view.tool is studio.window.painter
    tool(studio, "angle")
    assert not studio.window.painter.on
    assert studio.view.tool is studio.measuring.tool
    tool(studio, "angle")
    assert studio.view.tool is None


def test_the_toolbar_shows_the_tool_that_is_on(studio: Any) -> None:
    button = studio.measuring._button
    assert button.isVisible()
    actions = studio.window.actions_by_name
    for name in ("angle", "ellipse", "profile"):
        tool(studio, name)
        on = actions[f"measure_{name}"]
        assert (button.defaultAction(), button.isChecked()) == (on, True)
        assert [a for a in actions.values() if a.text() in TOOLS and a.isChecked()] == [on]
    studio.press(button)
    assert not button.isChecked()
    assert studio.view.tool is None
    studio.press(button)
    assert studio.measuring.tool.kind == "profile"


def test_without_a_series(hands: Any) -> None:
    tool(hands, "distance")
    assert not hands.window.actions_by_name["measure_distance"].isChecked()
    assert "Open a series" in hands.window.message_label.text()
    hands.window.actions_by_name["save_measurements"].trigger()
    assert "nothing to save" in hands.banner()


def test_closing_the_series(studio: Any) -> None:
    tool(studio, "distance")
    draw(studio, (20, 20), (20, 50))
    studio.session.remove_layer(studio.session.layers[0])
    assert studio.measurements.entries == []
    studio.session.undo.undo()
    studio.session.undo.redo()  # of a series that is gone: nothing happens
    assert studio.measurements.entries == []


@pytest.mark.parametrize("name", ["distance", "freehand", "rectangle"])
def test_what_happens_under_the_mouse_meanwhile(studio: Any, name: str) -> None:
    view = studio.view
    tool(studio, name)
    a, b = place_of(view, 20, 20), place_of(view, 50, 50)
    for change in (lambda: studio.wheel(view, 1), lambda: tool(studio, "end")):
        studio.mouse(view, QEvent.Type.MouseButtonPress, a, Left, Left)
        studio.mouse(view, QEvent.Type.MouseMove, (a + b) / 2, held=Left)
        change()
        studio.mouse(view, QEvent.Type.MouseMove, b, held=Left)
        studio.mouse(view, QEvent.Type.MouseButtonRelease, b, Left)
        assert studio.measurements.entries == []
        tool(studio, "end")
        tool(studio, name)
    draw(studio, (20, 20), (50, 50))
    assert len(studio.measurements.entries) == 1
    tool(studio, "end")
    studio.mouse(view, QEvent.Type.MouseButtonPress, a, Left, Left)
    studio.mouse(view, QEvent.Type.MouseMove, b, held=Left)
    studio.session.remove_layer(studio.session.layers[0])
    studio.mouse(view, QEvent.Type.MouseMove, a, held=Left)
    studio.mouse(view, QEvent.Type.MouseButtonRelease, a, Left)
    assert studio.measurements.entries == []
    assert studio.troubles == []


def test_escape_lets_go_of_what_is_dragged(studio: Any) -> None:
    tool(studio, "distance")
    draw(studio, (20, 20), (20, 50))
    tool(studio, "end")
    before, view = only(studio).shape.points_mm, studio.view
    studio.mouse(view, QEvent.Type.MouseButtonPress, place_of(view, 20, 50), Left, Left)
    studio.mouse(view, QEvent.Type.MouseMove, place_of(view, 60, 60), held=Left)
    assert only(studio).shape.points_mm[1] != pytest.approx(before[1])
    studio.key(Qt.Key.Key_Escape)
    assert only(studio).shape.points_mm == pytest.approx(before)
    studio.mouse(view, QEvent.Type.MouseButtonRelease, place_of(view, 60, 60), Left)
    assert only(studio).shape.points_mm == pytest.approx(before)


@pytest.mark.parametrize("kept", [True, False])
def test_a_large_region_is_estimated_while_it_is_dragged(
    studio: Any, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and is exact as soon as it is let go."""
    for module in (measuring_tool, numbers):
        monkeypatch.setattr(module, "ROUGH_PIXELS", 400)
    studio.measuring.dock.show()
    tool(studio, "rectangle")
    draw(studio, (20.5, 10.5), (70.5, 60.5))
    tool(studio, "end")
    view, before = studio.view, only(studio).shape

    def told() -> tuple[str, int, int]:
        ((_, reading),) = studio.measuring.numbers.read(only(studio))
        words = studio.measuring.tool._told(only(studio), view)
        return words[0], reading.statistics.n, len(reading.samples)

    exact = told()
    assert exact[1] == exact[2] == 50 * 50
    assert not exact[0].startswith("≈")
    studio.mouse(view, QEvent.Type.MouseButtonPress, place_of(view, 20.5, 35), Left, Left)
    studio.mouse(view, QEvent.Type.MouseMove, place_of(view, 28.5, 35), held=Left)
    studio.pause(150)
    text, n, read = told()
    assert text.startswith("≈ ")
    assert n == pytest.approx(2500, rel=0.1)
    assert read <= 400
    assert float(studio.panel.table.item(0, 5).text()) == n
    drawn = studio.panel.plot.curves[0].getData()[1][1:-1].reshape(-1, 2)[:, 0].sum()
    assert drawn == pytest.approx(n), "the histogram does not jump when it is let go"
    if not kept:
        studio.key(Qt.Key.Key_Escape)
    studio.mouse(view, QEvent.Type.MouseButtonRelease, place_of(view, 28.5, 35), Left)
    after = told()
    assert after[1:] == (2500, 2500)
    assert (after == exact) is not kept
    assert (only(studio).shape.points_mm == pytest.approx(before.points_mm)) is not kept
    studio.pause(150)
    if kept:  # else nothing is selected
        assert studio.panel.table.item(0, 5).text() == "2500"


def test_values_follow_the_layers(studio: Any, thin: Any) -> None:
    studio.measuring.dock.show()
    tool(studio, "rectangle")
    draw(studio, (30, 15), (44, 27))
    layer = studio.session.layers[0]
    ((_, first),) = studio.measuring.numbers.read(only(studio))
    layer.stack = layer.volume.derived(thin.hu.astype(np.float32) + 100)
    studio.session.layer_changed.emit(layer, -1)
    studio.pause(200)
    shown = float(studio.panel.table.item(0, 1).text())
    assert shown == pytest.approx(first.statistics.mean + 100, abs=0.06)
    words = studio.measuring.tool._told(only(studio), studio.view)
    assert words[0].startswith(f"{shown:.1f} ±")


def test_without_a_spacing_lengths_are_pixels(hands: Any, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(np.arange(80 * 100, dtype=np.uint16).reshape(80, 100)).save(path)
    hands.window.open_paths([path])
    hands.wait(lambda: hands.session.layers and hands.session.layers[0].complete)
    hands.idle()
    tool(hands, "distance")
    draw(hands, (40, 20), (40, 70))
    tool(hands, "rectangle")
    draw(hands, (49.5, 19.5), (59.5, 39.5))
    measuring = hands.window.measuring
    measuring.dock.show()
    line, region = measuring.measurements.entries
    assert line.length_unit == "px"
    assert line.shape.length == pytest.approx(50, abs=0.5)
    rows = measuring.panel.list
    assert rows.topLevelItem(0).text(2).endswith(" px")
    ((_, reading),) = measuring.numbers.read(region)
    assert (reading.statistics.n, reading.statistics.area_unit) == (200, "px")
    assert rows.topLevelItem(1).text(2) == "200 px"
    assert measuring.panel.table.isColumnHidden(6), "no area in mm2"


def test_pictures_carry_the_measurements_where_wanted(studio: Any, tmp_path: Path) -> None:
    from PIL import Image

    tool(studio, "rectangle")
    draw(studio, (30, 20), (60, 50))
    tool(studio, "end")
    studio.window.actions_by_name["next_colours"].trigger()
    pictures = []
    action = studio.window.actions_by_name["measurements_in_pictures"]
    for name in ("with", "without", "hidden"):
        if name == "without":
            action.trigger()
        if name == "hidden":
            action.trigger()
            studio.window.actions_by_name["measurements"].trigger()
        path = tmp_path / f"{name}.png"
        studio.window.exporter.save_picture(path)
        studio.idle("export")
        with Image.open(path) as image:
            pictures.append(np.asarray(image.convert("RGB")).astype(int))
    drawn, plain, hidden = pictures
    assert np.array_equal(plain, hidden)
    changed = np.argwhere((drawn != plain).any(-1))
    # The box is 30 px high in an image of 96: nothing but it and its words has changed.
    rows = np.ptp(changed[:, 0]) / plain.shape[0]
    assert 0.2 < rows < 0.45
    green = [int(COLOUR[k : k + 2], 16) for k in (1, 3, 5)]
    assert (np.abs(drawn - green).max(-1) < 30).sum() > 300
    # The colours are those of the panes, not grey.
    assert (np.ptp(plain, axis=-1) > 60).mean() > 0.1


def test_films_carry_the_measurements_of_each_slice(studio: Any, tmp_path: Path) -> None:
    from PIL import Image

    tool(studio, "rectangle")
    draw(studio, (30, 20), (60, 50))
    studio.grid.go_to(9)
    tool(studio, "distance")
    draw(studio, (20, 10), (20, 60))
    tool(studio, "end")
    studio.grid.go_to(0)
    studio.window.exporter.save_slices_gif(tmp_path / "a.gif")
    studio.idle("export")
    green = [int(COLOUR[k : k + 2], 16) for k in (1, 3, 5)]
    with Image.open(tmp_path / "a.gif") as film:
        inked = []
        for number in range(film.n_frames):
            film.seek(number)
            frame = np.asarray(film.convert("RGB")).astype(int)
            inked.append(int((np.abs(frame - green).max(-1) < 30).sum()))
    assert [index for index, count in enumerate(inked) if count > 100] == [7, 9]
    assert sum(inked) == inked[7] + inked[9]
