"""Going on with a training in the window, and beginning one with another's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog

from tests.gui.tiny_recipe import tiny


@pytest.fixture
def panel(hands: Any, thin: Any) -> Any:
    hands.program.load_engine()
    hands.open(thin)
    hands.wait(lambda: hands.program.engine is not None, "for the engine")
    hands.idle()
    hands.window.tabs.setCurrentIndex(1)
    hands.window.train_panel.form.set_recipe(tiny())
    return hands.window.train_panel


def run_until(hands: Any, step: int) -> None:
    def there() -> bool:
        log = hands.session.run.history.step
        return bool(log) and log[-1] >= step

    hands.wait(there, f"for step {step}")


def stop(hands: Any, panel: Any) -> None:
    hands.press(panel.controls.stop)
    hands.idle()


def test_a_stopped_training_goes_on_where_it_was(hands: Any, panel: Any) -> None:
    hands.press(panel.controls.start)
    run_until(hands, 30)
    stop(hands, panel)
    first = hands.session.run
    before, kept = list(first.history.step), [p.step for p in first.previews]
    losses = list(first.history.total_loss)
    assert panel.controls.go_on.isVisible()
    hands.press(panel.controls.go_on)
    hands.wait(lambda: hands.session.run is not first, "for the new run")
    run_until(hands, before[-1] + 20)
    stop(hands, panel)
    second = hands.session.run
    assert second.folder == first.folder
    assert list(second.history.step) == list(range(1, second.history.step[-1] + 1))
    # The file keeps seven digits of a loss.
    assert second.history.total_loss[: len(losses)] == pytest.approx(losses, rel=1e-6)
    assert [p.step for p in second.previews][: len(kept)] == kept
    judged = list(second.history.validation_step)
    assert judged == sorted(set(judged))
    assert len(hands.session.models) == 2


def test_a_run_is_continued_from_its_folder(
    hands: Any, panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.form.set_recipe(tiny(title="Another", phases__0__steps=25))
    hands.press(panel.controls.start)
    hands.idle()
    folder = hands.session.run.folder
    assert not panel.controls.go_on.isVisible()  # it is finished
    panel.form.set_recipe(tiny())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(folder))
    panel.controls.more.menu().actions()[0].trigger()
    hands.idle()
    assert hands.session.run.folder == folder
    assert hands.session.run.recipe.title == "Another"
    assert hands.session.run.history.step[-1] == 25


def test_begin_with_the_weights_of_a_training(
    hands: Any, panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    panel.form.set_recipe(tiny(phases__0__steps=25))
    hands.press(panel.controls.start)
    hands.idle()
    parent = hands.session.run
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(parent.folder))
    panel.controls.more.menu().actions()[1].trigger()
    assert parent.folder.name in panel.controls._parent_label.text()
    assert panel.controls._parent_label.isVisible()
    rate = "phases.0.optimiser.lr"
    recipe = panel.form.recipe().with_setting(rate, 1e-8).with_setting("phases.0.steps", 1)
    panel.form.set_recipe(recipe)
    hands.press(panel.controls.start)
    hands.idle()
    child = hands.session.run
    assert child.folder != parent.folder
    from ctstudio.learn.checkpoint import load_training

    present = load_training(parent.folder / "last.pt")[1]["weights"]
    for name, value in load_training(child.folder / "last.pt")[1]["weights"].items():
        assert torch.allclose(value, present[name], atol=1e-6)


def test_what_is_no_run_is_refused(hands: Any, panel: Any, tmp_path: Path) -> None:
    said: list[str] = []
    hands.session.trouble.connect(lambda message, *_: said.append(message))
    assert panel.continue_run(tmp_path) is None
    panel.branch_run(tmp_path)
    assert len(said) == 2
    assert all("not the folder of a training" in text for text in said)
    assert not panel.controls._parent_label.isVisible()
    assert hands.session.run is None


def test_a_network_that_could_not_be_saved_is_kept(
    hands: Any, panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from ctstudio.core import atomic

    hands.press(panel.controls.start)
    run_until(hands, 30)

    def full(*_: object, **__: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.tempfile, "mkstemp", full)
    stop(hands, panel)
    assert "the disk is full" in hands.banner(), hands.troubles
    assert hands.session.run.model is not None
    assert panel.controls.save.isVisible()
    assert hands.session.models == [hands.session.run.model]
