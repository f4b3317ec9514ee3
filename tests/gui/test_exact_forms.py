"""The form gives back what was put into it, digit by digit."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog

from ctstudio.core.registry import Choice
from ctstudio.gui.forms.choice_form import ChoiceForm
from ctstudio.learn.recipe import Recipe, bundled, registries

VALUES = (1e-12, 1e-16, 0.0005, 0.9995, 1e-4, 0.001, 123456.789, 2.5e-7)


@pytest.mark.parametrize("kind", ["optimiser", "schedule", "noise", "model", "loss"])
def test_numbers_are_kept(kind: str, qapp: Any) -> None:
    form = ChoiceForm(sliders=False)
    for entry in registries()[kind]:
        for field in entry.fields:
            if field.type is not float:
                continue
            low, high = field.param.low, field.param.high
            extremes = [v for v in (low, high) if v is not None]
            for value in (*VALUES, *extremes):
                if (low is None or value >= low) and (high is None or value <= high):
                    form.set_entry(entry, {field.name: value})
                    assert form.choice.params[field.name] == value, (entry.name, field.name)
    form.deleteLater()


def test_settings_that_mean_nothing_are_hidden(qapp: Any) -> None:
    form = ChoiceForm(sliders=False)
    form.set_entry(registries()["noise"]["low_dose"], {"source_mm": 600.0})
    assert form.editor("source_mm").isHidden()
    assert form.choice.params["source_mm"] == 600.0
    beam = form.editor("beam")
    beam.setCurrentIndex(beam.findData("fan"))
    assert not form.editor("source_mm").isHidden()
    form.set_params({"beam": "parallel"})
    assert form.editor("source_mm").isHidden()
    form.deleteLater()


@pytest.fixture
def form(hands: Any) -> Any:
    """The recipe's form in the window, once the engine is loaded."""
    hands.program.load_engine()
    hands.wait(lambda: hands.program.engine is not None, "for the engine")
    return hands.window.train_panel.form


def test_recipes_come_out_as_they_went_in(form: Any) -> None:
    small = {
        "ema": 0.9995, "clip_norm": 0.001, "gradient_noise": 0.001, "stopping.least_gain": 0.001,
        "phases.0.optimiser.lr": 1e-12, "phases.0.losses.0.weight": 1e-4,
    }  # fmt: skip
    for name, recipe in bundled().items():
        form.set_recipe(recipe)
        assert form.recipe() == recipe.checked(), name
    for key, value in small.items():
        made = bundled()["dncnn-gaussian"].with_setting(key, value)
        form.set_recipe(made)
        assert form.recipe() == made, key


def test_the_list_says_which_recipe_it_is(
    hands: Any, form: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = form.recipe_box
    form.set_recipe(bundled()["dncnn-gaussian"])
    assert box.currentData() == "dncnn-gaussian"
    own = Recipe.from_dict(bundled()["dncnn-gaussian"].to_dict() | {"title": "Mine", "batch": 3})
    form.set_recipe(own)
    assert box.currentIndex() == -1
    assert box.placeholderText() == "Mine"
    broken = tmp_path / "broken.toml"
    broken.write_text("\ufeffbatch = nan\n", encoding="utf-8")
    for answer in ("", str(broken)):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, a=answer: (a, ""))
        box.setCurrentIndex(box.count() - 1)
        box.activated.emit(box.count() - 1)
        assert box.currentIndex() == -1
        assert form.recipe() == own
    assert "batch = nan is not allowed" in hands.banner()
    noise = form.sections["noise"]
    assert isinstance(noise.choice, Choice)
