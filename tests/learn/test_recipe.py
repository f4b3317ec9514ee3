"""Recipes: round trips, settings by path, and errors that name what is allowed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.recipe import (
    DEFAULT,
    MAIN,
    Loss,
    Optimiser,
    Phase,
    Recipe,
    Stopping,
    bundled,
    default_recipe,
    registries,
)


def test_bundled_recipes_survive_the_round_trip() -> None:
    recipes = bundled()
    assert next(iter(recipes)) == DEFAULT
    assert "dncnn-gaussian" in recipes
    for recipe in recipes.values():
        assert Recipe.from_toml(recipe.to_toml()) == recipe
        assert recipe.checked() == recipe
        assert recipe.title


def test_several_phases_roles_and_losses_survive_the_round_trip() -> None:
    teacher = {MAIN: Choice("dncnn"), "teacher": Choice("dncnn", {"depth": 9})}
    phases = (
        Phase(10, {MAIN: Choice("dncnn")}, (Loss(Choice("mse"), 0.25),), {MAIN: Optimiser()}),
        Phase(20, teacher, (Loss(Choice("l1")), Loss(Choice("mse"), 2.0)), {MAIN: Optimiser()}),
    )
    recipe = Recipe(title="Two", phases=phases, stopping=Stopping(seconds=3.5)).checked()
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert recipe.phases[1].models["teacher"].params["depth"] == 9
    assert recipe.phases[1].losses[1].weight == 2.0
    assert recipe.total_steps == 30


def test_save_and_load(tmp_path: Path) -> None:
    recipe = replace(default_recipe(), title="Straße", description='Look at "it".', seed=7)
    recipe.save(tmp_path / "r.toml")
    assert Recipe.load(tmp_path / "r.toml") == recipe
    assert [p.name for p in tmp_path.iterdir()] == ["r.toml"]


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("phases.0.optimiser.lr", "3e-4", lambda r: r.phases[0].optimiser.choice.params["lr"]),
        ("phases.0.steps", "1e3", lambda r: r.phases[0].steps),
        ("phases.0.model.depth", 4, lambda r: r.phases[0].model.params["depth"]),
        ("phases.0.losses.0.weight", 0.5, lambda r: r.phases[0].losses[0].weight),
        ("stopping.seconds", "12", lambda r: r.stopping.seconds),
        ("task.augment", "false", lambda r: r.task.params["augment"]),
        ("batch", 3, lambda r: r.batch),
        ("device", "cpu", lambda r: r.device),
        ("phases.0.optimiser.schedule.floor", 0.1,
         lambda r: r.phases[0].optimiser.schedule.params["floor"]),
    ],
)  # fmt: skip
def test_with_setting(path, value, read) -> None:
    before = default_recipe()
    after = before.with_setting(path, value)
    expected = value if not isinstance(value, str) or value == "cpu" else None
    got = read(after)
    assert got == expected if expected is not None else got in (3e-4, 1000, 12.0, False)
    assert after != before


def test_naming_another_entry_takes_its_defaults() -> None:
    recipe = default_recipe().with_setting("phases.0.losses.0.weight", 0.5)
    recipe = recipe.with_setting("noise", "gaussian").with_setting("phases.0.losses.0.name", "l1")
    recipe = recipe.with_setting("phases.0.optimiser", "sgd")
    assert recipe.noise.name == "gaussian"
    assert set(recipe.noise.params) == {"sd"}
    assert recipe.phases[0].losses[0] == Loss(Choice("l1"), 0.5)
    assert recipe.phases[0].optimiser.choice.name == "sgd"
    assert recipe.phases[0].optimiser.schedule == default_recipe().phases[0].optimiser.schedule


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("batchh = 3", ["'batchh'", "Did you mean 'batch'", "patch_px"]),
        ("batch = 0", ["batch = 0", "from 1 to 4096"]),
        ("batch = 1.5", ["batch = 1.5", "whole number"]),
        ("batch = true", ["batch = True", "whole number"]),
        ('device = "gpu"', ["device = 'gpu'", "'cuda'"]),
        ("title = 3", ["title = 3", "text"]),
        ("stopping.secs = 3", ["stopping", "'secs'", "seconds"]),
        ("stopping = 3", ["stopping = 3", "table"]),
        ("ema = nan", ["ema = nan", "0.99999"]),
        ('noise.name = "gausian"', ["noise", "'gausian'", "Did you mean 'gaussian'"]),
        ('noise.name = "gaussian"\nnoise.sdd = 3', ["'sdd'", "Did you mean 'sd'"]),
        ('noise.name = "gaussian"\nnoise.sd = -3', ["sd = -3", "from 0.1"]),
        ("noise.sd = 3", ["noise names no noise"]),
        ("phases = []", ["phases is empty"]),
        ("phases = 3", ["phases = 3", "list"]),
        ("[[phases]]\nstep = 3", ["phases.0", "'step'", "Did you mean 'steps'"]),
        ("[[phases]]\nsteps = 0", ["phases.0.steps = 0", "from 1"]),
        ("[[phases]]\nlosses = []", ["phases.0.losses is empty"]),
        ('[[phases]]\nlosses = [{name = "mse", weight = -1}]', ["phases.0.losses.0.weight = -1"]),
        ('[[phases]]\nlosses = ["mes"]', ["phases.0.losses.0", "'mes'", "'mse'"]),
        ('[[phases]]\nmodel.name = "dncn"', ["phases.0.models.denoiser", "'dncn'", "'dncnn'"]),
        ('[[phases]]\nmodel = {name = "dncnn", unshuffle = 3}', ["unshuffle = 3", "1, 2, 4"]),
        ('[[phases]]\noptimiser = {name = "adam", lr = "x"}', ["lr = 'x'", "a number"]),
        ('[[phases]]\noptimiser = {name = "adam", schedule = "cos"}', ["schedule", "'cos'"]),
        ('[[phases]]\nmodels.teacher.name = "dncnn"', ["'denoiser'"]),
        ('[[phases]]\nmodel = "dncnn"\nmodels.denoiser = "dncnn"', ["both model and models"]),
        ('[[phases]]\noptimisers.critic.name = "adam"', ["'critic'", "denoiser"]),
        ("batch = ", ["not valid TOML", "end of document"]),
    ],
)
def test_mistakes_name_the_key_and_what_is_allowed(toml: str, words: list[str]) -> None:
    with pytest.raises(StudioError) as caught:
        Recipe.from_toml(toml)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("noize.sd", ["'noize'", "Did you mean 'noise'"]),
        ("phases.1.steps", ["phases has no entry '1'"]),
        ("phases.0.optimiser.rate", ["phases.0.optimiser", "'rate'", "lr"]),
        ("batch.size", ["batch has no settings"]),
    ],
)
def test_wrong_paths(path: str, words: list[str]) -> None:
    with pytest.raises(StudioError) as caught:
        default_recipe().with_setting(path, 1)
    for word in words:
        assert word in str(caught.value)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="does not exist"):
        Recipe.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(StudioError, match="not a text file"):
        Recipe.load(tmp_path / "binary.toml")
    (tmp_path / "wrong.toml").write_text("batch = 0")
    with pytest.raises(StudioError, match=r"wrong\.toml: batch = 0"):
        Recipe.load(tmp_path / "wrong.toml")


def test_every_entry_has_defaults_that_pass_its_own_checks() -> None:
    for registry in registries().values():
        assert len(registry)
        for entry in registry:
            assert registry.resolve(Choice(entry.name)).name == entry.name
            assert entry.title
            assert entry.help


def test_recipes_load_without_torch() -> None:
    code = "import sys; from ctstudio.learn.recipe import *; bundled(); registries()\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", ["seconds", "train.seconds", "phases.0.seconds"])
def test_a_setting_in_the_wrong_place_is_found_in_the_right_one(path: str) -> None:
    with pytest.raises(StudioError, match=r"Did you mean stopping\.seconds\?"):
        Recipe().with_setting(path, 20)


@pytest.mark.parametrize(
    "text",
    [
        "batch = nan", "batch = inf", "ema = nan", "ema = 1" + "0" * 400, "batch = " + "1" * 4000,
        "batch = " + "1" * 5000, "a = " + "[" * 5000, "batch = 1e308",
    ],
)  # fmt: skip
def test_numbers_that_are_none_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(StudioError) as caught:
        Recipe.from_toml(text + "\n[[phases]]\nsteps = 1\n")
    assert len(caught.value.message) < 160


def test_a_byte_order_mark_is_no_mistake() -> None:
    text = bundled()["dncnn-gaussian"].to_toml()
    assert Recipe.from_toml("\ufeff" + text) == Recipe.from_toml(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phases.²", "1"), ("steps", "nan"), ("batch", "3\nema = 0"),
        ("phases.0.optimiser.lr", "[" * 3000),
    ],
)  # fmt: skip
def test_settings_that_are_none_are_refused(key: str, value: str) -> None:
    with pytest.raises(StudioError):
        bundled()["dncnn-gaussian"].with_setting(key, value)
