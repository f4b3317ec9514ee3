"""The article's autoencoder: NumPy beside torch, gradients, and the faults of the article."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Step, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.phantom import phantom
from ctstudio.learn.gradients import GRADIENTS
from ctstudio.learn.judge import Stage
from ctstudio.learn.models import MODELS
from ctstudio.learn.models import autoencoder_numpy as by_hand
from ctstudio.learn.recipe import bundled
from ctstudio.learn.tasks import Pair
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee

NAMES = ("autoencoder", "autoencoder_numpy")
WAYS = ("automatic", "manual")
SETS = {
    "tanh, arctan": {},
    "relu, high": {"e1": "relu", "e2": "relu", "e3": "relu", "d1": "tanh", "d2": "tanh",
                   "d3": "relu"},
    "relu, low": {"e1": "relu", "e2": "relu", "e3": "relu", "e4": "sigmoid", "d2": "relu"},
}  # fmt: skip


def network(name: str, **settings: Any) -> Any:
    """In double precision, with weights that neither vanish nor saturate; the same for a seed."""
    chosen = {"size_px": 32, "latent": 20, "conv_sd": 0.2, "full_sd": 0.2, **settings}
    torch.manual_seed(4)
    return MODELS.make(Choice(name, chosen)).double()


def images(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 500 * torch.randn(shape, generator=generator, dtype=torch.float64)


def prediction_and_gradients(module: nn.Module, way: str, hu: Tensor) -> dict[str, Tensor]:
    target = images(*hu.shape).flip(-1)

    def objective(prediction: Tensor) -> Tensor:
        return ((prediction - target) / 100).square().mean()

    module.zero_grad()
    found = {"prediction": GRADIENTS.make(Choice(way))(module, hu, objective)}
    return found | {name: p.grad.clone() for name, p in module.named_parameters()}


def farthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest relative difference; each is measured by the largest number of its kind."""
    assert one.keys() == other.keys()
    return max(
        float((one[name] - other[name]).abs().max() / other[name].abs().max()) for name in one
    )


@pytest.mark.parametrize("gradients", ["exact", "article"])
@pytest.mark.parametrize("activations", SETS)
def test_numpy_and_torch_manual_and_automatic_agree(activations: str, gradients: str) -> None:
    settings = {**SETS[activations], "gradients": gradients}
    hu = images(2, 1, 32, 32)
    found = {
        (name, way): prediction_and_gradients(network(name, **settings), way, hu)
        for name, way in itertools.product(NAMES, WAYS)
    }
    reference = found["autoencoder", "automatic"]
    assert all(float(value.abs().max()) > 0 for value in reference.values())
    for which, others in found.items():
        assert farthest(others, reference) < 1e-9, which


@pytest.mark.parametrize("last", ["relu", "tanh", "arctan", "sigmoid"])
def test_every_activation_at_the_end(last: str) -> None:
    hu = images(1, 1, 32, 32)
    reference, other = (
        prediction_and_gradients(network(name, d4=last), "manual", hu) for name in NAMES
    )
    assert farthest(other, reference) < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_exact_form_are_those_of_finite_differences(name: str) -> None:
    module, hu = network(name, size_px=16, latent=5), images(2, 1, 16, 16)

    def objective(prediction: Tensor) -> Tensor:
        return (prediction / 100).square().mean()

    GRADIENTS.make(Choice("manual"))(module, hu, objective)
    draw = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        direction = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-6 * direction
                values.append(float(objective(module(hu))))
                parameter -= sign * 1e-6 * direction
        slope = (values[0] - values[1]) / 2e-6
        assert slope == pytest.approx(float((parameter.grad * direction).sum()), rel=1e-5)


def test_the_gradient_at_the_image_joins_a_larger_graph() -> None:
    hu = images(1, 1, 40, 32)
    slopes = []
    for name in NAMES:
        image = hu.clone().requires_grad_()
        network(name)(image).square().sum().backward()
        slopes.append(image.grad)
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-9, atol=1e-9)
    assert float(slopes[0].abs().max()) > 0


