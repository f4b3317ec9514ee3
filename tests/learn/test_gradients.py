"""The ways to the gradient, against automatic differentiation and the articles' table."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.gradients import GRADIENTS, Chain
from ctstudio.learn.models import MODELS
from ctstudio.learn.models.residual_net import ResidualNetwork

FUNCTIONS = ("multiplication", "multiplication_addition", "addition", "shortcut", "none")
EVERY_ACTIVATION = (
    "5x5 2 sigmoid, 3x3 3 tanh, 3x3 3 arctan, 3x3 2 relu, 3x3 3 sine, 3x3 3 gaussian, 7x7 2 swish, "
    "3x3 1 linear"
)
SIX_EQUAL = "5x5 3 sigmoid, 3x3 3 tanh, 3x3 3 arctan, 5x5 3 relu, 3x3 3 tanh, 1x1 1 tanh"


def network(blocks: str, **settings: object) -> ResidualNetwork:
    torch.manual_seed(5)
    module = MODELS.make(Choice("residual", {"blocks": blocks, **settings})).double()
    assert isinstance(module, ResidualNetwork)
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    return module


def images() -> tuple[Tensor, Tensor]:
    """HU of a noisy picture and its target, of different sides."""
    generator = torch.Generator().manual_seed(6)
    clean = 1500 * torch.rand(2, 1, 9, 12, generator=generator, dtype=torch.float64) - 1000
    return clean + 300 * torch.randn(clean.shape, generator=generator, dtype=torch.float64), clean


def found(
    gradient: Choice, module: ResidualNetwork, *, epoch: float = 0
) -> tuple[Tensor, list[Tensor]]:
    """The prediction, and the gradient of half the sum of squares in the network's range."""
    noisy, clean = images()
    module.zero_grad(set_to_none=True)

    def objective(prediction: Tensor) -> Tensor:
        return 0.5 * (((prediction - clean) / module.unit) ** 2).sum()

    prediction = GRADIENTS.make(gradient)(module, noisy, objective, epoch)
    gradients = []
    for parameter in module.parameters():
        assert parameter.grad is not None
        gradients.append(parameter.grad.clone())
    return prediction, gradients


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("first_sd", "unit"), [(0.0, 2048.0), (1.0, 512.0)])
def test_manual_equals_automatic(function: str, first_sd: float, unit: float) -> None:
    module = network(EVERY_ACTIVATION, function=function, first_sd=first_sd, unit=unit, bias=True)
    one, automatic = found(Choice("automatic"), module)
    other, manual = found(Choice("manual"), module)
    assert apart(other, one) < 1e-12
    assert not other.requires_grad
    for ours, theirs in zip(manual, automatic, strict=True):
        assert apart(ours, theirs) < 1e-9


def test_manual_agrees_with_finite_differences() -> None:
    module = network("3x3 2 sigmoid, 3x3 2 arctan, 1x1 1 tanh", function="multiplication_addition")
    noisy, clean = images()
    _, manual = found(Choice("manual"), module)

    def cost() -> float:
        with torch.no_grad():
            return float(0.5 * (((module(noisy) - clean) / module.unit) ** 2).sum())

    for parameter, gradient in zip(module.parameters(), manual, strict=True):
        values = parameter.data.view(-1)
        for index in range(0, len(values), 5):
            kept = float(values[index])
            costs = []
            for shift in (1e-5, -1e-5):
                values[index] = kept + shift
                costs.append(cost())
            values[index] = kept
            slope = (costs[0] - costs[1]) / 2e-5
            assert float(gradient.view(-1)[index]) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_gradients_are_added_to_what_is_there() -> None:
    module = network("3x3 2 tanh, 1x1 1 linear")
    _, once = found(Choice("manual"), module)
    noisy, clean = images()
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    cost = lambda p: 0.5 * (((p - clean) / module.unit) ** 2).sum()  # noqa: E731
    GRADIENTS.make(Choice("manual"))(module, noisy, cost)
    for parameter, gradient in zip(module.parameters(), once, strict=True):
        assert parameter.grad is not None
        assert apart(parameter.grad, gradient + 1) < 1e-12


