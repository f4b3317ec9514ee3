"""A scan denoised by what is learnt from it alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, SliceReady, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import on_board
from ctstudio.learn.cards import Card
from ctstudio.learn.checkpoint import TrainedModel, build
from ctstudio.learn.noise import NOISES
from ctstudio.learn.on_board import OnBoard
from ctstudio.learn.publish import publish
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.recipe_parts import Stopping
from ctstudio.learn.train import train
from ctstudio.workflows import matched_noise, scan_alone
from ctstudio.workflows.denoise import NetworkMethod, method_from, method_from_model
from ctstudio.workflows.evaluation.cases import Case, Slice
from ctstudio.workflows.evaluation.contest import evaluate
from ctstudio.workflows.scan_alone import ScanAlone

SPACING = (1.5, 1.5)
TINY = Choice("dncnn", {"depth": 3, "features": 16})


def clean(slices: int, side: int) -> np.ndarray:
    """A disc of soft tissue with a bone and a lung, ``(z, y, x)`` HU without noise."""
    y, x = np.mgrid[:side, :side] - side / 2
    disc = np.where(y**2 + x**2 < (0.45 * side) ** 2, 40.0, -1000.0)
    disc[(y + side / 6) ** 2 + (x - side / 5) ** 2 < (side / 12) ** 2] = -800
    disc[(y - side / 4) ** 2 + x**2 < (side / 20) ** 2] = 400
    return np.repeat(disc[None], slices, 0).astype(np.float32)


def noisy(kernel: str, slices: int = 8, side: int = 128, **more: float) -> Volume:
    """A scan at a fifth of 100,000 photons; ``more`` are settings of its noise."""
    scanned = {"dose": 0.2, "already_noisy": False, "kernel": kernel, "photons": 1e5, **more}
    noise = NOISES.make(Choice("low_dose", scanned))
    truth = torch.from_numpy(clean(slices, side))
    hu = np.stack(
        [noise.slice(image, SPACING, seed=50 + z).numpy() for z, image in enumerate(truth)]
    )
    geometry = replace(Geometry.axial(slices), spacing_mm=SPACING)
    return Volume.from_hu(hu, geometry)


def alike(one: torch.nn.Module, other: torch.nn.Module) -> float:
    """The cosine between all weights of two networks."""
    weights = [torch.cat([w.detach().flatten() for w in net.parameters()]) for net in (one, other)]
    return float(torch.nn.functional.cosine_similarity(*weights, dim=0))


@pytest.fixture
def some_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network that learns for some steps, however long these take."""
    plain = ScanAlone._recipe

    def recipe(self: ScanAlone, noise: Choice, seconds: float) -> Recipe:
        made = plain(self, noise, seconds)
        assert made.stopping.seconds == round(seconds, 1)
        return replace(
            made, stopping=replace(made.stopping, seconds=0.0),
            phases=(replace(made.phases[0], steps=120),),
        )  # fmt: skip

    monkeypatch.setattr(ScanAlone, "_recipe", recipe)
    monkeypatch.setattr(scan_alone, "NETWORK", TINY)
    monkeypatch.setattr(matched_noise, "CUTOFFS", (1.0,))


def test_it_comes_nearer_to_the_truth(some_steps: None) -> None:
    scan, truth = noisy("hann", 8, 96), clean(8, 96)
    events, work = [], ScanAlone(6 / 60).denoise(scan, first=3)
    result = None
    while result is None:
        try:
            events.append(next(work))
        except StopIteration as stop:
            result = stop.value
    assert isinstance(events[0], Partial)
    assert events[0].value is result
    before, after = (np.abs(v.hu() - truth).mean() for v in (scan, result))
    assert after < 0.75 * before
    ready = [event.index for event in events if isinstance(event, SliceReady)]
    assert ready[0] == 3, "the slice on the screen shows how it learns"
    assert set(ready) == set(range(8))
    told = [event for event in events if isinstance(event, Progress)]
    assert all(event.total == 6 and event.done < 6 for event in told)
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert {"Learning from this scan", "Denoising all slices"} <= {e.text for e in told}
    assert result.derivation[-1].startswith("Learnt from this scan alone")


def test_a_network_on_board_comes_nearer_than_it_was(some_steps: None, tmp_path: Path) -> None:
    """What stands on board has learnt little, and of another noise."""
    recipe = bundled()["dncnn-gaussian"].with_setting("phases.0.model", TINY.to_dict())
    recipe = recipe.with_setting("phases.0.steps", 60).with_setting("seed", 7)
    recipe = replace(recipe, stopping=Stopping())
    model = finish(train(recipe, [noisy("ram-lak", 4, 96)]))
    file, _ = publish(model, tmp_path / "little", card=Card("little", "DnCNN", 1, 60))
    method = ScanAlone(6 / 60, OnBoard("little", file, Card.load(file.with_suffix(".json"))))
    scan, truth = noisy("hann", 8, 96), clean(8, 96)
    learnt, afresh = (finish(each.learnt(scan)) for each in (method, ScanAlone(6 / 60)))
    assert learnt.name == method.title == "little, 0.1 min on this scan"
    assert learnt.model.recipe.phases[-1].model == model.recipe.phases[-1].model
    near, far = (alike(model.module, each.model.module) for each in (learnt, afresh))
    assert far < 0.3 < 0.9 < near, "it has begun with the weights of the other"
    off = [
        np.mean([np.abs(one.denoise_slice(scan.slice_hu(z)) - truth[z]).mean() for z in range(8)])
        for one in (method_from_model(model), learnt)
    ]
    assert off[1] < off[0]