def test_gradients_add_up() -> None:
    module, hu = network("autoencoder_numpy"), images(1, 1, 32, 32)
    for way in WAYS:
        once = prediction_and_gradients(module, way, hu)
        GRADIENTS.make(Choice(way))(module, images(1, 1, 32, 32) / 2, torch.sum)
        twice = {name: p.grad - once[name] for name, p in module.named_parameters()}
        module.zero_grad()
        GRADIENTS.make(Choice(way))(module, images(1, 1, 32, 32) / 2, torch.sum)
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(twice[name], parameter.grad)


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 32, 24), (1, 4, 4), (1, 10, 6)])
@pytest.mark.parametrize("side", [3, 5, 7])
def test_the_convolution_is_that_of_scipy(side: int, shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(3)
    layer, stack = by_hand.Convolution(side, faults=False), draw.normal(size=shape)
    layer.initialise(draw, 0.5)
    expected = [correlate2d(image, layer.weights, mode="same") for image in stack]
    np.testing.assert_allclose(layer.feed_forward(stack), expected, rtol=1e-9, atol=1e-12)


def stage_slopes(stage: by_hand.Stage, image: np.ndarray, slope: np.ndarray) -> Any:
    """By finite differences: the weights' gradient and the slope at the image."""

    def objective() -> float:
        return float((stage.feed_forward(image) * slope).sum())

    found = []
    for values in (stage.weights, image):
        gradient = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            kept = values[place]
            values[place] = kept + 1e-6
            above = objective()
            values[place] = kept - 1e-6
            gradient[place] = (above - objective()) / 2e-6
            values[place] = kept
        found.append(gradient)
    return found


STAGES = [(by_hand.Convolution, 1.0), (by_hand.Halving, 0.5), (by_hand.Doubling, 2.0)]


@pytest.mark.parametrize("faults", [False, True])
@pytest.mark.parametrize(("kind", "size"), STAGES)
def test_each_fault_is_in_the_articles_form_alone(kind: Any, size: float, faults: bool) -> None:
    draw = np.random.default_rng(5)
    settings = () if kind is by_hand.Convolution else ("tanh",)
    stage = kind(3, *settings, faults=faults)
    stage.initialise(draw, 0.5)
    image = draw.normal(size=(1, 8, 8))
    slope = draw.normal(size=(1, int(8 * size), int(8 * size)))
    weights, at_image = stage_slopes(stage, image, slope)
    stage.feed_forward(image)
    back = stage.back_propagate(slope)
    if not faults:
        np.testing.assert_allclose(stage.gradient, weights, atol=1e-8)
        np.testing.assert_allclose(back, at_image, atol=1e-8)
    elif kind is by_hand.Convolution:
        # Its weights' gradient is right, and what it passes on is turned.
        np.testing.assert_allclose(stage.gradient, weights, atol=1e-8)
        np.testing.assert_allclose(back, at_image[:, ::-1, ::-1], atol=1e-8)
    elif kind is by_hand.Halving:
        # The gradient is repeated without the quarter.
        np.testing.assert_allclose(stage.gradient, 4 * weights, atol=1e-8)
        np.testing.assert_allclose(back, 4 * at_image[:, ::-1, ::-1], atol=1e-8)
    else:
        # One of four is taken where they are to be summed: what a kernel with the repeated image
        # in that place alone gives.
        np.testing.assert_allclose(stage.gradient, weights, atol=1e-8)
        plain = by_hand.Convolution(3, faults=False)
        plain.weights = stage.weights
        large = image.repeat(2, 1).repeat(2, 2)
        bent = slope * (1 - np.tanh(plain.feed_forward(large)) ** 2)
        _, at_large = stage_slopes(plain, large, bent)
        np.testing.assert_allclose(back, at_large[:, ::-1, ::-1][:, ::2, ::2], atol=1e-8)
        assert np.abs(back - at_image).max() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_faults_change_gradients_and_never_the_prediction(name: str) -> None:
    hu = images(2, 1, 32, 32)
    exact, article = (
        prediction_and_gradients(network(name, gradients=form), "manual", hu)
        for form in ("exact", "article")
    )
    # No fault lies between the objective and the weights of the last convolution.
    right = {"prediction", "decoder.conv3"}
    for key in exact:
        same = torch.allclose(exact[key], article[key], rtol=1e-9)
        assert same == (key in right), key


def test_parameters_and_arrays_share_memory() -> None:
    module, hu = network("autoencoder_numpy"), images(1, 1, 32, 32)
    module(hu)
    for half, stages in (("encoder", module.encoding), ("decoder", module.decoding)):
        for name, stage in stages.stages.items():
            parameter = module.get_parameter(f"{half}.{name}")
            assert np.shares_memory(stage.weights, parameter.detach().numpy())
    before = module(hu).detach()
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    GRADIENTS.make(Choice("manual"))(module, hu, lambda p: (p / 100).square().mean())
    optimiser.step()
    twin = network("autoencoder")
    twin.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(hu), twin(hu), rtol=1e-9, atol=1e-9)
    assert float((module(hu).detach() - before).abs().max()) > 1e-3


