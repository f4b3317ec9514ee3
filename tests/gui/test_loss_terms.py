"""Losses in the recipe's form: which are offered, how another is added, files are browsed for."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog

from ctstudio.core.registry import Choice
from ctstudio.gui.forms.choice_form import FileEditor
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.recipe import bundled
from ctstudio.learn.recipe_check import refuse_what_cannot_be_trained


@pytest.fixture
def form(hands: Any) -> Any:
    hands.program.load_engine()
    hands.wait(lambda: hands.program.engine is not None, "for the engine")
    return hands.window.train_panel.form


def offered(term: Any) -> set[str]:
    combo = term.section.combo
    return {combo.itemData(k) for k in range(combo.count())}


@pytest.mark.parametrize("name", ["dncnn-low-dose", "unet-masks", "adversarial-vanilla"])
def test_losses_that_are_added_can_be_trained(form: Any, name: str) -> None:
    form.set_recipe(bundled()[name])
    before = len(form.losses.terms)
    for _ in range(3):
        form.losses.add_button.click()
        added = form.losses.terms[-1]
        assert not added.section.form.isHidden()
        assert not added.section._body.isHidden(), "it is unfolded"
        title = LOSSES[added.section.choice.name].title
        assert added.section._head.text() == f"Loss {len(form.losses.terms)}: {title}"
    assert len({term.section.choice.name for term in form.losses.terms}) == before + 3
    refuse_what_cannot_be_trained(form.recipe())


def test_only_losses_that_suit_the_task_are_offered(form: Any) -> None:
    form.set_recipe(bundled()["dncnn-low-dose"])
    (term,) = form.losses.terms
    assert {"mse", "l1", "deep_features", "teacher"} <= offered(term)
    assert not {"cross_entropy", "dice", "adversarial"} & offered(term)
    assert term.section._head.text() == "Loss: Charbonnier"
    task = form.sections["task"].combo
    task.setCurrentIndex(task.findData("masks"))
    assert {"charbonnier", "dice", "cross_entropy"} <= offered(term), (
        "what is chosen stays in the list"
    )
    assert "l1" not in offered(term)
    form.set_recipe(bundled()["adversarial-vanilla"])
    assert "adversarial" in offered(form.losses.terms[0])
    term = form.losses.terms[0].section
    term.combo.setCurrentIndex(term.combo.findData("l1"))
    assert term._head.text().endswith(": Mean absolute error")


def test_a_file_is_browsed_for(form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    form.set_recipe(bundled()["dncnn-low-dose"])
    section = form.losses.terms[0].section
    section.set_choice(LOSSES, Choice("teacher"))
    editor = section.form.editor("network")
    assert isinstance(editor, FileEditor)
    assert not isinstance(section.form._editors.get("layer"), FileEditor)
    asked = []

    def choose(*arguments: Any) -> tuple[str, str]:
        asked.append(arguments[-1])
        return "/networks/best.pt", ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    editor.browse.trigger()
    assert asked == ["Network (*.pt *.safetensors)"]
    assert section.choice.params["network"] == "/networks/best.pt"
