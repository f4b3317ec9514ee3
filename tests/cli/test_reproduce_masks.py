"""``ctstudio reproduce`` for experiments on masks, from end to end, on tiny pictures."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ctstudio.cli import main
from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.learn import checkpoint
from ctstudio.learn.recipe import Recipe
from ctstudio.workflows.reproduce import experiments as table
from ctstudio.workflows.reproduce import gallery
from ctstudio.workflows.reproduce.experiment import Experiment
from ctstudio.workflows.reproduce.segment_data import from_pictures, load_masks
from ctstudio.workflows.reproduce.segment_plan import fitted

SIDE = 40


def picture(k: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright bar at a place of its own, and its mask."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[4 + 3 * k : 12 + 3 * k, 6:30] = 255
    noise = np.random.default_rng(k).normal(0, 8, mask.shape)
    return np.clip(60 + 100 * (mask > 0) + noise, 0, 255).astype(np.uint8), mask


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "Secret set"
    folder.mkdir()
    for k in range(6):
        image, mask = picture(k)
        Image.fromarray(image).save(folder / f"{k}.png")
        Image.fromarray(mask).save(folder / f"{k}_mask.png")
    return folder


def test_both_forms_are_reproduced(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Experiment.forms

    def small(experiment: Experiment) -> dict[str, Recipe]:
        """The network for small images, and weights with which a few steps do something."""
        recipes = whole(experiment)
        for key, value in (("side_px", 16), ("hidden", 20), ("first_sd", 0.05)):
            recipes = {
                form: recipe.with_setting(f"phases.0.model.{key}", value)
                for form, recipe in recipes.items()
            }
        softmax = recipes["faithful"].with_setting("phases.0.losses.0.side_px", 16)
        return recipes | {"faithful": softmax}

    monkeypatch.setattr(Experiment, "forms", small)
    out = tmp_path / "out"
    arguments = ["reproduce", "lai-article", str(pictures), "--epochs", "3", "--minutes", "0.02",
                 "--device", "cpu", "--out", str(out)]  # fmt: skip
    assert main.run(arguments) == 0
    folder = out / "lai-article"
    told = json.loads((folder / "report.json").read_text())
    report = (folder / "report.md").read_text()
    assert (told["learnt"], told["held_out"]) == (4, 2)
    assert told["forms"]["faithful"]["epochs"] == 3
    assert "sgd" in told["forms"]["faithful"]["settings"].values()
    assert "low_dose" not in told["forms"]["faithful"]["settings"].values(), "no noise is added"
    assert "It ran for 3 of the article's 100 epochs" in report
    for form in ("faithful", "repaired"):
        for name in ("figure-{}.png", "epochs-{}.gif", "curves-{}.png"):
            with Image.open(folder / name.format(form)) as shown:
                assert shown.width > 1000 or "curves" in name
        with Image.open(folder / f"epochs-{form}.gif") as film:
            assert film.n_frames >= 2
    with Image.open(folder / "slices.gif") as film:
        assert film.n_frames == 2
    assert (folder / "slices.mp4").stat().st_size > 1000
    # The numbers are those of the network in the run's folder, on the last two pictures.
    model = checkpoint.load(folder / "faithful" / "last.pt")
    both = true = found = 0
    for k in (4, 5):
        image, mask = picture(k)
        with torch.no_grad():
            inside = model.module(torch.from_numpy(image).float()[None, None])[0, 0].numpy() > 0
        both += int((inside & (mask > 0)).sum())
        true, found = true + int((mask > 0).sum()), found + int(inside.sum())
    assert told["forms"]["faithful"]["numbers"]["dice"] == pytest.approx(2 * both / (true + found))
    assert told["mean_mask"]["sameness"] == pytest.approx(1)
    for words in ("Mean mask", "Hausdorff distance, 95 % (px)", "repeats every 2 px", "AUC"):
        assert words in report
    for link in re.findall(r"\]\(([^)]+)\)", report):
        assert (folder / link).is_file()
    page = (out / "index.html").read_text()
    assert "Mean mask, Dice" in page
    assert "Noisy (dB)" not in page
    for path in out.rglob("*"):
        if path.suffix in (".md", ".json", ".html", ".toml", ".csv", ".png", ".gif"):
            assert b"Secret" not in path.read_bytes()


def test_without_masks_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(3):
        Image.fromarray(picture(k)[0]).save(tmp_path / f"{k}.png")
    arguments = ["reproduce", "unet-masks", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main.run(arguments) == 1
    assert "There are no masks in" in capsys.readouterr().err


def test_what_belongs_together_is_not_divided(pictures: Path) -> None:
    data = finish(load_masks(pictures))
    learnt, held = data.split
    assert (len(learnt), len(held)) == (4, 2)
    names = ["01L", "01R", "02L", "02R", "03L", "03R", "04L", "04R"]
    volumes = []
    for name, volume in zip(names, (*data.images, *data.images[:2]), strict=True):
        volumes.append(replace(volume, source=replace(volume.source, description=f"{name}.jpg")))
    pairs = from_pictures(volumes, [*data.masks, *data.masks[:2]])
    assert [number for number, _ in pairs.split[1]] == [4, 5, 6, 7]
    fewer = pairs.limited(2)
    assert len(fewer.images) == 6
    assert [v.source.description for v in fewer.images[2:]] == [f"{n}.jpg" for n in names[4:]]
    assert len(fewer.split[1]) == 4


def test_large_pictures_are_reduced(monkeypatch: pytest.MonkeyPatch, pictures: Path) -> None:
    from ctstudio.workflows.reproduce import segment_data

    monkeypatch.setattr(segment_data, "LARGEST_PX", 20)
    data = finish(load_masks(pictures))
    image, mask = picture(0)
    assert data.images[0].shape == (1, 20, 20)
    blocks = image.reshape(20, 2, 20, 2).mean((1, 3))
    np.testing.assert_allclose(data.image((0, 0)), blocks, atol=1e-4)
    assert np.array_equal(data.truth((0, 0)) > 0, mask.reshape(20, 2, 20, 2).mean((1, 3)) >= 128)


def test_recipes_are_fitted_to_greys_and_labels(pictures: Path) -> None:
    data = finish(load_masks(pictures))
    recipe = table.find("lai-single").forms()["repaired"]
    made = fitted(recipe, data).phases[0].model.params
    greys = np.concatenate([data.image(where).ravel() for where in data.split[0]])
    assert made["centre"] == pytest.approx(greys.mean(), abs=2)
    assert made["width"] == pytest.approx(greys.std(), abs=2)
    assert made["classes"] == 2


def test_a_series_and_its_labels(test_data: Path) -> None:
    folder = test_data / "totalseg_nifti"
    data = finish(load_masks(folder / "example_ct_sm.nii.gz", [folder / "example_seg.nii.gz"]))
    assert data.hu
    assert len(data.labels) > 20
    learnt, held = data.split
    assert {z for _, z in learnt}.isdisjoint(z for _, z in held)
    recipe = fitted(table.find("lai-single").forms()["repaired"], data)
    assert recipe.phases[0].model.params["classes"] == max(la.number for la in data.labels) + 1
    with pytest.raises(StudioError, match="There are"):
        finish(load_masks(folder, selector="1"))


def test_a_gallery_of_both_kinds() -> None:
    numbers = {"psnr_unit": 21.5}
    denoiser = {
        "name": "residual-1a", "title": "Residual", "seen": "Black.", "sights": [], "why": "So.",
        "forms": {"repaired": {"noisy": {"psnr_unit": 10.5}, "numbers": numbers}},
    }  # fmt: skip
    masks = {
        "kind": "segmentation", "name": "unet-masks", "title": "U-Net", "seen": "Nothing.",
        "sights": [], "why": "So.", "mean_mask": {"dice": 0.25, "auc": 0.75},
        "forms": {"repaired": {"numbers": {"dice": 0.875, "auc": None}}},
    }  # fmt: skip
    for text in (gallery.as_markdown([denoiser, masks]), gallery.as_html([denoiser, masks])):
        for word in ("Noisy (dB)", "21.5", "Mean mask, AUC", "0.875", "0.25"):
            assert word in text
    assert "Mean mask" not in gallery.as_html([denoiser])
    row = gallery.as_markdown([masks]).split("| [U-Net]")[1].splitlines()[0]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["-", "0.25", "0.75", "-", "-",
                                                               "0.875", "-"]  # fmt: skip
