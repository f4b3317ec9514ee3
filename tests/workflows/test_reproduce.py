"""The articles' experiments: what is planned, measured and split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import sampling
from ctstudio.learn.checkpoint import build
from ctstudio.learn.recipe import default_recipe
from ctstudio.workflows.reproduce import figures, measure, segment_measure
from ctstudio.workflows.reproduce.data import excerpt, fit, from_volume, split
from ctstudio.workflows.reproduce.experiments import EXPERIMENTS, FAITHFUL, REPAIRED, find, known
from ctstudio.workflows.reproduce.plan import Wish, epoch_steps, make_plan, with_steps
from ctstudio.workflows.reproduce.segment_experiments import Segmentation
from ctstudio.workflows.training import find_recipe


def numbered(slices: int, rows: int = 16, columns: int = 16) -> Volume:
    """Every slice has its own index for HU, so that it is known again."""
    hu = np.broadcast_to(
        np.arange(slices, dtype=np.float32)[:, None, None], (slices, rows, columns)
    )
    return Volume.from_hu(hu, Geometry.axial(slices))


def indices(volume: Volume) -> list[int]:
    return [int(volume.slice_hu(z)[0, 0]) for z in range(len(volume))]


# -- the table -----------------------------------------------------------------------------------


def test_faithful_steps_are_the_articles() -> None:
    """Over the article's slices and epochs a plan has just the steps that its recipe states."""
    checked = 0
    for experiment in known().values():
        recipe = experiment.forms().get(FAITHFUL)
        if recipe is not None:
            each = epoch_steps(recipe, experiment.slices, (512, 512))
            assert each * experiment.epochs == recipe.total_steps, experiment.name
            checked += 1
    assert checked >= 16


def test_every_experiment_is_whole() -> None:
    names = [experiment.name for experiment in EXPERIMENTS]
    assert len(names) == len(set(names))
    for experiment in EXPERIMENTS:
        on_masks = isinstance(experiment, Segmentation)
        sights = segment_measure.SIGHTS if on_masks else measure.SIGHTS
        assert set(experiment.sights) <= set(sights)
        assert experiment.seen.endswith(".")
        assert experiment.why.endswith(".")
    assert {sight.measure for sight in measure.SIGHTS.values()} <= set(measure.MEASURES)
    assert {sight.measure for sight in segment_measure.SIGHTS.values()} <= set(
        segment_measure.LOOKS
    )


def test_an_unknown_experiment_names_the_nearest() -> None:
    with pytest.raises(StudioError, match="Did you mean 'residual-2a'"):
        find("residual-2aa")


# -- which slices --------------------------------------------------------------------------------


@pytest.mark.parametrize("slices", [1, 2, 3, 7, 9, 40, 119])
@pytest.mark.parametrize("wanted", [1, 2, 4, 5, 6, 7, 10, 200])
@pytest.mark.parametrize("share", [0.0, 0.15, 0.333])
def test_no_form_learns_from_what_is_judged(slices: int, wanted: int, share: float) -> None:
    recipes = [
        default_recipe().with_setting("validation.share", share),
        default_recipe().with_setting("validation.share", 0.15),
    ]
    parts = split(slices, recipes)
    part, count = excerpt(numbered(slices), parts, wanted, recipes[0])
    learnt, out = sampling.split(len(part), share)
    there = indices(part)
    learns = {there[z] for z in learnt}
    assert len(learnt) == count == len(learns)
    if slices == 1:
        assert parts.judged == (0,)
        return
    assert count <= wanted
    # Of some lengths the trainer's split leaves no series just so many.
    assert count >= min(wanted, len(parts.learn)) - 1
    whole, _ = sampling.split(slices, 0.15)
    assert learns.isdisjoint(parts.held)
    assert set(whole).isdisjoint(parts.held)
    assert set(parts.judged) <= set(parts.held)
    assert {there[z] for z in out} <= set(parts.held)


def test_ten_slices_lie_all_over_the_series() -> None:
    recipe = default_recipe().with_setting("validation.share", 0)
    parts = split(119, [recipe, default_recipe()])
    part, count = excerpt(numbered(119), parts, 10, recipe)
    learnt, _ = sampling.split(len(part), 0)
    there = sorted(indices(part)[z] for z in learnt)
    assert count == 10
    assert there[0] < 12
    assert there[-1] > 106
    assert max(np.diff(there)) < 35  # the held-out block lies in between


