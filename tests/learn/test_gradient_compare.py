"""The three gradients side by side: against torch's own graph and the article's table."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.gradients.compare import MODES, Comparison, compare
from ctstudio.learn.models import MODELS
from ctstudio.learn.models.residual_net import ResidualNetwork

SIX = "5x5 3 sigmoid, 3x3 3 tanh, 3x3 3 arctan, 5x5 3 relu, 3x3 3 tanh, 1x1 1 tanh"
P, D, EPOCH = 12.0, 0.5, 2.6
R = P / (1 + D * 2)  # all batches of an epoch have the same weight


def network(**settings: object) -> ResidualNetwork:
    torch.manual_seed(5)
    chosen = {"blocks": SIX, "function": "multiplication_addition", **settings}
    module = MODELS.make(Choice("residual", chosen)).double()
    assert isinstance(module, ResidualNetwork)
    return module


def images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(6)
    clean = 1500 * torch.rand(2, 1, 9, 12, generator=generator, dtype=torch.float64) - 1000
    return clean + 300 * torch.randn(clean.shape, generator=generator, dtype=torch.float64), clean


def half_squares(prediction: Tensor) -> Tensor:
    return 0.5 * (((prediction - images()[1]) / 2048) ** 2).sum()


def compared(module: torch.nn.Module, join: str = "sum") -> Comparison:
    dilated = Choice("dilated", {"proportion": P, "decay": D, "join": join})
    return compare(module, images()[0], half_squares, epoch=EPOCH, dilated=dilated)


def by_torch(module: ResidualNetwork) -> tuple[list[Tensor], list[Tensor]]:
    """Kernel gradients, and gradients at the blocks' outputs, of a graph of the test's own."""
    noisy, clean = images()
    x = (noisy + 1000) / 2048
    act = [torch.sigmoid, torch.tanh, torch.atan, torch.relu, torch.tanh, torch.tanh]
    kernels = [layer.weight.detach().clone().requires_grad_() for layer in module.blocks]
    outputs = [x]
    for kernel, activate in zip(kernels, act, strict=True):
        z = F.conv2d(outputs[-1], kernel, padding=kernel.shape[-1] // 2)
        outputs.append(activate(z) * x + x)
    cost = 0.5 * ((outputs[-1] - (clean + 1000) / 2048) ** 2).sum()
    found = torch.autograd.grad(cost, [*kernels, *outputs[1:]])
    return list(found[:6]), list(found[6:])


def by_table(module: ResidualNetwork, product: bool) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of each block: its kernel's gradient, what it receives, what of that skipped a block."""
    noisy, clean = images()
    x = (noisy + 1000) / 2048
    act = [torch.sigmoid, torch.tanh, torch.atan, torch.relu, torch.tanh, torch.tanh]
    kernels = [layer.weight.detach() for layer in module.blocks]
    h = [x]
    for k in range(6):
        z = F.conv2d(h[k], kernels[k], padding=kernels[k].shape[-1] // 2)
        h.append(act[k](z) * x + x)

    def through(k: int, received: Tensor) -> tuple[Tensor, Tensor]:
        kernel, entry = kernels[k - 1].clone().requires_grad_(), h[k - 1].clone().requires_grad_()
        out = act[k - 1](F.conv2d(entry, kernel, padding=kernel.shape[-1] // 2)) * x + x
        ours, passed = torch.autograd.grad(out, (kernel, entry), received)
        return ours, passed

    e = h[6] - (clean + 1000) / 2048
    k6, g6 = through(6, e)
    k5, g5 = through(5, g6)
    s4 = R * g6
    k4, g4 = through(4, g5 + s4)
    s3 = R * (g6 * g5 if product else g6 + g5)
    k3, g3 = through(3, g4 + s3)
    s2 = R * (g6 * g5 * g4 if product else g6 + g5 + g4)
    k2, g2 = through(2, g3 + s2)
    s1 = R * (g6 * g5 * g4 * g3 if product else g6 + g5 + g4 + g3)
    k1, _ = through(1, g2 + s1)
    none = torch.zeros(1)
    return [
        (k1, g2 + s1, s1), (k2, g3 + s2, s2), (k3, g4 + s3, s3), (k4, g5 + s4, s4),
        (k5, g6, none), (k6, e, none),
    ]  # fmt: skip


def norm(tensor: Tensor) -> float:
    return float(tensor.norm())


@pytest.mark.parametrize("join", ["sum", "product"])
def test_all_of_it_against_torch_and_the_table(join: str) -> None:
    module = network()
    found = compared(module, join)
    kernels, received = by_torch(module)
    table = by_table(module, join == "product")
    assert [layer.name for layer in found.layers] == [f"block {k}" for k in range(1, 7)]
    assert found.why_not == ""
    for k, layer in enumerate(found.layers):
        skipping, got, skipped = table[k]
        assert layer.norms == pytest.approx(
            [norm(kernels[k]), norm(kernels[k]), norm(skipping)], rel=1e-9
        )
        angle = F.cosine_similarity(skipping.flatten(), kernels[k].flatten(), dim=0)
        assert layer.cosines == pytest.approx([1, 1, float(angle)], rel=1e-9)
        assert layer.received == pytest.approx(norm(received[k]), rel=1e-9)
        assert layer.received_dilated == pytest.approx(norm(got), rel=1e-9)
        assert layer.skipped == pytest.approx(norm(skipped), rel=1e-9, abs=1e-12)
    assert min(layer.cosines[2] for layer in found.layers[:4]) < 0.999  # dilation turns them


def test_the_network_is_left_as_it_was() -> None:
    module = network()
    before = [p.detach().clone() for p in module.parameters()]
    assert compared(module) == compared(module)
    for parameter, kept in zip(module.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)
        assert parameter.grad is None


def test_where_channels_differ_there_is_no_dilated_gradient() -> None:
    module = network(blocks="3x3 2 tanh, 3x3 3 tanh, 3x3 2 tanh, 1x1 1 linear")
    found = compared(module)
    assert "equally many channels" in found.why_not
    for layer in found.layers:
        assert layer.norms[0] == pytest.approx(layer.norms[1], rel=1e-9)
        assert all(math.isnan(v) for v in (layer.norms[2], layer.cosines[2], layer.skipped))


@pytest.mark.parametrize("name", ["autoencoder", "autoencoder_numpy"])
def test_an_autoencoder_has_two_gradients(name: str) -> None:
    torch.manual_seed(1)
    module = MODELS.make(Choice(name, {"size_px": 16, "latent": 4}))
    found = compare(module, torch.rand(2, 1, 16, 16) * 800 - 900, torch.sum)
    assert [layer.name for layer in found.layers][3:5] == ["encoder full", "decoder full"]
    assert found.why_not
    for layer in found.layers:
        assert layer.norms[1] == pytest.approx(layer.norms[0], rel=1e-4)
        assert layer.cosines[1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["autoencoder", "autoencoder_numpy"])
def test_the_articles_faults_show_beside_the_true_gradient(name: str) -> None:
    """The automatic gradient is the derivative, whatever the network trains with."""
    settings = {"size_px": 16, "latent": 4, "conv_sd": 0.2, "full_sd": 0.2}
    found = {}
    for form in ("article", "exact"):
        torch.manual_seed(1)
        module = MODELS.make(Choice(name, {**settings, "gradients": form})).double()
        before = torch.random.get_rng_state()
        hu = 500 * torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(2)).double()
        found[form] = compare(module, hu, lambda prediction: (prediction / 100).square().sum())
        assert torch.equal(torch.random.get_rng_state(), before)
    pairs = list(zip(found["article"].layers, found["exact"].layers, strict=True))
    for faulty, exact in pairs:
        assert faulty.norms[0] == pytest.approx(exact.norms[0], rel=1e-9)
        assert exact.cosines[1] == pytest.approx(1, abs=1e-9)
    # No fault lies between the objective and the last convolution; before it there are some.
    *before_it, (last, _) = pairs
    assert last.cosines[1] == pytest.approx(1, abs=1e-9)
    assert all(abs(faulty.norms[1] / faulty.norms[0] - 1) > 0.01 for faulty, _ in before_it)
    assert sum(faulty.cosines[1] < 0.9 for faulty, _ in before_it) >= 3


def test_a_network_that_is_no_chain_is_refused() -> None:
    with pytest.raises(StudioError, match="cannot be compared"):
        compared(MODELS.make(Choice("dncnn")))


def test_a_gradient_of_zero_has_no_direction() -> None:
    found = compare(network(), images()[0], lambda prediction: 0 * prediction.sum())
    assert all(layer.norms == (0, 0, 0) for layer in found.layers)
    assert all(math.isnan(angle) for layer in found.layers for angle in layer.cosines)
    assert len(MODES) == len(found.layers[0].cosines)
