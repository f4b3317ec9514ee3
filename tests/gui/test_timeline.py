"""The timeline of previews: what is kept, what stands at its ends, keys, films and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from ctstudio.core.events import Preview, Validation
from ctstudio.gui import session as session_module
from ctstudio.gui.session import Layer, Run


def preview(step: int, level: float, side: int = 64, **metrics: float) -> Preview:
    """A picture of one value, over a noisy input of another."""
    noisy = np.full((side, side), 7.0, np.float32)
    picture = np.full((side, side), level, np.float32)
    panels = {"noisy": noisy, "reconstruction": picture, "residual": picture - noisy}
    return Preview(step, 0, panels, "HU", metrics)


def run_of(layer: Layer | None = None) -> Any:
    return Run(None, layer, 0, Path("runs/now"))  # type: ignore[arg-type]


@pytest.fixture
def run(hands: Any, thin: Any) -> Any:
    """A run in the window with five previews, the fourth of which is the best."""
    (layer,) = hands.open(thin)
    run = run_of(layer)
    for k, psnr in enumerate((20.0, 24.0, 26.0, 28.0, 27.0)):
        run.keep(preview(100 * k, 10.0 * k, psnr=psnr))
    hands.window.curves_dock.show()
    hands.window.timeline.set_run(run)
    hands.session.run = run
    hands.timeline = hands.window.timeline
    hands.seen = []
    hands.timeline.picked.connect(hands.seen.append)
    hands.pause(20)
    return run


# -- what is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [240, 241, 1000, 5000])
def test_thousands_of_previews_take_no_more_room(count: int) -> None:
    run = run_of()
    best = count * 3 // 10 + 1
    for k in range(count):
        run.keep(preview(k, k, side=4, psnr=30.0 - abs(k - best) / count))
        assert run.previews[-1].step == k, "the newest is always there"
    steps = [kept.step for kept in run.previews]
    assert len(steps) <= session_module.MAX_PREVIEWS
    assert len(steps) >= min(count, session_module.MAX_PREVIEWS // 2)
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert best in steps
    assert run.best is run.previews[steps.index(best)]
    assert max(np.diff(steps)) <= run.every
    assert run.seen == count
    assert run.previews[3].reconstruction.dtype == np.int16
    assert run.previews[3].reconstruction[0, 0] == steps[3]


def test_of_two_previews_of_one_step_the_newer_one_stays(run: Any, hands: Any) -> None:
    """A training is judged once more before it ends, at a step that may have been shown."""
    assert (len(run.previews), run.seen) == (5, 5)
    hands.timeline.setProperty("run", run)  # the window has shown it before
    for psnr, best in ((29.0, 400), (20.0, 300)):
        again = preview(400, psnr, psnr=psnr)
        run.keep(again)
        hands.session.run_changed.emit(run)
        assert (len(run.previews), run.seen) == (5, 5)
        assert hands.timeline.slider.maximum() == 4
        assert run.newest is again
        assert run.previews[-1].reconstruction[0, 0] == psnr
        assert run.best.step == best
        assert "PSNR" in hands.timeline._label.text()
        assert f"{psnr:.1f}" in hands.timeline._label.text()
    run.keep(preview(500, 50.0, psnr=21.0))
    hands.session.run_changed.emit(run)
    assert hands.timeline.slider.maximum() == 5
    assert run.previews[-1].number == 5


def test_large_pictures_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_PREVIEW_BYTES", 20 * 64 * 64 * 2)
    run = run_of()
    for k in range(300):
        run.keep(preview(k, k))
        assert sum(kept.reconstruction.nbytes for kept in run.previews) <= 20 * 64 * 64 * 2
    assert run.best is None


# -- the ends --------------------------------------------------------------------------------------


def test_best_and_last_stand_at_the_ends(run: Any, hands: Any) -> None:
    timeline = hands.timeline
    assert timeline.best.text() == "Best, step 300\nPSNR 28.00 dB"
    assert timeline.last.text() == "Last, step 400\nPSNR 27.00 dB"
    assert timeline._label.text() == "Step 400   live\nPSNR 27.00 dB (protocol A, this slice)"
    hands.press(timeline.best)
    assert hands.seen[-1] is run.previews[3]
    assert timeline.slider.value() == 3
    assert not timeline.following
    assert "4 of 5" in timeline._label.text()
    run.keep(preview(500, 90, psnr=29.0))  # the training goes on
    timeline.grew()
    assert timeline.slider.value() == 3
    assert timeline.current is run.previews[3]
    assert timeline.best.text().startswith("Best, step 500")
    hands.press(timeline.last)
    assert hands.seen[-1] is None
    assert timeline.following
    assert timeline.slider.value() == 5
    picture = timeline.best.icon().pixmap(32, 32).toImage()
    assert picture.pixelColor(16, 16).red() > 100, "90 HU lies above the window's centre"


def test_best_without_a_target(run: Any, hands: Any) -> None:
    own = run_of(run.source)
    for k in range(5):
        own.keep(preview(100 * k, k))
        own.history.add(Validation(100 * k + 30, "A", {"loss": abs(k - 1) + 0.5}))
    hands.timeline.set_run(own)
    assert hands.timeline.best.text() == "Best, step 100"
    assert hands.timeline._label.text() == "Step 400   live"


def test_nothing_yet(hands: Any) -> None:
    timeline = hands.window.timeline
    hands.window.curves_dock.show()
    assert not timeline.isEnabled()
    assert not timeline.best.isVisible()
    assert timeline.current is None
    timeline.ask_picture()
    assert hands.asked == []


# -- keys and play ---------------------------------------------------------------------------------


def test_keys_go_from_one_to_the_next(run: Any, hands: Any) -> None:
    timeline = hands.timeline
    for target in (timeline.slider, timeline.best, timeline._play):
        target.setFocus()
        timeline.follow()
        for key, step in (
            (Qt.Key.Key_Left, 300),
            (Qt.Key.Key_Left, 200),
            (Qt.Key.Key_Right, 300),
            (Qt.Key.Key_Home, 0),
            (Qt.Key.Key_Left, 0),
            (Qt.Key.Key_End, 400),
        ):
            hands.key(key)
            assert timeline.current.step == step
    assert timeline.following
    hands.view.setFocus()
    hands.key(Qt.Key.Key_Left)
    assert timeline.current.step == 300, "the images have the keys most of the time"
    hands.key(Qt.Key.Key_Right)
    assert timeline.following


def test_play_runs_to_the_newest(run: Any, hands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = hands.timeline
    timeline._timer.setInterval(5)
    hands.press(timeline._play)
    assert timeline.current.step == 0
    assert not timeline.following
    hands.wait(lambda: timeline.following)
    assert [kept.step if kept else None for kept in hands.seen] == [0, 100, 200, 300, 400, None]
    hands.press(timeline._play)
    hands.press(timeline._play)
    assert not timeline._timer.isActive()
    assert not timeline.following


def test_what_is_left_out_is_told(run: Any, hands: Any) -> None:
    for k in range(5, 700):
        run.keep(preview(100 * k, k, side=8, psnr=20.0))
    hands.timeline.grew()
    tip = hands.timeline.slider.toolTip()
    assert f"Of 700 previews {len(run.previews)} are kept" in tip
    assert "about every 4th" in tip
    assert "of 700" not in tip.split("\n")[0]
    hands.timeline.step(-1)
    assert "of 700" in hands.timeline._label.text()


# -- films and pictures ----------------------------------------------------------------------------


def test_a_film_while_the_training_goes_on(
    run: Any, hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.gif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    hands.timeline.ask_gif()
    assert hands.session.jobs.busy("export")
    run.keep(preview(500, 50, psnr=29.0))
    hands.timeline.grew()
    hands.idle("export")
    with Image.open(path) as film:
        assert film.n_frames == 5 + 5  # the last stands for a while
    assert str(path) in hands.window.message_label.text()


def test_a_film_is_cancelled(
    run: Any, hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(5, 200):
        run.keep(preview(100 * k, k, psnr=20.0))
    path = tmp_path / "film.gif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    hands.timeline.ask_gif()
    job = hands.session.jobs["export"]
    hands.wait(lambda: job.progress.done > 1)
    assert job.progress.total == 205
    hands.press(hands.window.job_strip.cancel)
    hands.idle("export")
    assert not path.exists()


def test_what_is_shown_is_saved(
    run: Any, hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "picture.png"
    offered: list[str] = []

    def name_it(*args: Any) -> tuple[str, str]:
        offered.append(args[2])
        return str(path), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", name_it)
    hands.timeline.step(-2)
    actions: dict[str, Callable[[], None]] = {
        action.text(): action.trigger for action in hands.timeline.export.menu().actions()
    }
    actions["This preview as a PNG ..."]()
    hands.idle("export")
    assert Path(offered[0]).name == "preview-step-200.png"
    with Image.open(path) as image:
        shown = np.asarray(image.convert("L"))
    # 20 HU in a window from -160 to 240 HU.
    assert (shown == round(255 * 180 / 400)).mean() > 0.1
