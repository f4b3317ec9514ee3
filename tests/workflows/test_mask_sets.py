"""Folders of images and masks, read as pairs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ctstudio.cli import main
from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.labels import label_map
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.learn.recipe import bundled
from ctstudio.learn.run_folder import read_previews
from ctstudio.workflows.mask_sets import MaskSet, mask_sets, read_mask_set
from ctstudio.workflows.masks import onto
from ctstudio.workflows.open import scan
from ctstudio.workflows.training import train_on


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def square(k: int, size: tuple[int, int] = (32, 40), inside: int = 255) -> np.ndarray:
    """A mask that tells which image it belongs to: a square of k + 4 px."""
    mask = np.zeros(size, np.uint8)
    mask[4 : 8 + k, 5 : 9 + k] = inside
    return mask


def the_set(folder: Path) -> MaskSet:
    (pairs,) = mask_sets(finish(scan([folder])).series)
    return pairs


def drive(root: Path) -> None:
    """A miniature of DRIVE's training part."""
    for k in (21, 22, 23):
        save(root / "images" / f"{k}_training.tif", 100 + square(k - 21, inside=100))
        save(root / "1st_manual" / f"{k}_manual1.gif", square(k - 21))
        save(root / "mask" / f"{k}_training_mask.gif", np.full((32, 40), 255))


def nerves(root: Path) -> None:
    """A miniature of the ultrasound nerve set; one image has no mask, one mask no image."""
    for k in range(3):
        save(root / f"1_{k}.tif", 100 + square(k, inside=100))
        save(root / f"1_{k}_mask.tif", square(k))
    save(root / "2_7.tif", square(1))
    save(root / "3_9_mask.tif", square(1))


@pytest.mark.parametrize("make", [drive, nerves])
def test_pairs_are_those_that_belong_together(make, tmp_path: Path) -> None:
    make(tmp_path)
    images, masks = finish(read_mask_set(the_set(tmp_path)))
    assert len(images) == len(masks) == 3
    for k, (image, mask) in enumerate(zip(images, masks, strict=True)):
        assert image.shape == mask.shape == (1, 32, 40)
        assert np.array_equal(mask.voxels[0], square(k) > 0)
        assert np.array_equal(image.voxels[0] == 200, mask.voxels[0] == 1)
        assert [label.number for label in mask.labels] == [1]


def test_images_without_a_mask_are_named(tmp_path: Path) -> None:
    nerves(tmp_path)
    pairs = the_set(tmp_path)
    # A mask whose image is missing is taken for an image like any other: it has no mask itself.
    assert {path.name for path in pairs.alone} == {"2_7.tif", "3_9_mask.tif"}
    notes = [getattr(event, "text", "") for event in read_mask_set(pairs)]
    assert any("2 of the images have no mask" in note and "2_7.tif" in note for note in notes)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    nerves(tmp_path)
    save(tmp_path / "1_1_mask.tif", square(1, (30, 40)))
    message = r"1_1_mask\.tif has 40 x 30 px, its image 1_1\.tif 40 x 32 px"
    with pytest.raises(StudioError, match=message):
        the_set(tmp_path)


def test_a_picture_that_is_no_mask_is_refused(tmp_path: Path) -> None:
    nerves(tmp_path)
    save(tmp_path / "1_2_mask.tif", np.arange(32 * 40).reshape(32, 40) % 251)
    with pytest.raises(StudioError, match=r"1_2_mask\.tif is no mask: it has 251 different values"):
        finish(read_mask_set(the_set(tmp_path)))


def test_a_broken_picture_does_not_shift_the_pairs(tmp_path: Path) -> None:
    nerves(tmp_path)
    for name in ("1_0.tif", "1_1.tif"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) - 900])
    with pytest.raises(StudioError, match=r"cannot be read|could be read"):
        finish(read_mask_set(the_set(tmp_path)))


