"""The noise tools by mouse and keys: one page for all layers, its plots and files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFileDialog

Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
Left = Qt.MouseButton.LeftButton
DY, DX = 0.8, 1.1


def draw(hands: Any, key: Qt.Key, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press the tool's key and drag from one pixel (y, x) of the slice to another."""
    view = hands.view
    rect = view.image_rect()
    places = [
        view.to_viewport(QPointF(rect.left() + (x + 0.5) * DX, rect.top() + (y + 0.5) * DY))
        for y, x in (start, end)
    ]
    view.setFocus()
    hands.key(key)
    hands.drag(view, Left, places[0], places[1] - places[0])
    hands.key(Qt.Key.Key_Escape)


@pytest.fixture
def studio(hands: Any, thin: Any, mirrored: Any) -> Any:
    """Two series of one place, the page open, a region in soft tissue."""
    hands.open(thin, mirrored)
    hands.grid.show_in(hands.grid.active_pane, hands.session.layers[0])
    hands.grid.go_to(7)
    hands.page = hands.window.measuring.noise.page
    hands.view.setFocus()
    draw(hands, Qt.Key.Key_R, (52.5, 20.5), (66.5, 60.5))
    hands.key(Qt.Key.Key_N, Ctrl | Shift)
    assert hands.page.isVisible()
    return hands


def looked(hands: Any, tool: str) -> list[Any]:
    """Pick a tool and wait for what it finds."""
    hands.page.choose(tool)
    hands.wait(lambda: hands.page.findings and not hands.session.jobs.busy("noise"), tool)
    hands.pause(200)
    hands.idle("noise")
    return hands.page.findings


def test_a_spectrum_of_all_layers_side_by_side(studio: Any) -> None:
    one, two = looked(studio, "spectrum")
    # The slab's noise is white, of 4 HU and a little more for being rounded.
    assert one.numbers["noise_sd"] == pytest.approx(math.sqrt(16 + 1 / 12), rel=0.12)
    assert two.numbers == pytest.approx(one.numbers), "one place, stored the other way round"
    table = studio.page.table
    assert table.item(0, 0).text() == "Thin slab"
    assert float(table.item(1, 1).text()) == pytest.approx(two.numbers["noise_sd"], abs=0.006)
    assert table.horizontalHeaderItem(1).text() == "Noise SD\nHU"
    x, y = studio.page.plot.curves[1].getData()
    assert (x == two.curves["spectrum"][0]).all()
    assert (y == two.curves["spectrum"][1]).all()
    studio.page.view_box.setCurrentIndex(1)
    assert studio.page.pictures.isVisible()
    (first, second) = studio.page.pictures.places()
    assert first.right() < second.left()


def test_the_page_follows_the_region_that_is_selected_and_dragged(studio: Any) -> None:
    looked(studio, "spectrum")
    draw(studio, Qt.Key.Key_R, (30.5, 15.5), (44.5, 27.5))
    studio.pause(300)
    studio.idle("noise")
    assert studio.page.region.currentText() == "Rectangle 2"
    assert studio.page.findings[0].numbers["square_px"] == 12
    studio.page.region.setCurrentIndex(0)
    studio.pause(300)
    studio.idle("noise")
    assert studio.page.findings[0].numbers["squares"] >= 9
    studio.window.measuring.measurements.delete(studio.window.measuring.measurements.entries)
    studio.pause(300)
    studio.idle("noise")
    assert studio.page.findings == []
    assert "Draw a region" in studio.page.note.text()
    assert not studio.page.save_button.isEnabled()


def test_the_edge_of_the_bone(studio: Any) -> None:
    draw(studio, Qt.Key.Key_R, (66.5, 30.5), (84.5, 49.5))
    one, _ = looked(studio, "edge")
    # A disc of 5 px drawn upon pixels of 0.8 by 1.1 mm: round enough, about 660 HU bright.
    assert abs(one.numbers["step"]) == pytest.approx(660, rel=0.1)
    assert studio.page.table.item(0, 4).text() == f"{one.numbers['step']:.1f}"
    assert "±" in studio.page.table.item(0, 1).text()
    plot = studio.page.plot
    assert plot.curves[0].getData()[1][0] == pytest.approx(1.0)
    studio.page.view_box.setCurrentIndex(1)
    assert np.ptp(plot.curves[0].getData()[1]) > 600


def test_the_mtf_of_an_edge_along_the_pixels_ends_at_the_mark_of_nyquist(studio: Any) -> None:
    draw(studio, Qt.Key.Key_R, (42.5, 0.5), (51.5, 11.5))  # the skin on the left: nearly upright
    studio.page.kind.setCurrentIndex(1)
    one, _ = looked(studio, "edge")
    plot = studio.page.plot
    (mark,) = plot.marks
    assert mark.value() == one.numbers["nyquist"] == pytest.approx(1 / (2 * DX))
    assert mark.label.toPlainText() == "Nyquist"
    assert plot.curves[0].getData()[0][-1] == pytest.approx(mark.value())
    assert "Nyquist" in studio.page.note.text()
    assert "tilt the edge" in studio.page.note.text()
    studio.page.view_box.setCurrentIndex(1)
    assert plot.marks == [], "the response has no frequencies"


