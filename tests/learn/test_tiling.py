"""Tiles: how they are cut, that seams are not seen, and what happens when the memory is short."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Closed, Note, Progress, Work, closing_when
from ctstudio.core.registry import Choice
from ctstudio.learn import receptive_field, tiling
from ctstudio.learn.models import MODELS
from ctstudio.learn.models.noise_predictor import NoisePredictor
from ctstudio.learn.receptive_field import ReceptiveField
from ctstudio.learn.recipe import bundled
from ctstudio.learn.tiling import Tiler

CPU = torch.device("cpu")


def random_network(choice: Choice) -> nn.Module:
    """A network that does something; those which at first predict no noise get weights for it."""
    torch.manual_seed(3)
    module: nn.Module = MODELS.make(choice).eval()
    if isinstance(module, NoisePredictor):
        with torch.no_grad():
            for parameter in module.parameters():
                if not parameter.any():
                    parameter.normal_(0, (2 / max(1, parameter[0].numel())) ** 0.5)
    return module


class Double(nn.Module):
    """Another network, calculated so exactly that tiles of every size do the same."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hu: Tensor) -> Tensor:
        output: Tensor = self.inner.double()(hu.double())
        return output.to(hu.dtype)


def image(*shape: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 200, shape).astype(np.float32)


def drain(work: Work[np.ndarray]) -> tuple[np.ndarray, list[object]]:
    events: list[object] = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as stop:
            return stop.value, events


class Blur(nn.Module):
    """Takes the mean of ``2 * reach + 1`` squared pixels, and counts what it was given."""

    def __init__(self, reach: int = 3, limit: int = 10**9) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1, 2 * reach + 1, 2 * reach + 1), 0.02))
        self.reach, self.limit = reach, limit
        self.seen: list[tuple[int, int]] = []

    def forward(self, hu: Tensor) -> Tensor:
        if hu.numel() > self.limit:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        self.seen.append((hu.shape[-2], hu.shape[-1]))
        return F.conv2d(hu, self.weight, padding=self.reach)


class Everything(nn.Module):
    """Each pixel depends on all."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, hu: Tensor) -> Tensor:
        return hu - self.gain * hu.mean(dim=(-2, -1), keepdim=True)


class Pooled(nn.Module):
    """Down by two and by two again, and up."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, hu: Tensor) -> Tensor:
        rows, columns = hu.shape[-2:]
        small = F.max_pool2d(F.pad(hu, (0, -columns % 4, 0, -rows % 4), mode="replicate"), 4)
        return hu - F.interpolate(self.mix(small), scale_factor=4.0)[..., :rows, :columns]


@pytest.mark.parametrize(
    ("make", "reach", "period"),
    [
        (lambda: Blur(3), 3, 1),
        (lambda: Blur(20), 20, 1),
        (lambda: nn.Sequential(Blur(2), nn.ReLU(), Blur(5)), 7, 1),
        (lambda: nn.Conv2d(1, 1, 3, padding=4, dilation=4), 4, 1),
        (Pooled, 4, 4),
        (nn.Identity, 0, 1),
    ],
)
def test_receptive_fields_in_closed_form(
    make: Callable[[], nn.Module], reach: int, period: int
) -> None:
    assert receptive_field.measure(make()) == ReceptiveField(reach, period)


@pytest.mark.parametrize("depth", [2, 6])
@pytest.mark.parametrize("unshuffle", [1, 2, 4])
def test_the_receptive_field_of_dncnn(depth: int, unshuffle: int) -> None:
    settings = {"depth": depth, "features": 4, "unshuffle": unshuffle, "high_pass_px": 0}
    field = receptive_field.measure(MODELS.make(Choice("dncnn", settings)))
    assert field == ReceptiveField(depth * unshuffle, unshuffle)
    # A cell's means are interpolated from the neighbouring means, each over pixels of its own.
    settings["high_pass_px"] = 16
    field = receptive_field.measure(MODELS.make(Choice("dncnn", settings)))
    assert field == ReceptiveField(16 + depth * unshuffle, 16) or (depth * unshuffle > 16)


def test_what_cannot_be_tiled_exactly_is_known() -> None:
    assert receptive_field.measure(Everything()) is None