def table(module: ResidualNetwork, r: float, product: bool) -> list[Tensor]:
    """The kernels' gradients by the article's table, for six blocks of function 2.

    Each block's own gradients are taken by automatic differentiation of that block alone.
    """
    noisy, clean = images()
    x = (noisy + 1000) / module.unit
    act = [torch.sigmoid, torch.tanh, torch.atan, torch.relu, torch.tanh, torch.tanh]
    w = [layer.weight.detach() for layer in module.blocks]
    h = [x]
    for k in range(6):
        z = F.conv2d(h[k], w[k], padding=w[k].shape[-1] // 2)
        h.append(act[k](z) * x + x)

    def through(k: int, received: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient of kernel ``k`` (1 to 6) and ``g_k``."""
        kernel = w[k - 1].clone().requires_grad_()
        entry = h[k - 1].clone().requires_grad_()
        out = act[k - 1](F.conv2d(entry, kernel, padding=kernel.shape[-1] // 2)) * x + x
        ours, passed = torch.autograd.grad(out, (kernel, entry), received)
        return ours, passed

    e = h[6] - (clean + 1000) / module.unit
    k6, g6 = through(6, e)
    k5, g5 = through(5, g6)
    k4, g4 = through(4, g5 + r * g6)
    k3, g3 = through(3, g4 + r * (g6 * g5 if product else g6 + g5))
    k2, g2 = through(2, g3 + r * (g6 * g5 * g4 if product else g6 + g5 + g4))
    k1, _ = through(1, g2 + r * (g6 * g5 * g4 * g3 if product else g6 + g5 + g4 + g3))
    return [k1, k2, k3, k4, k5, k6]


@pytest.mark.parametrize("join", ["sum", "product"])
@pytest.mark.parametrize(("p", "d", "epoch"), [(1000, 0.08, 0), (800, 0.064, 7.9), (0.5, 2, 3)])
def test_dilated_gradients_are_those_of_the_table(join, p, d, epoch) -> None:
    module = network(SIX_EQUAL, function="multiplication_addition")
    choice = Choice("dilated", {"proportion": p, "decay": d, "join": join})
    _, ours = found(choice, module, epoch=epoch)
    # All batches of an epoch have the same weight.
    expected = table(module, p / (1 + d * int(epoch)), join == "product")
    for one, other in zip(ours, expected, strict=True):
        assert apart(one, other) < 1e-9


def test_dilated_without_skips_is_the_gradient_and_with_them_is_not() -> None:
    module = network(SIX_EQUAL, function="addition")
    _, automatic = found(Choice("automatic"), module)
    _, none = found(Choice("dilated", {"proportion": 0}), module)
    _, skipping = found(Choice("dilated", {"proportion": 10}), module)
    for k in range(6):
        assert apart(none[k], automatic[k]) < 1e-9
        # The last two blocks receive nothing that skipped a layer.
        assert (apart(skipping[k], automatic[k]) < 1e-9) == (k >= 4)


def test_dilated_gradients_need_equal_channels() -> None:
    module = network("3x3 3 tanh, 3x3 2 tanh, 3x3 3 tanh, 1x1 1 linear")
    with pytest.raises(StudioError, match="images of one size and equally many channels"):
        found(Choice("dilated"), module)


@pytest.mark.parametrize("name", ["manual", "dilated"])
def test_a_network_without_a_way_back_is_refused(name: str) -> None:
    module = MODELS.make(Choice("dncnn"))
    with pytest.raises(StudioError, match="by hand"):
        GRADIENTS.make(Choice(name))(module, torch.zeros(1, 1, 8, 8), torch.sum)


def test_which_networks_have_a_way_back_is_known_without_making_them() -> None:
    for entry in MODELS:
        has = {field.name for field in entry.fields}
        small = {k: v for k, v in {"size_px": 16, "latent": 2}.items() if k in has}
        assert isinstance(MODELS.make(Choice(entry.name, small)), Chain) == ("chain" in entry.tags)


def test_manual_gradients_in_mixed_precision_stay_float32() -> None:
    module = network("3x3 2 tanh, 1x1 1 linear").float()
    image = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 100
    with torch.autocast("cpu", dtype=torch.bfloat16):
        GRADIENTS.make(Choice("manual"))(module, image, lambda p: p.square().mean())
    mixed = [p.grad for p in module.parameters()]
    module.zero_grad(set_to_none=True)
    GRADIENTS.make(Choice("manual"))(module, image, lambda p: p.square().mean())
    for one, parameter in zip(mixed, module.parameters(), strict=True):
        assert one is not None
        assert parameter.grad is not None
        assert torch.equal(one, parameter.grad)


def test_reading_the_settings_loads_no_torch() -> None:
    code = (
        "import sys; from ctstudio.learn.gradients import GRADIENTS; "
        "from ctstudio.learn.models import MODELS; "
        "list(GRADIENTS), list(MODELS); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
