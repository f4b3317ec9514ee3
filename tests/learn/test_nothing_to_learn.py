"""Series that hold nothing, or too little, are refused; they would be learnt to perfection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Validation, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.train import train

SLICES = 6


def volume(values: NDArray[np.floating], pixel_mm: float = 0.7) -> Volume:
    values = np.ascontiguousarray(values, np.float32)
    geometry = Geometry.axial(len(values), (3, pixel_mm, pixel_mm))
    return Volume(values, np.ones(len(values)), np.zeros(len(values)), "HU", geometry)


def hu(height: int = 32, width: int = 32) -> NDArray[np.floating]:
    return np.random.default_rng(0).normal(0, 30, (SLICES, height, width))


def without(*slices: int) -> NDArray[np.floating]:
    values = hu()
    values[list(slices)] = np.nan
    return values


def recipe(name: str, **more: object) -> Recipe:
    made = bundled()[name]
    settings: dict[str, object] = {
        "phases.0.steps": 2,
        "patch_px": 16,
        "batch": 2,
        "stopping.seconds": 0,
        "device": "cpu",
    }
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


NOTHING = {
    "no numbers": np.full((SLICES, 32, 32), np.nan),
    "infinite": np.full((SLICES, 32, 32), -np.inf),
    "padding": np.full((SLICES, 32, 32), -3000.0),
}


@pytest.mark.parametrize("what", NOTHING)
@pytest.mark.parametrize("name", ["dncnn-gaussian", "dncnn-noise2void"])
def test_a_series_of_nothing(what: str, name: str, tmp_path: Path) -> None:
    found = [volume(hu()), volume(NOTHING[what])]
    with pytest.raises(StudioError, match="Series 2 shows nothing to learn from") as caught:
        finish(train(recipe(name), found, run_folder=tmp_path / "run"))
    assert caught.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("dncnn-pairs", NOTHING["no numbers"]),
        ("dncnn-noise2void", NOTHING["padding"]),
        ("unet-masks", np.full((SLICES, 32, 32), -1.0)),
        ("unet-masks", NOTHING["no numbers"]),
    ],
)
def test_targets_of_nothing(name: str, target: NDArray[np.floating]) -> None:
    work = train(recipe(name), [volume(hu())], targets=[volume(target)])
    with pytest.raises(StudioError, match=r"Series 1 shows nothing to learn from: .* its target"):
        finish(work)


def test_slices_of_nothing_are_not_judged_by() -> None:
    # One of the two in the middle is held out; a mask may be drawn on some slices alone.
    mask = np.full((SLICES, 32, 32), -1.0)
    mask[0, :16], mask[0, 16:] = 0, 1
    for name, image, targets in (
        ("dncnn-gaussian", without(2, 3), []),
        ("dncnn-neighbor2neighbor", without(2, 3), []),
        ("unet-masks", hu(), [volume(mask)]),
    ):
        events = list(train(recipe(name), [volume(image)], targets=targets))
        assert any(isinstance(e, Note) and "nothing to judge by" in e.text for e in events)
        judged = [e.metrics for e in events if isinstance(e, Validation)][-1]
        assert 0 < judged.get("rmse", 1) < np.inf
        assert judged.get("loss", 1) > 1e-6
        assert judged.get("dice", 0.5) < 1
    whole = list(train(recipe("dncnn-gaussian"), [volume(without(0, 5))]))
    assert not any(isinstance(e, Note) and "nothing to judge by" in e.text for e in whole)


@pytest.mark.parametrize(
    ("name", "least", "sizes"),
    [
        ("dncnn-neighbor2neighbor", 2, [(1, 1), (32, 1), (1, 32)]),
        ("dncnn-recorrupted", 4, [(3, 3), (1, 1), (32, 1)]),
    ],
)
def test_images_that_are_too_small(name: str, least: int, sizes: list[tuple[int, int]]) -> None:
    for size in sizes:
        with pytest.raises(StudioError, match=f"too small: {size[1]} x {size[0]} px") as caught:
            finish(train(recipe(name), [volume(hu(*size))]))
        assert f"needs {least} px" in caught.value.hint
    assert finish(train(recipe(name), [volume(hu(least, least))])).step <= 2


@pytest.mark.parametrize("name", ["dncnn-low-dose", "dncnn-recorrupted"])
def test_noise_that_is_no_number(name: str) -> None:
    with pytest.raises(
        StudioError, match=r"noise of series 1 cannot be simulated.* 1e.06 x 1e.06 mm"
    ):
        finish(train(recipe(name), [volume(hu(), 1e6)]))
    assert finish(train(recipe(name), [volume(hu())])).step <= 2
