"""Masks over the images: opened, shown in place, hidden, compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt

from ctstudio.core.events import finish
from ctstudio.ct.label_pictures import DIFFERENCE_LABELS
from ctstudio.ct.labels import Label, label_map
from ctstudio.gui.session import Layer
from tests.gui.looking import place_of

GREEN, BLUE = (0, 200, 0), (0, 0, 200)


def overlay(view: Any) -> Any:
    """The RGBA that lie over the image, or None."""
    items = [item for item in view._overlays if item.image is not None]
    assert len(items) <= 1
    return items[0].image if items else None


@pytest.fixture
def masked(hands: Any, thin: Any) -> tuple[Layer, Layer]:
    """A series and a mask of two labels upon it."""
    (layer,) = hands.open(thin)
    numbers = np.zeros(thin.hu.shape, np.uint8)
    numbers[5:9, 20:40, 10:30] = 1
    numbers[7, 50:60, 40:50] = 2
    labels = (Label(1, "heart", GREEN), Label(2, "spot", BLUE))
    volume = layer.volume
    mask = label_map(numbers, volume.geometry, volume.source, labels)
    return layer, hands.session.add_layer(Layer("Mask", "mask", mask, layer))


def act(hands: Any, *path: str) -> None:
    """Choose an entry of the masks' menu."""
    menu = hands.window.mask_menu.menu
    hands.window.mask_menu.fill()
    for title in path[:-1]:
        menu = next(a.menu() for a in menu.actions() if a.menu() and a.text() == title)
    next(a for a in menu.actions() if a.text() == path[-1]).trigger()
    hands.pause(10)


def test_a_mask_lies_over_its_series(hands: Any, thin: Any, masked: Any) -> None:
    view = hands.view
    hands.grid.go_to(7)
    picture = overlay(view)
    numbers = masked[1].stack.voxels[7]
    assert np.array_equal(picture[..., 3] > 0, numbers > 0)
    assert set(map(tuple, picture[numbers == 1])) == {(*GREEN, 102)}
    assert set(map(tuple, picture[numbers == 2])) == {(*BLUE, 102)}
    item = next(i for i in view._overlays if i.image is not None)
    assert item.rect == view.image_rect()
    assert np.array_equal(view.hu, thin.hu[7]), "the values stay what they are"
    hands.grid.go_to(0)
    assert not overlay(view)[..., 3].any()