def test_lungs_and_vessels(test_data: Path) -> None:
    images, masks = finish(read_mask_set(the_set(test_data / "lung_masks_2d")))
    assert len(images) == 12
    assert {image.unit for image in images} == {"HU"}
    for image, mask in zip(images, masks, strict=True):
        inside = mask.voxels == 1
        # Lungs are darker than what is around them in the body.
        assert np.median(image.hu()[inside]) < -500
        assert np.unique(mask.voxels).tolist() == [0, 1]
    (vessels,) = mask_sets(finish(scan([test_data / "retina_chase_db1"])).series)
    assert vessels.images.slices == vessels.masks.slices == 28
    assert {part.item.name[-9:] for part in vessels.masks.pictures} == {"1stHO.png"}
    second = mask_sets(finish(scan([test_data / "retina_chase_db1"])).series, reader=2)
    assert {part.item.name[-9:] for part in second[0].masks.pictures} == {"2ndHO.png"}


def test_a_folder_is_trained_on_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive(tmp_path / "set")
    settings = {
        "steps": 4, "seconds": 0, "patch_px": 32, "batch": 1, "device": '"cpu"',
        "model.features": 4, "model.depth": 1, "validation.share": 0.4,
    }  # fmt: skip
    arguments = ["train", "unet-masks", str(tmp_path / "set"), "--run", str(tmp_path / "run")]
    for key, value in settings.items():
        path = f"phases.0.{key}" if key.startswith("model.") else key
        arguments += ["--set", f"{path}={value}"]
    assert main.run(arguments) == 0
    told = capsys.readouterr()
    text = told.out + told.err
    for name in ("Dice", "IoU", "Sensitivity", "Specificity", "Weighted accuracy", "AUC"):
        assert re.search(rf"{name} [0-9.]+", text)
    assert (tmp_path / "run" / "best.pt").is_file()


def test_masks_stored_another_way_round_are_brought_onto_their_series() -> None:
    """As NIfTI on DICOM: the network must see the same pairs, whatever the order of the axes."""
    hu = np.random.default_rng(1).normal(0, 50, (6, 24, 24)).astype(np.float32)
    geometry = Geometry.axial(6, (3.0, 1.0, 1.0))
    volume = Volume.from_hu(hu, geometry)
    numbers = (hu > 0).astype(np.uint8)
    turned = Geometry(
        geometry.positions_mm + np.array([23.0, 23.0, 0]),
        -geometry.row_direction, -geometry.column_direction, geometry.spacing_mm,
    )  # fmt: skip
    mask = label_map(numbers[:, ::-1, ::-1], turned, Source())
    recipe = bundled()["unet-masks"]
    for key, value in {"phases.0.steps": 2, "stopping.seconds": 0, "device": "cpu",
                       "patch_px": 16, "batch": 1, "phases.0.model.depth": 1}.items():  # fmt: skip
        recipe = recipe.with_setting(key, value)
    shown = [
        event.panels
        for event in train_on(recipe, [volume], None, targets=[mask])
        if hasattr(event, "panels")
    ]
    assert np.array_equal(shown[0]["target"], shown[0]["noisy"] > 0)


def test_what_is_not_annotated_stays_so() -> None:
    numbers = np.random.default_rng(0).integers(-1, 3, (4, 8, 9))
    geometry = Geometry.axial(4)
    mask = label_map(numbers, geometry, Source())
    on = Volume.from_hu(np.zeros((6, 8, 9), np.float32), Geometry.axial(6))
    got = finish(onto(mask, on)).voxels
    assert np.array_equal(got[:4], numbers)
    assert (got[4:] == -1).all()


def test_a_picture_that_is_not_learnt_from_is_shown(tmp_path: Path) -> None:
    drive(tmp_path)
    images, masks = finish(read_mask_set(the_set(tmp_path)))
    recipe = bundled()["unet-masks"]
    for key, value in {"phases.0.steps": 2, "stopping.seconds": 0, "device": "cpu",
                       "patch_px": 32, "batch": 1, "phases.0.model.depth": 1}.items():  # fmt: skip
        recipe = recipe.with_setting(key, value)
    run = tmp_path / "run"
    finish(train_on(recipe, images, run, targets=masks, show_held_out=True))
    told = list(read_previews(run))
    assert np.array_equal(told[0].panels["target"], masks[2].voxels[0])
    assert np.array_equal(told[-1].panels["reconstruction"] > 0, told[-1].inside > 0.5)
    finish(train_on(recipe, images, tmp_path / "other", targets=masks))
    told = list(read_previews(tmp_path / "other"))
    assert np.array_equal(told[0].panels["target"], masks[0].voxels[0])
