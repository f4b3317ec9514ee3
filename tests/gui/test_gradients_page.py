"""The page of the gradients: when it is there, its lines and their legend, the cursor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFileDialog

from ctstudio.core.events import GradientNorms, Step, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.figures.colours import sequence
from ctstudio.gui.curves.effect import EffectDialog
from ctstudio.gui.training.run_log import RunLog, read_log

LAYERS = ("block 1", "block 2", "block 3")


def log_of(name: str = "Tiny", network: str = "residual", gradients: bool = True) -> RunLog:
    """Steps each two seconds; at every tenth the k-th layer's gradient is k over the step."""
    log = RunLog(name, network=network)
    for step in range(1, 101):
        log.add(Step(step, step / 10, {"loss": 1 / step}, 1e-3, 2.0 * step))
        if gradients and step % 10 == 0:
            norms = {layer: (k + 1) / step for k, layer in enumerate(LAYERS)}
            log.add(GradientNorms(step, step / 10, norms))
    return log


@pytest.fixture
def curves(hands: Any) -> Any:
    hands.window.curves_dock.show()
    hands.window.curves.pause = hands.pause
    hands.pause(20)
    return hands.window.curves


def show(curves: Any, *logs: RunLog) -> Any:
    """Show runs and turn to their gradients; the page."""
    curves.show_runs(list(logs))
    curves.bar.tabs.setCurrentIndex(1)
    curves.pause(30)
    return curves.gradients


def test_the_page_is_there_where_a_run_has_gradients(curves: Any) -> None:
    assert not curves.bar.tabs.isVisible()
    page = show(curves, log_of())
    assert curves.bar.tabs.isVisible()
    assert page.plot.isVisible()
    assert not curves.plots["loss"].isVisible()
    assert not curves.bar.smoothing.isVisible()
    curves.bar.tabs.setCurrentIndex(0)
    assert curves.plots["loss"].isVisible()
    assert curves.bar.smoothing.isVisible()
    curves.bar.tabs.setCurrentIndex(1)
    curves.show_runs([log_of(gradients=False)])
    assert not curves.bar.tabs.isVisible()
    assert curves.plots["loss"].isVisible()


def test_a_line_a_layer_on_a_logarithmic_axis_in_an_order_that_shows(curves: Any) -> None:
    log = log_of()
    page = show(curves, log)
    lines = {name: item for (_, name), item in page.plot.items_by_line.items()}
    assert tuple(lines) == LAYERS
    steps = np.arange(10, 101, 10)
    for k, layer in enumerate(LAYERS):
        x, y = lines[layer].getOriginalDataset()
        assert np.array_equal(x, steps)
        assert np.allclose(y, (k + 1) / steps)
        assert lines[layer].opts["pen"].color().name() == sequence(3)[k]
        assert sequence(3)[k] in page.boxes[layer].styleSheet()
    low, high = page.plot.plotItem.vb.viewRange()[1]
    assert low < np.log10(0.01)
    assert np.log10(0.3) < high < 0.5
    log.add(GradientNorms(110, 11, dict.fromkeys(LAYERS, 2.0)))
    curves.update_now()
    assert lines["block 1"].getOriginalDataset()[1][-1] == 2
    curves.bar.time.setChecked(True)
    assert np.array_equal(lines["block 1"].getOriginalDataset()[0][:10], 2.0 * steps)


def test_layers_can_be_hidden(curves: Any) -> None:
    page = show(curves, log_of())
    page.boxes["block 2"].setChecked(False)
    assert [name for _, name in page.plot.items_by_line] == ["block 1", "block 3"]
    curves.show_runs([log_of("Other")])
    assert not page.boxes["block 2"].isChecked()
    page.boxes["block 2"].setChecked(True)
    assert len(page.plot.items_by_line) == 3


def test_several_runs_differ_by_their_strokes(curves: Any) -> None:
    page = show(curves, log_of("First"), log_of("Second"), log_of("Without", gradients=False))
    pens = [item.opts["pen"] for item in page.plot.items_by_line.values()]
    assert len(pens) == 6
    assert {pen.style() for pen in pens} == {Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine}
    assert [label.text().split()[-1] for label in page._strokes] == ["First", "Second"]
    plot = page.plot
    at = plot.plotItem.vb.mapViewToScene(QPointF(50, np.mean(plot.plotItem.vb.viewRange()[1])))
    plot.scene().sigMouseMoved.emit(at)
    curves._show_cursor()
    assert "0.02" in plot.readout.text()
    assert "Second" in plot.readout.text().replace("&nbsp;", " ")


def test_only_networks_with_a_way_back_offer_the_comparison(curves: Any) -> None:
    assert show(curves, log_of()).effect.isVisible()
    assert not show(curves, log_of(network="dncnn")).effect.isVisible()
    assert not show(curves, log_of(network="unheard of")).effect.isVisible()


def test_a_folder_is_read_with_its_gradients(tmp_path: Path) -> None:
    head = "step,epoch,seconds,lr,loss,protocol\n"
    (tmp_path / "metrics.csv").write_text(head + "1,0.1,2,0.1,3,\n2,0.2,4,0.1,2,\n")
    (tmp_path / "gradients.csv").write_text("step,epoch,block 1\n1,0.1,0.5\n2,0.2,inf\n")
    text = 'title = "T"\n[[phases]]\n[phases.model]\nname = "residual"\n'
    (tmp_path / "recipe.toml").write_text(text)
    log = finish(read_log(tmp_path))
    assert log.gradient_step.values.tolist() == [1, 2]
    assert log.gradients["block 1"].values.tolist() == [0.5, np.inf]
    assert log.network == "residual"
    assert log.history().gradients["block 1"].tolist() == [0.5, np.inf]


