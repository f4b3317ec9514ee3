"""What a training in the window learns from, and what of it is looked at closely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QLabel

from ctstudio.core.events import Detail
from tests.gui.tiny_recipe import tiny


@pytest.fixture
def trainer(hands: Any, thin: Any, mirrored: Any) -> Any:
    hands.program.load_engine()
    hands.open(thin)
    hands.wait(lambda: hands.program.engine is not None, "for the engine")
    hands.idle()
    hands.window.tabs.setCurrentIndex(1)
    hands.panel = hands.window.train_panel
    hands.panel.form.set_recipe(tiny())
    return hands


def train_a_little(hands: Any) -> Any:
    hands.press(hands.panel.controls.start)
    hands.wait(lambda: hands.session.run is not None and len(hands.session.run.history.step) > 3)
    hands.press(hands.panel.controls.stop)
    hands.idle()
    return hands.session.run


def test_a_further_series_is_learnt_from_too(trainer: Any, thick: Any) -> None:
    data = trainer.panel.data
    assert not data.add_button.isVisible(), "there is nothing to add"
    trainer.open(thick)
    data.select(trainer.layer("Thin slab"))
    assert data.add_button.isVisible()
    trainer.press(data.add_button)
    assert [row.source.currentText() for row in data.rows] == ["Thin slab", "Thick slab"]
    run = train_a_little(trainer)
    from ctstudio.learn.checkpoint import load_training
    from ctstudio.learn.resume import fingerprint

    _, state = load_training(run.folder / "last.pt")
    both = [trainer.layer(name).stack for name in ("Thin slab", "Thick slab")]
    assert state["data"] == fingerprint(both)
    data.rows[1].removed.emit(data.rows[1])
    assert len(data.rows) == 1


def test_pairs_ask_for_a_target_and_judge_by_it(trainer: Any) -> None:
    from ctstudio.core.registry import Choice

    panel, data = trainer.panel, trainer.panel.data
    source = trainer.layer("Thin slab")
    trainer.window.simulator.start(source, Choice("gaussian", {"sd": 30.0}))
    trainer.idle("simulate")
    twin = trainer.session.layers[-1]
    task = panel.form.sections["task"]
    assert not data.rows[0].target.isVisible()
    assert panel.form.sections["noise"].isVisible()
    task.combo.setCurrentIndex(task.combo.findData("pairs"))
    assert data.rows[0].target.isVisible()
    assert not panel.form.sections["noise"].isVisible(), "what does not apply is not shown"
    assert not panel.controls.start.isEnabled()
    assert "target" in panel.controls.start.toolTip()
    data.select(twin)
    data.rows[0].target.setCurrentText("Thin slab")
    assert panel.controls.start.isEnabled()
    run = train_a_little(trainer)
    assert trainer.banner() == ""
    assert np.array_equal(run.newest.panels["noisy"], twin.stack.slice_hu(run.slice_index))
    assert np.array_equal(run.newest.panels["target"], source.stack.slice_hu(run.slice_index))


def test_what_is_looked_at_closely_is_shown_more_often(trainer: Any) -> None:
    panel = trainer.panel
    panel.form.set_recipe(tiny(cadence__preview_time_share=0.2))
    trainer.press(panel.controls.start)
    trainer.wait(lambda: trainer.session.run is not None and trainer.session.run.newest)
    pane = trainer.grid.visible_panes[1]
    assert pane.layer.name == "Training: reconstruction"
    job = trainer.session.jobs["train"]
    seen: list[Detail] = []
    job.detailed.connect(seen.append)
    trainer.pause(600)
    assert not seen, "the whole slice is in view"
    pane.view.fit()
    pane.view.zoom_by(4)
    trainer.wait(lambda: len(seen) > 3, "for details")
    top, left, height, width = pane.view.region_in_view()
    last = seen[-1]
    assert (last.top, last.left) == (top, left)
    assert last.reconstruction.shape == (height, width)
    rows, columns = slice(top, top + height), slice(left, left + width)
    trainer.press(panel.controls.stop)
    trainer.idle()
    residual = trainer.layer("Training: reconstruction \N{MINUS SIGN} noisy").stack.picture
    noisy = trainer.layer("Training: noisy").stack.picture
    picture = trainer.layer("Training: reconstruction").stack.picture
    assert np.array_equal(residual, picture - noisy)
    assert picture[rows, columns].shape == (height, width)


def test_the_region_in_view_is_what_the_corners_show(trainer: Any) -> None:
    view = trainer.view
    view.fit()
    _, rows, columns = view.layer.stack.shape
    assert view.region_in_view() == (0, 0, rows, columns)
    view.zoom_by(5)
    top, left, height, width = view.region_in_view()
    size = view.viewport().size()
    first = view.probe(view.to_plane(QPointF(0, 0)))
    last = view.probe(view.to_plane(QPointF(size.width() - 1, size.height() - 1)))
    assert (first.voxel[1], first.voxel[0]) == (top, left)
    assert (last.voxel[1], last.voxel[0]) == (top + height - 1, left + width - 1)


def test_classes_are_learnt_and_shown(trainer: Any) -> None:
    from ctstudio.ct.volume import Volume
    from ctstudio.gui.session import Layer
    from ctstudio.learn.recipe import bundled

    panel, data = trainer.panel, trainer.panel.data
    source = trainer.layer("Thin slab").stack
    classes = (source.hu() > -300).astype(np.int16)
    count = len(classes)
    mask = Volume(classes, np.ones(count), np.zeros(count), "", source.geometry)
    trainer.session.add_layer(Layer("Body", "original", mask))
    recipe = bundled()["unet-masks"]
    for path, value in {
        "phases.0.model.features": 4, "phases.0.model.depth": 1, "patch_px": 32, "batch": 2
    }.items():  # fmt: skip
        recipe = recipe.with_setting(path, value)
    panel.form.set_recipe(recipe)
    assert data.rows[0].label.text() == "Mask"
    data.select(trainer.layer("Thin slab"))
    data.rows[0].target.setCurrentText("Body")
    trainer.press(panel.controls.start)
    trainer.wait(lambda: trainer.session.run is not None and trainer.session.run.newest)
    shown = [pane.layer.name for pane in trainer.grid.visible_panes]
    names = ["image", "prediction", "mask", "prediction \N{MINUS SIGN} mask"]
    assert shown == [f"Training: {name}" for name in names]
    panes = trainer.grid.visible_panes
    window = panes[2].view.window
    assert (window.centre_hu, window.width_hu) == (0.5, 1)
    assert panes[0].view.window != panes[2].view.window
    trainer.wait(lambda: trainer.session.run.history.validation_step, "for a judgement")
    trainer.wait(lambda: panel.numbers.labels["psnr"].text() != "-", "for its numbers")
    names = [label.text() for label in panel.numbers.findChildren(QLabel)]
    assert {"Dice", "IoU", "AUC"} < set(names)
    assert "PSNR" not in names, "of masks there is none"
    assert 0 <= float(panel.numbers.labels["psnr"].text()) <= 1
    assert panel.numbers.labels["psnr"].accessibleName() == "Dice"
    trainer.press(panel.controls.stop)
    trainer.idle()
    run = trainer.session.run
    assert run.model is not None
    assert trainer.session.models == [], "it does not denoise"
    assert panel.controls.use.text() == "Use in Segment"
    assert trainer.window.mask_desk.panel.models == [run.model]
    trainer.press(panel.controls.use)
    assert trainer.window.tabs.tabText(trainer.window.tabs.currentIndex()) == "Segment"
    kept = run.panels(run.previews[0])
    truth = mask.slice_hu(run.slice_index)
    assert np.array_equal(kept["residual"], kept["reconstruction"] - truth)


def test_an_adversary_is_shown_and_changed_in_the_form(trainer: Any) -> None:
    from ctstudio.learn.recipe import ADVERSARY, bundled

    form = trainer.panel.form
    names = ["adversary", "adversary_optimiser", "adversary_schedule"]
    assert not any(form.sections[name].isVisible() for name in names)
    recipe = bundled()["adversarial-all-convolutional"]
    form.set_recipe(recipe)
    assert all(form.sections[name].isVisible() for name in names)
    assert form.recipe() == recipe, "it is shown as it is"
    critic = form.sections["adversary"].combo
    offered = {critic.itemData(row) for row in range(critic.count())}
    assert offered == {"connected", "convolutional", "autoencoding"}
    critic.setCurrentIndex(critic.findData("connected"))
    form.sections["adversary_optimiser"].form.set_params({"lr": 0.25})
    changed = form.recipe().phases[0]
    assert changed.models[ADVERSARY].name == "connected"
    assert changed.optimisers[ADVERSARY].choice.params["lr"] == 0.25
    assert changed.optimiser == recipe.phases[0].optimiser
    small = {"phases.0.steps": 8, "patch_px": 32, "batch": 1, "stopping.seconds": 0}
    for path, value in small.items():
        recipe = recipe.with_setting(path, value)
    form.set_recipe(recipe)
    trainer.press(trainer.panel.controls.start)
    trainer.idle("train")
    log = trainer.session.run.history
    assert set(log.losses) >= {"mse", "generator", "adversary"}
    assert len(log.losses["adversary"]) == 8
    form.set_recipe(tiny())
    assert not any(form.sections[name].isVisible() for name in names)
    assert ADVERSARY not in form.recipe().phases[0].models


def test_every_shipped_recipe_comes_back_from_the_form_as_it_was(trainer: Any) -> None:
    from ctstudio.learn.recipe import bundled

    form = trainer.panel.form
    for name, recipe in bundled().items():
        form.set_recipe(recipe)
        assert form.recipe() == recipe, name
    form.set_recipe(recipe.with_setting("phases.0.optimiser.lr", 3.25e-12))
    assert form.recipe().phases[0].optimiser.choice.params["lr"] == 3.25e-12


def small_patches(recipe: Any) -> dict[str, Any]:
    """Settings with which a network on patches takes moments."""
    side = 12 if recipe.phases[0].model.params["form"] == "volume" else 18
    changes: dict[str, Any] = {"patch_px": side, "task.judged_every": 16}
    for number in range(len(recipe.phases)):
        changes[f"phases.{number}.model.size_px"] = side
        changes[f"phases.{number}.model.hidden"] = "8"
        if side == 12:
            changes[f"phases.{number}.model.maps"] = "2, 3"
    return changes


def teacher(file: Path) -> Path:
    """A network that a student can learn from."""
    from ctstudio.learn.checkpoint import TrainedModel, build, save
    from ctstudio.learn.recipe import bundled

    recipe = bundled()["lai-teacher"]
    for path, value in small_patches(recipe).items():
        recipe = recipe.with_setting(path, value)
    save(TrainedModel(recipe, build(recipe), 1), file)
    return file


@pytest.mark.timeout(300)
def test_every_shipped_recipe_trains_in_the_window(trainer: Any, tmp_path: Path) -> None:
    from ctstudio.core.registry import Choice
    from ctstudio.ct.volume import Volume
    from ctstudio.gui.session import Layer
    from ctstudio.learn.tasks import TASKS

    panel, data, session = trainer.panel, trainer.panel.data, trainer.session
    clean = trainer.layer("Thin slab")
    trainer.window.simulator.start(clean, Choice("gaussian", {"sd": 30.0}))
    trainer.idle("simulate")
    noisy = session.layers[-1]
    classes, count = (clean.stack.hu() > -300).astype(np.int16), len(clean.stack)
    mask = Volume(classes, np.ones(count), np.zeros(count), "", clean.stack.geometry)
    session.add_layer(Layer("Body", "original", mask))
    box = panel.form.recipe_box
    names = [box.itemData(row) for row in range(box.count()) if box.itemData(row)]
    assert len(names) >= 8
    for name in names:
        row = box.findData(name)
        box.setCurrentIndex(row)
        box.activated.emit(row)
        recipe = panel.form.recipe()
        changes = {f"phases.{number}.steps": 2 for number in range(len(recipe.phases))}
        changes |= {"stopping.seconds": 0, "patch_px": min(recipe.patch_px, 32), "batch": 2}
        if recipe.phases[0].model.name.startswith("autoencoder"):
            changes["phases.0.model.size_px"] = 32  # it takes images of one size only
        if recipe.phases[0].model.name == "patch_cnn":
            changes |= small_patches(recipe)
        if recipe.phases[0].model.name == "whole_image":
            changes["phases.0.model.hidden"] = 20
        if name == "lai-student":
            changes["phases.0.losses.0.network"] = str(teacher(tmp_path / "teacher.pt"))
        for path, value in changes.items():
            recipe = recipe.with_setting(path, value)
        panel.form.set_recipe(recipe)
        tags = TASKS[recipe.task.name].tags
        data.select(noisy if "targets" in tags and "labels" not in tags else clean)
        target = "Body" if "labels" in tags else "Thin slab" if "targets" in tags else "No target"
        data.rows[0].target.setCurrentText(target)
        trainer.press(panel.controls.start)
        trainer.idle("train")
        assert trainer.banner() == "", name
        assert session.run.state == "finished", name
        assert session.run.history.step[-1] == 2 * len(recipe.phases), name
        assert session.run.newest is not None, name