def test_pictures_become_hu_and_come_back() -> None:
    grey = np.linspace(0, 255, 64, dtype=np.float32).reshape(1, 8, 8)
    data = from_volume(Volume.from_hu(grey, Geometry.axial(1), unit=""))
    assert not data.hu
    hu = data.volume.slice_hu(0)
    np.testing.assert_allclose([hu.min(), hu.max()], [-1000, 1040])
    np.testing.assert_allclose(data.shown(hu), grey[0], atol=1e-4)
    deep = from_volume(Volume.from_hu(grey * 100 - 50, Geometry.axial(1), unit=""))
    np.testing.assert_allclose(deep.volume.slice_hu(0), hu, atol=0.01)
    assert "values -50 to 25450 are greys of 0 to 255 here" in deep.words


def test_floats_from_0_to_1_are_not_the_darkest_of_256_greys() -> None:
    share = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    holed = share.copy()
    holed[0, 3, 3] = np.nan
    for image in (share, holed):
        hu = from_volume(Volume.from_hu(image, Geometry.axial(1), unit="")).volume.slice_hu(0)
        np.testing.assert_allclose(hu, 255 * 8 * image[0] - 1000, atol=0.01)
    few = (255 * share).astype(np.uint8) // 4  # whole greys stay what they are
    data = from_volume(replace(Volume.from_hu(few, Geometry.axial(1), unit=""), voxels=few))
    np.testing.assert_array_equal(data.shown(data.volume.slice_hu(0)), few[0])


def test_the_autoencoder_gets_squares() -> None:
    recipe = find("autoencoder-sgd").forms()[FAITHFUL]
    data = fit(from_volume(numbered(3, rows=20, columns=30)), recipe)
    assert data.volume.shape == (3, 32, 32)
    image = data.volume.slice_hu(2)
    np.testing.assert_array_equal(image[6:26, 1:31], 2)
    assert np.count_nonzero(image == -1000) == 32 * 32 - 20 * 30
    plan = make_plan(find("autoencoder-sgd"), from_volume(numbered(3, 20, 30)), Wish(epochs=1))
    for run in plan.runs.values():
        assert run.recipe.patch_px == run.recipe.phases[0].model.params["size_px"] == 32
    with pytest.raises(StudioError, match="at most 1024 px"):
        fit(from_volume(numbered(1, 8, 1100)), recipe)


def test_a_plan_does_as_it_is_told() -> None:
    data = from_volume(numbered(40))
    wish = Wish(epochs=7, slices=10, minutes=0.5, device="cpu")
    plan = make_plan(find("residual-2a"), data, wish)
    faithful, repaired = plan.runs[FAITHFUL], plan.runs[REPAIRED]
    assert faithful.epoch_steps == 2  # ten slices, five at a time
    assert faithful.recipe.total_steps == 14
    assert faithful.recipe.cadence.preview_every_steps == 2
    assert faithful.recipe.stopping.seconds == 0
    assert repaired.recipe.stopping.seconds == 30
    assert len(repaired.volume) == 40
    assert {run.recipe.device for run in plan.runs.values()} == {"cpu"}
    two = default_recipe().to_dict()
    two["phases"] = [{**two["phases"][0], "steps": steps} for steps in (30, 10)]
    dealt = with_steps(default_recipe().from_dict(two), 100)
    assert [phase.steps for phase in dealt.phases] == [75, 25]


# -- numbers -------------------------------------------------------------------------------------


