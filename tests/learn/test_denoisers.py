"""RED-CNN, DRUNet and NAFNet, on one slice and on neighbouring ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.ct.phantom import phantom
from ctstudio.learn.context import Context
from ctstudio.learn.models import MODELS
from ctstudio.learn.models.drunet_net import noise_level
from ctstudio.learn.recipe import bundled
from ctstudio.learn.synthetic import SyntheticNoise

NETWORKS = {
    "dncnn": {"depth": 3, "features": 4},
    "redcnn": {"features": 4},
    "drunet": {"size": "small"},
    "nafnet": {"size": "small"},
}


def made(name: str, **settings: object) -> torch.nn.Module:
    """A small network as after a training: none of its weights are zero."""
    torch.manual_seed(5)
    module = MODELS.make(Choice(name, {**NETWORKS[name], **settings}))
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return module.eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 70), (64, 64)])
def test_any_size_and_the_untrained_network_returns_its_input(name, size) -> None:
    image = torch.randn(2, 1, *size) * 300
    untrained = MODELS.make(Choice(name, NETWORKS[name])).eval()
    with torch.no_grad():
        assert torch.equal(untrained(image), image)
        assert made(name)(image).shape == image.shape


@pytest.mark.parametrize("name", NETWORKS)
def test_of_neighbouring_slices_the_middle_one_is_denoised(name) -> None:
    slices = torch.randn(1, 3, 64, 64) * 300
    untrained = MODELS.make(Choice(name, {**NETWORKS[name], "slices": 3})).eval()
    module = made(name, slices=3)
    assert module.context == Context(3)
    with torch.no_grad():
        assert torch.equal(untrained(slices), slices[:, 1:2])
        other = slices.clone()
        other[:, 2] += 100 * torch.randn(64, 64)
        assert not torch.allclose(module(other), module(slices), atol=1e-2)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_agree_with_finite_differences(name) -> None:
    module = made(name).double().train()
    image = torch.randn(1, 1, 8, 8, dtype=torch.float64) * 100
    module(image).square().mean().backward()
    parameters = list(module.parameters())
    for parameter in [*parameters[::16], parameters[-1]]:
        assert parameter.grad is not None
        flat, grad = parameter.data.view(-1), parameter.grad.reshape(-1)
        index = int(grad.abs().argmax())
        values = []
        for shift in (1e-6, -2e-6):
            flat[index] += shift
            with torch.no_grad():
                values.append(float(module(image).square().mean()))
        flat[index] += 1e-6
        slope = (values[0] - values[1]) / 2e-6
        assert float(grad[index]) == pytest.approx(slope, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(("name", "reach"), {"drunet": 112, "nafnet": 64, "redcnn": 20}.items())
def test_a_piece_far_from_its_edges_is_as_in_the_whole_slice(name, reach) -> None:
    """So that tiles are, which begin on a grid of 32 pixels."""
    module = made(name, high_pass_px=0 if name == "redcnn" else 32)
    image = torch.randn(1, 1, 320, 320, generator=torch.Generator().manual_seed(1)) * 100
    with torch.no_grad():
        whole = module(image)[..., 32 + reach : -reach, 32 + reach : -reach]
        piece = module(image[..., 32:, 32:])[..., reach:-reach, reach:-reach]
        change = (module(image) - image).abs().max()
    assert float((piece - whole).abs().max()) < 1e-4 * float(change)


def test_a_drunet_is_homogeneous() -> None:
    module = made("drunet")
    image = torch.randn(1, 1, 64, 64) * 200
    with torch.no_grad():
        assert torch.allclose(module(4 * image), 4 * module(image), rtol=1e-3, atol=0.5)


@pytest.mark.parametrize("sd", [5.0, 40.0])
def test_the_level_of_white_noise_is_its_standard_deviation(sd) -> None:
    generator = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    ramp = 0.5 * y + 0.2 * x - 300  # smooth structure does not count
    image = ramp + sd * torch.randn(1, 1, 256, 256, generator=generator)
    assert float(noise_level(image, 64).mean()) == pytest.approx(sd, rel=0.02)


def test_few_edges_raise_the_level_little() -> None:
    generator = torch.Generator().manual_seed(1)
    image = 10 * torch.randn(1, 1, 128, 128, generator=generator)
    image[..., 64:] += 1000
    assert float(noise_level(image, 128).mean()) < 12


@pytest.fixture(scope="module")
def volume():
    """Slices of one value each, 100 HU apart."""
    drawn = finish(phantom(slices=12, size=64))
    levels = 100 * np.arange(12, dtype=np.float32)
    return drawn.derived(np.broadcast_to(levels[:, None, None], (12, 64, 64)).copy(), "levels")


def prepared(volume, slices: int) -> SyntheticNoise:
    task = SyntheticNoise(augment=False)
    task.context = Context(slices)
    recipe = bundled()["dncnn-gaussian"].with_setting("patch_px", 32).with_setting("noise.sd", 25)
    finish(task.prepare(recipe, [volume], 6, torch.device("cpu")))
    return task


def test_neighbouring_slices_have_noise_of_their_own(volume) -> None:
    task = prepared(volume, 3)
    (batch,) = task.draw(torch.Generator().manual_seed(0), 1)
    assert batch.inputs.shape[1:] == (3, 32, 32)
    assert batch.targets.shape[1:] == (1, 32, 32)
    for inputs, target in zip(batch.inputs, batch.targets, strict=True):
        level = float(target.mean())
        # Beyond its ends the series goes on as it ends.
        places = [max(level - 100, 0), level, min(level + 100, 1100)]
        noise = inputs - torch.tensor(places).view(3, 1, 1)
        assert noise.mean(dim=(1, 2)).abs().max() < 4
        assert noise.flatten(1).std(dim=1).tolist() == pytest.approx([25] * 3, rel=0.1)
        assert float(torch.corrcoef(noise.flatten(1)).fill_diagonal_(0).abs().max()) < 0.15


def test_the_slice_that_is_shown_is_the_middle_of_its_noisy_neighbours(volume) -> None:
    pair = prepared(volume, 5).preview
    assert pair.around is not None
    assert pair.around.shape == (5, 64, 64)
    assert torch.equal(pair.around[2], pair.noisy)
    assert pair.around.mean(dim=(1, 2)).tolist() == pytest.approx([400, 500, 600, 700, 800], abs=2)
    assert float(torch.corrcoef(pair.around.flatten(1)).fill_diagonal_(0).abs().max()) < 0.08