@pytest.mark.parametrize(
    ("length", "tile", "margin", "period"),
    [(512, 200, 20, 1), (513, 200, 64, 32), (100, 200, 8, 4), (1000, 33, 16, 1), (97, 40, 8, 8),
     (64, 63, 0, 1), (301, 96, 32, 32)],
)  # fmt: skip
def test_cuts(length: int, tile: int, margin: int, period: int) -> None:
    pieces = tiling.cut(length, tile, margin, period)
    assert max(p.stop - p.start for p in pieces) <= max(tile, 2 * margin + period)
    cores = np.concatenate([np.arange(p.core_start, p.core_stop) for p in pieces])
    np.testing.assert_array_equal(cores, np.arange(length))
    for piece in pieces:
        assert piece.start % period == 0
        assert piece.start == max(0, piece.core_start - margin)
        assert piece.stop == min(length, piece.core_stop + margin)
    for ramp in {0, margin // 2, margin}:
        total = np.zeros(length)
        for piece, share in zip(pieces, tiling.weights(pieces, ramp), strict=True):
            total[piece.start : piece.stop] += share
            far = np.arange(piece.start, piece.stop)
            outside = (far < piece.core_start - ramp) | (far >= piece.core_stop + ramp)
            assert (share[outside] == 0).all()
        np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_ramps_are_linear() -> None:
    pieces = tiling.cut(40, 36, 8, 1)
    first, second = tiling.weights(pieces, 8)
    assert pieces[0].core_stop == 20
    np.testing.assert_allclose(first[:12], 1)
    np.testing.assert_allclose(np.diff(first[12:28]), -1 / 16, rtol=1e-5)
    np.testing.assert_allclose(first[12:28] + second[:16], 1, rtol=1e-6)


MODEL_CHOICES = (recipe.phases[-1].model for recipe in bundled().values())
# Those whose weights begin as N(0, 1), as in the articles, multiply up to where no digit is sure.
SHIPPED = {
    repr(choice): choice
    for choice in MODEL_CHOICES
    if not MODELS[choice.name].tags & {"labels", "whole"} and choice.params.get("first_sd") != 1
}.values()


@pytest.mark.parametrize("choice", SHIPPED)
def test_shipped_networks_in_tiles_are_as_in_one_piece(choice: Choice) -> None:
    module = random_network(choice)
    field = receptive_field.measure(module)
    assert field is not None
    side = max(192, 2 * field.margin_px + 64)  # room for a core between the margins
    hu = image(side + 109, side + 45)
    whole = tiling.infer(module, hu, CPU)
    budget = int(tiling.bytes_a_pixel(module, CPU) * side**2)
    tiled, events = drain(Tiler(module, CPU, budget_bytes=budget).run(hu))
    assert sum(isinstance(e, Progress) for e in events) >= 4
    assert not any(isinstance(e, Note) for e in events)
    # float32 has relative errors; a network that has learnt changes an image by about 25 HU.
    change = float((whole - hu).std())
    assert change > 1
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=0.01 * max(1, change / 25))


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 3, "features": 4, "unshuffle": 1, "high_pass_px": 0, "norm": "batch"},
        {"depth": 3, "features": 4, "unshuffle": 4, "high_pass_px": 24, "bias": True},
        {"depth": 2, "features": 4, "unshuffle": 2, "high_pass_px": 6},
    ],
)
def test_other_settings_too(settings: dict[str, object]) -> None:
    module = Double(random_network(Choice("dncnn", settings)))
    hu = image(187, 95)
    budget = int(tiling.bytes_a_pixel(module, CPU) * 100**2)
    tiled, events = drain(Tiler(module, CPU, budget_bytes=budget).run(hu))
    assert len(events) > 1
    np.testing.assert_allclose(tiled, tiling.infer(module, hu, CPU), rtol=0, atol=1e-3)


def test_a_margin_too_small_is_told_and_faded() -> None:
    module, hu = Blur(20), image(200, 90)
    whole = tiling.infer(module, hu, CPU)
    tiled, events = drain(Tiler(module, CPU, budget_bytes=0, margin_px=8).run(hu))
    notes = [e.text for e in events if isinstance(e, Note)]
    assert len(notes) == 1
    assert "differs" in notes[0]
    assert np.abs(tiled - whole).max() > 1
    # A difference that is faded has no step: neighbours across a seam stay as near as elsewhere.
    assert np.abs(np.diff(tiled, axis=0)).max() < 1.5 * np.abs(np.diff(whole, axis=0)).max()


def test_what_looks_at_everything_is_tiled_with_a_note() -> None:
    tiled, events = drain(Tiler(Everything(), CPU, budget_bytes=0).run(image(300, 300)))
    assert sum(isinstance(e, Note) for e in events) == 1
    assert np.isfinite(tiled).all()


