"""Denoise in depth: networks on board, the scan alone, regions and organs spared, what is told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from ctstudio.core.events import Progress, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.labels import Label, label_map
from ctstudio.ct.views import Blend
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.gui.denoising import checks
from ctstudio.gui.denoising.findings import in_words
from ctstudio.gui.forms.section import Section
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.windows import default_window
from ctstudio.learn import checkpoint, on_board, publish
from ctstudio.learn import train as learning
from ctstudio.learn.apply import denoise_slice
from ctstudio.learn.cards import Card, Range, TrainedOn
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled
from ctstudio.workflows import matched_noise, scan_alone
from ctstudio.workflows.denoise import ClassicalMethod, method_from
from ctstudio.workflows.guards import Finding
from ctstudio.workflows.uncertainty import SD_UNIT, answers

Key, Left = Qt.Key, Qt.MouseButton.LeftButton
AltModifier = Qt.KeyboardModifier.AltModifier

CARD = Card(
    title="Any dose, tiny",
    network="DRUNet",
    parameters=563744,
    steps=7,
    series=(TrainedOn(64, 0.7, 5.0, "B70f"),),
    noise_hu=Range(20, 80),
    conditioned="measures it",
)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainedModel:
    """A network for any dose, on board before the program starts."""
    recipe = bundled()["drunet-any-dose"].with_setting("device", "cpu")
    module = checkpoint.build(recipe)
    torch.manual_seed(1)
    torch.nn.init.normal_(module.last.weight, std=0.02)
    model = TrainedModel(recipe, module.eval(), 7)
    (tmp_path / "models").mkdir()
    publish.publish(model, tmp_path / "models" / "tiny", card=CARD)
    monkeypatch.setenv(on_board.SWITCH, str(tmp_path / "models"))
    monkeypatch.setattr(on_board, "packaged", lambda: tmp_path / "none")
    return model


def texts(widget: Any) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel))


def settled(hands: Any) -> Any:
    """The panel, once nothing is being computed for its preview."""
    panel = hands.window.denoise_panel
    hands.wait(lambda: not panel.live.pending)
    return panel


def press_alt(hands: Any, key: Qt.Key) -> None:
    hands.view.setFocus()
    QTest.keyClick(hands.window, key, AltModifier)


def draw_rectangle(hands: Any) -> None:
    """Drag a rectangle over the middle of the first pane."""
    hands.window.actions_by_name["measure_rectangle"].trigger()
    view = hands.grid.visible_panes[0].view
    centre = QPointF(view.viewport().width() / 2, view.viewport().height() / 2)
    hands.drag(view, Left, centre - QPointF(40, 40), QPointF(80, 80))
    hands.window.actions_by_name["measure_rectangle"].setChecked(False)


# -- networks on board ---------------------------------------------------------------------------


def test_a_network_on_board_works_at_once(network: TrainedModel, hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    assert panel.method.currentText() == "On board: tiny", "it comes first"
    assert "It measures the noise itself. For noise of 20 to 80 HU" in texts(panel.methods)
    hands.press(panel.apply_button)
    hands.idle()
    layer = next(la for la in hands.session.layers if la.kind == "denoised")
    for z in (0, 9):
        expected = denoise_slice(thin.hu[z].astype(np.float32), network)
        np.testing.assert_allclose(layer.stack.slice_hu(z), expected, atol=1e-2)
    # Its card was made of other scans, and the list says so.
    told = {each.name: each for each in panel.findings.findings}
    assert in_words(told["Kernel"]) == "B30f; learnt from B70f"
    assert in_words(told["Noise level"]).endswith("HU; learnt from 20 to 80 HU")
    assert told["Kernel"].verdict == "note"
    assert panel.findings.isVisible()
    assert "The network has not seen scans of this kernel" in texts(panel.findings)


def test_a_network_with_a_damaged_card_is_told_of(
    tmp_path: Path, network: TrainedModel, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "models" / "tiny.json").write_text("{}")
    hands = request.getfixturevalue("hands")
    assert "tiny.json is no card of a network" in hands.banner()
    assert "On board: tiny" not in hands.window.denoise_panel.method.currentText()


def test_the_networks_on_board_are_offered(hands: Any) -> None:
    combo = hands.window.denoise_panel.method
    offered = [combo.itemText(k) for k in range(combo.count())]
    assert "This scan alone, no other data" in offered
    known = [each.name for each in on_board.networks()]
    assert [text for text in offered if text.startswith("On board")] == [
        f"On board: {title}" for title in known
    ]


# -- the scan alone ------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_alone, "NETWORK", Choice("dncnn", {"depth": 3, "features": 8}))
    monkeypatch.setattr(matched_noise, "CUTOFFS", (1.0,))
    monkeypatch.setattr(scan_alone, "LEAST_LEARNING_S", 1.0)


def test_a_scan_learns_from_itself(quick: None, hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    press_alt(hands, Key.Key_B)
    assert panel.methods.learns
    assert [panel.methods.budget.itemText(k) for k in range(3)] == [
        "1 minute", "5 minutes", "15 minutes",
    ]  # fmt: skip
    assert not panel.preview.isEnabled(), "there is no network yet"
    assert not panel.unsure_button.isEnabled()
    assert panel.apply_button.text() == "Learn, then denoise the series"
    panel.methods.budget.setItemData(0, 4 / 60)
    panel.methods.budget.setCurrentIndex(0)
    said: list[str] = []
    shown: list[float] = []
    panel.applier.said.connect(said.append)
    hands.press(panel.apply_button)
    hands.wait(lambda: any(la.kind == "denoised" for la in hands.session.layers), "the live view")
    layer = next(la for la in hands.session.layers if la.kind == "denoised")
    job = hands.session.jobs["denoise"]
    hands.session.layer_changed.connect(
        lambda la, index: shown.append(index) if la is layer and not layer.complete else None
    )
    hands.wait(lambda: "Learning from this scan" in said, "learning")
    assert job.progress.total == 4
    hands.idle("denoise")
    assert layer.complete
    assert {7.0} <= set(shown), "the slice on the screen is shown while it learns"
    assert np.abs(layer.stack.slice_hu(3) - thin.hu[3]).max() > 0
    hands.idle()
    # Structure is among them where a few seconds of learning took enough away to tell it from.
    found = panel.findings.findings
    assert found == finish(checks.examine(layer.parent.stack, layer.stack))
    assert "Bias" in {finding.name for finding in found}
    hands.session.set_active(layer)
    assert panel.unsure_button.isEnabled(), "now there is a network to be asked"


def test_a_network_on_board_learns_from_the_scan_first(
    quick: None, hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("tv")
    assert not panel.methods.further.isVisible()
    panel.choose("chest-any-dose")
    further = panel.methods.further
    assert further.isVisible()
    assert not panel.methods.budget.isVisible()
    assert [further.itemText(k) for k in range(4)] == [
        "no, at once", "1 minute", "5 minutes", "15 minutes",
    ]  # fmt: skip
    assert panel.apply_button.text() == "Apply to the series"
    further.setItemData(1, 4 / 60)
    further.setCurrentIndex(1)
    begun: list[Any] = []
    plain = learning.train
    monkeypatch.setattr(
        learning, "train", lambda *a, **k: begun.append(k["branch_from"]) or plain(*a, **k)
    )
    assert panel.apply_button.text() == "Learn, then denoise the series"
    assert not panel.preview.isEnabled()
    hands.press(panel.apply_button)
    hands.idle("denoise")
    layer = next(la for la in hands.session.layers if la.kind == "denoised")
    assert layer.complete
    assert layer.name.startswith("chest-any-dose, 0.0666")
    assert "min on this scan (self-supervised" in layer.stack.derivation[-1]
    assert [path.name for path in begun] == ["chest-any-dose.safetensors"]
    at_once = method_from("chest-any-dose").denoise_slice(thin.hu[3].astype(np.float32))
    assert np.abs(layer.stack.slice_hu(3) - at_once).mean() > 0, "it has learnt"
    assert panel._card is None, "what has learnt from the scan has seen its kind"
    hands.idle()
    further.setCurrentIndex(0)
    assert panel.preview.isEnabled()


def test_the_form_of_every_method_fits_into_the_panel(hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    hands.window.tabs.setCurrentWidget(hands.window.tabs.widget(0))
    for row in range(panel.method.count()):
        panel.method.setCurrentIndex(row)
        hands.pause(20)
        widest = panel.methods.minimumSizeHint().width()
        assert widest <= hands.window.panel_dock.width() - 24, panel.method.itemText(row)


def test_learning_can_be_cancelled(quick: None, hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose(scan_alone.NAME)
    hands.press(panel.apply_button)
    hands.wait(lambda: any(la.kind == "denoised" for la in hands.session.layers), "the live view")
    hands.press(hands.window.job_strip.cancel)
    hands.idle("denoise")
    assert [la.kind for la in hands.session.layers] == ["original"]


# -- regions and organs --------------------------------------------------------------------------


def test_a_region_that_is_drawn_is_kept(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("bilateral", {"strength": 80})
    hands.press(panel.preview)
    settled(hands)
    whole = hands.grid.visible_panes[1].view.hu.copy()
    asked: list[int] = []
    plain = ClassicalMethod.denoise_slice
    monkeypatch.setattr(
        ClassicalMethod, "denoise_slice", lambda self, hu: asked.append(1) or plain(self, hu)
    )
    press_alt(hands, Key.Key_K)
    assert "Draw a region upon the slice first" in hands.window.message_label.text()
    draw_rectangle(hands)
    press_alt(hands, Key.Key_K)
    shown = hands.grid.visible_panes[1].view.hu
    kept = shown == thin.hu[7]
    assert kept[46:50, 38:42].all(), "the middle is as it was scanned"
    assert not np.array_equal(whole[46:50, 38:42], thin.hu[7][46:50, 38:42])
    np.testing.assert_array_equal(shown[:, -8:], whole[:, -8:])
    assert asked == [], "nothing was computed again"
    hands.press(panel.apply_button)
    hands.idle()
    layer = next(la for la in hands.session.layers if la.kind == "denoised")
    assert np.array_equal(layer.stack.slice_hu(2)[46:50, 38:42], thin.hu[2][46:50, 38:42])
    assert layer.note.endswith("1 region kept")
    hands.press(panel.preview)
    settled(hands)
    panel.where.clear_button.click()
    np.testing.assert_array_equal(hands.grid.visible_panes[1].view.hu, whole)


def test_every_organ_has_its_strength(hands: Any, thin: Any) -> None:
    (source,) = hands.open(thin)
    numbers = np.zeros(thin.hu.shape, np.int16)
    numbers[:, :, :40] = 1
    labels = (Label(1, "Left half", (200, 0, 0)),)
    mask = label_map(numbers, source.stack.geometry, source.stack.source, labels)
    layer = hands.session.add_layer(Layer("Halves", "mask", mask, source))
    panel = hands.window.denoise_panel
    panel.choose("bilateral", {"strength": 80})
    hands.press(panel.preview)
    settled(hands)
    whole = hands.grid.visible_panes[1].view.hu.copy()
    where = panel.where
    where.masks.setCurrentIndex(where.masks.findText("Halves"))
    slider = where.sliders[1]
    slider.setFocus()
    for _ in range(6):
        QTest.keyClick(slider, Key.Key_PageDown)
    assert slider.value() == 40
    shown = hands.grid.visible_panes[1].view.hu
    scan = thin.hu[7].astype(np.float32)
    np.testing.assert_allclose(
        shown[:, :20], scan[:, :20] + 0.4 * (whole[:, :20] - scan[:, :20]), atol=0.02
    )
    np.testing.assert_array_equal(shown[:, 60:], whole[:, 60:])
    hands.session.remove_layer(layer)
    assert where.sliders == {}
    np.testing.assert_array_equal(hands.grid.visible_panes[1].view.hu, whole)


# -- what is told --------------------------------------------------------------------------------


def test_the_noise_of_the_scan_is_told(hands: Any, thin: Any) -> None:
    hands.open(thin)
    line = hands.window.denoise_panel.noise
    hands.wait(lambda: line.isVisible(), "the line")
    # The slab has soft tissue with noise of 4 HU, lungs alike, and air without noise.
    assert line.text().startswith("Noise (SD, HU): Soft tissue 4")
    assert "Air 0" in line.text()


def test_faults_of_a_result_are_told(hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("tv", {"strength": 200})
    hands.press(panel.apply_button)
    hands.idle()
    told = {each.name: each for each in panel.findings.findings}
    assert told["Structure in the residual"].verdict == "note"
    assert panel.findings.isVisible()
    assert "Look at the residual, or blend" in texts(panel.findings)
    # The list belongs to the result: without it, it goes.
    hands.session.remove_layer(next(la for la in hands.session.layers if la.kind == "denoised"))
    assert not panel.findings.isVisible()


def test_the_uncertainty_becomes_a_layer_in_hu(hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("tv", {"strength": 40, "iterations": 20})
    press_alt(hands, Key.Key_Q)
    hands.wait(lambda: any(la.kind == "uncertainty" for la in hands.session.layers), "the layer")
    hands.idle()
    layer = next(la for la in hands.session.layers if la.kind == "uncertainty")
    assert layer.complete
    assert layer.stack.unit == SD_UNIT
    method = method_from("tv", {"strength": "40", "iterations": "20"})
    expected = finish(answers(method, thin.hu[7].astype(np.float32)))[1]
    np.testing.assert_allclose(layer.stack.slice_hu(7), expected, atol=1e-3)
    view = hands.grid.visible_panes[1].view
    assert view.layer is layer
    assert view.window.centre_hu == pytest.approx(view.window.width_hu / 2), "black is sure"
    assert hands.grid.visible_panes[0].view.window.width_hu == 400, "tissue keeps its window"


def test_where_the_scan_has_no_number_the_uncertainty_has_a_window_still(
    hands: Any, thin: Any
) -> None:
    (source,) = hands.open(thin)
    values = np.zeros(thin.hu.shape, np.float32)
    values[:, :48] = np.linspace(0, 30, 48, dtype=np.float32)[:, None]
    values[:, 50:60] = np.nan
    for known, highest in ((values, 29.8), (np.full_like(values, np.nan), 1.0)):
        stack = Volume.from_hu(known, source.stack.geometry, unit=SD_UNIT)
        window = default_window(Layer("Uncertainty", "uncertainty", stack, source), 7)
        assert window.lower == pytest.approx(0)
        assert window.upper == pytest.approx(highest, abs=0.7)
        signed = default_window(Layer("Residual", "residual", stack, source), 7)
        assert 0 < signed.width_hu <= 100


def applied(hands: Any, **settings: Any) -> Layer:
    """The series denoised with total variation and examined; the layer that it became."""
    panel = hands.window.denoise_panel
    panel.choose("tv", settings or {"strength": 200})
    hands.press(panel.apply_button)
    hands.idle()
    return next(la for la in hands.session.layers if la.kind == "denoised")


def told_now(hands: Any) -> dict[str, Any]:
    """What the list says, once it is about the picture as it is."""
    panel = hands.window.denoise_panel
    hands.wait(lambda: not panel.guards.pending, "the list")
    assert panel.findings.current
    return {each.name: each for each in panel.findings.findings}


def test_the_list_follows_the_blend(hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.blend.setValue(0)
    layer = applied(hands)
    assert list(told_now(hands)) == ["Change"], "it is the scan itself"
    assert "Nothing was changed" in texts(panel.findings)
    panel.blend.setValue(100)
    assert not panel.findings.current
    assert "Checking again ..." in texts(panel.findings)
    assert told_now(hands)["Structure in the residual"].verdict == "note"
    assert "100 % denoised" in texts(panel.findings)
    panel.blend.setValue(50)
    half = Blend(layer.parent.stack, layer.stack.other, 0.5)
    assert list(told_now(hands).values()) == finish(checks.examine(layer.parent.stack, half))
    assert "50 % denoised" in texts(panel.findings)
    panel.blend.setValue(0)
    assert list(told_now(hands)) == ["Change"]


def test_one_list_never_tells_of_two_blends(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    seen: list[list[float]] = []

    def slow(original: Any, result: Any, *rest: Any, **more: Any) -> Any:
        shares: list[float] = []
        seen.append(shares)
        for k in range(20):
            shares.append(result.fraction)
            yield Progress(k, 20)
            time.sleep(0.01)
        return [Finding("Share", "fine", "{0:.2f}", (result.fraction,), "as it is")]

    monkeypatch.setattr(checks, "examine", slow)
    panel.choose("tv")
    hands.press(panel.apply_button)
    hands.wait(lambda: seen and len(seen[0]) > 3, "the first look")
    panel.blend.setValue(30)
    panel.blend.setValue(60)
    assert told_now(hands)["Share"].numbers == (0.6,)
    assert [set(shares) for shares in seen] == [{1.0}, {0.6}]
    assert len(seen[0]) < 20, "it was not brought to its end"
    # A name is no change; a layer that comes back is told of as it is.
    layer = next(la for la in hands.session.layers if la.kind == "denoised")
    hands.session.layer_changed.emit(layer, -1)
    assert panel.findings.current
    panel.blend.setValue(10)
    hands.wait(lambda: hands.session.jobs.busy("guards"), "the next look")
    hands.session.jobs["guards"].cancel()
    assert told_now(hands) == {}, "stopped by hand: nothing is known of this blend"
    assert not panel.findings.isVisible()
    panel.blend.setValue(20)
    assert told_now(hands)["Share"].numbers == (0.2,)


def test_a_network_and_values_that_are_not_hu(network: TrainedModel, hands: Any) -> None:
    hu = np.random.default_rng(1).normal(300, 40, (3, 64, 64)).astype(np.float32)
    hands.session.add_layer(Layer("MR", "original", Volume.from_hu(hu, Geometry.axial(3), unit="")))
    hands.session.hang.emit([hands.session.layers[0]])
    hands.session.set_active(hands.session.layers[0])
    panel = hands.window.denoise_panel
    hands.press(panel.apply_button)
    hands.idle()
    (found,) = told_now(hands).values()
    assert (found.name, found.verdict) == ("Kind of scan", "note")
    assert in_words(found) == "values are not HU; learnt from CT"
    hands.session.set_active(hands.session.layers[0])
    panel.choose("tv", {"strength": 40})
    hands.press(panel.apply_button)
    hands.idle()
    assert told_now(hands) == {}, "a filter takes them as they are"


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_a_row_of_pixels_is_denoised_without_a_complaint(
    size: tuple[int, int], network: TrainedModel, hands: Any
) -> None:
    hu = np.random.default_rng(1).normal(40, 10, (1, *size)).astype(np.float32)
    source = hands.session.add_layer(
        Layer("Row", "original", Volume.from_hu(hu, Geometry.axial(1)))
    )
    hands.session.set_active(source)
    panel = hands.window.denoise_panel
    hands.press(panel.apply_button)
    hands.idle()
    hands.wait(lambda: not panel.guards.pending, "the list")
    assert hands.troubles == []
    assert "Structure in the residual" not in {f.name for f in panel.findings.findings}
    assert panel._status.text() == "tiny: done."


def test_a_second_start_leaves_the_first_alone(hands: Any, thin: Any) -> None:
    (source,) = hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("tv", {"strength": 60})
    refused: list[str] = []

    def again(_layer: Layer) -> None:
        try:
            panel.applier.start(source, source.volume, panel.current_method())
        except RuntimeError as error:
            refused.append(str(error))

    panel.applier.started.connect(again)
    hands.press(panel.apply_button)
    hands.idle()
    assert refused == ["a denoise job is running already"]
    (layer,) = [la for la in hands.session.layers if la.kind == "denoised"]
    assert layer.complete
    assert panel.applier.method_of(layer) is not None


def test_the_list_of_layers_says_how_a_preview_was_made(hands: Any, thin: Any) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("tv")
    hands.press(panel.preview)
    settled(hands)
    shown = hands.window.series_panel.list
    names = [shown.item(row).text() for row in range(shown.count())]
    assert names[1:] == [layer.name for layer in hands.session.layers[1:]]
    assert names[1] == "Preview: Total variation"


def test_every_label_of_many_has_its_strength(hands: Any, thin: Any) -> None:
    (source,) = hands.open(thin)
    numbers = np.zeros(thin.hu.shape, np.int16)
    for number in range(1, 105):
        numbers[:, number % 96, number % 80] = number
    labels = tuple(
        Label(k, "Background" if k == 0 else f"Organ {k}", (9, 9, 9)) for k in range(105)
    )
    mask = label_map(numbers, source.stack.geometry, source.stack.source, labels)
    hands.session.add_layer(Layer("Organs", "mask", mask, source))
    panel = hands.window.denoise_panel
    where = panel.where
    for head in panel.findChildren(Section):
        if where in head.findChildren(type(where)):
            head._head.setChecked(True)
    where.masks.setCurrentIndex(where.masks.findText("Organs"))
    assert sorted(where.sliders) == list(range(1, 105))
    hands.pause(50)
    assert where.sliders[1].isVisible()
    area = where.sliders[1].parentWidget().parentWidget()
    assert area.height() <= 240, "the list is scrolled, the panel does not grow by it"
    assert area.width() >= where.sliders[1].parentWidget().width(), "nothing is cut off"
    # The wheel scrolls, whatever slider it passes over.
    slider = where.sliders[2]
    at = QPointF(slider.width() / 2, slider.height() / 2)
    turn = QWheelEvent(
        at, QPointF(slider.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, -360),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(slider, turn)
    assert slider.value() == 100
    where.sliders[104].setValue(0)
    assert where.shares.by_label == {104: 0.0}
    assert "over about 4 mm" in where.sliders[104].toolTip()
    where.feather.setValue(0)
    assert where.sliders[104].toolTip() == "0 %: the original; 100 %: fully denoised"
