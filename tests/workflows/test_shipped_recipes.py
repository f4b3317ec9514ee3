"""Every recipe that comes with the program trains on real CT, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctstudio.cli import main
from ctstudio.learn.checkpoint import TrainedModel, build, load, save
from ctstudio.learn.recipe import bundled
from ctstudio.learn.run_folder import read_metrics, read_previews
from ctstudio.learn.tasks import TASKS

SMOOTH, SHARP = "lungdx_A0002_B40f_smooth", "lungdx_A0002_B70f_sharp"
ORGANS = "totalseg_nifti"


def data_for(name: str, data: Path) -> tuple[Path, Path | None]:
    """A series, and the target that the recipe's task needs."""
    tags = TASKS[bundled()[name].task.name].tags
    if "labels" in tags:
        folder = data / ORGANS
        return folder / "example_ct_sm.nii.gz", folder / "example_seg.nii.gz"
    if "targets" in tags:
        return data / SHARP, data / SMOOTH
    return data / SMOOTH, None


def teacher(file: Path) -> Path:
    """A network that tells as many classes as the series has."""
    recipe = bundled()["lai-teacher"].with_setting("phases.0.model.classes", 200)
    recipe = recipe.with_setting("phases.0.model.hidden", "20")
    recipe = recipe.with_setting("phases.0.model.size_px", 18)
    save(TrainedModel(recipe, build(recipe), 1), file)
    return file


@pytest.mark.parametrize("name", sorted(bundled()))
@pytest.mark.timeout(180)
def test_a_shipped_recipe_trains(name: str, test_data: Path, tmp_path: Path) -> None:
    series, target = data_for(name, test_data)
    recipe = bundled()[name]
    run = tmp_path / "run"
    settings: dict[str, object] = {"steps": 3, "stopping.seconds": 0, "validation.slices": 1}
    if recipe.noise.name == "low_dose" and "noise" in TASKS[recipe.task.name].tags:
        settings |= {"noise.views": 90, "noise.fields": 2}  # quicker to prepare
    if recipe.phases[0].model.name == "unet":
        settings |= {"phases.0.model.classes": 200}
    if recipe.phases[0].model.name == "dilated_fcn":
        settings |= {"patch_px": 64}  # whole slices through 321 channels take seconds
        if recipe.phases[0].model.params["classes"] > 1:
            settings |= {"phases.0.model.classes": 200}
    if recipe.phases[0].model.name == "patch_cnn":
        side = 12 if recipe.phases[0].model.params["form"] == "volume" else 18
        settings |= {"batch": 4, "task.judged_every": 16, "patch_px": side}
        for number in range(len(recipe.phases)):
            phase = f"phases.{number}"
            settings |= {f"{phase}.steps": 3, f"{phase}.model.classes": 200}
            settings |= {f"{phase}.model.hidden": "20", f"{phase}.model.size_px": side}
        if name == "lai-student":
            settings |= {"phases.0.losses.0.network": str(teacher(tmp_path / "teacher.pt"))}
    if recipe.phases[0].model.name == "whole_image":
        settings |= {"phases.0.model.hidden": 20}
    if recipe.phases[0].model.name == "autoencoder_numpy":
        settings |= {"phases.0.model.latent": 20}  # millions of weights less to be written
    if recipe.phases[0].model.name in ("residual", "article_resnet"):
        settings |= {"patch_px": 64, "batch": 1}  # the article's form takes five whole slices
    arguments = ["train", name, str(series), "--run", str(run)]
    arguments += ["--target", str(target)] if target else []
    for key, value in settings.items():
        arguments += ["--set", f"{key}={value}"]
    assert main.run(arguments) == 0
    losses = [float(row["loss"]) for row in read_metrics(run) if not row["protocol"]]
    assert len(losses) == 3 * len(recipe.phases)
    assert load(run / "best.pt").recipe.title == recipe.title
    assert len(list(read_previews(run))) >= 2
