"""Segmenting a series in the window: a network from a file or a training, a mask that comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLabel

from ctstudio.learn import checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled


def above(name: str = "unet-masks") -> TrainedModel:
    """A U-Net whose last layer alone decides, by a bias: everything is of class 1."""
    recipe = bundled()[name]
    for key, value in {"features": 2, "depth": 1}.items():
        recipe = recipe.with_setting(f"phases.0.model.{key}", value)
    module = checkpoint.build(recipe)
    *_, (weight, bias) = zip(
        list(module.parameters())[:-1], list(module.parameters())[1:], strict=True
    )
    with torch.no_grad():
        weight.zero_()
        bias.copy_(torch.tensor([0.0, 1.0]))
    return TrainedModel(recipe, module.eval(), 9, {"dice": 0.914, "held_out": 4.0})


@pytest.fixture
def studio(hands: Any, thin: Any, tmp_path: Any) -> Any:
    hands.open(thin)
    hands.panel = hands.window.mask_desk.panel
    hands.window.actions_by_name["segment"].trigger()
    hands.path = tmp_path / "network.pt"
    checkpoint.save(above(), hands.path)
    return hands


def masks(hands: Any) -> list[Any]:
    return [layer for layer in hands.session.layers if layer.kind == "mask"]


def texts(hands: Any) -> str:
    return " ".join(label.text() for label in hands.panel.findChildren(QLabel))


def test_pieces_are_counted_in_voxels_where_lengths_are_not_known(
    studio: Any, tmp_path: Any
) -> None:
    assert studio.panel.least.text() == "0 mm³"
    for k in range(2):
        Image.fromarray(np.full((20, 24), 90 + k, np.uint8)).save(tmp_path / f"{k}.png")
    studio.drop(tmp_path / "0.png", tmp_path / "1.png")
    studio.wait(lambda: studio.panel.least.text() == "0 voxels")
    studio.window.series_panel.show_requested.emit(studio.layer("Thin slab"))
    assert studio.panel.least.text() == "0 mm³"
    studio.idle()


def test_a_network_from_a_file_segments_the_series(
    studio: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = studio.panel
    assert panel.isVisible()
    assert not panel.apply_button.isEnabled()
    assert "Choose a network" in panel.apply_button.toolTip()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(studio.path), ""))
    panel.load_button.menu().actions()[0].trigger()
    studio.wait(lambda: panel.models, "for the network")
    assert "Dice 0.914 on 4 held-out slices" in texts(studio)
    studio.idle()
    panel.region.setCurrentIndex(1)
    panel.largest.setValue(1)
    studio.press(panel.apply_button)
    studio.wait(lambda: masks(studio), "for the mask")
    studio.idle()
    (layer,) = masks(studio)
    assert layer.parent is studio.layer("Thin slab")
    voxels = np.asarray(layer.stack.voxels)
    from scipy import ndimage

    body = np.stack([ndimage.binary_fill_holes(each > -500) for each in thin.hu])
    pieces, _ = ndimage.label(body)
    largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    np.testing.assert_array_equal(voxels == 1, largest)
    assert layer.likely.slice_hu(7)[body[7]] == pytest.approx(1 / (1 + np.exp(-1)), abs=1 / 255)
    assert "voxels" in panel.status.text()
    assert studio.window.mask_desk.bar.isVisible()
    studio.view.setFocus()
    studio.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert masks(studio) == []


def test_the_form_s_threshold_is_used(studio: Any) -> None:
    panel = studio.panel
    panel.load(studio.path)
    studio.wait(lambda: panel.models, "for the network")
    studio.idle()
    panel.threshold.setValue(0.8)  # the network is sure to 0.73
    studio.press(panel.apply_button)
    studio.wait(lambda: masks(studio), "for the mask")
    studio.idle()
    assert not masks(studio)[0].stack.voxels.any()
    assert "Nothing was found" in panel.status.text()


def test_a_run_folder_will_do_and_a_denoiser_will_not(
    studio: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = studio.panel
    run = tmp_path / "run"
    run.mkdir()
    (run / "best.pt").write_bytes(studio.path.read_bytes())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(run))
    panel.load_button.menu().actions()[1].trigger()
    studio.wait(lambda: panel.models, "for the network")
    studio.idle()
    recipe = bundled()["dncnn-gaussian"]
    other = TrainedModel(recipe, checkpoint.build(recipe).eval(), 3)
    checkpoint.save(other, tmp_path / "denoiser.pt")
    panel.load(tmp_path / "denoiser.pt")
    studio.wait(studio.banner, "for the message")
    assert "it tells no classes" in studio.banner()
    assert len(panel.models) == 1


def test_cancelling_changes_nothing(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from ctstudio.learn import segment

    panel = studio.panel
    panel.load(studio.path)
    studio.wait(lambda: panel.models, "for the network")
    studio.idle()
    telling = segment.telling

    def slowly(*args: Any, **how: Any) -> Any:
        time.sleep(0.1)
        return (yield from telling(*args, **how))

    monkeypatch.setattr(segment, "telling", slowly)
    studio.press(panel.apply_button)
    studio.wait(lambda: "Slice" in panel.status.text(), "for the first slice")
    assert panel.cancel_button.isVisible()
    studio.press(panel.cancel_button)
    studio.idle()
    assert masks(studio) == []
    assert "nothing was changed" in panel.status.text()
    assert panel.cancel_button.isHidden()
    assert panel.apply_button.isEnabled()


def test_training_on_a_mask_fills_the_form(studio: Any) -> None:
    from ctstudio.ct.labels import Label, label_map
    from ctstudio.gui.session import Layer

    window = studio.window
    window.train_panel.engine_ready()
    source = studio.layer("Thin slab")
    numbers = np.zeros(source.stack.shape, np.uint8)
    numbers[5, 20:40, 10:30], numbers[6, 50:60, 40:50] = 1, 3
    labels = tuple(Label(k, f"L{k}", (9, 9, 9)) for k in (1, 3))
    mask = label_map(numbers, source.stack.geometry, source.stack.source, labels)
    layer = studio.session.add_layer(Layer("By hand", "mask", mask, source))
    window.actions_by_name["train_on_mask"].trigger()
    assert window.tabs.tabText(window.tabs.currentIndex()) == "Train"
    data = window.train_panel.data
    assert data.layer is source
    assert data.targets() == [layer.volume]
    recipe = window.train_panel.form.recipe()
    assert recipe.task.name == "masks"
    assert recipe.phases[0].model.params["classes"] == 4, "the background and labels up to 3"
    assert data.missing() == ""
