"""Figures of quality against arithmetic done apart."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.quality import best_total_variation, bias_by_slice, compare


def volume(hu: np.ndarray) -> Volume:
    return Volume.from_hu(hu.astype(np.float32), Geometry.axial(len(hu)))


@pytest.fixture
def truth() -> Volume:
    hu = np.full((4, 64, 64), -1000.0)
    hu[:, 8:56, 8:56] = 40.0
    return volume(hu)


def test_a_shift_is_a_bias_of_just_that(truth: Volume) -> None:
    shifted = volume(truth.hu() + np.array([1.0, 2.0, 3.0, -6.0])[:, None, None])
    found = finish(bias_by_slice(truth, {"shifted": shifted}))["shifted"]
    assert found == {"mean": 0.0, "largest_of_a_slice": -6.0, "in_slice": 4, "slices": 4}


def test_series_without_soft_tissue_has_no_bias() -> None:
    air = volume(np.full((2, 32, 32), -1000.0))
    assert finish(bias_by_slice(air, {"air": air}))["air"] == {"slices": 0}


def test_rows_of_a_stack_and_of_its_slices_agree(truth: Volume) -> None:
    noise = np.random.default_rng(1).normal(0, 20, truth.shape)
    noisy = volume(truth.hu() + noise)
    judged = [1, 3]
    rows = finish(
        compare(truth, {"stack": noisy, "slices": [noisy.slice_hu(z) for z in judged]}, judged)
    )
    assert rows["stack"] == rows["slices"]
    clipped = [np.clip(v.hu()[judged], -160, 240) for v in (noisy, truth)]
    errors = np.sqrt(np.mean((clipped[0] - clipped[1]) ** 2, axis=(1, 2)))
    assert rows["stack"]["rmse"] == pytest.approx(errors.mean(), abs=1e-3)
    assert rows["stack"]["psnr"] == pytest.approx(np.mean(20 * np.log10(400 / errors)), abs=1e-3)
    assert rows["stack"]["noise_sd_hu"] == pytest.approx(20, abs=1.5)


def test_total_variation_at_its_best_beats_its_neighbours(truth: Volume) -> None:
    from ctstudio.workflows.denoise import method_from

    noisy = volume(truth.hu() + np.random.default_rng(2).normal(0, 25, truth.shape))
    choice, slices = finish(best_total_variation(truth, noisy, [0], [0, 2]))
    assert len(slices) == 2

    def psnr(strength: float) -> float:
        image = method_from("tv", {"strength": strength}).denoise_slice(noisy.slice_hu(0))
        return finish(compare(truth, {"tv": [image]}, [0]))["tv"]["psnr"]

    best = choice.params["strength"]
    assert psnr(best) >= max(psnr(best / 2), psnr(best * 2)) - 0.01