def test_the_map_needs_no_region_and_tells_values_under_the_mouse(studio: Any) -> None:
    studio.window.measuring.measurements.delete(studio.window.measuring.measurements.entries)
    one, _ = looked(studio, "map")
    assert one.picture.shape == (96, 80)
    assert one.slice_index == 7
    pictures = studio.page.pictures
    told = pictures.value_at(pictures.places()[0].center())
    assert float(told.split()[0]) == pytest.approx(float(one.picture[48, 40]), rel=1e-3)
    assert told.endswith("HU")
    assert pictures.value_at(QPointF(-5, -5)) == ""
    studio.grid.go_to(3)
    studio.pause(300)
    studio.idle("noise")
    assert studio.page.findings[0].slice_index == 3


def test_the_axis_of_a_low_plot_is_named_by_its_unit(studio: Any) -> None:
    looked(studio, "spectrum")
    plot = studio.page.plot
    axis = plot.plotItem.getAxis("left")
    for height, name in ((400, "Noise power (HU² mm²)"), (120, "HU² mm²")):
        plot.resize(300, height)
        studio.pause(20)
        assert axis.labelText == name
        assert axis.label.boundingRect().width() <= height


def test_two_regions_against_each_other(studio: Any) -> None:
    draw(studio, Qt.Key.Key_R, (30.5, 16.5), (42.5, 26.5))
    one, _ = looked(studio, "contrast")
    assert (studio.page.region.currentText(), studio.page.other.currentText()) == (
        "Rectangle 2", "Rectangle 1",
    )  # fmt: skip
    hu = studio.session.layers[0].volume.slice_hu(7)
    lung, tissue = hu[31:43, 17:27], hu[53:67, 21:61]
    assert one.numbers["mean_1"] == pytest.approx(float(lung.mean()), abs=1.0)
    noise = math.sqrt((float(lung.std()) ** 2 + float(tissue.std()) ** 2) / 2)
    assert one.numbers["cnr"] == pytest.approx(840 / noise, rel=0.05)
    plot = studio.page.plot
    assert list(plot.bars.opts["height"]) == pytest.approx([one.numbers["cnr"]] * 2)
    # No line of the grid lies upon a bar.
    low, high = (plot.mapFromScene(plot.bars.mapToScene(0, share)) for share in (0.0, 0.9))
    picture = studio.picture(plot)
    x = low.x() + 6
    greys = {picture.pixelColor(x, y).name() for y in range(high.y(), low.y() - 2)}
    assert len(greys) == 1


@pytest.mark.parametrize("tool", ["spectrum", "map", "contrast"])
def test_files_without_the_patient(
    studio: Any, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(studio, Qt.Key.Key_R, (30.5, 16.5), (46.5, 27.5))
    findings = looked(studio, tool)
    for name in ("n.png", "n.csv", "n.json"):
        path = tmp_path / name
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_, path=path, **__: (str(path), "")
        )
        studio.press(studio.page.save_button)
        studio.idle("export")
        content = path.read_bytes()
        for word in (b"Secret", b"ID-4711", b"19480229"):
            assert word not in content
    told = json.loads((tmp_path / "n.json").read_text())
    assert [la["layer"] for la in told["layers"]] == ["Thin slab", "Mirrored slab"]
    key = next(iter(findings[0].numbers))
    assert told["layers"][0][key] == pytest.approx(findings[0].numbers[key], rel=1e-6)
    rows = list(csv.DictReader((tmp_path / "n.csv").read_text().split("\n\n")[0].splitlines()))
    assert rows[0]["tool"] == studio.page.tool_box.currentText()
    with Image.open(tmp_path / "n.png") as image:
        assert image.width > 500
    assert studio.troubles == []


def test_the_theme_reaches_the_page(studio: Any) -> None:
    looked(studio, "spectrum")
    before = studio.page.plot.curves[0].opts["pen"].color().name()
    studio.window.actions_by_name["theme"].trigger()
    assert studio.page.plot.curves[0].opts["pen"].color().name() != before
    studio.window.actions_by_name["theme"].trigger()
    assert studio.page.plot.curves[0].opts["pen"].color().name() == before


def test_nothing_is_open(hands: Any) -> None:
    hands.window.actions_by_name["noise_tools"].trigger()
    page = hands.window.measuring.noise.page
    hands.pause(300)
    assert page.isVisible()
    assert "Draw a region" in page.note.text()
    assert page.region.count() == 0
