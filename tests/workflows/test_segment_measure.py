"""Numbers of reproduced masks: the mean mask as a rival, sights, and plans fitted to masks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.events import finish
from ctstudio.ct.labels import label_map
from ctstudio.ct.overlap import auc
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.workflows.reproduce import segment_measure as measure
from ctstudio.workflows.reproduce.experiments import find
from ctstudio.workflows.reproduce.plan import Wish
from ctstudio.workflows.reproduce.segment_data import MaskData, load_masks
from ctstudio.workflows.reproduce.segment_judge import cost_ratio
from ctstudio.workflows.reproduce.segment_measure import Answers
from ctstudio.workflows.reproduce.segment_plan import plan_runs, thickness_px
from ctstudio.workflows.reproduce.segment_report import in_short

SIDE = 64
Y, X = np.mgrid[:SIDE, :SIDE]


def discs(radius: int, count: int = 6) -> list[np.ndarray]:
    """Discs that move about."""
    return [
        np.asarray((Y - 26 - 2 * k) ** 2 + (X - 30 - k) ** 2 < radius**2, np.float32)
        for k in range(count)
    ]


def data_of(masks: list[np.ndarray]) -> MaskData:
    geometry = Geometry.axial(1)
    images = tuple(Volume.from_hu(200 * mask[None] - 100, geometry) for mask in masks)
    maps = tuple(label_map(mask[None], geometry, Source()) for mask in masks)
    return MaskData(images, maps, True, "discs", 1 / 3)


def test_the_mean_mask_is_smoothed_and_cut_where_it_is_best() -> None:
    # Discs at chance: what lies between them is as likely as what they cover.
    random = np.random.default_rng(2)
    places = random.integers(16, SIDE - 16, (9, 2))
    truths = [np.asarray((Y - y) ** 2 + (X - x) ** 2 < 36, np.float32) for y, x in places]
    mean = measure.mean_mask(truths[:6], 3)
    assert mean is not None
    assert len(mean.found) == len(mean.inside) == 3
    plain = np.stack(truths[:6]).mean(0)

    def told(inside: np.ndarray) -> float:
        return auc(np.stack([inside] * 3), np.stack(truths[6:]) > 0)

    assert told(mean.inside[0]) > told(plain) + 0.02
    assert mean.inside[0].mean() == pytest.approx(plain.mean(), rel=0.05)
    stack = np.stack(truths[:6])

    def pooled(found: np.ndarray) -> float:
        return 2 * np.sum(found * stack) / (6 * found.sum() + stack.sum())

    best = max(pooled(mean.inside[0] > cut) for cut in np.linspace(0, mean.inside[0].max(), 99))
    assert pooled(mean.found[0]) >= best - 0.01
    assert measure.mean_mask([np.zeros((4, 5)), np.zeros((5, 4))], 2) is None


@pytest.mark.parametrize(
    ("dice", "auc", "words"),
    [
        (0.6, 0.96, "clearly above the mean mask (0.25, 0.79)."),
        (0.28, 0.83, "a little above the mean mask (0.25, 0.79)."),
        (0.25, 0.79, "no better than the mean mask (0.25, 0.79)."),
        (0.1, 0.6, "below the mean mask (0.25, 0.79)."),
        (0.4, 0.7, "above the mean mask in Dice, below it in AUC (0.25, 0.79)."),
        (0.0, None, "below the mean mask (0.25, 0.79)."),
    ],
)
def test_a_report_says_in_short_what_its_numbers_say(
    dice: float, auc: float | None, words: str
) -> None:
    one = {"epochs": None, "numbers": {"dice": dice, "auc": auc, "found": 1.2, "sameness": 0.1}}
    told = {"mean_mask": {"dice": 0.25, "auc": 0.79}, "forms": {"repaired": one}}
    assert in_short(told).endswith(words)


def test_a_report_says_in_short_what_was_seen_and_how_long_it_ran() -> None:
    numbers = {"dice": 0.0, "auc": 0.5, "found": 0.0, "sameness": None}
    told = {
        "article_epochs": 100,
        "mean_mask": {},
        "forms": {"faithful": {"epochs": 20.0, "numbers": numbers}},
    }
    assert in_short(told) == (
        "- **As in the article:** Dice 0, AUC 0.5; black masks. It ran for 20 of the article's "
        "100 epochs, so what comes late may be missing."
    )
    told["forms"]["faithful"]["epochs"] = 100.0
    assert in_short(told).endswith("black masks.")


def test_sights() -> None:
    truths = discs(12)
    black = Answers([t * 0 for t in truths], [t * 0 + 0.01 * k for k, t in enumerate(truths)])
    right = Answers(truths, truths)
    same = Answers([truths[0]] * 6, [truths[0] + 0.001 * k for k in range(6)])
    spacings = [(1.0, 1.0)] * 6
    seen = {}
    for name, answers in {"black": black, "right": right, "same": same}.items():
        told = measure.numbers(answers, truths, spacings) | {"cost": 0.9}
        assert {type(value) for value in told.values()} == {float}
        # As a report's JSON has them, whatever type of float a measure comes with.
        alien = {key: np.float64(value) for key, value in told.items()}
        json.dumps([sight.holds(alien) for sight in measure.SIGHTS.values()])
        held = {key for key, sight in measure.SIGHTS.items() if sight.holds(told)}
        seen[name] = held - {"cost falls little"}
        assert "cost falls little" in held
    assert seen == {"black": {"black masks", "same mask"}, "right": set(), "same": {"same mask"}}
    told = measure.numbers(right, truths, spacings)
    assert (told["dice"], told["auc"], told["found"], told["hd95_mm"]) == (1, 1, 1, 0)
    assert math.isnan(measure.sameness([truths[0]]))


def test_the_cost_is_compared_between_the_ends(make_run) -> None:
    # The loss of this run is 1 / step.
    run: Path = make_run("a", labels=True, steps=40)
    want = np.mean([1 / k for k in range(37, 41)]) / np.mean([1 / k for k in range(1, 5)])
    assert cost_ratio(run) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(("radius", "least", "most"), [(1, 1, 3), (12, 10, 14)])
def test_thickness(radius: int, least: float, most: float) -> None:
    assert least <= thickness_px(data_of(discs(radius))) <= most


def test_a_plan_fits_the_masks() -> None:
    thick, thin = data_of(discs(12)), data_of(discs(2))
    wish = Wish(epochs=3, minutes=2, device="cpu")
    runs = plan_runs(find("dilated-fcn-article"), thick, wish)
    faithful, repaired = runs["faithful"], runs["repaired"]
    assert faithful.epoch_steps == 2  # four pictures, two at a time
    assert faithful.recipe.total_steps == 6
    assert faithful.recipe.cadence.preview_every_steps == 2
    assert repaired.recipe.stopping.seconds == 120
    assert faithful.slices == repaired.slices == 4
    assert {run.recipe.validation.share for run in runs.values()} == {1 / 3}
    assert faithful.recipe.phases[0].model.params["shrink"] == 1
    assert not faithful.recipe.phases[0].model.params["calm"]
    assert repaired.recipe.phases[0].model.params["shrink"] == 1
    assert repaired.recipe.patch_px == SIDE  # no larger than the images
    less = plan_runs(find("dilated-fcn-article"), thick, Wish(epochs=1, slices=2))
    assert (less["faithful"].slices, less["repaired"].slices) == (2, 4)
    voxels = plan_runs(find("lai-single"), thin, wish)["repaired"].recipe
    assert voxels.task.params["balance"] == pytest.approx(0.3)


def test_the_phantoms_lungs_are_what_is_shown_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    from ctstudio.workflows.reproduce import segment_data

    monkeypatch.setattr(segment_data, "DEMO_SLICES", 6)
    monkeypatch.setattr(segment_data, "DEMO_PX", 96)
    data = finish(load_masks(None))
    assert [label.name for label in data.labels] == ["Lung"]
    inside = data.truth((0, 3)) > 0
    assert 0.05 < inside.mean() < 0.5
    assert np.median(data.image((0, 3))[inside]) < -600


def test_the_cut_is_the_best_of_all() -> None:
    random = np.random.default_rng(0)
    truths = [np.asarray(random.random((12, 15)) < 0.2, np.int8) for _ in range(2)]
    inside = [np.round(0.3 * t + random.random(t.shape), 2).astype(np.float32) for t in truths]
    truths[0][:3] = -1
    cut = measure.best_cut(inside, truths)
    answers = Answers(inside, inside)
    every = [measure.dice_at(answers, truths, c) for c in np.arange(-0.005, 1.4, 0.01)]
    assert measure.dice_at(answers, truths, cut) == pytest.approx(max(every))