def test_the_lens_tells_labels_by_name_and_colour(hands: Any, masked: Any) -> None:
    hands.grid.go_to(7)
    hands.view.setFocus()
    hands.key(Qt.Key.Key_Q)
    lens = hands.window.view_control.lens.lens
    for (y, x), name, colour in (
        ((25, 20), "heart", GREEN), ((55, 45), "spot", BLUE), ((70, 40), "no label", (0, 0, 0))
    ):  # fmt: skip
        hands.move(hands.view, place_of(hands.view, y, x))
        assert [tile.name for tile in lens.tiles] == ["Thin slab", "Mask"]
        tile = lens.tiles[1]
        assert tile.value == name
        picture = tile.picture
        middle = picture.pixelColor(picture.width() // 2, picture.height() // 2)
        assert middle.getRgb()[:3] == colour
    grey = lens.tiles[0].picture
    hands.key(Qt.Key.Key_F)  # the image beside it has the colours of the pane
    assert lens.tiles[0].picture != grey
    hands.key(Qt.Key.Key_Q)


def test_key_menu_and_opacity(hands: Any, masked: Any) -> None:
    hands.grid.go_to(7)
    hands.window.actions_by_name["masks"].setChecked(False)
    assert overlay(hands.view) is None
    hands.window.actions_by_name["masks"].setChecked(True)
    act(hands, "Mask", "spot")
    assert set(map(tuple, overlay(hands.view)[masked[1].stack.voxels[7] == 2][:, 3:])) == {(0,)}
    act(hands, "Outlines instead of areas")
    edge = overlay(hands.view)[..., 3]
    assert (edge > 0).sum() == 4 * 19
    assert set(np.unique(edge)) == {0, 255}
    act(hands, "Outlines instead of areas")
    hands.window.mask_menu._opacity.slider.setValue(100)
    assert overlay(hands.view)[..., 3].max() == 255
    act(hands, "Mask", "Show")
    assert overlay(hands.view) is None


def test_masks_follow_into_other_planes(hands: Any, masked: Any) -> None:
    hands.window.actions_by_name["coronal"].trigger()
    hands.grid.go_to(30)
    numbers = masked[1].stack.voxels[::-1, 30]
    assert np.array_equal(overlay(hands.view)[..., 3] > 0, numbers > 0)


def test_masks_lie_right_on_a_series_stored_the_other_way_round(
    hands: Any, thin: Any, mirrored: Any
) -> None:
    one, other = hands.open(thin, mirrored)
    numbers = np.zeros(thin.hu.shape, np.uint8)
    numbers[:, 20:30, 10:15] = 1
    volume = one.volume
    mask = label_map(numbers, volume.geometry, volume.source)
    hands.session.add_layer(Layer("Mask", "mask", mask, one))
    hands.grid.show_in(hands.grid.active_pane, other)
    view = hands.view
    item = next(i for i in view._overlays if i.image is not None)
    where = np.argwhere(item.image[..., 3] > 0)
    rect, place = item.rect, view.image_rect()
    assert (rect.left(), rect.top()) == pytest.approx((place.left(), place.top()), abs=1e-6)
    # The same patient point in both: the mask's first corner.
    point = one.stack.geometry.to_patient(view.index, 20, 10)
    _, y, x = other.stack.geometry.to_voxel(point)
    corners = {tuple(where.min(0)), tuple(where.max(0))} | {
        (where.min(0)[0], where.max(0)[1]), (where.max(0)[0], where.min(0)[1])
    }  # fmt: skip
    assert (round(y), round(x)) in corners


def test_difference_of_two_masks(hands: Any, masked: Any) -> None:
    layer, truth = masked
    numbers = np.roll(truth.stack.voxels, 3, axis=2)
    mask = label_map(numbers, layer.stack.geometry, layer.stack.source, truth.stack.labels)
    hands.session.add_layer(Layer("Guess", "mask", mask, layer))
    act(hands, "Difference", "Guess against Mask")
    hands.grid.go_to(7)
    picture = overlay(hands.view)
    colours = {tuple(c) for c in picture[picture[..., 3] > 0][:, :3]}
    assert colours == {label.colour for label in DIFFERENCE_LABELS}
    true, guess = truth.stack.voxels[7], numbers[7]
    wrong = (picture[..., :3] == DIFFERENCE_LABELS[1].colour).all(-1) & (picture[..., 3] > 0)
    assert np.array_equal(wrong, (guess > 0) & (guess != true))
    act(hands, "Difference", "None")
    assert sum(item.image is not None for item in hands.view._overlays) == 2


def test_closing_a_series_closes_its_masks(hands: Any, masked: Any) -> None:
    hands.session.remove_layer(masked[0])
    assert hands.window.masks.layers == []
    assert hands.window.masks.compared is None


def test_a_mask_from_a_file(
    hands: Any, thin: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PySide6.QtWidgets import QFileDialog

    from ctstudio.workflows.save import save

    (layer,) = hands.open(thin)
    volume = layer.volume
    numbers = (thin.hu > 0).astype(np.uint8)
    mask = label_map(numbers, volume.geometry, volume.source, (Label(1, "body", GREEN),))
    files = finish(save(mask, tmp_path / "out", "nifti", description="mask", method="drawn"))
    chosen = ([str(path) for path in files if path.name.endswith(".nii.gz")], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: chosen)
    hands.window.actions_by_name["open_mask"].trigger()
    hands.wait(lambda: bool(hands.window.masks.layers))
    (read,) = hands.window.masks.layers
    assert read.parent is layer
    assert np.array_equal(read.stack.voxels, numbers)
    assert overlay(hands.view)[..., 3].any()


def test_how_a_mask_was_understood_stays_to_be_read(hands: Any, thin: Any, tmp_path: Any) -> None:
    import nibabel

    (layer,) = hands.open(thin)
    there = layer.volume.geometry
    values = (thin.hu > 0).astype(np.float32).transpose(2, 1, 0)
    values[:, :, :7] = np.nan  # half of the 14 slices
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI counts to the right and the front
    affine = np.eye(4)
    affine[:3, 0] = there.row_direction * there.spacing_mm[1]
    affine[:3, 1] = there.column_direction * there.spacing_mm[0]
    affine[:3, 2] = there.positions_mm[1] - there.positions_mm[0]
    affine[:3, 3] = there.positions_mm[0]
    nibabel.save(nibabel.Nifti1Image(values, flip @ affine), tmp_path / "part.nii.gz")
    hands.window.masks.read([tmp_path / "part.nii.gz"], layer)
    hands.wait(hands.banner)
    assert hands.banner().startswith("part.nii.gz: 50% of the voxels have no value (NaN); they are")
    (mask,) = hands.window.masks.layers
    assert (mask.stack.voxels[:7] == -1).all()
    assert np.array_equal(mask.stack.voxels[7:], thin.hu[7:] > 0)


def test_a_mask_of_something_else_is_refused(
    hands: Any, thin: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctstudio.workflows.save import save

    (layer,) = hands.open(thin)
    volume = layer.volume
    far = replace(volume.geometry, positions_mm=volume.geometry.positions_mm + 900)
    mask = label_map(np.ones(thin.hu.shape, np.uint8), far, volume.source)
    files = finish(save(mask, tmp_path / "far", "nifti", description="far", method="drawn"))
    hands.window.masks.read([path for path in files if path.name.endswith(".nii.gz")], layer)
    hands.wait(hands.banner)
    assert "does not lie where the series does" in hands.banner()
    assert hands.window.masks.layers == []
