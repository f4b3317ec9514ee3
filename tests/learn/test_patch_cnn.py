"""Lai's networks against patches cut and convolved one by one with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn import segment
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.models import MODELS, patch_cnn_net

FORMS = ("single", "stacked", "tri_planar", "volume")
SLICES = {"single": 1, "stacked": 3, "tri_planar": 24, "volume": 24}


def network(form: str, **settings: object) -> nn.Module:
    torch.manual_seed(5)
    small = {"maps": "3, 4", "hidden": "12", "classes": 3, "form": form}
    made: nn.Module = MODELS.make(Choice("patch_cnn", small | settings))
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    return made.eval()


def by_scipy(net: nn.Module, form: str, block: np.ndarray, paths: int) -> np.ndarray:
    """The class of one voxel, from the patches written out: block ``(n, 24, 24)`` HU."""
    weights = {name: value.double().numpy() for name, value in net.state_dict().items()}
    image = np.clip(block / 500, -3, 3).astype(np.float64)
    if form == "tri_planar":
        patches = [image[12][None], image[:, 12][None], image[:, :, 12][None]]
    else:
        patches = [image[None] if form == "volume" else image]
    joined = []
    for path in range(paths):
        maps = patches[path]
        for layer in range(2):
            kernels = weights[f"paths.{path}.{layer}.weight"]
            shift = weights[f"paths.{path}.{layer}.bias"]
            maps = np.stack(
                [
                    np.tanh(
                        sum(
                            signal.correlate(m, k, "valid")
                            for m, k in zip(maps, kernel, strict=True)
                        )
                        + shift[number]
                    )
                    for number, kernel in enumerate(kernels)
                ]
            )
        joined.append(maps.ravel())
    nodes = np.tanh(weights["joint.weight"] @ np.concatenate(joined) + weights["joint.bias"])
    return np.asarray(weights["head.weight"] @ nodes + weights["head.bias"])


@pytest.mark.parametrize("form", FORMS)
def test_one_voxel_is_that_of_the_patches_written_out(form: str) -> None:
    net = network(form, activation="tanh")
    block = np.random.default_rng(1).normal(0, 400, (SLICES[form], 24, 24))
    want = by_scipy(net, form, block, 3 if form == "tri_planar" else 1)
    told = net.double()(torch.from_numpy(block)[None])
    assert told.shape == (1, 3, 1, 1)
    assert np.allclose(told.detach().numpy().ravel(), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_a_slab_gives_what_its_patches_give_one_by_one(form: str) -> None:
    net = network(form)
    generator = torch.Generator().manual_seed(2)
    slab = 400 * torch.randn(2, SLICES[form], 29, 27, generator=generator)
    with torch.inference_mode():
        dense = net(slab)
        each = [
            [net(slab[..., y : y + 24, x : x + 24])[..., 0, 0] for x in range(4)] for y in range(6)
        ]
        want = torch.stack([torch.stack(row, -1) for row in each], -2)
        places = torch.tensor([[0, 0], [2, 1], [2, 1], [5, 3]])
        some = torch.cat(list(net.at(slab[:1], *places.T)))  # type: ignore[operator]
    assert dense.shape == (2, 3, 6, 4)
    scale = float(want.abs().max())
    assert float((dense - want).abs().max()) < 1e-5 * scale
    assert float((some - want[0, :, places[:, 0], places[:, 1]].T).abs().max()) < 1e-5 * scale


@pytest.mark.parametrize("form", ["tri_planar", "volume"])
def test_slices_that_are_alike_are_seen_once_with_the_same_answer_and_gradients(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a picture that stands alone: as the patches written out, as if every slice were seen."""
    net = network(form, activation="tanh").double()
    row = torch.from_numpy(np.random.default_rng(1).normal(0, 400, (1, 1, 26, 25)))
    slab = row.expand(2, 24, -1, -1).clone()
    want = by_scipy(net, form, slab.numpy()[0, :, :24, :24], 3 if form != "volume" else 1)
    seen: list[int] = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            layer.register_forward_hook(lambda *_: seen.append(1))

    def answer() -> list[Tensor]:
        told = net(slab)
        generator = torch.Generator().manual_seed(3)
        weights = torch.randn(told.shape, dtype=torch.float64, generator=generator)
        return [told, *torch.autograd.grad((told * weights).sum(), list(net.parameters()))]

    once = answer()
    assert len(seen) == (0 if form == "volume" else 2), "only the path in the slice is as ever"
    monkeypatch.setattr(patch_cnn_net, "_are_alike", lambda _slab: False)
    all_slices = answer()
    assert np.allclose(once[0].detach().numpy()[0, :, 0, 0], want, rtol=1e-9, atol=1e-9)
    for one, other in zip(once, all_slices, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


def test_few_rows_at_once_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network("tri_planar")
    slab = 400 * torch.randn(1, 24, 31, 30, generator=torch.Generator().manual_seed(3))
    rows, columns = (grid.flatten() for grid in torch.meshgrid(
        torch.arange(8), torch.arange(7), indexing="ij"))  # fmt: skip
    with torch.inference_mode():
        whole = net(slab)
        monkeypatch.setattr("ctstudio.learn.models.patch_cnn_net.AT_ONCE", 200)
        parts = net(slab)
        dense = list(net.at(slab, rows, columns))  # type: ignore[operator]
        monkeypatch.setattr("ctstudio.learn.models.patch_cnn_net.DENSE", 2)
        spared = list(net.at(slab, rows, columns))  # type: ignore[operator]
    assert torch.allclose(parts, whole, rtol=1e-5, atol=1e-5)
    assert (len(dense), len(spared)) == (4, 56)
    for shares in (dense, spared):
        some = torch.cat(shares).T.view(1, 3, 8, 7)
        assert torch.allclose(some, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_voxel_sees_its_patches_and_nothing_else(form: str) -> None:
    """The gradient of one voxel is non-zero in the planes of the form, and there alone."""
    net = network(form, activation="sigmoid").double()
    for parameter in net.parameters():
        nn.init.uniform_(parameter, 1e-4, 2e-4)  # nothing cancels or saturates
    slab = torch.zeros(1, SLICES[form], 30, 30, dtype=torch.float64, requires_grad=True)
    net(slab)[0, :, 4, 2].sum().backward()
    assert slab.grad is not None
    seen = slab.grad[0] != 0
    want = torch.zeros_like(seen)
    z, y, x = SLICES[form] // 2, 4 + 12, 2 + 12
    patch = (slice(4, 28), slice(2, 26))
    if form == "tri_planar":
        want[z][patch] = True
        want[:, y, patch[1]] = True
        want[:, patch[0], x] = True
    else:
        want[:, patch[0], patch[1]] = True
    assert torch.equal(seen, want)


@pytest.mark.parametrize(
    ("form", "weights"),
    [
        ("single", 20 * 25 + 50 * 20 * 25 + 12_800 * 1000),
        ("stacked", 20 * 3 * 25 + 50 * 20 * 25 + 12_800 * 1000),
        ("tri_planar", 3 * (20 * 25 + 50 * 20 * 25) + 3 * 12_800 * 1000),
        ("volume", 20 * 125 + 50 * 20 * 125 + 204_800 * 1000),
    ],
)
def test_the_default_size_is_the_papers(form: str, weights: int) -> None:
    with torch.device("meta"):
        net = MODELS.make(Choice("patch_cnn", {"form": form}))
    paths = 3 if form == "tri_planar" else 1
    count = sum(p.numel() for p in net.parameters())
    assert count == weights + 70 * paths + 1000 + 2 * 1000 + 2


def test_activations_rise_throughout_or_do_not() -> None:
    z = torch.linspace(-6, 6, 401)
    rising = {
        name: bool((network("single", activation=name).activation(z).diff() >= 0).all())  # type: ignore[operator]
        for name in ("relu", "tanh", "sigmoid", "arctan", "swish", "sine", "gaussian")
    }
    assert rising == {
        "relu": True, "tanh": True, "sigmoid": True, "arctan": True,
        "swish": False, "sine": False, "gaussian": False,
    }  # fmt: skip


def test_depth_and_width_are_settings() -> None:
    net = network("single", hidden="6, 5, 4", maps="2, 3, 4, 5", kernel=3, size_px=16)
    sizes = [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]
    assert sizes == [(5 * 8 * 8, 6), (6, 5), (5, 4), (4, 3)]
    assert net(torch.zeros(1, 1, 18, 17)).shape == (1, 3, 3, 2)
    with pytest.raises(StudioError, match="nothing is left of a patch of 16 x 16"):
        network("single", size_px=16, maps="2, 2, 2, 2", kernel=5)


def test_dropout_drops_nodes_in_training_alone() -> None:
    net = network("single", dropout=0.5, hidden="400")
    block = torch.randn(1, 1, 24, 24) * 300
    assert torch.equal(net(block), net(block))
    seen: list[Tensor] = []
    net.head.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))  # type: ignore[union-attr, operator]
    net.train()(block)
    net.eval()(block)
    trained, judged = seen
    kept = trained != 0
    assert 0.3 < float(kept.sum() / (judged != 0).sum()) < 0.7
    assert torch.allclose(trained[kept], 2 * judged[kept])