@pytest.mark.parametrize("ending", ["png", "csv"])
def test_the_gradients_shown_are_saved(
    curves: Any, hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    out = tmp_path / f"gradients.{ending}"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out), ""))
    page = show(curves, log_of("First"), log_of("Second"))
    hands.press(page.save)
    hands.idle("export")
    if ending == "csv":
        lines = out.read_text().splitlines()
        assert lines[0] == "run,step,block 1,block 2,block 3"
        assert len(lines) == 21
        assert lines[11] == "Second,10,0.1,0.2,0.3"
    else:
        assert out.read_bytes().startswith(b"\x89PNG")
    assert str(out) in hands.window.message_label.toolTip()


# -- the comparison --------------------------------------------------------------------------------


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A short training of a chain of three blocks."""
    from ctstudio.learn.recipe import bundled
    from ctstudio.learn.train import train

    hu = np.random.default_rng(0).integers(-100, 100, (3, 32, 40)).astype(np.int16)
    volume = Volume(hu, np.ones(3), np.zeros(3), "HU", Geometry.axial(3, (3, 0.7, 0.7)))
    recipe = bundled()["dncnn-gaussian"]
    settings = {
        "phases.0.steps": 6, "phases.0.model": "residual", "patch_px": 16, "batch": 2,
        "phases.0.model.blocks": "3x3 2 tanh, 3x3 2 tanh, 3x3 2 tanh, 1x1 1 linear",
        "cadence.gradient_norms_every": 2, "device": "cpu", "gradient": "dilated",
        "gradient.proportion": 40.0,
    }  # fmt: skip
    for path, value in settings.items():
        recipe = recipe.with_setting(path, value)
    finish(train(recipe, [volume], run_folder=tmp_path / "run"))
    return tmp_path / "run"


def test_dilation_is_compared_at_a_press(curves: Any, hands: Any, run_folder: Path) -> None:
    log = finish(read_log(run_folder))
    page = show(curves, log)
    hands.press(page.effect)
    (dialog,) = curves.findChildren(EffectDialog)
    hands.wait(lambda: dialog.effect is not None)
    effect = dialog.effect
    assert "P = 40" in dialog.about.text()
    assert list(dialog.weights.bars) == ["automatic", "manual", "dilated"]
    heights = {}
    for name, bars in dialog.weights.bars.items():
        heights[name] = np.asarray(bars.opts["height"]) + np.asarray(bars.opts["y0"])
        assert np.allclose(10 ** heights[name], effect.norms[name], rtol=1e-6)
    assert np.allclose(heights["automatic"], heights["manual"], atol=1e-4)
    # What skipped layers reaches none of the last two: zero has no bar.
    assert len(dialog.received.bars["of which skipped layers"].opts["x"]) == 2
    dialog.form.editor("proportion").set_value(0.0)
    dialog.form.changed.emit()
    hands.wait(lambda: dialog.effect is not effect)
    assert np.allclose(dialog.effect.norms["dilated"], effect.norms["automatic"], rtol=1e-4)
    dialog.close()


@pytest.mark.parametrize("ending", ["png", "csv"])
def test_the_comparison_is_saved(
    curves: Any, hands: Any, run_folder: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    out = run_folder.parent / f"effect.{ending}"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out), ""))
    dialog = EffectDialog(hands.window.session, run_folder, "T", None, hands.window)
    dialog.show()
    dialog.compare()
    hands.wait(dialog.save_button.isEnabled)
    hands.press(dialog.save_button)
    hands.wait(out.exists)
    hands.wait(lambda: not hands.window.session.jobs.busy())
    start = out.read_bytes()[:20]
    assert start.startswith(b"\x89PNG" if ending == "png" else b"layer,gradient auto")
    dialog.close()


def test_a_run_that_cannot_be_compared_says_why(hands: Any, tmp_path: Path) -> None:
    dialog = EffectDialog(hands.window.session, tmp_path, "T", None, hands.window)
    dialog.show()
    dialog.compare()
    hands.wait(lambda: "no checkpoint yet" in dialog.about.text())
    assert "no checkpoint yet" in hands.banner()
    assert not dialog.save_button.isEnabled()
    dialog.close()


def test_a_running_training_is_compared_as_it_is_now(hands: Any, thin: Any) -> None:
    hands.program.load_engine()
    hands.open(thin)
    hands.wait(lambda: hands.program.engine is not None, "for the engine")
    hands.idle()
    hands.window.tabs.setCurrentIndex(1)
    panel, curves = hands.window.train_panel, hands.window.curves
    recipe = panel.form.recipe()
    settings = {
        "noise": "gaussian", "batch": 2, "patch_px": 32, "stopping.seconds": 0,
        "phases.0.steps": 10**6, "phases.0.model": "residual", "cadence.gradient_norms_every": 5,
        "cadence.save_every_s": 10**5,
    }  # fmt: skip
    for path, value in settings.items():
        recipe = recipe.with_setting(path, value)
    panel.form.set_recipe(recipe)
    hands.press(panel.controls.start)
    hands.wait(curves.bar.tabs.isVisible, "for the first gradients")
    curves.bar.tabs.setCurrentIndex(1)
    hands.wait(lambda: len(curves.gradients.boxes) == 6, "for six blocks")
    folder = hands.session.run.folder
    before = (folder / "last.pt").stat().st_mtime_ns  # from the very beginning
    hands.press(curves.gradients.effect)
    (dialog,) = curves.findChildren(EffectDialog)
    hands.wait(lambda: dialog.effect is not None, "for the comparison")
    assert (folder / "last.pt").stat().st_mtime_ns > before
    assert list(dialog.effect.layers) == list(curves.gradients.boxes)
    dialog.close()
    hands.press(panel.controls.stop)
    hands.idle("train")
    assert hands.session.run.history.gradient_step[0] == 1
