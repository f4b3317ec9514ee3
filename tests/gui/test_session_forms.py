"""What stands in the forms comes back with a session: nobody fills them in twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFileDialog

from ctstudio.ct.boxes import Box
from ctstudio.ct.labels import PROBABILITY_UNIT
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Layer
from ctstudio.gui.sessions.forms import Boxes
from ctstudio.workflows import scan_alone

Key = Qt.Key


@pytest.fixture
def again(hands: Any, tmp_path: Path, make_program: Any) -> Any:
    """Saves what is open and opens it in another start; gives the hands there."""

    def start() -> Any:
        path = tmp_path / "mine.ctsession"
        hands.window.services.sessions._save(path)
        hands.idle()
        assert path.is_file(), hands.troubles
        program = make_program()
        program.window.resize(1440, 900)
        program.window.show()
        other = type(hands)(program, [])
        program.window.open_paths([path])
        other.idle()
        return other

    return start


def test_settings_of_denoising_and_segmenting(hands: Any, thin: Any, again: Any) -> None:
    hands.open(thin)
    window = hands.window
    window.denoise_panel.choose("nlm", {"strength": 17.0})
    panel = window.mask_desk.panel
    panel.region.setCurrentIndex(1)
    panel.least.setValue(120)
    panel.largest.setValue(3)
    panel.threshold.setValue(0.35)
    window.tabs.setCurrentIndex(2)
    wanted = window.denoise_panel.form.choice
    other = again()
    assert other.troubles == []
    window = other.window
    assert window.denoise_panel.method.currentData() == "nlm"
    assert window.denoise_panel.form.choice == wanted
    panel = window.mask_desk.panel
    assert panel.region.currentIndex() == 1
    assert (panel.least.value(), panel.largest.value()) == (120, 3)
    assert panel.threshold.value() == pytest.approx(0.35)
    assert window.tabs.currentIndex() == 2


def test_the_scan_alone_keeps_its_time(hands: Any, thin: Any, again: Any) -> None:
    hands.open(thin)
    methods = hands.window.denoise_panel.methods
    hands.window.denoise_panel.choose(scan_alone.NAME)
    methods.budget.setCurrentIndex(methods.budget.count() - 1)
    wanted = methods.budget.currentData()
    other = again()
    methods = other.window.denoise_panel.methods
    assert methods.learns
    assert methods.budget.currentData() == wanted


def test_a_network_keeps_how_long_it_learns_first(hands: Any, thin: Any, again: Any) -> None:
    hands.open(thin)
    hands.window.denoise_panel.choose("chest-any-dose")
    hands.window.denoise_panel.methods.further.setCurrentIndex(2)
    other = again()
    methods = other.window.denoise_panel.methods
    assert methods.learns
    assert methods.further.currentData() == 5


def test_a_recipe_waits_for_the_learning_engine(hands: Any, thin: Any, again: Any) -> None:
    hands.open(thin)
    hands.window.train_panel.engine_ready()
    form = hands.window.train_panel.form
    recipe = form.recipe().with_setting("phases.0.steps", 123)
    form.set_recipe(recipe)
    other = again()
    assert other.troubles == []
    sessions = other.window.services.sessions
    # Before it is loaded the recipe is kept as it is, also into the next file.
    assert sessions.parts["train"].state(sessions.capture.key)["recipe"] == json.loads(
        json.dumps(recipe.to_dict())
    )
    other.window.train_panel.engine_ready()
    assert other.window.train_panel.form.recipe() == recipe
    # Another one from the list replaces it, as ever.
    box = other.window.train_panel.form.recipe_box
    row = next(k for k in range(box.count()) if box.itemData(k) and k != box.currentIndex())
    box.setCurrentIndex(row)
    box.activated.emit(row)
    assert other.window.train_panel.form.recipe() != recipe


def test_every_recipe_that_comes_along_can_be_kept(hands: Any, thin: Any) -> None:
    from ctstudio.learn.recipe import Recipe, bundled

    for name, recipe in bundled().items():
        data = json.loads(json.dumps(recipe.to_dict(), allow_nan=False))
        assert Recipe.from_dict(data) == recipe, name


def test_what_the_noise_tools_look_at(hands: Any, thin: Any, again: Any) -> None:
    hands.open(thin)
    for start in (QPointF(200, 300), QPointF(320, 300)):
        hands.window.actions_by_name["measure_rectangle"].setChecked(True)
        hands.drag(hands.view, Qt.MouseButton.LeftButton, start, QPointF(60, 60))
    hands.window.actions_by_name["measure_rectangle"].setChecked(False)
    noise = hands.window.measuring.noise
    noise.show()
    page = noise.page
    page.choose("contrast")
    page.slices.setCurrentIndex(1)
    page.region.setCurrentIndex(0)
    page.other.setCurrentIndex(1)
    wanted = [box.currentText() for box in (page.tool_box, page.slices, page.region, page.other)]
    hands.idle()
    other = again()
    page = other.window.measuring.noise.page
    found = [box.currentText() for box in (page.tool_box, page.slices, page.region, page.other)]
    assert found == wanted
    assert other.window.measuring.noise.dock.isVisible()


def test_tumour_boxes_come_back_on_their_series(
    hands: Any, thin: Any, thick: Any, again: Any
) -> None:
    scan, _ = hands.open(thin, thick)
    boxes = hands.window.view_control.boxes
    box = Box.on_slice("A", scan.stack.geometry, 4, (20.0, 20.0, 40.0, 50.0))
    boxes.put(scan, [box])
    other = again()
    ((layer, (found,)),) = other.window.view_control.boxes.state()
    assert (layer.name, found.name) == (scan.name, "A")
    np.testing.assert_allclose(found.corners_mm, box.corners_mm)


def test_a_probability_comes_back_with_its_mask(
    hands: Any, thin: Any, again: Any, tmp_path: Path
) -> None:
    (scan,) = hands.open(thin)
    hands.window.painter.new_mask(scan)
    mask = hands.window.painter.mask
    inside = np.zeros(mask.volume.shape, np.uint8)
    inside[3, 20:40, 20:40] = 200
    count = len(inside)
    geometry, source = mask.volume.geometry, mask.volume.source
    mask.likely = Volume(
        inside, np.full(count, 1 / 255), np.zeros(count), PROBABILITY_UNIT, geometry, source
    )
    other = again()
    assert other.troubles == []
    found = next(la for la in other.session.layers if la.kind == "mask")
    np.testing.assert_allclose(found.likely.slice_hu(3), mask.likely.slice_hu(3))
    assert found.likely.unit == PROBABILITY_UNIT
    # Saved again it is not written a second time.
    store = other.window.services.sessions.store
    before = {path: path.stat().st_mtime_ns for path in store.glob("*.npy")}
    assert len(before) == 2
    other.window.services.sessions.save()
    other.idle()
    assert {path: path.stat().st_mtime_ns for path in store.glob("*.npy")} == before


def test_without_its_file_the_mask_comes_without_the_probability(
    hands: Any, thin: Any, tmp_path: Path, make_program: Any
) -> None:
    (scan,) = hands.open(thin)
    hands.window.painter.new_mask(scan)
    mask: Layer = hands.window.painter.mask
    mask.likely = mask.volume
    path = tmp_path / "mine.ctsession"
    sessions = hands.window.services.sessions
    sessions._save(path)
    hands.idle()
    (sessions.store / sessions.capture._likely[mask]).unlink()
    hands.window.open_paths([path])
    hands.idle()
    found = next(la for la in hands.session.layers if la.kind == "mask")
    assert found.likely is None
    assert "probability" in hands.troubles[-1][0]


def test_images_alone_is_no_choice_about_each_overlay(hands: Any, thin: Any, again: Any) -> None:
    hands.open(thin)
    actions = hands.window.actions_by_name
    actions["letters"].setChecked(False)
    hands.view.setFocus()
    hands.key(Key.Key_Z)
    assert not actions["info"].isChecked()
    other = again()
    actions = other.window.actions_by_name
    assert actions["hide_all"].isChecked()
    assert not actions["info"].isChecked()
    other.view.setFocus()
    other.key(Key.Key_Z)
    assert actions["info"].isChecked()
    assert actions["measurements"].isChecked()
    assert not actions["letters"].isChecked()


def test_a_damaged_form_is_told_and_the_rest_comes_back(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    path = tmp_path / "mine.ctsession"
    hands.window.denoise_panel.choose("nlm")
    hands.window.tabs.setCurrentIndex(1)
    hands.window.services.sessions._save(path)
    hands.idle()
    data = json.loads(path.read_text())
    data["state"]["denoise"]["settings"] = {"strength": "much"}
    data["state"]["segment"]["threshold"] = "high"
    path.write_text(json.dumps(data))
    hands.window.tabs.setCurrentIndex(0)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    hands.window.services.sessions.ask()
    hands.idle()
    details = hands.troubles[-1][2]
    assert "denoise.settings" in details
    assert "segment.threshold" in details
    assert hands.window.tabs.currentIndex() == 1
    assert len(hands.session.layers) == 1


def test_choices_are_kept_by_what_they_stand_for(qapp: Any) -> None:
    from PySide6.QtWidgets import QComboBox

    from ctstudio.workflows.sessions.fields import Fields

    box = QComboBox()
    for text, data in (("one", 1), ("two", 2), ("whatever", None), ("pair", (1, 2))):
        box.addItem(text, data)
    boxes = Boxes({"box": box})
    for row in range(4):
        box.setCurrentIndex(row)
        state = json.loads(json.dumps(boxes.state()))
        box.setCurrentIndex((row + 1) % 4)
        boxes.restore(Fields(state, ""))
        assert box.currentIndex() == row
    boxes.restore(Fields({"box": "gone"}, ""))
    assert box.currentIndex() == 3
    box.deleteLater()


def test_how_sure_a_method_was_comes_back(hands: Any, thin: Any, again: Any) -> None:
    (scan,) = hands.open(thin)
    unsure = scan.volume.derived(np.abs(scan.volume.hu()) / 100, "SD of eight answers")
    hands.session.add_layer(Layer("Uncertainty: x", "uncertainty", unsure, scan, note="eight"))
    other = again()
    assert other.troubles == []
    found = other.session.layers[1]
    assert (found.name, found.kind, found.note) == ("Uncertainty: x", "uncertainty", "eight")
    np.testing.assert_allclose(found.stack.slice_hu(3), unsure.slice_hu(3), atol=0.01)
