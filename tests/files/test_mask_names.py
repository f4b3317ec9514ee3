"""Names that say which picture is a mask of which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ctstudio.ct.series import ScanResult
from ctstudio.files.mask_names import FIELD_OF_VIEW, MaskName, masks_among


def named(*names: str) -> dict[str, tuple[str | None, int]]:
    """Of each mask among these files the image and the reader."""
    found = masks_among([Path(name) for name in names])
    return {
        path.as_posix(): (mask.image.as_posix() if mask.image else None, mask.reader)
        for path, mask in found.items()
    }


def test_nerves() -> None:
    """As in the ultrasound set: N_M.tif and N_M_mask.tif."""
    names = ["train/1_1.tif", "train/1_1_mask.tif", "train/1_10.tif", "train/1_10_mask.tif"]
    assert named(*names, "train/2_1.tif", "train/9_mask.tif") == {
        "train/1_1_mask.tif": ("train/1_1.tif", 1),
        "train/1_10_mask.tif": ("train/1_10.tif", 1),
    }


def test_chase_db1() -> None:
    assert named("Image_01L.jpg", "Image_01L_1stHO.png", "Image_01L_2ndHO.png") == {
        "Image_01L_1stHO.png": ("Image_01L.jpg", 1),
        "Image_01L_2ndHO.png": ("Image_01L.jpg", 2),
    }


def test_drive() -> None:
    names = []
    for part, numbers in (("training", (21, 22)), ("test", (1, 2))):
        for n in numbers:
            names += [
                f"DRIVE/{part}/images/{n:02d}_{part}.tif",
                f"DRIVE/{part}/1st_manual/{n:02d}_manual1.gif",
                f"DRIVE/{part}/mask/{n:02d}_{part}_mask.gif",
            ]
    names.append("DRIVE/test/2nd_manual/01_manual2.gif")
    found = named(*names)
    images = [name for name in names if "/images/" in name]
    assert set(found) == set(names) - set(images)
    assert found["DRIVE/training/1st_manual/21_manual1.gif"] == (
        "DRIVE/training/images/21_training.tif", 1,
    )  # fmt: skip
    assert found["DRIVE/test/2nd_manual/01_manual2.gif"] == ("DRIVE/test/images/01_test.tif", 2)
    assert found["DRIVE/test/mask/02_test_mask.gif"] == (
        "DRIVE/test/images/02_test.tif", FIELD_OF_VIEW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("2d_images", "2d_masks"),
        ("images", "labels"),
        ("train_images", "train_masks"),
        ("Originals", "Ground Truth"),
        ("imgs", "masks"),
    ],
)
def test_two_folders(images: str, masks: str) -> None:
    names = [f"set/{folder}/ID_{k}.tif" for folder in (images, masks) for k in (1, 2)]
    found = named(*names, f"set/{masks}/more.tif")
    assert found == {
        f"set/{masks}/ID_1.tif": (f"set/{images}/ID_1.tif", 1),
        f"set/{masks}/ID_2.tif": (f"set/{images}/ID_2.tif", 1),
        f"set/{masks}/more.tif": (None, 1),
    }


def test_masks_in_a_folder_within() -> None:
    assert named("set/a.png", "set/masks/a_mask.png") == {"set/masks/a_mask.png": ("set/a.png", 1)}


def test_a_name_alone_makes_no_mask() -> None:
    assert named("train/9_mask.tif", "train/gas_mask.jpg") == {}
    assert named("masks/venice.jpg", "masks/africa.jpg") == {}
    assert named("2020/images/a.png", "2021/masks/a.png") == {}
    assert named("set/train_images/a.png", "set/test_masks/a.png") == {}
    assert named("set/images/a.png", "set/masks/b.png") == {}
    assert named("s/a.png", "s/a_mask.png", "s/a_mask_mask.png")["s/a_mask_mask.png"] == (
        "s/a_mask.png", 1,
    )  # fmt: skip


def test_a_scan_keeps_masks_apart(tmp_path: Path, look: Callable[[Path], ScanResult]) -> None:
    for k in range(3):
        image = Image.fromarray(np.full((6, 8), 10 * k, np.uint8))
        for ending in ("", "_mask") if k else ("",):
            image.save(tmp_path / f"1_{k}{ending}.tif")
    images, masks = look(tmp_path).series
    assert [part.item.name for part in images.pictures] == ["1_0.tif", "1_1.tif", "1_2.tif"]
    assert [part.item.name for part in masks.pictures] == ["1_1_mask.tif", "1_2_mask.tif"]
    assert masks.mask_of == tuple(tmp_path / f"1_{k}.tif" for k in (1, 2))
    assert (masks.source.modality, images.source.modality) == ("SEG", "")
    assert masks.is_label
    assert not images.is_label
    assert masks.title == f"{tmp_path.name}, masks"


def test_gifs_are_read_and_films_are_not(
    tmp_path: Path, look: Callable[[Path], ScanResult], opened: Callable[[Path], object]
) -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:] = 255
    Image.fromarray(mask).save(tmp_path / "a.gif")
    assert np.array_equal(opened(tmp_path / "a.gif").hu()[0], mask)
    first, second = Image.fromarray(mask), Image.fromarray(255 - mask)
    first.save(tmp_path / "b.gif", save_all=True, append_images=[second])
    (skipped,) = look(tmp_path).skipped
    assert (skipped.path.name, skipped.reason) == ("b.gif", "it is a film, and no slice of a scan")


def test_real_sets(test_data: Path) -> None:
    chase = sorted((test_data / "retina_chase_db1").iterdir())
    found = masks_among(chase)
    assert len(found) == 56
    assert all(path.name.startswith(mask.image.stem) for path, mask in found.items() if mask.image)
    lungs = sorted((test_data / "lung_masks_2d").rglob("*.tif"))
    assert {mask for mask in masks_among(lungs).values()} == {
        MaskName(path) for path in lungs if path.parent.name == "2d_images"
    }
