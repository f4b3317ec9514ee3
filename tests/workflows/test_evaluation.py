"""Evaluations against closed forms, on slices that are drawn for it."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.ct.phantom import INSERTS, LIVER_HU, phantom
from ctstudio.ct.volume import Volume
from ctstudio.learn.checkpoint import TrainedModel, build
from ctstudio.learn.recipe import bundled
from ctstudio.workflows.denoise import method_from_choice, method_from_model
from ctstudio.workflows.evaluation import detect as detect_module
from ctstudio.workflows.evaluation import picture, table
from ctstudio.workflows.evaluation.cases import (
    Case,
    Slice,
    folder_names,
    paired,
    simulated,
)
from ctstudio.workflows.evaluation.contest import NOISY, evaluate, neighbours_of, titles_of
from ctstudio.workflows.evaluation.detect import detect
from ctstudio.workflows.evaluation.measure import Ground, mean, measure

SPACING = (0.8, 0.8)


def edges(sigma: float) -> np.ndarray:
    """Soft tissue beside a slanted edge of 300 HU, blurred by a Gaussian."""
    y, x = np.mgrid[:160, :160].astype(float)
    step = np.where(x + 0.2 * y > 96, 60.0, -240.0)
    return ndimage.gaussian_filter(step, sigma, mode="nearest").astype(np.float32)


def test_what_is_off_by_a_constant_has_that_bias_and_its_psnr() -> None:
    truth = edges(1.0)
    found = measure(truth + 5, truth, Ground.of(truth, SPACING), ["A", "full"])
    assert found["bias_hu"] == pytest.approx(5)
    assert found["rmse full"] == pytest.approx(5)
    assert found["psnr full"] == pytest.approx(20 * math.log10(4096 / 5))
    assert found["noise_sd_hu"] == pytest.approx(0, abs=1e-4)
    assert found["edge_width"] == pytest.approx(1, abs=0.01)


def test_noise_is_that_of_what_is_left() -> None:
    truth = edges(1.0)
    noise = np.random.default_rng(1).normal(0, 12, truth.shape)
    found = measure((truth + noise).astype(np.float32), truth, Ground.of(truth, SPACING), ["A"])
    assert found["noise_sd_hu"] == pytest.approx(12, rel=0.05)
    smooth = ndimage.gaussian_filter(noise, 2)
    coarse = measure((truth + smooth).astype(np.float32), truth, Ground.of(truth, SPACING), ["A"])
    assert coarse["noise_frequency"] < 0.4 * found["noise_frequency"]


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_edges_are_wider_by_the_ratio_of_their_blurs(sigma) -> None:
    """The MTF of a Gaussian falls to a half at a frequency that goes with 1 / sigma."""
    found = measure(edges(sigma), edges(sigma), Ground.of(edges(1.2), SPACING), ["A"])
    assert found["edge_width"] == pytest.approx(sigma / 1.2, rel=0.03)


def test_where_nothing_is_uniform_and_no_edge_stands_nothing_is_said() -> None:
    air = np.full((64, 64), -1000, np.float32)
    found = measure(air, air, Ground.of(air, SPACING), ["A"])
    assert math.isnan(found["bias_hu"])
    assert math.isnan(found["edge_width"])
    assert found["psnr A"] == math.inf


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        got = mean(draw.normal(7, 2, 25))
        held += got.low <= 7 <= got.high
    assert 0.88 < held / 200 <= 0.99  # percentile intervals of 25 values are a little narrow
    assert mean([math.nan, 4.0, 4.0]) == mean([4.0, 4.0])
    assert math.isnan(mean([math.nan]).value)


@pytest.fixture(scope="module")
def volume():
    return finish(phantom(slices=8, size=128))


def test_simulated_cases_have_new_noise_and_neighbours(volume) -> None:
    white = Choice("gaussian", {"sd": 20})
    case = finish(simulated("phantom", volume, white, count=3, neighbours=3))
    assert [one.index for one in case.slices] == [1, 4, 6]
    for one in case.slices:
        assert one.noisy.shape == (3, 128, 128)
        assert np.array_equal(one.among(1), one.noisy[1])
        assert np.array_equal(one.among(3), one.noisy)
        assert float((one.input - one.truth).std()) == pytest.approx(20, rel=0.05)
        assert np.array_equal(one.truth, volume.slice_hu(one.index))
    again = finish(simulated("phantom", volume, white, count=3))
    assert np.array_equal(again.slices[0].input, case.slices[0].input)


def test_pairs_must_be_of_one_place(volume) -> None:
    other = finish(phantom(slices=9, size=128))
    with pytest.raises(StudioError, match="different sizes"):
        paired("phantom", other, volume, count=2)


def test_a_classical_method_is_tuned_and_reported(volume) -> None:
    case = finish(simulated("phantom", volume, Choice("gaussian", {"sd": 40}), count=2))
    tv = method_from_choice(Choice("tv", {"strength": 1.0}))
    assert neighbours_of([tv]) == 1
    tuned = finish(evaluate([case], [tv], protocols=["A"]))
    plain = finish(evaluate([case], [tv], protocols=["A"], tune=False))
    assert [entry.method for entry in tuned][:2] == [NOISY, "Total variation"]
    assert all(entry.share < 1 for entry in tuned[2:])
    assert "strength 1 HU" in plain[1].settings
    gain = {
        name: mean([row["psnr A"] for row in entries[1].rows]).value
        - mean([row["psnr A"] for row in entries[0].rows]).value
        for name, entries in {"tuned": tuned, "plain": plain}.items()
    }
    assert gain["tuned"] > gain["plain"] + 2

    text = table.markdown([case], tuned, "ctstudio evaluate")
    assert "| Total variation |" in text
    rows = list(csv.DictReader(io.StringIO(table.as_csv([case], tuned))))
    assert len(rows) == 2 * len(tuned)
    assert float(rows[2]["psnr A"]) == pytest.approx(tuned[1].rows[0]["psnr A"], rel=1e-5)
    document = json.loads(table.as_json([case], tuned, ""))
    got = mean([row["psnr A"] for row in tuned[1].rows])
    assert document["entries"][1]["means"]["psnr A"]["value"] == pytest.approx(got.value, rel=1e-5)
    drawn = picture.draw(case, tuned)
    assert drawn.width > drawn.height > 500


class Clean:
    """A method that knows the noise-free image."""

    title, description = "Clean", "all noise is gone"
    neighbours = 1

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    def denoise_slice(self, hu: np.ndarray) -> np.ndarray:
        return self.image


def test_whoever_removes_the_noise_of_the_truth_too_is_blended() -> None:
    """Truth and input share noise of one SD, the input has as much again: half of each is best,
    and off by SD / sqrt 2 where the clean image is off by SD."""
    clean = edges(1.0)
    rng = np.random.default_rng(4)
    shared, added = rng.normal(0, 10, (2, 3, *clean.shape)).astype(np.float32)
    slices = tuple(
        Slice(k, (clean + shared[k] + added[k])[None], clean + shared[k]) for k in range(3)
    )
    case = Case("pair", "drawn", SPACING, slices)
    _, plain, blended = finish(evaluate([case], [Clean(clean)], protocols=["full"]))
    assert (plain.method, plain.share) == ("Clean", 1.0)
    assert (blended.method, blended.share) == ("Clean, 50 %", 0.5)
    assert mean([row["rmse full"] for row in plain.rows]).value == pytest.approx(10, rel=0.02)
    off = mean([row["rmse full"] for row in blended.rows]).value
    assert off == pytest.approx(10 / math.sqrt(2), rel=0.02)
    for image, one in zip(blended.images, slices, strict=True):
        np.testing.assert_allclose(image, (clean + one.input) / 2, atol=1e-3)

    assert len(finish(evaluate([case], [Clean(clean)], protocols=["A"], tune=False))) == 2
    exact = Case(
        "exact", "drawn", SPACING, tuple(Slice(k, one.noisy, clean) for k, one in enumerate(slices))
    )
    assert len(finish(evaluate([exact], [Clean(clean)], protocols=["A"]))) == 2


def test_a_filter_is_blended_too_and_stronger_for_it() -> None:
    """Half of the noise of the input is that of the truth, as above."""
    clean = edges(1.0)
    rng = np.random.default_rng(4)
    shared, added = rng.normal(0, 10, (2, 2, *clean.shape)).astype(np.float32)
    slices = tuple(
        Slice(k, (clean + shared[k] + added[k])[None], clean + shared[k]) for k in range(2)
    )
    case = Case("pair", "drawn", SPACING, slices)
    tv = method_from_choice(Choice("tv", {"iterations": 40}))
    _, plain, blended = finish(evaluate([case], [tv], protocols=["A"]))
    assert blended.share < 1
    assert blended.method == f"Total variation, {100 * blended.share:.0f} %"
    assert blended.used.choice.params["strength"] > plain.used.choice.params["strength"]
    assert f"strength {blended.used.choice.params['strength']:g}" in blended.settings
    off = [mean([row["rmse A"] for row in entry.rows]).value for entry in (plain, blended)]
    assert off[1] < off[0] - 0.3
    for image, one in zip(blended.images, slices, strict=True):
        filtered = blended.used.denoise_slice(one.input)
        expected = one.input + blended.share * (filtered - one.input)
        np.testing.assert_allclose(image, expected, atol=1e-3)
    assert len(finish(evaluate([case], [tv], protocols=["A"], tune=False))) == 2


def test_json_has_no_numbers_that_are_none() -> None:
    air = np.full((64, 64), -1000, np.float32)
    case = Case("air", "none", SPACING, (Slice(0, air[None], air),))
    entries = finish(evaluate([case], [], protocols=["A"]))
    document = json.loads(table.as_json([case], entries, ""))
    assert document["entries"][0]["slices"][0]["bias_hu"] is None
    assert document["entries"][0]["slices"][0]["psnr A"] is None


def test_nothing_to_evaluate_on() -> None:
    with pytest.raises(StudioError, match="nothing to evaluate"):
        finish(evaluate([], []))


@pytest.fixture(scope="module")
def torso():
    return finish(phantom(slices=40, size=192))


def test_discs_of_the_phantom_are_seen_with_little_noise_and_lost_in_much(torso) -> None:
    seen = {
        sd: finish(detect(torso, Choice("gaussian", {"sd": sd}), {NOISY: None}, 4))
        for sd in (4.0, 80.0)
    }
    assert [(one.contrast_hu, one.diameter_mm) for one in seen[4.0]] == [
        (i.contrast_hu, i.diameter_mm) for i in INSERTS
    ]
    quiet, loud = ([one.found.d_prime for one in seen[sd]] for sd in seen)
    assert quiet[0] > 5  # 20 HU
    assert quiet[0] > quiet[2] > quiet[3]  # 20, 10 and 5 HU
    assert max(loud) < 3
    assert all(one.method == NOISY for one in seen[4.0])


def test_a_window_holds_one_disc_in_liver_and_nothing_else_that_differs(torso) -> None:
    places = [detect_module._place(torso, insert) for insert in INSERTS]
    groups = detect_module._apart(places)
    assert sorted(disc for group in groups for disc in group) == list(range(len(INSERTS)))
    assert 1 < len(groups) < 4, "two discs lie close to one another"
    asked = [
        (z, group, disc)
        for z in range(len(torso)) if detect_module._shows_discs(torso, z)
        for group in groups
        for disc in group if detect_module._all_liver(torso, z, INSERTS[disc])
    ]  # fmt: skip
    assert {disc for _, _, disc in asked} == set(range(len(INSERTS)))
    for z, group, disc in asked:
        hu, insert = torso.slice_hu(z), INSERTS[disc]
        plain = detect_module._without(torso, hu, group)
        window, at = places[disc], detect_module._middle(torso, insert)
        assert hu[at] == pytest.approx(LIVER_HU + insert.contrast_hu, abs=1)
        assert plain[at] == LIVER_HU
        differs = np.zeros(hu.shape, bool)
        differs[window] = np.abs(hu - plain)[window] > 1
        y, x = np.nonzero(differs)
        far = np.hypot(y - at[0], x - at[1]).max() * torso.geometry.spacing_mm[0]
        assert far < insert.diameter_mm / 2 + 5, "a neighbour is in both images"
        assert hu[window].min() > LIVER_HU - 60, "no lung"


def test_series_in_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a" / "scan", tmp_path / "b" / "scan", tmp_path / "c"
    assert folder_names([a, c]) == ["scan", "c"]
    assert folder_names([a, b, c]) == ["a/scan", "b/scan", "c"]
    assert folder_names([a, a]) == ["scan", "scan (2)"]
    assert folder_names([tmp_path / "a" / ".." / "c"]) == ["c"]
    (tmp_path / "link").symlink_to(tmp_path / "c")
    assert folder_names([tmp_path / "link"]) == ["link"]


def test_methods_of_one_title_are_told_apart(volume) -> None:
    case = finish(simulated("phantom", volume, Choice("gaussian", {"sd": 20}), count=2))
    tv, slow = (method_from_choice(Choice("tv", {"strength": s})) for s in (10, 30))
    entries = finish(evaluate([case], [tv, slow], protocols=["A"], tune=False))
    assert [e.method for e in entries] == [NOISY, "Total variation", "Total variation (2)"]
    recipe = bundled()["dncnn-gaussian"]
    nets = [method_from_model(TrainedModel(recipe, build(recipe), 4, {}), n) for n in ("one", "b")]
    assert titles_of([*nets, tv]) == [
        "DnCNN, 4 steps (one)", "DnCNN, 4 steps (b)", "Total variation",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="one name"):
        finish(evaluate([case, case], [tv]))


def test_noise_of_many_kinds_has_one_kind_in_a_slab(volume) -> None:
    """Else the neighbours of a slice would be of other doses and kernels than the slice."""
    many = Choice("low_doses")
    same = Volume.from_hu(np.repeat(volume.slice_hu(4)[None], 8, axis=0), volume.geometry)
    alone = finish(simulated("phantom", same, many, count=3)).slices
    slabs = finish(simulated("phantom", same, many, count=3, neighbours=3)).slices
    strengths = []
    for lone, one in zip(alone, slabs, strict=True):
        assert np.array_equal(lone.input, one.input), "whoever looks at neighbours"
        strengths.append([float((image - one.truth).std()) for image in one.noisy])
    assert all(max(three) / min(three) < 1.1 for three in strengths)
    assert max(map(max, strengths)) / min(map(min, strengths)) > 1.5


def test_the_table_of_a_spreadsheet_names_slices_as_the_viewer_does(volume) -> None:
    case = finish(simulated("phantom", volume, Choice("gaussian", {"sd": 20}), count=3))
    entries = finish(evaluate([case], [], protocols=["A"]))
    rows = list(csv.DictReader(io.StringIO(table.as_csv([case], entries))))
    assert [int(row["slice"]) for row in rows] == [2, 5, 7]


def test_an_interval_is_told_of_enough_slices_only() -> None:
    assert mean([1.0, 2.0, 3.0]).value == 2
    assert math.isnan(mean([1.0, 2.0, 3.0]).low)
    assert math.isnan(mean([1.0, 2.0, 3.0]).high)
    assert mean([1.0, 2.0, 3.0, 4.0]).low < 2.5


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1)])
def test_a_row_of_pixels_has_no_edge_to_measure(size: tuple[int, int]) -> None:
    ground = Ground.of(np.full(size, 40, np.float32), SPACING)
    assert ground.edges == ()
    assert not ground.uniform.any()