def test_a_copy_has_weights_of_its_own() -> None:
    module, hu = network("autoencoder_numpy"), images(1, 1, 32, 32)
    before = module(hu).detach()
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.encoder["full"].zero_()
    other(hu)
    assert torch.equal(module(hu).detach(), before)


def test_going_back_through_an_earlier_pass_is_refused() -> None:
    module, hu = network("autoencoder_numpy"), images(1, 1, 32, 32)
    first = module(hu).sum()
    module(hu)
    with pytest.raises(RuntimeError, match="last forward pass"):
        first.backward()


@pytest.mark.parametrize("name", NAMES)
def test_images_of_other_sizes(name: str) -> None:
    module = network(name)
    large = images(2, 1, 64, 96)
    with torch.no_grad():
        whole = module(large)
        piece = module(large[..., 32:, 64:])
        small = module(large[..., :20, :30])
        filled = torch.full((2, 1, 32, 32), module.black, dtype=torch.float64)
        filled[..., :20, :30] = large[..., :20, :30]
        torch.testing.assert_close(small, module(filled)[..., :20, :30])
    torch.testing.assert_close(whole[..., 32:, 64:], piece)
    assert small.shape == (2, 1, 20, 30)


@pytest.mark.parametrize("gradients", ["exact", "article"])
def test_the_smallest_images(gradients: str) -> None:
    """A single pixel stands between the halves: it, too, can be turned by half a turn."""
    found = [
        prediction_and_gradients(
            network(name, size_px=8, latent=3, gradients=gradients), "manual", images(2, 1, 8, 8)
        )
        for name in NAMES
    ]
    assert farthest(*found) < 1e-9


def test_a_size_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(StudioError, match="size_px = 20"):
        MODELS.make(Choice("autoencoder_numpy", {"size_px": 20}))


def test_patches_of_another_size_are_refused() -> None:
    recipe = bundled()["autoencoder-sgd-repaired"].with_setting("patch_px", 64)
    with pytest.raises(StudioError, match="512 x 512 px, and the patches have 64 px"):
        next(train(recipe, []))


def test_the_articles_network_has_its_number_of_weights() -> None:
    assert MODELS.make(Choice("autoencoder")).parameter_count == 8_192_166


def test_first_weights() -> None:
    settings = {"conv_sd": 0.04, "full_sd": 0.04, "conv_mean": 0.0, "size_px": 64, "latent": 100}
    torch.manual_seed(0)
    module = MODELS.make(Choice("autoencoder", settings))
    assert float(module.encoder["full"].detach().std()) == pytest.approx(0.04, rel=0.05)
    assert float(module.encoder["conv1"].detach().std()) == pytest.approx(0.04, rel=0.4)
    settings |= {"conv_sd": 0.0, "conv_mean": 2.0}
    module = MODELS.make(Choice("autoencoder", settings))
    assert float(module.decoder["conv3"].detach().sum()) == pytest.approx(2.0, rel=1e-5)


def test_it_learns_in_the_one_loop_alike_in_both_forms() -> None:
    volume = finish(phantom(slices=6, size=64))
    losses = []
    for name in NAMES:
        recipe = bundled()["autoencoder-tanh-arctan-high-repaired"]
        recipe = recipe.with_setting("phases.0.model.name", name)
        for key, value in {
            "patch_px": 64, "stopping.seconds": 0, "device": "cpu", "phases.0.steps": 60,
            "phases.0.model.size_px": 64, "phases.0.model.latent": 40,
            "validation.every_steps": 1000, "cadence.preview_time_share": 0,
        }.items():  # fmt: skip
            recipe = recipe.with_setting(key, value)
        events = train(recipe, [volume])
        found = [event.losses["loss"] for event in events if isinstance(event, Step)]
        assert np.mean(found[-10:]) < 0.7 * found[0]
        losses.append(found)
    # Single precision, and sums in another order.
    np.testing.assert_allclose(losses[1][:20], losses[0][:20], rtol=1e-3)


@pytest.mark.parametrize("size_px", [64, 512])
def test_a_region_looked_at_closely_is_as_in_the_whole_slice(size_px: int) -> None:
    recipe = bundled()["autoencoder-sgd-repaired"]
    for key, value in {"phases.0.model.size_px": size_px, "phases.0.model.latent": 20}.items():
        recipe = recipe.with_setting(key, value)
    trainee = Trainee(recipe, torch.device("cpu"))
    stage = Stage(Pair(0, images(128, 128).float(), None))
    whole = stage.show(trainee).panels["reconstruction"]
    detail = stage.detail(trainee, (10, 50, 16, 24))
    np.testing.assert_allclose(detail.reconstruction, whole[10:26, 50:74], atol=0.01)
