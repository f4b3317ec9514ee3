"""The whole-image network of the article and its loss, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal, special
from torch import nn

from ctstudio.core.registry import Choice
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models import MODELS


def network(**settings: object) -> nn.Module:
    torch.manual_seed(3)
    made: nn.Module = MODELS.make(Choice("whole_image", {"side_px": 8, "hidden": 6} | settings))
    return made.double().eval()


@pytest.mark.parametrize("output", ["tanh", "linear"])
def test_the_network_is_the_one_described(output: str) -> None:
    net = network(output=output, first_sd=0.2)
    hu = np.random.default_rng(1).normal(0, 500, (16, 24))
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    assert not any("bias" in name for name in weights)
    maps = ((hu + 1000) / 2000).reshape(8, 2, 8, 3).mean((1, 3))[None]
    for layer in range(2):
        kernels = weights[f"convolutions.{layer}.weight"]
        maps = np.maximum(0, [
            sum(signal.correlate(m, k, "same") for m, k in zip(maps, each, strict=True))
            for each in kernels
        ])  # fmt: skip
    assert maps.shape == (25, 8, 8)
    mask = weights["mask.weight"] @ np.tanh(weights["inner.weight"] @ maps.ravel())
    mask = np.tanh(mask) if output == "tanh" else mask
    told = net(torch.from_numpy(hu)[None, None]).detach().numpy()[0, 0]
    assert np.allclose(told, np.kron(mask.reshape(8, 8), np.ones((2, 3))), rtol=1e-9, atol=1e-12)


def test_first_weights() -> None:
    net = network(side_px=16, hidden=200, first_sd=0.005)
    for weight in net.parameters():
        assert float(weight.detach().std()) == pytest.approx(0.005, rel=0.1)
    full = network(side_px=16, hidden=200).get_submodule("inner").weight
    assert float(full.detach().std()) == pytest.approx((25 * 16**2) ** -0.5, rel=0.05)  # type: ignore[union-attr, operator]


def test_the_loss_is_a_softmax_over_the_pixels() -> None:
    draw = np.random.default_rng(2)
    values, mask = draw.normal(size=(2, 1, 6, 4)), draw.integers(0, 2, (2, 1, 6, 4))
    loss = LOSSES.make(Choice("pixel_softmax"))
    want = np.mean([
        -(mask[k].ravel() * special.log_softmax(values[k].ravel())).sum() for k in range(2)
    ])  # fmt: skip
    told = loss(torch.from_numpy(values), torch.from_numpy(mask))
    assert float(told) == pytest.approx(want, rel=1e-6)
    # Blown up and averaged again it is the same.
    square = LOSSES.make(Choice("pixel_softmax", {"side_px": 4}))
    small = [np.kron(each[:, :, :4], np.ones((1, 1, 3, 3))) for each in (values, mask)]
    told = square(torch.from_numpy(small[0]), torch.from_numpy(small[1]).long())
    plain = loss(torch.from_numpy(values[:, :, :4]), torch.from_numpy(mask[:, :, :4]))
    assert float(told) == pytest.approx(float(plain), rel=1e-6)


def test_tanh_holds_the_loss_near_that_of_an_even_mask() -> None:
    """Within +-1, a softmax over n pixels gives m of them at most 1 / (m + (n - m) / e^2) each."""
    n, inside = 64 * 64, 400
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.int64)
    mask.view(-1)[:inside] = 1
    loss = LOSSES.make(Choice("pixel_softmax"))
    best = float(loss(torch.where(mask > 0, 1.0, -1.0), mask))
    even = float(loss(torch.zeros(1, 1, 64, 64), mask))
    assert even == pytest.approx(inside * np.log(n), rel=1e-5)
    assert best == pytest.approx(inside * np.log(inside + (n - inside) * np.exp(-2)), rel=1e-5)
    assert best > 0.8 * even


def test_what_the_convolutions_tell_of_a_place_reaches_it() -> None:
    net = network(local=True, first_sd=0.2)
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    hu = np.random.default_rng(4).normal(0, 500, (16, 24))
    maps = ((hu + 1000) / 2000)[None]
    for layer in range(2):
        kernels = weights[f"convolutions.{layer}.weight"]
        maps = np.maximum(0, [
            sum(signal.correlate(m, k, "same") for m, k in zip(maps, each, strict=True))
            for each in kernels
        ])  # fmt: skip
    reduced = maps.reshape(25, 8, 2, 8, 3).mean((2, 4))
    mask = weights["mask.weight"] @ np.tanh(weights["inner.weight"] @ reduced.ravel())
    kernels = weights["local.weight"][0]
    places = sum(signal.correlate(m, k, "same") for m, k in zip(maps, kernels, strict=True))
    want = np.kron(mask.reshape(8, 8), np.ones((2, 3))) + places
    told = net(torch.from_numpy(hu)[None, None]).detach().numpy()[0, 0]
    assert np.allclose(told, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("local", [False, True])
def test_with_its_own_contrast_an_image_may_be_brighter_and_steeper(local: bool) -> None:
    net = network(own_contrast=True, local=local)
    hu = torch.randn(2, 1, 16, 16, dtype=torch.float64) * 500
    told = net(hu)
    changed = net(torch.stack([3 * hu[0] + 700, hu[1]]))
    assert torch.allclose(told, changed, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(told, network(local=local)(hu))
    even = net(torch.full((1, 1, 16, 16), 40.0, dtype=torch.float64))
    assert float(even.detach().abs().max()) < 1e-9