@pytest.mark.parametrize("spoilt", [True, False])
def test_what_leaves_more_noise_than_before_is_not_kept(
    spoilt: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the scan's noise is like none that is simulated, a network learns to keep it."""
    monkeypatch.setattr(scan_alone, "MORE_NOISE", 1.25)  # 60 steps take little noise away
    recipe = bundled()["dncnn-gaussian"].with_setting("phases.0.model", TINY.to_dict())
    recipe = replace(recipe.with_setting("phases.0.steps", 60), stopping=Stopping())
    scan = noisy("hann", 4, 96)
    good = finish(train(recipe, [scan]))
    idle = TrainedModel(recipe, build(recipe).eval(), 9)  # it takes no noise away yet
    before, after = (good, idle) if spoilt else (idle, good)
    file, _ = publish(before, tmp_path / "net", card=Card("net", "DnCNN", 1, 60))
    method = ScanAlone(6 / 60, OnBoard("net", file, Card.load(file.with_suffix(".json"))))
    events = []
    work = method._better(scan, after, scan_alone._Clock(6))
    while True:
        try:
            events.append(next(work))
        except StopIteration as stop:
            kept = stop.value
            break
    told = [event.text for event in events if isinstance(event, Note)]
    if spoilt:
        assert alike(kept.module, good.module) > 0.9999
        assert "net is used as it was" in told[0]
        now, was = (float(word) for word in re.findall(r"([\d.]+) HU", told[0]))
        assert now > 1.25 * was
    else:
        assert kept is after
        assert told == []


def test_a_network_of_several_slices_is_taken_as_it_is() -> None:
    several = OnBoard("slab", Path("slab.safetensors"), Card("slab", "DnCNN", 1, 1, neighbours=3))
    with pytest.raises(StudioError, match="slab looks at neighbouring slices"):
        ScanAlone(1, several)


def test_it_is_judged_beside_others(some_steps: None) -> None:
    scan, truth = noisy("hann", 4, 96), clean(4, 96)
    slices = tuple(Slice(z, scan.slice_hu(z)[None], truth[z]) for z in range(4))
    work = evaluate([Case("disc", "made", SPACING, slices)], [ScanAlone(6 / 60)], protocols=["A"])
    before, after, *_ = finish(work)
    assert after.method == "This scan alone, 0.1 min"
    assert after.parameters > 1000
    assert np.mean([row["psnr A"] for row in after.rows]) > np.mean(
        [row["psnr A"] for row in before.rows]
    )


def test_it_may_be_stopped_at_any_time() -> None:
    work = ScanAlone(0.2).denoise(noisy("hann", 4, 96))
    for _ in range(30):
        next(work)
    work.close()


def test_a_part_of_a_long_series_is_learnt_from() -> None:
    hu = np.arange(50, dtype=np.float32)[:, None, None] * np.ones((50, 4, 4), np.float32)
    part, at = scan_alone._some_slices(Volume.from_hu(hu, Geometry.axial(50)), 17, 10)
    assert len(part) == 10
    assert part.slice_hu(at)[0, 0] == 17
    assert part.geometry.positions_mm[at][2] == Geometry.axial(50).positions_mm[17][2]


def test_its_only_setting_is_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert method_from("scan-alone", {"minutes": "15"}) == ScanAlone(15)
    assert method_from("scan-alone") == ScanAlone(5)
    assert method_from("scan-alone-1") == ScanAlone(1)
    (network,) = (one for one in on_board.networks() if one.name == "chest-any-dose")
    assert method_from("chest-any-dose", {"minutes": "3"}) == ScanAlone(3, network)
    assert method_from("chest-any-dose-3") == ScanAlone(3, network)
    for name, settings in (
        ("chest-any-dose", {"minutes": "0.0"}), ("chest-any-dose", {}), ("chest-any-dose-0", {}),
    ):  # fmt: skip
        assert isinstance(method_from(name, settings), NetworkMethod)
    for name in ("chest-any-dose-5", "scan-alone-5"):
        with pytest.raises(StudioError, match="given twice: 5 and 3"):
            method_from(name, {"minutes": "3"})
    for method in (ScanAlone(3, network), ScanAlone(15)):
        assert method_from(scan_alone.text_of(method.title)) == method
    assert scan_alone.text_of("Total variation") == ""
    with pytest.raises(StudioError, match="chest-any-dose has no setting 'strength'"):
        method_from("chest-any-dose", {"strength": "3"})
    with pytest.raises(StudioError, match="no method 'chest-any-dose-fast'"):
        method_from("chest-any-dose-fast")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan-alone-5").mkdir()
    with pytest.raises(StudioError, match="holds no"):
        method_from("scan-alone-5")  # a folder of that name is that
    for settings in ({"strength": "3"}, {"minutes": "long"}, {"minutes": "0"}, {"minutes": "nan"}):
        with pytest.raises(StudioError):
            method_from("scan-alone", settings)
    with pytest.raises(StudioError, match="whole series"):
        ScanAlone().denoise_slice(np.zeros((8, 8), np.float32))