def disc(side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    hu = np.where(x**2 + y**2 < (0.4 * side) ** 2, 40.0, -1000.0)
    hu[side // 2 - 4 : side // 2 + 4, side // 2 - 4 : side // 2 + 4] = 600.0
    return hu


def test_the_unit_protocol_by_hand() -> None:
    clean = disc()
    shifted = measure.unit_psnrs(clean, clean + 160)  # a tenth of the 1600 HU up to the bone
    assert shifted["psnr_unit"] == pytest.approx(20, abs=1e-9)
    assert shifted["psnr_unit_stretched"] == np.inf
    assert shifted["psnr_unit_clipped"] > 20
    noisy = clean + 0.3 * 1600 * np.random.default_rng(1).standard_normal(clean.shape)
    expected = -20 * np.log10(0.3)
    assert measure.unit_psnrs(clean, noisy)["psnr_unit"] == pytest.approx(expected, abs=0.3)


def test_sights() -> None:
    clean = disc()
    noisy = clean + 900 * np.random.default_rng(2).standard_normal(clean.shape)
    spike = np.full_like(clean, -1000.0)
    spike[3, 3] = 1e9
    outputs = {
        "constant": clean * 0 + np.linspace(0, 1e-3, 64),
        "black": spike,
        "disc": np.where(ndimage.uniform_filter(clean, 9) >= -999.5, -999.0, -1000.0),
        "input": np.where(noisy > -1000, noisy, -1e9),  # below black nothing can be seen
        "less noise": clean,
    }
    also = {
        "constant": {"less noise"},
        "black": {"less noise"},
        "disc": {"less noise", "constant"},
        "less noise": {"disc"},
    }
    for name, image in outputs.items():
        found = measure.numbers([clean], [noisy], [image], hu=True)
        held = {key for key, sight in measure.SIGHTS.items() if sight.holds(found)}
        assert name in held
        others = set(outputs) - {name}
        allowed = also.get(name, set())
        assert held & others <= allowed, name


def test_case_4_hands_on_what_it_is_given() -> None:
    """Where the last ReLU is closed a block of function 2 is the identity."""
    recipe = find_recipe("residual-4")
    net = build(recipe)
    clean = disc() + 900
    noisy = clean + 300 * np.random.default_rng(5).standard_normal(clean.shape)
    image = torch.from_numpy(noisy.astype(np.float32))[None, None]
    with torch.inference_mode():
        told = net(image)
    above = image > -1000
    assert 0.5 < float(above.float().mean()) < 1
    assert torch.allclose(told[above], image[above], rtol=0, atol=1e-3)
    assert float(told[~above].abs().max()) > 1e6, "below black it explodes"
    found = measure.numbers([clean], [noisy], [told[0, 0].numpy()], hu=True)
    assert measure.SIGHTS["input"].holds(found)


def test_dark_spots_are_counted() -> None:
    image = np.ones_like(disc())
    for row, column in ((20, 20), (30, 40), (44, 24), (2, 2)):  # the last is not in the middle
        image[row - 2 : row + 2, column - 2 : column + 2] = 0.2
    found = measure.numbers([disc()], [disc()], [image], hu=False)
    assert found["spots"] == 3
    assert measure.SIGHTS["dark spots"].holds(found)


def test_numbers_stand_whatever_the_output() -> None:
    clean = disc()
    wild = clean.copy()
    wild[0, :3] = np.nan, np.inf, -np.inf
    found = measure.numbers([clean], [clean], [wild], hu=True)
    assert all(np.isfinite(value) for value in found.values())
    flat = measure.numbers([clean * 0], [clean], [clean * 0], hu=False)
    assert flat["silhouette"] == 0
    assert flat["contrast"] == 0


def test_film_halves() -> None:
    assert figures.film_halves(range(1, 101)) == ([*range(1, 51)], [*range(51, 101)])
    assert figures.film_halves(range(1, 152))[1] == [*range(102, 152)]
    assert figures.film_halves([5]) == ([5], [5])
    assert figures.film_halves([1, 2, 3]) == ([1, 2], [2, 3])


def test_a_demo_and_a_folder_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from ctstudio.workflows.reproduce import data as module

    for z in range(3):
        Image.fromarray(np.full((8, 8), 50 * z, np.uint8)).save(tmp_path / f"{z}.png")
    loaded = finish(module.load(tmp_path))
    assert loaded.words == "a stack of pictures, 3 slices of 8 x 8 px"
    np.testing.assert_array_equal(loaded.shown(loaded.volume.slice_hu(2)), 100)
    monkeypatch.setattr(module, "DEMO_SLICES", 1)
    demo = finish(module.load(None))
    assert demo.hu
    assert demo.words == "the built-in thorax phantom, 1 slice of 512 x 512 px"