@pytest.mark.parametrize("form", ["stacked", "tri_planar"])
def test_a_layer_leads_back_to_its_input_by_its_own_weights(form: str) -> None:
    """Against SciPy: a convolution that reaches beyond the rim undoes the place of one that
    does not."""
    net = network(form, activation="tanh").double()
    block = np.random.default_rng(4).normal(0, 300, (SLICES[form], 24, 24))
    told = [float(net.autoencode(k, torch.from_numpy(block)[None]).detach()) for k in (1, 2, 3)]  # type: ignore[operator]
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    image = np.clip(block / 500, -3, 3)
    patches = [image]
    if form == "tri_planar":
        patches = [image[12][None], image[:, 12][None], image[:, :, 12][None]]
    errors: list[list[float]] = [[], []]
    joined = []
    for path, maps in enumerate(patches):
        for layer in range(2):
            kernels = weights[f"paths.{path}.{layer}.weight"]
            shift = weights[f"paths.{path}.{layer}.bias"]
            code = np.tanh([
                sum(signal.correlate(m, k, "valid") for m, k in zip(maps, kernel, strict=True)) + b
                for kernel, b in zip(kernels, shift, strict=True)
            ])  # fmt: skip
            back = np.array([
                sum(signal.convolve(c, k, "full") for c, k in zip(code, kernels[:, m], strict=True))
                for m in range(len(maps))
            ])  # fmt: skip
            errors[layer].append(float(((back - maps) ** 2).mean()))
            maps = code
        joined.append(maps.ravel())
    values = np.concatenate(joined)
    full = weights["joint.weight"]
    code = np.tanh(full @ values + weights["joint.bias"])
    want = [*map(np.mean, errors), ((full.T @ code - values) ** 2).mean()]
    assert told == pytest.approx(want, rel=1e-9)