def test_tiles_are_the_largest_that_fit_the_budget() -> None:
    module = Blur(3)
    each = tiling.bytes_a_pixel(module, CPU)
    budget = int(each * 100 * 100)
    module.seen.clear()
    drain(Tiler(module, CPU, budget_bytes=budget).run(image(300, 180)))
    probe, *tiles = module.seen
    assert max(max(shape) for shape in tiles) <= 100
    assert len(tiles) == 4 * 2  # cores of at most 94 pixels
    assert probe == (tiling.PROBE_PX, tiling.PROBE_PX)
    module.seen.clear()
    drain(Tiler(module, CPU, budget_bytes=int(each * 300 * 180) + 1).run(image(300, 180)))
    assert module.seen == [(300, 180)]


def test_bytes_are_counted() -> None:
    # The input, and what comes out of it; the first layer's result is alive with the second's.
    network = nn.Sequential(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 4, 1))
    each = tiling.bytes_a_pixel(network, CPU)
    assert each == 4 * (8 + 4)


def test_usual_slices_stay_whole() -> None:
    module = random_network(bundled()["dncnn-low-dose"].phases[-1].model)
    _, events = drain(Tiler(module, CPU).run(image(512, 512)))
    assert events == [Progress(1, 1)]


def test_out_of_memory_halves_the_tile_and_goes_on() -> None:
    module, hu = Blur(3), image(150, 200)
    whole = tiling.infer(module, hu, CPU)
    drain(Tiler(module, CPU, budget_bytes=0).run(hu))  # what is measured is not limited
    module.limit = 60 * 60
    tiler = Tiler(module, CPU, budget_bytes=10**12)
    tiled, events = drain(tiler.run(hu))
    notes = [e.text for e in events if isinstance(e, Note)]
    assert len(notes) == 2
    assert "100 x 100" in notes[0]
    assert "50 x 50" in notes[1]
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-3)
    # The next image begins with what was learnt.
    _, events = drain(tiler.run(hu))
    assert not any(isinstance(e, Note) for e in events)


def test_no_memory_at_all_is_told() -> None:
    with pytest.raises(StudioError, match="not enough memory") as caught:
        drain(Tiler(Blur(3, limit=10), CPU).run(image(100, 100)))
    assert caught.value.hint


def test_other_errors_are_not_swallowed() -> None:
    class Broken(nn.Module):
        def forward(self, hu: Tensor) -> Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        drain(Tiler(Broken(), CPU).run(image(8, 8)))


def test_unwanted_tiles_are_left_out() -> None:
    module, hu = Blur(3), image(300, 100)
    wanted = np.zeros(hu.shape, bool)
    wanted[:20, :20] = True
    tiler = Tiler(module, CPU, budget_bytes=0)
    drain(tiler.run(hu))
    every = len(module.seen)
    module.seen.clear()
    tiled, events = drain(tiler.run(hu, wanted))
    assert len(module.seen) < every / 4
    assert sum(isinstance(e, Progress) for e in events) > len(module.seen)
    np.testing.assert_allclose(tiled[:20, :20], tiling.infer(module, hu, CPU)[:20, :20], atol=1e-3)


class Counted(nn.Module):
    """Twenty operations; ``done`` tells how many of them were begun."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1, 3, 3), 0.1))
        self.done = 0

    def forward(self, hu: Tensor) -> Tensor:
        for _ in range(20):
            self.done += 1
            hu = F.conv2d(hu, self.weight, padding=1)
        return hu


@pytest.mark.parametrize("compiled", [False, True])
def test_a_large_image_is_closed_between_two_operations(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hu, module = image(40, 40), Counted()
    if compiled:  # as after nn.Module.compile, which needs a compiler
        module._compiled_call_impl = module._call_impl
    expected = tiling.infer(module, hu, CPU)
    monkeypatch.setattr(tiling, "LARGE_PX", hu.size)
    np.testing.assert_array_equal(tiling.infer(module, hu, CPU), expected)
    module.done = 0
    with closing_when(lambda: module.done >= 5):
        if compiled:
            tiling.infer(module, hu, CPU)
            assert module.done == 20
            return
        with pytest.raises(Closed):
            tiling.infer(module, hu, CPU)
        assert module.done <= 6
        module.done = 0
        np.testing.assert_array_equal(tiling.infer(module, image(39, 40), CPU).shape, (39, 40))
        assert module.done == 20, "a small one is brought to its end"


def test_a_slice_that_is_closed_half_way_leaves_the_tiler_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiling, "LARGE_PX", 0)
    hu, module = image(40, 40), Counted()
    tiler = Tiler(module, CPU)
    expected, _ = drain(tiler.run(hu))
    module.done = 0
    with closing_when(lambda: module.done >= 5), pytest.raises(Closed):
        drain(tiler.run(hu))
    np.testing.assert_array_equal(drain(tiler.run(hu))[0], expected)
