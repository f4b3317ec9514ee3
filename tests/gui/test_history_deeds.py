"""What is done with an earlier training: opened, continued, begun from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices

Make = Callable[..., Path]


@pytest.fixture
def runs(make_run: Make) -> Path:
    """ "stopped" can go on, "finished" cannot; both have real networks."""
    import torch

    from ctstudio.learn import checkpoint
    from ctstudio.learn.recipe import Recipe

    small = {"phases.0.model.depth": 3, "phases.0.model.features": 4, "phases.0.steps": 40}
    make_run("finished", small, age_s=20)
    folder = make_run("stopped", small | {"phases.0.steps": 10**6}, age_s=10).parent
    torch.manual_seed(1)
    for name in ("finished", "stopped"):
        recipe = Recipe.load(folder / name / "recipe.toml")
        model = checkpoint.TrainedModel(recipe, checkpoint.build(recipe), 40)
        for file in ("best.pt", "last.pt"):
            checkpoint.save(model, folder / name / file)
    return folder


@pytest.fixture
def shown(hands: Any, runs: Path) -> Any:
    hands.program.load_engine()
    hands.wait(lambda: hands.program.engine is not None, "for the engine")
    hands.window.actions_by_name["history"].trigger()
    hands.idle()
    return hands.window.history.window


def pick(hands: Any, shown: Any, name: str) -> None:
    shown.table.pick([run.folder for run in shown.model.runs if run.name == name])
    hands.idle()


def test_open_makes_a_method_in_denoise_once(hands: Any, shown: Any) -> None:
    pick(hands, shown, "finished")
    hands.window.tabs.setCurrentIndex(2)
    hands.press(shown.open_button)
    hands.idle()
    (model,) = hands.session.models
    assert model.title in shown._said.text()
    assert model.step == 40
    assert hands.window.tabs.currentIndex() == 0
    assert hands.window.denoise_panel.method.currentData() is model
    pick(hands, shown, "stopped")
    shown.table.setFocus()
    hands.key(Qt.Key.Key_Return)
    hands.idle()
    assert len(hands.session.models) == 2
    pick(hands, shown, "finished")
    hands.press(shown.open_button)
    hands.idle()
    assert hands.session.models[1] is model  # once, and now the newest
    assert hands.window.denoise_panel.method.currentData() is model


def test_a_network_that_is_damaged_is_said_in_the_window(
    hands: Any, shown: Any, runs: Path
) -> None:
    file = runs / "finished" / "best.pt"
    file.write_bytes(file.read_bytes()[:-400] + bytes(400))
    pick(hands, shown, "finished")
    hands.press(shown.open_button)
    hands.idle()
    assert hands.session.models == []
    assert shown.banner.isVisible()
    assert "best.pt" in shown.banner.text.text()


def test_continue_and_branch_go_to_the_train_panel(
    hands: Any, shown: Any, runs: Path, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = hands.window.train_panel
    asked: list[tuple[str, Path]] = []
    monkeypatch.setattr(panel, "continue_run", lambda folder: asked.append(("continue", folder)))
    monkeypatch.setattr(panel, "branch_run", lambda folder: asked.append(("branch", folder)))
    pick(hands, shown, "stopped")
    assert not shown.continue_button.isEnabled()
    assert "Open the series" in shown.continue_button.toolTip()
    hands.open(thin)
    assert shown.continue_button.isEnabled()
    hands.press(shown.continue_button)
    assert hands.window.tabs.currentIndex() == 1
    assert not shown.isVisible()  # it would hide what is shown
    hands.window.actions_by_name["history"].trigger()
    pick(hands, shown, "finished")
    assert not shown.continue_button.isEnabled()
    assert "finished" in shown.continue_button.toolTip()
    hands.press(shown.branch_button)
    assert asked == [("continue", runs / "stopped"), ("branch", runs / "finished")]


def test_show_folder(hands: Any, shown: Any, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    pick(hands, shown, "stopped")
    hands.press(shown.folder_button)
    assert [Path(url.toLocalFile()) for url in opened] == [runs / "stopped"]