def test_layers_learn_one_after_the_other() -> None:
    net = network("single", maps="3, 4", hidden="6", activation="tanh").train()
    loss = LOSSES.make(Choice("layer_autoencoder", {"layer": 2}))
    optimiser = torch.optim.Rprop(net.parameters(), lr=0.01)
    block = 300 * torch.randn(8, 1, 24, 24, generator=torch.Generator().manual_seed(1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    errors = []
    for _ in range(12):
        optimiser.zero_grad()
        error = loss(net, block)
        error.backward()
        optimiser.step()
        errors.append(float(error.detach()))
    assert errors[-1] < 0.7 * errors[0]
    moved = {n for n, value in net.state_dict().items() if not torch.equal(value, before[n])}
    assert moved == {"paths.0.1.weight", "paths.0.1.bias"}
    with pytest.raises(StudioError, match="no layer 4"):
        LOSSES.make(Choice("layer_autoencoder", {"layer": 4}))(net, block)
    with pytest.raises(StudioError, match="none to be trained alone"):
        loss(nn.Identity(), block)


@pytest.mark.parametrize(("form", "less"), [("tri_planar", 3 / (1 + 2 / 16)), ("volume", 16)])
def test_slices_that_are_alike_cost_less_a_voxel(form: str, less: float) -> None:
    net = network(form)
    numbers = np.random.default_rng(2)
    slices = numbers.normal(0, 300, (24, 30, 30)).astype(np.float32)
    alike = np.repeat(slices[:1], 24, axis=0)
    whole = segment.operations(net, slices)
    joint = net.get_submodule("joint")
    assert isinstance(joint.weight, Tensor)
    assert whole == joint.weight.numel()
    assert whole / segment.operations(net, alike) == pytest.approx(less)
    assert segment.operations(nn.Identity(), slices) == 0
