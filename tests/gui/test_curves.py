"""Curves of trainings: which there are, how they grow, what lies at the cursor, several runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from ctstudio.core.events import Step, Validation
from ctstudio.figures.curves import smoothed
from ctstudio.gui import theme
from ctstudio.gui.curves import plot as plots
from ctstudio.gui.curves.axes import ValueAxis
from ctstudio.gui.training.run_log import RunLog

HEAD = "step,epoch,seconds,lr,loss,l1,ssim_loss,protocol,psnr,ssim,rmse,noisy_psnr,noisy_rmse\n"


def log_of(
    steps: int = 100, *, name: str = "Tiny", terms: bool = False, target: bool = True
) -> Any:
    """A log whose loss at step k is 1/k, one step each two seconds, judged at every tenth."""
    log = RunLog(name)
    for k in range(1, steps + 1):
        parts = {"l1": 0.75 / k, "edges": 0.25 / k} if terms else {}
        log.add(Step(k, k / 10, {"loss": 1 / k, **parts}, 1e-3, 2.0 * k))
        if k % 10 == 0 and target:
            told = {"psnr": 20 + k / 10, "ssim": 0.5, "rmse": 30 - k / 10}
            log.add(Validation(k, "A", told, {"psnr": 21.0, "ssim": 0.4, "rmse": 28.0}))
        elif k % 10 == 0:
            log.add(Validation(k, "A", {"loss": 2 / k}))
    return log


@pytest.fixture
def curves(hands: Any) -> Any:
    """The view of the window, in front."""
    hands.window.curves_dock.show()
    hands.window.curves.pause = hands.pause
    hands.window.curves.wait = hands.wait
    hands.pause(20)
    # A certain height, whatever was laid out first.
    hands.window.resizeDocks([hands.window.curves_dock], [260], Qt.Orientation.Vertical)
    hands.pause(20)
    return hands.window.curves


def show(curves: Any, logs: list[RunLog]) -> None:
    """Show runs, and let the plots find their ranges."""
    curves.show_runs(logs)
    curves.pause(30)


def visible(curves: Any) -> list[str]:
    return [key for key, plot in curves.plots.items() if plot.isVisible()]


def data(curves: Any, key: str, name: str, run: int = 0) -> tuple[np.ndarray, np.ndarray]:
    item = curves.plots[key].items_by_line[curves.runs[run], name]
    return item.getOriginalDataset()


def hover(curves: Any, key: str, x: float) -> str:
    """Move the mouse over ``x``; what the plot tells."""
    plot = curves.plots[key]
    at = plot.plotItem.vb.mapViewToScene(QPointF(x, np.mean(plot.plotItem.vb.viewRange()[1])))
    plot.scene().sigMouseMoved.emit(at)
    curves._show_cursor()
    return plot.readout.text() if plot.readout.isVisible() else ""


# -- the plots -------------------------------------------------------------------------------------


def test_only_what_has_data_is_shown(curves: Any) -> None:
    assert visible(curves) == []
    assert curves._nothing.isVisible()
    show(curves, [log_of()])
    assert visible(curves) == ["loss", "psnr", "ssim", "rmse", "lr"]
    assert not curves._nothing.isVisible()
    assert curves.plots["psnr"].accessibleName() == "Curves of PSNR (dB), protocol A"
    show(curves, [log_of(target=False)])
    assert visible(curves) == ["loss", "lr"]
    x, y = data(curves, "loss", "validation")
    assert np.array_equal(x, np.arange(10, 101, 10))
    assert np.array_equal(y, 2 / x)
    curves.bar.plot_actions["lr"].setChecked(False)
    assert visible(curves) == ["loss"]


def test_curves_grow_and_are_the_same_items(curves: Any) -> None:
    log = log_of(50)
    show(curves, [log])
    item = curves.plots["loss"].items_by_line[curves.runs[0], "each step"]
    for k in range(51, 71):
        log.add(Step(k, 0, {"loss": 1 / k}, 1e-3, 2.0 * k))
    curves.update_now()
    assert curves.plots["loss"].items_by_line[curves.runs[0], "each step"] is item
    x, y = data(curves, "loss", "each step")
    assert np.array_equal(x, np.arange(1, 71))
    assert np.array_equal(y, 1 / x)
    assert np.allclose(data(curves, "loss", "loss")[1], smoothed(y, 25))
    curves.bar.smoothing.setValue(0)
    assert np.array_equal(data(curves, "loss", "loss")[1], y)
    assert (curves.runs[0], "each step") not in curves.plots["loss"].items_by_line


def test_terms_beside_their_sum(curves: Any) -> None:
    show(curves, [log_of()])
    assert not curves.bar.terms.isVisible()
    show(curves, [log_of(terms=True)])
    curves.bar.smoothing.setValue(0)
    assert curves.bar.terms.isVisible()
    assert np.allclose(data(curves, "loss", "l1")[1], 0.75 / np.arange(1, 101))
    curves.bar.terms.setChecked(False)
    assert (curves.runs[0], "l1") not in curves.plots["loss"].items_by_line


def test_a_legend_says_which_line_is_which(curves: Any) -> None:
    def told(key: str) -> list[str]:
        legend = curves.plots[key].legend
        text = legend.text() if legend.isVisible() else ""
        rows = [row.partition("</span>&nbsp;") for row in text.split("<br>") if row]
        return [name.replace("&nbsp;", " ") for _, _, name in rows]

    show(curves, [log_of(terms=True)])
    curves.wait(lambda: told("loss") == ["l1", "edges", "loss"])
    curves.wait(lambda: told("psnr") == ["network", "noisy input"])
    curves.wait(lambda: told("lr") == [])
    plot, run = curves.plots["psnr"], curves.runs[0]
    text = plot.legend.text()
    for name in ("network", "noisy input"):
        pen = plot.items_by_line[run, name].opts["pen"]
        assert pen.color().name() in text

    def stands_in_its_corner() -> bool:
        box, legend = plot.plotItem.vb.sceneBoundingRect(), plot.legend.geometry()
        return 0 <= box.bottom() - legend.bottom() < 10 and 0 <= box.right() - legend.right() < 10

    curves.wait(stands_in_its_corner)
    plot.resize(plot.width(), plot.height() * 2)
    curves.wait(stands_in_its_corner)
    assert hover(curves, "psnr", 50.0)
    curves.wait(lambda: told("psnr") == [])
    plot.hovered.emit(plot, None)
    curves._show_cursor()
    show(curves, [log_of(target=False)])
    curves.wait(lambda: told("loss") == ["loss", "held out"])
    show(curves, [log_of(), log_of(name="Other")])
    assert told("psnr") == ["noisy input"]


def test_one_point_has_an_axis_with_numbers(curves: Any) -> None:
    show(curves, [log_of(10)])
    for key in ("psnr", "ssim", "rmse", "lr"):
        plot = curves.plots[key]
        axis, (low, high) = plot.plotItem.getAxis("left"), plot.plotItem.vb.viewRange()[1]
        levels = axis.tickValues(low, high, axis.height())
        spacing, values = levels[0]
        assert len(values) >= 2, key
        texts = axis.tickStrings(values, 1.0, spacing)
        assert len(set(texts)) == len(values), texts


@pytest.mark.parametrize("size", [30, 120, 600])
def test_axes_label_at_least_two_values(size: int, qapp: Any) -> None:
    axis = ValueAxis("left")
    for low in (0.0, -3.3, 29.7, 1e-4):
        for span in (1e-6, 0.013, 0.5, 1, 7.1, 99.9, 4e5):
            ((spacing, _),) = axis.tickSpacing(low, low + span, size)
            inside = np.floor((low + span) / spacing) - np.ceil(low / spacing) + 1
            assert 2 <= inside <= max(size / 20, 5), (low, span)


def test_log_axes_of_any_plot(curves: Any) -> None:
    show(curves, [log_of()])
    low, high = curves.plots["loss"].plotItem.vb.viewRange()[1]
    assert -2.3 < low < -1.6
    assert high < 0.3
    curves.bar.log_actions["loss"].setChecked(False)
    curves.bar.log_actions["rmse"].setChecked(True)
    curves.pause(30)
    assert curves.plots["loss"].plotItem.vb.viewRange()[1][1] > 0.5
    assert curves.plots["rmse"].plotItem.vb.viewRange()[1][1] < np.log10(35)


def test_time_along_the_axis(curves: Any) -> None:
    show(curves, [log_of()])
    curves.bar.time.setChecked(True)
    curves.pause(30)
    assert np.array_equal(data(curves, "lr", "rate")[0], 2.0 * np.arange(1, 101))
    assert curves.plots["loss"].plotItem.vb.viewRange()[0][1] > 199
    assert "1:40" in hover(curves, "loss", 100.0)


def test_values_at_the_cursor(curves: Any, hands: Any) -> None:
    show(curves, [log_of(terms=True)])
    curves.bar.smoothing.setValue(0)
    told = hover(curves, "loss", 40.2)
    assert "step 40" in told
    for name, value in (("loss", "0.025"), ("l1", "0.01875"), ("edges", "0.00625")):
        assert f"{name}&nbsp;<b>{value}</b>" in told
    other = curves.plots["psnr"].readout.text()
    assert "network&nbsp;<b>24</b>" in other
    assert "noisy&nbsp;input&nbsp;<b>21</b>" in other
    plot = curves.plots["loss"]
    assert plot.rect().contains(plot.readout.geometry())
    curves._hover(plot, None)
    curves._show_cursor()
    assert not plot.readout.isVisible()


def test_double_click_shows_everything_again(curves: Any, hands: Any) -> None:
    log = log_of(4000)
    show(curves, [log])
    plot = curves.plots["loss"]
    box = plot.plotItem.vb
    hands.wheel(plot, 8, QPointF(plot.mapFromScene(box.sceneBoundingRect().center())))
    hands.pause(60)
    left, right = box.viewRange()[0]
    assert 100 < left < right < 3900
    # What is zoomed in on is drawn in full.
    x, _ = data(curves, "loss", "each step")
    assert x[0] <= left <= x[1]
    assert x[-2] <= right <= x[-1]
    middle = QPoint(plot.width() // 2, plot.height() // 2)
    QTest.mouseDClick(
        plot.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle
    )
    hands.pause(60)
    left, right = box.viewRange()[0]
    assert left <= 1
    assert right >= 4000


def test_a_long_curve_costs_no_more_to_paint(curves: Any) -> None:
    def cost(steps: int) -> float:
        log = log_of(10)
        k = np.arange(11, steps + 1)
        log.step._store, log.seconds._store = np.r_[np.arange(1, 11), k], np.arange(1.0, steps + 1)
        log.step._length = log.seconds._length = steps
        noise = 1 / np.arange(1, steps + 1) ** 0.3 * np.random.default_rng(0).uniform(1, 2, steps)
        for row in (log.total_loss, log.lr):
            row._store, row._length = noise.copy(), steps
        show(curves, [log])
        plot = curves.plots["loss"]
        spent = []
        for _ in range(7):
            plot._drawn.clear()
            start = time.thread_time()
            curves.update_now()
            plot.grab()
            spent.append(time.thread_time() - start)
        x, _ = data(curves, "loss", "each step")
        assert len(x) < 5 * plot.width()
        return float(min(spent))

    short = cost(1000)
    assert cost(100_000) < 4 * short


# -- several runs ----------------------------------------------------------------------------------


def test_runs_over_one_another(curves: Any, hands: Any) -> None:
    logs = [log_of(40 + 10 * k, name=f"Run {k} <b>&") for k in range(4)]
    show(curves, logs)
    assert "Run 0" in curves.bar.chips[0].name.toolTip()
    assert len({run.colour for run in curves.runs}) == 4
    assert data(curves, "psnr", "network", 3)[0][-1] == 70
    told = hover(curves, "psnr", 40.0)
    assert told.count("<b>24</b>") == 4
    assert "<b>&" not in told
    hands.press(curves.bar.chips[1].box)
    assert not any(run is curves.runs[1] for run, _ in curves.plots["psnr"].items_by_line)
    kept = curves.runs[2]
    hands.press(curves.bar.chips[3].cross)
    assert [run.log for run in curves.runs] == logs[:3]
    assert curves.runs[2] is kept
    assert len(curves.bar.chips) == 3


def test_a_run_is_added_from_its_folder(
    curves: Any, hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "metrics.csv").write_text(HEAD + "1,0.1,0.5,0.001,0.75,0.5,0.25,,,,,,\n")
    show(curves, [log_of()])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    hands.press(curves.bar.add)
    hands.idle("curves")
    assert [run.name for run in curves.runs] == ["Tiny", "earlier"]
    assert list(data(curves, "loss", "loss", 1)[1]) == [0.75]
    hands.press(curves.bar.add)
    hands.idle("curves")
    assert len(curves.runs) == 2
    assert "shown already" in hands.window.message_label.text()
    curves.add_run(tmp_path)
    hands.idle("curves")
    assert "is not the folder of a training" in hands.banner()
    assert len(curves.runs) == 2
    show(curves, [log_of(name=str(k)) for k in range(plots.MOST_RUNS)])
    curves.add_run(folder)
    assert "take one away" in hands.window.message_label.text()


def test_a_legend_with_long_names_fits(curves: Any, hands: Any) -> None:
    names = [f"A residual encoder and decoder network, number {k}, of many" for k in range(6)]
    show(curves, [log_of(name=name) for name in names])
    hands.pause(20)
    bar = curves.bar
    assert bar.width() <= hands.window.width()
    boxes = [chip.geometry() for chip in bar.chips] + [bar.add.geometry()]
    for left, right in pairwise(boxes):
        assert left.right() < right.left(), "two lie upon one another"
    assert all(chip.box.isVisible() and chip.cross.isVisible() for chip in bar.chips)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_colours_can_be_told_apart(name: str, make_program: Callable[[], Any]) -> None:
    """Also by people who lack the medium or the long cones (Vienot, Brettel and Mollon, 1999)."""
    rgb = np.array([[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in plots.COLOURS[name]])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    protan = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
    deutan = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    base = theme.THEMES[name].base
    ground = np.array([int(base[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    for lacking in (np.eye(3), protan, deutan):
        seen = linear @ (np.linalg.inv(to_lms) @ lacking @ to_lms).T
        shown = np.clip(seen, 0, 1) ** (1 / 2.2)
        for k in range(len(shown)):
            assert np.linalg.norm(shown[k] - ground) > 0.3
            for other in range(k):
                assert np.linalg.norm(shown[k] - shown[other]) > 0.09, (k, other)


def test_theme_changes_the_curves(curves: Any, hands: Any) -> None:
    show(curves, [log_of()])
    item = curves.plots["psnr"].items_by_line[curves.runs[0], "network"]
    assert item.opts["pen"].color().name() == plots.COLOURS["dark"][0]
    hands.window.actions_by_name["theme"].trigger()
    assert item.opts["pen"].color().name() == plots.COLOURS["light"][0]
    hands.window.actions_by_name["theme"].trigger()
