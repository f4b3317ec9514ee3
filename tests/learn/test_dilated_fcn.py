"""The dilated fully convolutional network against its description, written out here again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.models import MODELS
from ctstudio.learn.receptive_field import measure
from ctstudio.learn.segment import classify

DILATIONS = (1, 1, 2, 3, 5, 8, 13, 21, 34, 55)


def network(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = MODELS.make(Choice("dilated_fcn", settings))
    return made.double().eval()


def instance(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    variance = x.var((2, 3), keepdim=True, unbiased=False)
    whole = (1, -1, 1, 1)
    return (x - mean) / (variance + 1e-3).sqrt() * scale.view(whole) + shift.view(whole)


@pytest.mark.parametrize("residual", [False, True])
def test_the_network_is_the_one_described(residual: bool) -> None:
    net = network(residual=residual, maps=4, hidden="6, 5", classes=3)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    weights = net.state_dict()
    hu = 300 * torch.randn(2, 1, 40, 33, dtype=torch.float64)

    def normal(name: str, z: Tensor) -> Tensor:
        return z + instance(z, weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"])

    kept = [normal("entrance", hu / 500)]
    for k, dilation in enumerate(DILATIONS):
        at = f"dilated.{k}"
        z = F.conv2d(
            F.pad(kept[-1], [dilation] * 4),
            weights[f"{at}.0.weight"], weights[f"{at}.0.bias"], dilation=dilation,
        )  # fmt: skip
        out = normal(f"{at}.1", z).clamp(min=0)
        kept.append(out + kept[-1] if residual else out)
    image = torch.cat(kept, 1)
    for k in range(2):
        at = f"hidden.{k}"
        z = torch.einsum("bcyx,oc->boyx", image, weights[f"{at}.0.weight"][:, :, 0, 0])
        image = normal(f"{at}.1", z + weights[f"{at}.0.bias"].view(1, -1, 1, 1)).clamp(min=0)
    want = torch.einsum("bcyx,oc->boyx", image, weights["head.weight"][:, :, 0, 0])
    want = want + weights["head.bias"].view(1, -1, 1, 1)
    assert torch.allclose(net(hu), want, rtol=1e-9, atol=1e-9)


def test_its_size_is_the_papers() -> None:
    net = network(classes=5)
    count = sum(p.numel() for p in net.parameters())
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 13
    assert convolutions[10].in_channels == 1 + 32 * 10
    assert 125_000 < count < 135_000
    he = np.sqrt(2 / (32 * 9))
    assert float(convolutions[4].weight.detach().std()) == pytest.approx(he, rel=0.05)


def test_it_sees_143_pixels_to_each_side() -> None:
    """Without the image's statistics, the way of a pixel is that of the dilations."""
    net = network(maps=2, hidden="4", norm="batch")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.2)  # nothing is lost in a ReLU
    hu = torch.ones(1, 1, 1, 400, dtype=torch.float64, requires_grad=True)
    net(hu)[0, 0, 0, 200].backward()
    seen = torch.nonzero(hu.grad[0, 0, 0]).flatten()
    assert (int(seen[0]), int(seen[-1])) == (200 - 143, 200 + 143)
    field = measure(network(maps=2, dilations="1, 2, 3", hidden="", norm="batch").float())
    assert field is not None
    assert field.reach_px == 6


def test_statistics_are_those_of_the_image_in_training_and_after_it() -> None:
    net = network(maps=3, dropout=0.0)
    hu = 200 * torch.randn(3, 1, 24, 24, dtype=torch.float64)
    together = net.train()(hu)
    one = net.eval()(hu[1:2])
    assert torch.allclose(together[1:2], one, rtol=1e-9, atol=1e-12)


def test_the_only_dropout_is_at_the_joined_channels() -> None:
    net = network()
    dropouts = [name for name, m in net.named_modules() if isinstance(m, nn.Dropout)]
    assert dropouts == ["dropout"]
    assert net.get_submodule("dropout").p == 0.5


def test_a_mask_is_inside_above_a_half_and_logits_above_zero() -> None:
    hu = np.zeros((9, 9), np.float32)
    for output, value, inside in (
        ("mask", 0.4, 0), ("mask", 0.6, 1), ("logits", 0.4, 1), ("logits", -0.4, 0),
    ):  # fmt: skip
        net = network(classes=1, output=output, maps=2).float()
        nn.init.zeros_(net.get_submodule("head").weight)
        nn.init.constant_(net.get_submodule("head").bias, value)
        assert np.all(classify(net, hu, torch.device("cpu")) == inside), (output, value)


@pytest.mark.parametrize("text", ["", "0", "1, x", "1.5", "-2", "99999"])
def test_dilations_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(StudioError, match="dilations = "):
        MODELS.make(Choice("dilated_fcn", {"dilations": text}))


def test_shrunk_it_works_on_means_and_gives_the_whole_image() -> None:
    small, large = network(maps=3, classes=1), network(maps=3, classes=1, shrink=4)
    large.load_state_dict(small.state_dict())
    hu = 300 * torch.randn(1, 1, 40, 48, dtype=torch.float64)
    means = hu.reshape(1, 1, 10, 4, 12, 4).mean((3, 5))
    got = large(hu)
    assert got.shape == hu.shape
    # Linear between the centres of the squares: their means are nearly what was told of each.
    inner = got.reshape(1, 1, 10, 4, 12, 4).mean((3, 5))[..., 1:-1, 1:-1]
    smooth = F.avg_pool2d(F.interpolate(small(means), scale_factor=4, mode="bilinear"), 4)
    assert torch.allclose(inner, smooth[..., 1:-1, 1:-1])
    odd = 300 * torch.randn(1, 1, 41, 50, dtype=torch.float64)
    assert large(odd).shape == odd.shape
    assert network(maps=3, calm=True)(hu).abs().max() == 0


@pytest.mark.parametrize(("leak", "awake"), [(0.0, False), (0.1, True)])
def test_only_what_leaks_learns_again_once_all_maps_are_silent(leak: float, awake: bool) -> None:
    net = network(maps=3, classes=1, leak=leak)
    parameters = dict(net.named_parameters())
    nn.init.constant_(parameters["hidden.1.0.bias"], -1e4)
    net(300 * torch.randn(1, 1, 40, 40, dtype=torch.float64)).square().sum().backward()
    learnt = parameters["hidden.1.0.weight"].grad
    assert learnt is not None
    assert bool(learnt.abs().max() > 0) is awake


def test_repeated_edges_leave_no_border() -> None:
    """Of an image that is constant along a row, the answer is, too."""
    column = 200 * torch.randn(1, 1, 40, 1, dtype=torch.float64)
    stripes = column.expand(1, 1, 40, 60)
    for edges, same in (("replicate", True), ("zeros", False)):
        told = network(maps=3, edges=edges)(stripes)
        spread = float(told.detach().std(dim=3).max())
        assert (spread < 1e-9) is same
