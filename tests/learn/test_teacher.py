"""A trained network as teacher: the student learns what it would answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.publish import publish
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.tasks import Batch
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee

SETTINGS = {
    "phases.0.steps": 40, "phases.0.model.depth": 3, "phases.0.model.features": 4,
    "phases.0.model.high_pass_px": 0, "phases.0.model.bias": True, "batch": 2,
    "patch_px": 16, "stopping.seconds": 0, "device": "cpu", "ema": 0,
    "phases.0.optimiser.schedule": "constant", "validation.every_steps": 100,
}  # fmt: skip


def student(teacher: Path, *, weight: float = 1.0) -> Recipe:
    recipe = bundled()["dncnn-gaussian"]
    for path, value in SETTINGS.items():
        recipe = recipe.with_setting(path, value)
    data = recipe.to_dict()
    data["phases"][0]["losses"] = [
        {"name": "mse", "weight": 0},
        {"name": "teacher", "network": str(teacher), "weight": weight},
    ]
    return Recipe.from_dict(data)


@pytest.fixture
def teacher(tmp_path: Path) -> tuple[Path, TrainedModel]:
    """A published network that adds 100 HU less a tenth of the picture."""
    recipe = bundled()["residual-addition"].with_setting("phases.0.model.blocks", "1x1 1 linear")
    recipe = recipe.with_setting("phases.0.model.bias", True)
    recipe = recipe.with_setting("phases.0.model.unit", 1000)
    module = checkpoint.build(recipe)
    with torch.no_grad():
        module.blocks[0].weight.fill_(-0.1)
        module.blocks[0].bias.fill_(0.1)
    model = TrainedModel(recipe, module.eval(), 7, {})
    file, _ = publish(model, tmp_path / "teacher")
    return file, model


def series() -> Volume:
    hu = np.random.default_rng(0).integers(-100, 100, (6, 40, 40)).astype(np.int16)
    return Volume(hu, np.ones(6), np.zeros(6), "HU", Geometry.axial(6, (3, 0.7, 0.7)))


def test_the_loss_is_the_mean_squared_distance_from_the_teachers_answer(teacher) -> None:
    file, _ = teacher
    loss = LOSSES.make(Choice("teacher", {"network": str(file)}))
    inputs = torch.linspace(-1000, 500, 30).view(1, 1, 5, 6)
    answer = inputs + 100 - 0.1 * (inputs + 1000)
    prediction = (answer + 50 * torch.linspace(-1, 1, 30).view_as(answer)).requires_grad_()
    value = loss(prediction, inputs)
    expected = (0.5 * torch.linspace(-1, 1, 30)).square().mean()
    assert float(value.detach()) == pytest.approx(float(expected), rel=1e-4)
    value.backward()
    assert prediction.grad is not None


def test_a_student_comes_to_answer_as_its_teacher(teacher) -> None:
    file, model = teacher
    recipe = student(file).with_setting("phases.0.optimiser.lr", 0.01)
    trainee = Trainee(recipe, torch.device("cpu"))
    trainee.begin(recipe.phases[0])
    generator = torch.Generator().manual_seed(4)
    first: dict[str, float] = {}
    for _ in range(80):
        inputs = 200 * torch.rand(2, 1, 16, 16, generator=generator) - 1000
        values = trainee.learn(Batch(inputs, torch.zeros_like(inputs)))
        first = first or {name: float(value) for name, value in values.items()}
    assert set(values) == {"mse", "teacher", "loss"}
    assert float(values["teacher"]) < 0.3 * first["teacher"]
    with torch.no_grad():
        apart = (trainee.module(inputs) - model.module(inputs)).square().mean()
    assert float(apart) / 1e4 == pytest.approx(float(values["teacher"]), rel=0.2)


def test_teacher_and_trainer(teacher) -> None:
    file, _ = teacher
    before = file.read_bytes()
    recipe = student(file).with_setting("phases.0.steps", 3)
    assert finish(train(recipe, [series()])).step >= 0
    assert file.read_bytes() == before


def test_teachers_that_cannot_teach(teacher, tmp_path: Path) -> None:
    file, _ = teacher
    with pytest.raises(StudioError, match="names no network"):
        LOSSES.make(Choice("teacher"))
    with pytest.raises(StudioError, match="does not exist"):
        LOSSES.make(Choice("teacher", {"network": str(tmp_path / "none.pt")}))
    with pytest.raises(StudioError, match="returns HU, and the network learns classes"):
        LOSSES.make(Choice("teacher_logits", {"network": str(file)}))
    with pytest.raises(StudioError, match="for classes"):
        finish(train(student(file).with_setting("phases.0.losses.1", "teacher_logits"), [series()]))


def test_logits_are_learnt_from_logits(tmp_path: Path) -> None:
    recipe = bundled()["unet-masks"]
    for path, value in {"features": 2, "depth": 1, "classes": 3}.items():
        recipe = recipe.with_setting(f"phases.0.model.{path}", value)
    module = checkpoint.build(recipe).eval()
    checkpoint.save(TrainedModel(recipe, module, 1, {}), tmp_path / "teacher.pt")
    choice = Choice("teacher_logits", {"network": str(tmp_path / "teacher.pt")})
    inputs = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 500
    with torch.no_grad():
        answer = module(inputs)
    loss = LOSSES.make(choice)
    assert float(loss(answer, inputs)) == 0
    assert float(loss(answer + 2, inputs)) == pytest.approx(4, rel=1e-5)
    with pytest.raises(StudioError, match="3 classes of 16 x 16 voxels, the network 2"):
        loss(answer[:, :2], inputs)
