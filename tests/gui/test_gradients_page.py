"""The page of the gradients: when it is there, its lines and their legend, the cursor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from ctstudio.core.events import GradientNorms, Step, finish
from ctstudio.figures.colours import sequence
from ctstudio.gui.run_log import RunLog, read_log

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
