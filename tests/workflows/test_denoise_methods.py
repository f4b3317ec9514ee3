"""Every method behind one call, against the filter itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.restoration import denoise_tv_chambolle

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Partial, SliceReady, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.denoise import (
    method_from,
    method_from_choice,
    require_free_folder,
)


@pytest.fixture
def volume() -> Volume:
    hu = np.random.default_rng(0).normal(40, 30, (3, 32, 40)).astype(np.float32)
    return Volume.from_hu(hu, Geometry.axial(3))


def test_total_variation_has_scikit_images_minimum(volume: Volume) -> None:
    method = method_from("tv", {"strength": "20", "iterations": "1000"})
    hu = volume.slice_hu(1)
    expected = denoise_tv_chambolle(hu, weight=20, eps=0, max_num_iter=20_000)
    np.testing.assert_allclose(method.denoise_slice(hu), expected, atol=0.5)


@pytest.mark.parametrize("name", ["tv", "nlm", "wavelet", "bilateral"])
def test_a_volume_is_its_slices(name: str, volume: Volume) -> None:
    method = method_from(name)
    result = finish(method.denoise(volume))
    for index in range(len(volume)):
        np.testing.assert_allclose(
            result.slice_hu(index), method.denoise_slice(volume.slice_hu(index)), atol=1e-3
        )
    assert result.derivation == (method.description,)
    assert method.title in method.description


def test_the_wanted_slice_comes_first(volume: Volume) -> None:
    work = method_from("bilateral").denoise(volume, first=2)
    events = [e for e in work if isinstance(e, (Partial, SliceReady))]
    assert isinstance(events[0], Partial)
    assert isinstance(events[1], SliceReady)
    assert events[1].index == 2


def test_texts_and_values_are_the_same_setting() -> None:
    one = method_from("nlm", {"strength": "12.5", "patch_px": "7"})
    two = method_from_choice(Choice("nlm", {"strength": 12.5, "patch_px": 7}))
    assert one == two
    assert "12.5" in one.description


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("tvv", {}, "Did you mean 'tv'"),
        ("tv", {"strength": "-1"}, "out of range"),
        ("tv", {"weight": "1"}, "no setting 'weight'"),
        ("missing.pt", {}, "no checkpoint"),
        ("missing.pt", {"strength": "1"}, "no settings"),
    ],
)
def test_mistakes_are_named(name: str, settings: dict[str, str], words: str) -> None:
    with pytest.raises(StudioError, match=words):
        method_from(name, settings)


def test_a_run_folder_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="holds no checkpoint"):
        method_from(tmp_path)


def test_only_a_new_or_empty_folder_is_free(tmp_path: Path) -> None:
    require_free_folder(tmp_path)
    require_free_folder(tmp_path / "new")
    (tmp_path / "a").write_text("a")
    for taken in (tmp_path, tmp_path / "a"):
        with pytest.raises(StudioError, match="not empty"):
            require_free_folder(taken)
