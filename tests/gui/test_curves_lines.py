"""What a training has told, and the lines that are drawn of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Step, Validation, finish
from ctstudio.figures.curves import smoothed
from ctstudio.gui.curves.axes import RunAxis, clock, compact
from ctstudio.gui.curves.lines import Line, Manner, lines
from ctstudio.gui.training.run_log import Row, RunLog, event_of, read_log

HEAD = "step,epoch,seconds,lr,loss,l1,ssim_loss,protocol,psnr,ssim,rmse,noisy_psnr,noisy_rmse\n"


# -- the log ---------------------------------------------------------------------------------------


def test_a_row_grows_and_keeps_what_was_taken() -> None:
    row = Row()
    for k in range(64):
        row.append(k)
    before = row.values
    row.append(64.0)
    row._store[0] = 5.0  # the row has moved: what was taken is not touched
    assert list(before) == list(range(64))
    assert len(row) == 65
    assert row[-1] == 64
    assert np.array_equal(np.asarray(row)[1:], np.arange(1, 65))


def test_terms_that_begin_later_keep_their_place() -> None:
    log = RunLog()
    log.add(Step(1, 0, {"loss": 3.0, "a": 3.0}, 0.1, 1))
    log.add(Step(2, 0, {"loss": 2.0, "b": 2.0}, 0.1, 2))
    log.add(Step(3, 0, {"loss": 1.0, "a": 0.5, "b": 0.5}, 0.1, 3))
    assert log.terms == ["a", "b"]
    assert np.array_equal(log.losses["a"], [3, np.nan, 0.5], equal_nan=True)
    assert np.array_equal(log.losses["b"], [np.nan, 2, 0.5], equal_nan=True)
    assert list(log.history().losses) == ["loss", "a", "b"]


def test_a_log_is_read_as_it_was_told(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        HEAD
        + "1,0.1,0.5,0.001,0.75,0.5,0.25,,,,,,\n"
        + "1,,0.6,,,,,A,30.5,0.9,12.5,29,14\n"
        + "2,0.2,1.0,0.001,0.5,0.3,0.2,,,,,,\n"
        + "2,,1.1,,0.45,,,A,,,,,\n"
        + "3,0.3,1.5,0.0"
    )
    (tmp_path / "recipe.toml").write_text('title = "Two losses"\n')
    log = finish(read_log(tmp_path))
    assert log.name == f"Two losses ({tmp_path.name})"
    assert log.folder == tmp_path
    assert list(log.step) == [1, 2]
    assert list(log.total_loss) == [0.75, 0.5]
    assert log.terms == ["l1", "ssim_loss"]
    assert list(log.validation_step) == [1, 2]
    assert np.array_equal(log.metrics["psnr"], [30.5, np.nan], equal_nan=True)
    assert np.array_equal(log.metrics["loss"], [np.nan, 0.45], equal_nan=True)
    assert log.baseline == {"psnr": 29.0, "rmse": 14.0}


@pytest.mark.parametrize("text", ["step,lr\n1,2\n", HEAD + "1,0,0,x,1,1,1,,,,,,\n"])
def test_a_damaged_log_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(StudioError, match="is damaged"):
        finish(read_log(tmp_path))


def test_a_validation_tells_the_loss_on_held_out_patches() -> None:
    row = dict(
        zip(HEAD.strip().split(","), ["7", "", "3", "", "0.5", "", "", "A", *[""] * 5], strict=True)
    )
    event = event_of(row)
    assert isinstance(event, Validation)
    assert event.metrics == {"loss": 0.5}


# -- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [5, 25, 501])
def test_what_is_averaged_is_sampled_exactly(window: int) -> None:
    values = np.random.default_rng(0).normal(size=4000)
    values[[10, 11, 2000]] = np.nan
    x = np.arange(1.0, 4001)
    line = Line("loss", "value", x, values, window=window)
    whole = smoothed(values, window)
    drawn_x, drawn_y = line.drawn(-np.inf, np.inf, 100)
    assert len(drawn_x) == 200
    assert np.allclose(drawn_y, whole[drawn_x.astype(int) - 1], rtol=0, atol=1e-9)
    assert line.at(777.3) == pytest.approx(whole[776], abs=1e-9)
    near_x, near_y = line.drawn(500, 600, 100)
    assert np.array_equal(near_x, np.arange(499, 602))
    assert np.allclose(near_y, whole[498:601], rtol=0, atol=1e-9)


def test_no_peak_is_lost() -> None:
    values = np.random.default_rng(1).normal(size=5003)
    values[3210], values[1234] = 50, -50
    x = np.arange(5003.0)
    drawn_x, drawn_y = Line("each step", "raw", x, values).drawn(-np.inf, np.inf, 200)
    assert len(drawn_x) < 500
    assert (drawn_y.max(), drawn_y.min()) == (50, -50)
    assert abs(drawn_x[drawn_y.argmax()] - 3210) <= 5003 / 200 + 1
    assert (drawn_x[-1], drawn_y[-1]) == (5002, values[-1])


def test_lines_over_time() -> None:
    log = RunLog()
    for k in range(1, 101):
        log.add(Step(k, k / 10, {"loss": 1 / k}, 1e-3, 2.0 * k))
        if k % 10 == 0:
            log.add(Validation(k, "A", {"psnr": 20.0}, {"psnr": 21.0}))
    told = {line.name: line for line in lines(log, "psnr", Manner(time=True))}
    assert np.array_equal(told["network"].x, 2.0 * np.arange(10, 101, 10))
    assert np.array_equal(told["noisy input"].y, [21, 21])


def test_axes_in_words() -> None:
    assert [clock(s) for s in (0, 8, 75, 4000)] == ["0:00", "0:08", "1:15", "1:06:40"]
    assert [compact(v) for v in (0, 0.0002, 0.00025, 0.5)] == ["0", "2e-4", "2.5e-4", "0.5"]
    axis = RunAxis()
    for size in (120, 200, 500):
        for high in (7, 333, 4321, 98765, 1e6):
            for axis.time in (False, True):
                ((spacing, _),) = axis.tickSpacing(0, high, size)
                assert high / spacing <= size / 40, "labels would run into one another"
