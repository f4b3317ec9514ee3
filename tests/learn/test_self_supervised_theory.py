"""What the tasks without clean targets promise, checked against the formulas of their articles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ctstudio.core.events import Note, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.phantom import draw_slice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.noise import NOISES
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.tasks import TASKS, Batch, Task
from ctstudio.learn.trainee import Trainee

Array = NDArray[np.float32]


def volume(hu: Array) -> Volume:
    count = len(hu)
    stored = np.rint(hu).astype(np.int16)
    geometry = Geometry.axial(count, (3, 0.7, 0.7))
    return Volume(stored, np.ones(count), np.zeros(count), "HU", geometry)


def white(sd: float, slices: int = 12, size: int = 64, hu: float = 40.0) -> Array:
    drawn = np.random.default_rng(5).normal(hu, sd, (slices, size, size))
    return drawn.astype(np.float32)


def recipe(task: str, settings: Mapping[str, object]) -> Recipe:
    made = bundled()["dncnn-gaussian"].with_setting("task", task)
    more = {"device": "cpu", "patch_px": 32, "batch": 16, "phases.0.model.features": 4}
    for path, value in {**more, "phases.0.model.depth": 3, **settings}.items():
        made = made.with_setting(path, value)
    return made.checked()


def prepared(task: str, hu: Array, settings: Mapping[str, object]) -> tuple[Task, Recipe]:
    made = recipe(task, settings)
    ready: Task = TASKS.make(made.task)
    finish(ready.prepare(made, [volume(hu)], None, torch.device("cpu")))
    return ready, made


def drawn(task: Task, count: int = 8, seed: int = 3) -> list[Batch]:
    return task.draw(torch.Generator().manual_seed(seed), count)


def unchanged(inputs: Tensor) -> Tensor:
    return inputs


def test_the_noise_of_a_scan_is_measured_and_told_once() -> None:
    hu = white(30.0)
    made = recipe("recorrupted", {"noise": "gaussian", "task.match": True})
    task = TASKS.make(made.task)
    told = [
        event.text
        for event in task.prepare(made, [volume(hu)], None, torch.device("cpu"))
        if isinstance(event, Note) and "was measured" in event.text
    ]
    assert len(told) == 1
    factor = float(told[0].split()[-1].rstrip("."))
    # Both views of what is held out differ by (a + 1/a) times the drawn noise of 25 HU.
    apart = torch.cat([(b.inputs - b.targets).flatten() for b in task.held_out])
    strength = made.task.params["strength"]
    assert float(apart.std()) == pytest.approx(factor * 25 * (strength + 1 / strength), rel=0.02)


def test_vessels_do_not_add_to_the_noise_that_is_measured() -> None:
    """Noise of a quarter of 200,000 photons, in slices full of vessels.

    Half the dose of 100,000 photons adds half of its variance.
    """
    low = {"kernel": "hann", "cutoff": 1.0, "electronic": 0.0}
    scanned = NOISES.make(
        Choice("low_dose", {**low, "dose": 0.25, "photons": 2e5, "already_noisy": False})
    )
    spacing = (400 / 512, 400 / 512)
    slices = []
    for z in (20.0, 40.0, 18.0, 42.0):
        clean = torch.from_numpy(draw_slice(z, field_mm=400).astype(np.float32))
        slices.append(scanned.slice(clean, spacing, seed=int(z) + 90).numpy())
    noise = {**low, "dose": 0.5, "photons": 1e5, "already_noisy": True, "fields": 2}
    made = recipe("recorrupted", {"task.match": True}).with_setting(
        "noise", {"name": "low_dose", **noise}
    )
    seen = replace(volume(np.stack(slices)), geometry=Geometry.axial(4, (20, *spacing)))
    task = TASKS.make(made.task)
    told = [
        event.text
        for event in task.prepare(made, [seen], None, torch.device("cpu"))
        if isinstance(event, Note) and "was measured" in event.text
    ]
    assert float(told[0].split()[-1].rstrip(".")) == pytest.approx(2**0.5, rel=0.06)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_recorrupted_views_have_independent_noise_around_the_same_mean(strength: float) -> None:
    sd = 30.0
    settings = {"task.strength": strength, "task.match": False, "noise.sd": sd}
    task, _ = prepared("recorrupted", white(sd, size=96), settings)
    batches = [task.complete(batch, unchanged) for batch in drawn(task, 40)]
    one = torch.cat([batch.inputs for batch in batches]).flatten().double()
    other = torch.cat([batch.targets for batch in batches]).flatten().double()
    # var(y + a n) = sd^2 (1 + a^2), var(y - n / a) = sd^2 (1 + 1 / a^2), and no covariance.
    assert float(one.var()) == pytest.approx(sd**2 * (1 + strength**2), rel=0.03)
    assert float(other.var()) == pytest.approx(sd**2 * (1 + strength**-2), rel=0.03)
    assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.02
    assert float(one.mean() - other.mean()) == pytest.approx(0, abs=0.5)


def test_moving_the_target_is_the_regulariser_of_neighbor2neighbor() -> None:
    """The gradient is the article's over 1 + gamma, in exact numbers and for every weight."""
    gamma = 2.0
    rng = np.random.default_rng(1)
    hu = white(20) + rng.normal(0, 60, (12, 8, 8)).astype(np.float32).repeat(8, 1).repeat(8, 2)
    task, made = prepared("neighbor2neighbor", hu, {"task.gamma": gamma, "task.augment": False})
    plain = TASKS.make(made.with_setting("task.gamma", 0).task)
    finish(plain.prepare(made, [volume(hu)], None, torch.device("cpu")))
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)

    def answer(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            output: Tensor = network(inputs / 100) * 100
        return output

    batch = drawn(task, 1)[0]
    moved = task.complete(batch, answer)
    halves = plain.complete(drawn(plain, 1)[0], answer)
    assert torch.equal(moved.inputs, halves.inputs)
    # What splits an image splits the network's answer to it.
    outputs = answer(batch.inputs)
    own = plain.complete(replace(batch, inputs=outputs, targets=outputs), answer)
    difference = own.inputs - own.targets

    def gradient(loss: Tensor) -> Tensor:
        return torch.cat(
            [part.flatten() for part in torch.autograd.grad(loss, [*network.parameters()])]
        )

    residual = network(halves.inputs / 100) - halves.targets / 100
    article = residual.square().mean() + gamma * (residual - difference / 100).square().mean()
    here = (network(moved.inputs / 100) - moved.targets / 100).square().mean()
    torch.testing.assert_close(
        gradient(here) * (1 + gamma), gradient(article), rtol=1e-4, atol=1e-5
    )


def test_the_held_out_patches_of_neighbor2neighbor_do_not_follow_the_network() -> None:
    task, _ = prepared("neighbor2neighbor", white(20), {"task.gamma": 2.0})
    for batch in task.held_out:
        judged = task.complete(batch, lambda inputs: 1e3 * inputs)
        assert float(judged.targets.abs().max()) < 200


def test_the_halves_are_edge_sharing_pixels_of_one_cell() -> None:
    size = 64
    rows, columns = np.mgrid[:size, :size]
    hu = np.stack([100.0 * rows + columns] * 8).astype(np.float32) - 1000
    settings = {"task.gamma": 0, "task.augment": False}
    task, _ = prepared("neighbor2neighbor", hu, settings)
    seen = set()
    for batch in drawn(task):
        halves = task.complete(batch, unchanged)
        seen |= set((halves.targets - halves.inputs).flatten().tolist())
        # Cells lie side by side: inputs of neighbouring cells are one to three pixels apart.
        steps = halves.inputs[..., 1:, :] - halves.inputs[..., :-1, :]
        assert float(steps.min()) >= 99
        assert float(steps.max()) <= 301
    assert seen == {1.0, -1.0, 100.0, -100.0}


@pytest.mark.parametrize("direction", ["none", "horizontal", "vertical"])
def test_a_blind_spot_shows_nothing_of_its_pixel(direction: str) -> None:
    """Of pixels that are alike along an arm nothing is left at the arm, and much elsewhere."""
    settings = {"task.direction": direction, "task.arm_px": 2, "task.augment": False}
    task, _ = prepared("noise2void", white(30), settings)
    batches = drawn(task, 16)
    inputs = torch.cat([batch.inputs for batch in batches])
    targets = torch.cat([batch.targets for batch in batches])
    masks = [batch.mask for batch in batches if batch.mask is not None]
    mask = torch.cat(masks)
    assert len(masks) == len(batches)
    assert 0 < float(mask.float().mean()) < 0.1
    pair = torch.stack([inputs[mask], targets[mask]]).double()
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.05
    # The pixels beside a blind one along the arm are replaced as well.
    down, across = {"horizontal": (0, 1), "vertical": (1, 0), "none": (0, 1)}[direction]
    beside = mask.roll((down, across), (-2, -1))
    beside[..., :2, :] = beside[..., :, :2] = False
    kept = float((inputs[beside] == targets[beside]).float().mean())
    assert kept > 0.8 if direction == "none" else kept < 0.1


def test_the_loss_is_the_mean_over_the_mask() -> None:
    trainee = Trainee(recipe("noise2void", {}), torch.device("cpu"))
    trainee.begin(trainee.recipe.phases[0])
    generator = torch.Generator().manual_seed(1)
    prediction, target = (50 * torch.randn(4, 1, 16, 16, generator=generator) for _ in range(2))
    mask = torch.rand(prediction.shape, generator=generator) < 0.05
    values: dict[str, Tensor] = {}
    trainee.objective(prediction, Batch(prediction, target, mask), values)
    expected = ((prediction - target)[mask] / 100).square().mean()
    assert float(values["loss"]) == pytest.approx(float(expected), rel=1e-5)
    trainee.objective(prediction, Batch(prediction, target, torch.zeros_like(mask)), values)
    assert float(values["loss"]) == 0


def test_where_neighbouring_slices_differ_nothing_is_learnt() -> None:
    """A bright block in every other slice is left out; its surroundings are not."""
    hu = white(10, size=96)
    hu[::2, 40:56, 40:56] += 400
    task, _ = prepared("neighbouring_slices", hu, {"task.augment": False})
    differing = kept = 0
    for batch in drawn(task, 30):
        assert batch.mask is not None
        assert float((batch.targets - batch.inputs)[batch.mask].abs().max()) < 150
        differing += int((~batch.mask).sum())
        kept += int(batch.mask.sum())
    assert differing > 0
    assert kept > 3 * differing


def test_neighbouring_slices_are_never_taken_across_the_split() -> None:
    # Every slice has its own grey, so that inputs and targets tell their slices.
    flat = np.stack([np.full((64, 64), 5.0 * z, np.float32) for z in range(24)])
    task, _ = prepared("neighbouring_slices", flat, {})

    def slices(batches: list[Batch]) -> set[int]:
        images = torch.cat([torch.cat([b.inputs, b.targets]) for b in batches])
        return {round(float(image.mean()) / 5) for image in images}

    learnt = slices(drawn(task, 60))
    judged = slices(list(task.held_out))
    held = {pair.index for pair in task.validation}
    assert len(learnt) >= 16
    assert held
    assert held <= judged
    assert not learnt & judged
