"""Losses and the network against closed forms and finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from ctstudio.core.registry import Choice
from ctstudio.learn.device import choose
from ctstudio.learn.gradients import GRADIENTS
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models import MODELS
from ctstudio.learn.models.dncnn_net import DnCNN


def trained_like(**settings: object) -> DnCNN:
    """A network whose last layer is not zero, as after a training."""
    torch.manual_seed(3)
    module = MODELS.make(Choice("dncnn", settings))
    torch.nn.init.normal_(module.body[-1].weight, std=0.1)
    assert isinstance(module, DnCNN)
    return module.eval()


def test_losses_of_known_differences() -> None:
    zero, other = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 50.0)
    assert float(LOSSES.make(Choice("mse"))(zero, other)) == pytest.approx(0.25)
    assert float(LOSSES.make(Choice("l1"))(zero, other)) == pytest.approx(0.5)
    charbonnier = LOSSES.make(Choice("charbonnier", {"softness": 10}))
    assert float(charbonnier(zero, other)) == pytest.approx(math.hypot(0.5, 0.1) - 0.1)
    assert float(charbonnier(other, other)) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_network_gradient_agrees_with_finite_differences(unshuffle: int) -> None:
    module = trained_like(depth=3, features=3, unshuffle=unshuffle, high_pass_px=4).double()
    generator = torch.Generator().manual_seed(2)
    image = torch.randn(1, 1, 5, 7, generator=generator, dtype=torch.float64) * 100
    loss = LOSSES.make(Choice("mse"))
    gradient = GRADIENTS.make(Choice("automatic"))
    gradient(module, image, lambda p: loss(p, torch.zeros_like(p)))
    for parameter in module.parameters():
        assert parameter.grad is not None
        flat = parameter.data.view(-1)
        for index in range(0, len(flat), 7):
            values = []
            for shift in (1e-5, -2e-5):
                flat[index] += shift
                with torch.no_grad():
                    values.append(float(loss(module(image), torch.zeros_like(image))))
            flat[index] += 1e-5
            slope = (values[0] - values[1]) / 2e-5
            assert float(parameter.grad.view(-1)[index]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("unshuffle", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 31), (64, 64), (33, 130)])
def test_any_size_and_the_untrained_network_returns_its_input(unshuffle, size) -> None:
    image = torch.randn(2, 1, *size) * 300
    module = MODELS.make(Choice("dncnn", {"unshuffle": unshuffle})).eval()
    assert torch.equal(module(image), image)
    assert trained_like(unshuffle=unshuffle)(image).shape == image.shape


@pytest.mark.parametrize("level", [-1000.0, -3.0, 0.0, 40.0, 1500.0])
def test_a_constant_image_stays_as_it_is(level: float) -> None:
    image = torch.full((1, 1, 67, 128), level)
    with torch.no_grad():
        output = trained_like()(image)
    assert float((output - level).abs().max()) < 1e-2


def test_the_network_is_homogeneous_without_biases() -> None:
    module = trained_like(high_pass_px=0)
    image = torch.randn(1, 1, 32, 32) * 50
    with torch.no_grad():
        assert torch.allclose(module(2 * image), 2 * module(image), rtol=1e-4, atol=1e-2)


def test_receptive_field_and_parameter_count() -> None:
    module = trained_like(depth=3, features=4, unshuffle=2, high_pass_px=0)
    assert module.parameter_count == 9 * (4 * 4 + 4 * 4 + 4 * 4)
    image = torch.zeros(1, 1, 64, 64, requires_grad=True)
    # Which input pixels the noise of one pixel depends on, whatever the signs of the weights.
    for parameter in module.parameters():
        parameter.data.abs_()
    (module.noise(image + 100)[0, 0, 30, 30]).backward()
    assert image.grad is not None
    rows = torch.nonzero(image.grad[0, 0].abs().sum(1)).flatten()
    assert int(rows[-1] - rows[0]) + 1 == module.receptive_field_px == 14


def test_batch_normalisation_and_biases_can_be_had() -> None:
    module = MODELS.make(Choice("dncnn", {"norm": "batch", "bias": True, "depth": 4}))
    kinds = [type(layer).__name__ for layer in module.body]
    assert kinds.count("BatchNorm2d") == 2
    assert module.body[0].bias is not None


def test_the_device_says_why_it_is_the_cpu() -> None:
    device = choose("auto")
    assert device.torch.type != "cpu" or device.reason
    assert str(choose("cpu")) == "CPU (as chosen)"
