"""The loss of deep features, with a network as a training leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn import checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.losses import LOSSES, LossFunction
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.train import train

SETTINGS = {"depth": 4, "features": 3, "unshuffle": 1, "high_pass_px": 0}


def trained(path: Path, seed: int = 1) -> TrainedModel:
    """A small network with weights in every layer, saved at ``path``."""
    data = Recipe().to_dict()
    data["phases"][0]["model"] = {"name": "dncnn", **SETTINGS}
    recipe = Recipe.from_dict(data | {"seed": seed})
    model = TrainedModel(recipe, checkpoint.build(recipe), 7)
    checkpoint.save(model, path)
    return model


def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    one, other = torch.randn(2, 2, 1, 9, 9, generator=generator, dtype=torch.float64) * 80
    return one, other


def made(**settings: object) -> LossFunction:
    loss: LossFunction = LOSSES.make(Choice("deep_features", settings))
    return loss


@pytest.mark.parametrize("layer", ["body.0", "body.2", ""])
def test_the_value_is_that_of_the_layers_written_out(tmp_path: Path, layer: str) -> None:
    weights = trained(tmp_path / "net.pt").module.double().state_dict()

    def features(hu: torch.Tensor) -> torch.Tensor:
        # The network mirrors four pixels at the rim and counts in units of 500 HU.
        image = F.pad(hu, (4, 4, 4, 4), mode="reflect") / 500
        image = F.conv2d(image, weights["body.0.weight"], padding=1)
        if layer == "body.0":
            return image
        image = F.conv2d(image.relu(), weights["body.2.weight"], padding=1)
        # Of the layers body.0 to body.6 the fourth, body.3, is halfway.
        return image if layer == "body.2" else image.relu()

    prediction, target = images()
    expected = (features(prediction) - features(target)).square().mean()
    ours = made(network=str(tmp_path / "net.pt"), layer=layer)(prediction, target)
    assert float(expected) > 1e-4
    assert float(ours) == pytest.approx(float(expected), rel=1e-9)


def test_the_gradient_goes_to_the_prediction_alone(tmp_path: Path) -> None:
    trained(tmp_path / "net.pt")
    before = (tmp_path / "net.pt").read_bytes()
    loss = made(network=str(tmp_path / "net.pt"), layer="body.2")
    prediction, target = images()
    prediction, target = prediction[:1].requires_grad_(), target[:1].requires_grad_()
    assert float(loss(target, target).detach()) == 0
    assert torch.autograd.gradcheck(lambda p: loss(p, target), prediction, eps=1e-4, atol=1e-9)
    lost = loss(prediction, target)
    leaves = set()
    waiting = [lost.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None:
            if hasattr(node, "variable"):
                leaves.add(node.variable.data_ptr())
            waiting += [parent for parent, _ in node.next_functions]
    assert leaves == {prediction.data_ptr()}
    assert (tmp_path / "net.pt").read_bytes() == before


def test_single_precision_and_mixed_precision(tmp_path: Path) -> None:
    trained(tmp_path / "net.pt")
    loss = made(network=str(tmp_path / "net.pt"))
    prediction, target = images()
    exact = float(loss(prediction, target))
    single = loss(prediction.float(), target.float())
    assert single.dtype == torch.float32
    assert float(single) == pytest.approx(exact, rel=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = loss(prediction.float(), target.float())
    assert mixed.dtype == torch.float32
    assert float(mixed) == pytest.approx(exact, rel=0.05)


def test_a_run_folder_means_its_best_network(tmp_path: Path) -> None:
    prediction, target = images()
    run = tmp_path / "run"
    run.mkdir()
    trained(run / "last.pt", seed=2)
    last = float(made(network=str(run))(prediction, target))
    trained(run / "best.pt", seed=3)
    best = float(made(network=str(run))(prediction, target))
    assert last == float(made(network=str(run / "last.pt"))(prediction, target))
    assert best == float(made(network=str(run / "best.pt"))(prediction, target))
    assert last != best


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    trained(tmp_path / "net.pt")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.pt").write_bytes(b"not a network")
    with pytest.raises(StudioError, match="names no network"):
        made()
    with pytest.raises(StudioError, match=r"empty holds no trained network.*best\.pt"):
        made(network=str(tmp_path / "empty"))
    with pytest.raises(StudioError, match=r"gone\.pt"):
        made(network=str(tmp_path / "gone.pt"))
    with pytest.raises(StudioError, match="is not a model of CT Studio"):
        made(network=str(tmp_path / "other.pt"))
    with pytest.raises(StudioError, match=r"no layer 'tail'.*body\.0, body\.1"):
        made(network=str(tmp_path / "net.pt"), layer="tail")


def test_a_training_without_it_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = Recipe().to_dict()
    later = {**data["phases"][0], "losses": ["deep_features"]}
    recipe = Recipe.from_dict(data | {"phases": [*data["phases"], later]})
    with pytest.raises(StudioError, match="names no network"):
        next(train(recipe, [], run_folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_derived_image_tells_nothing_of_the_path(tmp_path: Path) -> None:
    data = Recipe(title="features").to_dict()
    place = str(tmp_path / "secret")
    data["phases"][0]["losses"] = [{"name": "deep_features", "network": place}]
    recipe = Recipe.from_dict(data)
    assert recipe.phases[0].losses[0].choice.params["network"] == place
    model = TrainedModel(recipe, checkpoint.build(recipe), 3)
    assert "secret" not in model.method + model.title
    # Applying such a network needs the other one no longer.
    checkpoint.save(model, tmp_path / "net.pt")
    assert checkpoint.load(tmp_path / "net.pt").method == model.method
