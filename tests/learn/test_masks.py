"""Learning from images and masks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Preview, Step, Validation, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.overlap import dice
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.masks import Masks
from ctstudio.learn.models import MODELS
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.run_folder import read_metrics, read_previews
from ctstudio.learn.segment import decide
from ctstudio.learn.train import train
from ctstudio.workflows.denoise import method_from

SLICES, SIDE = 8, 48


def volume(values: np.ndarray, unit: str = "HU") -> Volume:
    count = len(values)
    geometry = Geometry.axial(count, (3, 0.7, 0.7))
    return Volume(values.astype(np.int16), np.ones(count), np.zeros(count), unit, geometry)


def disc() -> tuple[Volume, Volume]:
    """Discs of 300 HU in noise, and where they are; a small ring of class 2 lies around each."""
    draw = np.random.default_rng(3)
    hu = draw.normal(0, 20, (SLICES, SIDE, SIDE))
    labels = np.zeros((SLICES, SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    for z in range(SLICES):
        centre = draw.uniform(16, 32, 2)
        radius = np.hypot(y - centre[0], x - centre[1])
        labels[z][radius < 10] = 2
        labels[z][radius < 8] = 1
        hu[z][radius < 8] += 300
        hu[z][(radius >= 8) & (radius < 10)] -= 300
    return volume(hu), volume(labels, "")


def recipe(**more: object) -> Recipe:
    made = bundled()["unet-masks"]
    settings: dict[str, object] = {
        "phases.0.steps": 40,
        "phases.0.model.classes": 3,
        "phases.0.model.features": 8,
        "phases.0.model.depth": 2,
        "phases.0.optimiser.lr": 0.01,
        "patch_px": 32,
        "batch": 4,
        "stopping.seconds": 0,
        "validation.every_steps": 20,
        "ema": 0.8,
        "device": "cpu",
    }
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


def test_a_network_learns_to_tell_classes(tmp_path: Path) -> None:
    images, masks = disc()
    run = tmp_path / "run"
    events = list(train(recipe(), [images], targets=[masks], run_folder=run))
    judged = [e for e in events if isinstance(e, Validation)]
    assert judged[-1].metrics["dice"] > 0.8
    assert "classes" in judged[-1].protocol
    shown = [e for e in events if isinstance(e, Preview)][-1]
    assert shown.labels
    truth = masks.slice_hu(shown.slice)
    assert np.array_equal(shown.panels["target"], truth)
    prediction = shown.panels["reconstruction"]
    assert set(np.unique(prediction)) <= {0, 1, 2}
    assert np.array_equal(shown.panels["residual"], prediction - truth)
    assert checkpoint.load(run / "best.pt").metrics["held_out"] == 1
    kept = list(read_previews(run))[-1]
    assert kept.labels
    assert np.array_equal(kept.panels["residual"], prediction - truth)
    rows = [row for row in read_metrics(run) if row["protocol"]]
    assert float(rows[-1]["dice"]) == pytest.approx(judged[-1].metrics["dice"], rel=1e-4)
    with pytest.raises(StudioError, match="does not denoise"):
        method_from(run)


def test_it_resumes_exactly(tmp_path: Path) -> None:
    images, masks = disc()
    made = recipe(**{"phases.0.steps": 8, "phases.0.model.features": 4})
    whole = finish(train(made, [images], targets=[masks], run_folder=tmp_path / "whole"))
    work = train(made, [images], targets=[masks], run_folder=tmp_path / "run")
    next(e for e in work if isinstance(e, Step) and e.step == 5)
    work.close()
    finish(train(made, [images], targets=[masks], run_folder=tmp_path / "run", resume=True))
    one, other = (
        checkpoint.load(tmp_path / name / "last.pt").module.state_dict()
        for name in ("whole", "run")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.step <= 8


def prepared(images: Volume, masks: Volume, **settings: Any) -> Masks:
    task = Masks(**settings)
    made = recipe(**{"batch": 64, "patch_px": 16})
    finish(task.prepare(made, [images], None, torch.device("cpu"), targets=[masks]))
    return task


def test_patches_and_masks_are_cut_from_the_same_place() -> None:
    _images, masks = disc()
    # What the mask is can be read from the image itself.
    task = prepared(volume(masks.hu() * 100), masks)
    for batch in task.draw(torch.Generator().manual_seed(1), 3):
        assert batch.targets.dtype == torch.int64
        assert torch.equal(batch.inputs, batch.targets.float() * 100)


@pytest.mark.parametrize(("foreground", "least", "most"), [(0.0, 0.0, 0.2), (1.0, 1.0, 1.0)])
def test_patches_are_drawn_around_what_is_rare(
    foreground: float, least: float, most: float
) -> None:
    labels = np.zeros((SLICES, 96, 96))
    labels[:, 20:22, 70:72] = 1
    task = prepared(volume(labels), volume(labels, ""), foreground=foreground, body_share=0)
    [batch] = task.draw(torch.Generator().manual_seed(1), 1)
    share = float((batch.targets == 1).flatten(1).any(1).float().mean())
    assert least <= share <= most


def test_black_and_white_pictures_are_two_classes() -> None:
    images, masks = disc()
    task = prepared(images, volume((masks.hu() > 0) * 255, ""))
    target = task.preview.target
    assert target is not None
    assert set(target.unique().tolist()) == {0.0, 1.0}


def test_masks_that_do_not_fit_are_refused() -> None:
    images, masks = disc()
    with pytest.raises(StudioError, match="no mask to learn from"):
        finish(train(recipe(), [images]))
    with pytest.raises(StudioError, match="Series and masks do not make pairs: 2 and 1"):
        finish(train(recipe(), [images] * 2, targets=[masks]))
    with pytest.raises(StudioError, match="different sizes"):
        finish(train(recipe(), [images], targets=[volume(masks.hu()[:, :40], "")]))
    with pytest.raises(StudioError, match=r"class 1\d\d\d"):
        finish(train(recipe(), [images], targets=[volume(masks.hu() * 900, "")]))
    with pytest.raises(StudioError, match="has a class 2, the network tells 2"):
        finish(train(recipe(**{"phases.0.model.classes": 2}), [images], targets=[masks]))
    # The greatest class of all slices, learnt from or held out, and of all series is told at once.
    few = recipe(**{"phases.0.model.classes": 2})
    for rising in ([masks], [masks, masks]):
        labels = rising[-1].hu() + (rising[-1].hu() > 0) * np.arange(SLICES)[:, None, None]
        rising[-1] = volume(labels, "")
        with pytest.raises(StudioError, match=f"series {len(rising)} has a class 9, ") as told:
            finish(train(few, [images] * len(rising), targets=rising))
        assert "classes to 10 " in told.value.hint
    named = replace(images, source=Source(description="lung.png"))
    with pytest.raises(StudioError, match=r"series 1 \(lung.png\) is not made of class numbers"):
        finish(train(recipe(), [named], targets=[volume(images.hu(), "")]))


def test_masks_that_mark_nothing_are_no_lesson(tmp_path: Path) -> None:
    images, masks = disc()
    empty = volume(masks.hu() * 0, "")
    with pytest.raises(StudioError, match=r"Nothing is marked in the mask of series 1\."):
        finish(train(recipe(), [images], targets=[empty], run_folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(StudioError, match="in the masks of all 2 series"):
        finish(train(recipe(), [images] * 2, targets=[empty, empty]))
    # One of several may be empty: lungs without a tumour are a lesson, too.
    short = recipe(**{"phases.0.steps": 1})
    assert finish(train(short, [images] * 2, targets=[empty, masks])).step == 1


def test_what_holds_of_all_series_is_noted_once() -> None:
    images, masks = disc()
    large = recipe(**{"phases.0.steps": 1, "patch_px": 96})
    events = list(train(large, [images] * 3, targets=[masks] * 3))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert len([text for text in notes if text.startswith("The patches are 48 px")]) == 1


def test_networks_and_losses_go_with_their_task() -> None:
    images, masks = disc()
    for path, value in (("phases.0.model", "dncnn"), ("phases.0.losses.1", "mse")):
        made = recipe().with_setting(path, value)
        with pytest.raises(StudioError, match=rf"{path}.* is for HU".replace(".0", r"\.0")):
            finish(train(made, [images], targets=[masks]))
    made = bundled()["dncnn-gaussian"].with_setting("phases.0.losses.0", "dice")
    with pytest.raises(StudioError, match="is for classes"):
        finish(train(made, [images]))


def test_dice_counts_pixels_and_leaves_out_what_is_not_annotated() -> None:
    truth = np.array([[1, 1, 0, -1], [2, 0, 0, -1]], np.float32)
    found = np.array([[1, 0, 1, 1], [2, 0, 0, 2]], np.float32)
    # Class 1: one of two found, one too many; class 2: found.
    assert dice([found], [truth]) == pytest.approx((2 * 1 / (2 + 2) + 1) / 2)
    assert dice([np.zeros((2, 2), np.float32)], [np.zeros((2, 2), np.float32)]) == 1.0


def test_one_channel_asks_inside_or_not() -> None:
    logits = torch.tensor([-1.0, 2.0]).view(1, 1, 1, 2)
    assert decide(logits).tolist() == [[[0, 1]]]
    both = torch.tensor([[0.0, 3.0], [1.0, 1.0]]).view(1, 2, 1, 2)
    assert decide(both).tolist() == [[[1, 0]]]


@pytest.mark.parametrize("size", [(31, 45), (64, 64), (8, 130)])
def test_the_u_net_takes_any_size(size: tuple[int, int]) -> None:
    network: Any = MODELS.make(Choice("unet", {"classes": 3, "features": 4}))
    logits: Tensor = network(torch.randn(2, 1, *size) * 300)
    assert logits.shape == (2, 3, *size)
    count = sum(p.numel() for p in network.parameters())
    # By hand: convolutions 3 x 3 without a constant, two weights a channel of each normalisation.
    widths = [4, 8, 16, 32]
    expected = sum(
        9 * (before * after + after * after) + 4 * after
        for before, after in zip([1, *widths], widths, strict=False)
    )
    expected += sum(
        4 * wide * narrow + narrow + 9 * (2 * narrow * narrow + narrow * narrow) + 4 * narrow
        for narrow, wide in itertools.pairwise(widths)
    )
    assert count == expected + 4 * 3 + 3
