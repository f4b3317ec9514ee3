"""Folders of images and masks are opened as what they are, and the window says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.gui import theme
from ctstudio.workflows.mask_layers import masks_for
from ctstudio.workflows.open import read, scan

ROWS, COLUMNS = 40, 48


def write(folder: Path, names: list[str], *, readers: int = 1, without: int = 0) -> np.ndarray:
    """Pictures and their masks as CHASE_DB1 names them; the masks ``(readers, n, y, x)``."""
    folder.mkdir()
    draw = np.random.default_rng(1)
    masks = draw.random((readers, len(names), ROWS, COLUMNS)) < 0.2
    for k, name in enumerate(names):
        image = draw.integers(0, 255, (ROWS, COLUMNS)).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{name}.png")
        if k >= len(names) - without:
            continue
        for reader in range(readers):
            ending = ("1stHO", "2ndHO")[reader]
            drawn = Image.fromarray((255 * masks[reader, k]).astype(np.uint8))
            drawn.save(folder / f"{name}_{ending}.png")
    return masks


def test_pictures_get_their_masks_and_those_without_are_not_annotated(tmp_path: Path) -> None:
    drawn = write(tmp_path / "set", ["a", "b", "c"], without=1)
    found = finish(scan([tmp_path / "set"])).series
    images = next(info for info in found if not info.is_label)
    on = finish(read(images))
    (mask,) = finish(masks_for(images, found, on))
    np.testing.assert_array_equal(np.asarray(mask.mask.voxels[:2]) == 1, drawn[0, :2])
    assert (np.asarray(mask.mask.voxels[2]) == -1).all()
    assert mask.pairs == (("a_1stHO.png", "a.png"), ("b_1stHO.png", "b.png"))
    assert mask.alone == ("c.png",)
    labels = next(info for info in found if info.is_label)
    assert finish(masks_for(labels, found, finish(read(labels)))) == []


def test_a_mask_of_another_size_is_refused_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "set", ["a"])
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "set" / "a_1stHO.png")
    found = finish(scan([tmp_path / "set"])).series
    images = next(info for info in found if not info.is_label)
    with pytest.raises(StudioError, match=r"a_1stHO\.png has 9 x 9 px, its image a\.png 48 x 40"):
        finish(masks_for(images, found, finish(read(images))))


def test_a_nifti_label_map_belongs_where_it_lies(tmp_path: Path) -> None:
    import nibabel

    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    hu = np.random.default_rng(0).normal(0, 90, (12, 11, 7)).astype(np.float32)
    numbers = np.zeros(hu.shape, np.uint8)
    numbers[2:6, 3:8, 1:5] = 2
    for name, values, at in (("ct", hu, affine), ("seg", numbers, affine),
                             ("other", numbers, affine + 9 * np.eye(4, k=3))):  # fmt: skip
        image = nibabel.Nifti1Image(values, at)
        if name != "ct":
            image.header.set_intent("label")
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    found = finish(scan([tmp_path])).series
    ct = next(info for info in found if not info.is_label)
    on = finish(read(ct))
    (mask,) = finish(masks_for(ct, found, on))
    assert mask.name == "seg.nii.gz"
    assert (np.asarray(mask.mask.voxels) == 2).sum() == (numbers == 2).sum()
    low, high = (side(on.hu()[np.asarray(mask.mask.voxels) == 2]) for side in (np.min, np.max))
    assert (low, high) == pytest.approx((hu[numbers == 2].min(), hu[numbers == 2].max()))


def listed(hands: Any) -> list[Any]:
    """The items of the list of series."""
    study = hands.window.series_panel.tree.topLevelItem(0)
    return [study.child(k) for k in range(study.childCount())]


def bright(item: Any) -> float:
    """How much of an item's picture has the colour of the first label."""
    picture = item.icon(0).pixmap(48, 48).toImage()
    wide, high = picture.width(), picture.height()
    pixels = [picture.pixelColor(x, y) for y in range(high) for x in range(wide)]
    return sum(p.red() > 2 * p.blue() + 40 for p in pixels) / len(pixels)


def test_masks_that_wait_have_a_sign_of_their_own(hands: Any, tmp_path: Path) -> None:
    write(tmp_path / "retina", ["a", "b"])
    hands.window.series_panel.open_requested.disconnect()  # nothing is read
    found = finish(scan([tmp_path / "retina"])).series
    assert all(info.warnings for info in found), "of lengths and values"
    hands.session.add_series(list(found))
    images, masks = (item.icon(0).pixmap(48, 48).toImage() for item in listed(hands))
    drawn = theme.icon("mdi6.draw").pixmap(48, 48).toImage()
    assert masks == drawn
    assert images != drawn


def test_a_folder_that_is_dropped_shows_its_masks(hands: Any, tmp_path: Path) -> None:
    drawn = write(tmp_path / "retina", ["a", "b", "c"], readers=2)
    hands.drop(tmp_path / "retina")
    hands.wait(lambda: len(hands.window.masks.layers) == 2, "for the masks")
    hands.idle()
    first, second = hands.window.masks.layers
    np.testing.assert_array_equal(np.asarray(first.stack.voxels) == 1, drawn[0])
    assert "retina: 3 of 3 images have a mask" in hands.banner()
    assert "2 people have drawn" in hands.banner()
    assert "a_1stHO.png  on  a.png" in hands.window.banner._details
    roles, active = hands.window.masks.roles, hands.session.active
    assert roles.truth(active) is first
    assert roles.prediction(active) is None
    assert hands.window.mask_desk.bar.isVisible()
    hands.press(hands.window.mask_desk.bar.buttons["show_prediction"])
    assert roles.prediction(active) is second, "either reader can be held against the other"
    assert hands.window.mask_desk.bar.buttons["show_prediction"].isChecked()
    assert all(bright(item) > 0.05 for item in listed(hands)[1:]), "pictures of the masks"
    agreements = hands.window.mask_desk.agreements
    hands.wait(lambda: "(slice" in agreements.text(), "for the readers' agreement")
    both = 2 * (drawn[0] & drawn[1]).sum() / (drawn[0].sum() + drawn[1].sum())
    assert f"Dice {both:.3f}" in agreements.text()
    hands.idle()
