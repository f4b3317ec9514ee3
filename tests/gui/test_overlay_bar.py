"""What lies over the images: switched by button and key, and measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from ctstudio.ct.label_pictures import DIFFERENCE_LABELS
from ctstudio.ct.labels import Label, label_map
from ctstudio.gui.session import Layer
from ctstudio.learn.blobs import Blobs
from ctstudio.learn.segment import Segmented

LUNG = Label(1, "Lung", (0, 200, 0))
METHOD = "U-Net, 7 steps"


def overlays(view: Any) -> list[np.ndarray]:
    return [item.image for item in view._overlays if item.image is not None]


@pytest.fixture
def segmented(hands: Any, thin: Any) -> tuple[Layer, Layer, Layer]:
    """A series, its truth, and what a network made of it, with probabilities."""
    (layer,) = hands.open(thin)
    volume = layer.volume
    truth = (thin.hu < -400).astype(np.uint8)
    truth[:, :8] = 0
    truth[[0, -1]] = 0
    mask = label_map(truth, volume.geometry, volume.source, (LUNG,))
    drawn = hands.session.add_layer(Layer("By hand", "mask", mask, layer))
    inside = np.where(np.roll(truth, 3, axis=2), 200, 20).astype(np.uint8)
    inside[:, 50:60, 10:20] = 140
    told = Segmented(volume, (inside > 127).astype(np.uint8), inside, METHOD)
    segmenter = hands.window.mask_desk.panel.segmenter
    segmenter._title = METHOD
    segmenter._done(layer, Blobs(), None, told, told.labels())
    hands.grid.go_to(7)
    made = hands.session.layers[-1]
    return layer, drawn, made


def test_truth_and_prediction_are_told_apart_and_switched(hands: Any, segmented: Any) -> None:
    layer, drawn, made = segmented
    desk, view = hands.window.mask_desk, hands.view
    assert desk.bar.isVisible()
    assert hands.window.masks.roles.pair(layer) == (drawn, made)
    area, line = overlays(view)
    assert (area[..., 3] > 0).sum() == (np.asarray(drawn.stack.voxels[7]) > 0).sum()
    assert 0 < (line[..., 3] > 0).sum() < (np.asarray(made.stack.voxels[7]) > 0).sum()
    hands.press(desk.bar.buttons["show_truth"])
    assert len(overlays(view)) == 1
    view.setFocus()
    hands.key(Qt.Key.Key_G)
    assert overlays(view) == []
    hands.key(Qt.Key.Key_T)
    hands.key(Qt.Key.Key_G)
    assert len(overlays(view)) == 2
    hands.key(Qt.Key.Key_U)
    assert (overlays(view)[0][..., 3] > 0).sum() < (area[..., 3] > 0).sum()


def test_difference_with_its_legend(hands: Any, segmented: Any) -> None:
    _, drawn, made = segmented
    bar, view = hands.window.mask_desk.bar, hands.view
    assert not bar.legend.isVisible()
    view.setFocus()
    hands.key(Qt.Key.Key_V)
    assert bar.legend.isVisible()
    (picture,) = overlays(view)
    true, found = (np.asarray(la.stack.voxels[7]) > 0 for la in (drawn, made))
    for label, where in zip(
        DIFFERENCE_LABELS, (true & found, found & ~true, true & ~found), strict=True
    ):
        assert where.any()
        assert (picture[where][:, :3] == label.colour).all()
    assert not bar.buttons["show_truth"].isChecked()
    hands.press(bar.buttons["show_truth"])
    assert not bar.legend.isVisible()
    assert len(overlays(view)) == 2


def test_the_threshold_is_dragged_and_the_mask_is_cut_anew(hands: Any, segmented: Any) -> None:
    _, drawn, made = segmented
    bar, view = hands.window.mask_desk.bar, hands.view
    before = np.array(made.stack.voxels)
    hands.press(bar.buttons["show_probability"])
    assert bar.scale.isVisible()
    picture = overlays(view)[-1]
    edge = (picture == 255).all(-1)
    assert edge.any(), "a white outline at the threshold"
    scale = bar.scale._scale()
    start = QPointF(scale.left() + 0.5 * scale.width(), scale.center().y()).toPoint()
    end = QPointF(scale.left() + 0.7 * scale.width(), scale.center().y()).toPoint()
    QTest.mousePress(bar.scale, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(bar.scale, end)
    QTest.mouseRelease(bar.scale, Qt.MouseButton.LeftButton, pos=end)
    hands.wait(lambda: not np.array_equal(made.stack.voxels, before), "for the new mask")
    assert bar.scale.value == pytest.approx(0.7, abs=0.02)
    assert not made.stack.voxels[7, 50:60, 10:20].any(), "140 of 255 is not sure enough"
    assert made.stack.voxels[7].any()
    true, found = (np.asarray(la.stack.voxels) == 1 for la in (drawn, made))
    dice = 2 * (true & found).sum() / (true.sum() + found.sum())
    agreements = hands.window.mask_desk.agreements
    hands.wait(lambda: f"Dice {dice:.3f}" in agreements.text(), "for the new score")
    hands.idle()
    hands.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(made.stack.voxels, before)


def test_scores_are_measured_and_follow(hands: Any, segmented: Any) -> None:
    _, drawn, made = segmented
    desk = hands.window.mask_desk
    hands.wait(lambda: "(slice" in desk.agreements.text(), "for the scores")
    true, found = (np.asarray(la.stack.voxels) == 1 for la in (drawn, made))
    dice = 2 * (true & found).sum() / (true.sum() + found.sum())
    here = 2 * (true[7] & found[7]).sum() / (true[7].sum() + found[7].sum())
    assert f"Dice {dice:.3f} (slice {here:.3f})" in desk.bar.numbers.text()
    assert "HD95" in desk.bar.numbers.text()
    hands.press(desk.bar.numbers)
    window = desk._scores
    assert window.isVisible()
    assert window.table.item(0, 0).text() == "Lung"
    assert window.table.item(0, 1).text() == f"{dice:.3f}"
    hands.session.remove_layer(made)
    assert desk.bar.numbers.isHidden()
    window.close()


def test_another_mask_may_count_as_the_truth(hands: Any, segmented: Any) -> None:
    layer, drawn, made = segmented
    empty = label_map(np.zeros(layer.stack.shape, np.uint8), layer.stack.geometry,
                      layer.stack.source, (LUNG,))  # fmt: skip
    other = hands.session.add_layer(Layer("Another", "mask", empty, layer))
    roles, bar = hands.window.masks.roles, hands.window.mask_desk.bar
    assert roles.pair(layer) == (other, made), "the newest"
    menu = bar.buttons["show_truth"].menu()
    menu.aboutToShow.emit()
    assert [a.text() for a in menu.actions()] == ["By hand", "Segmented: U-Net, 7 steps", "Another"]
    menu.actions()[0].trigger()
    assert roles.pair(layer) == (drawn, made)


def test_the_masks_of_a_training_go_together(hands: Any, segmented: Any) -> None:
    from ctstudio.ct.views import SinglePicture

    layer, drawn, made = segmented
    masks, roles = hands.window.masks, hands.window.masks.roles
    roles.choose_truth(drawn)
    geometry = layer.stack.geometry.select(slice(7, 8))
    live = []
    for name, rows in (("mask", slice(20, 40)), ("prediction", slice(25, 45))):
        picture = np.zeros(layer.stack.shape[1:], np.float32)
        picture[rows] = 1
        stack = SinglePicture(geometry, layer.stack.source, "class", picture)
        live.append(hands.session.add_layer(Layer(f"Training: {name}", "live", stack, layer)))
    assert roles.pair(layer) == tuple(live), "though another truth was chosen for the series"
    assert masks.compared == tuple(live)
    assert len(overlays(hands.view)) == 1, "the mask that is learnt from would tint the difference"
    desk = hands.window.mask_desk
    hands.wait(lambda: "Dice 0.750" in desk.agreements.text(), "for the live score")
    roles.choose_prediction(made)
    desk._difference(True)
    assert masks.compared == (drawn, made)
    assert len(overlays(hands.view)) == 1, "the training's masks are not mixed in"
    for each in live:
        hands.session.remove_layer(each)
    assert roles.pair(layer) == (drawn, made)
    hands.idle()


def test_a_segmentation_is_taken_back(hands: Any, segmented: Any) -> None:
    layer, _, made = segmented
    hands.view.setFocus()
    hands.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert made not in hands.session.layers
    assert hands.window.masks.roles.pair(layer) is None
    hands.key(Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert made in hands.session.layers


def test_there_is_no_bar_without_a_mask(hands: Any, thin: Any) -> None:
    hands.open(thin)
    assert not hands.window.mask_desk.bar.isVisible()


@pytest.mark.parametrize(("ending", "frames"), [("png", 1), ("gif", 14)])
def test_five_panels_are_taken_away(
    hands: Any, segmented: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, ending: str,
    frames: int,
) -> None:  # fmt: skip
    from PIL import Image
    from PySide6.QtWidgets import QFileDialog

    path = tmp_path / f"masks.{ending}"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    hands.view.setFocus()
    hands.key(Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    hands.wait(path.exists, "for the file")
    hands.idle()
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == frames
        width, height = image.size
        image.seek(frames // 2)
        pixels = np.asarray(image.convert("RGB"), int)
    assert width > 3.5 * height, "five in a row"
    # The second and third panel are black and white, the fourth and fifth have colours.
    colour = np.ptp(pixels, axis=2) > 40
    fifths = np.array_split(colour, 5, axis=1)
    assert [bool(part.mean() > 0.005) for part in fifths] == [False, False, False, True, True]


def test_without_a_prediction_there_is_no_figure(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.window.actions_by_name["mask_figure"].trigger()
    assert "need a true mask and a prediction" in hands.banner()


def test_earlier_previews_of_a_training_show_how_likely_they_are(hands: Any, thin: Any) -> None:
    from pathlib import Path

    from ctstudio.core.events import Preview
    from ctstudio.gui.session import Run
    from ctstudio.gui.training.run_layers import RunLayers
    from ctstudio.workflows.training import find_recipe

    (layer,) = hands.open(thin)
    run = Run(find_recipe("unet-masks"), layer, 7, Path("none"))
    shape = layer.stack.shape[1:]
    layers = RunLayers(hands.session)
    for step, likely in ((1, 0.2), (2, 0.7)):
        panels = {name: np.full(shape, step - 1, np.float32) for name in ("noisy", "target")}
        panels |= {"reconstruction": panels["target"], "residual": panels["target"] - 1}
        inside = np.full(shape, likely, np.float32)
        run.keep(Preview(step, 7, panels, metrics={"dice": 0.5}, labels=True, inside=inside))
        if step == 1:
            layers.make(run, run.newest)
    layers.show(run, None)
    (made,) = (each for each in hands.session.layers if each.likely is not None)
    for kept, want in ((run.previews[0], 0.2), (None, 0.7), (run.previews[1], 0.7)):
        layers.show(run, kept)
        told = made.likely.slice_hu(0)
        assert np.abs(told - want).max() <= 0.5 / 255 + 1e-6
    for each in hands.session.layers[1:]:
        hands.session.remove_layer(each)
    hands.idle()
