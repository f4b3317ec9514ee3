"""Noise like that of a scan: scans whose kernel and photons are known, and a real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.ct.tissue_noise import noise_of_tissue, noise_of_tissues
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.noise import NOISES
from ctstudio.workflows.matched_noise import matched_kernel, matched_noise
from ctstudio.workflows.open import read, scan
from tests.workflows.test_scan_alone import noisy

PLAIN = Choice("low_dose", {"dose": 0.25})


@pytest.mark.parametrize("kernel", ["ram-lak", "hann"])
def test_the_kernel_is_found(kernel: str) -> None:
    found = finish(matched_kernel(noisy(kernel, 1, 112)))
    assert found.params["kernel"] == kernel
    assert found.params["cutoff"] == 1.0


def test_a_scan_without_tissue_gets_a_usual_kernel() -> None:
    hu = np.random.default_rng(0).normal(-900, 30, (3, 64, 64)).astype(np.float32)
    found = finish(matched_kernel(Volume.from_hu(hu, Geometry.axial(3))))
    assert (found.params["kernel"], found.params["cutoff"]) == ("hann", 1.0)


@pytest.mark.parametrize("electronic", [0.0, 5.0, 15.0])
def test_the_photons_are_counted(electronic: float) -> None:
    """A fifth of 100,000, drawn by Poisson: other noise than what they are counted with.

    With 15 photons of electronic noise it is nearly as strong as that of the photons.
    """
    scanned = noisy("hann", 5, 128, electronic=electronic)
    given = Choice("low_dose", {**PLAIN.params, "electronic": electronic})
    found = finish(matched_noise(scanned, given))
    assert found.params["photons"] == pytest.approx(2e4, rel=0.1)
    assert (found.params["kernel"], found.params["cutoff"]) == ("hann", 1.0)
    assert found.params["already_noisy"] is True
    assert found.params["dose"] == 0.25  # what was chosen stays


def test_padding_and_what_is_no_number_are_air() -> None:
    whole = noisy("hann", 3, 128)
    hu = whole.hu()
    hu[:, :10, :10] = np.nan
    hu[:, -10:, -10:] = -2000
    found, same = (
        finish(matched_noise(each, PLAIN)).params
        for each in (Volume.from_hu(hu, whole.geometry), whole)
    )
    assert found["kernel"] == same["kernel"]
    assert found["photons"] == pytest.approx(same["photons"], rel=0.1)


def test_slices_without_anything_do_not_count() -> None:
    """As of a series that is not whole: nothing but 0 HU, which is uniform soft tissue."""
    whole = noisy("ram-lak", 4, 128)
    hu = np.concatenate([whole.hu(), np.zeros((3, 128, 128), np.float32)])
    found = finish(matched_noise(Volume.from_hu(hu, replace(
        Geometry.axial(7), spacing_mm=whole.geometry.spacing_mm)), PLAIN)).params  # fmt: skip
    assert found["kernel"] == "ram-lak"
    assert found["photons"] == pytest.approx(2e4, rel=0.15)


def test_half_the_dose_of_a_real_scan_has_twice_its_variance(test_data: Path) -> None:
    info = next(iter(finish(scan([test_data / "fda_phantom_demo_explicitLE"])).series))
    volume = finish(read(info))
    found = finish(matched_noise(volume, PLAIN))
    made = NOISES.make(Choice(found.name, {**found.params, "dose": 0.5}))
    slices = [volume.slice_hu(z) for z in (10, 20, 30)]
    spacing = volume.geometry.spacing_mm
    halves = [
        made.slice(torch.from_numpy(hu), spacing, seed=z).numpy() for z, hu in enumerate(slices)
    ]
    # Told by another instrument than the photons were counted with.
    own, half = (noise_of_tissue(noise_of_tissues(these, spacing)) for these in (slices, halves))
    assert half / own == pytest.approx(2**0.5, rel=0.1)


def test_what_cannot_be_matched_is_said() -> None:
    scanned = noisy("hann", 3, 96)
    with pytest.raises(StudioError, match="Only noise made in the projections"):
        finish(matched_noise(scanned, Choice("gaussian")))
    lungs = np.random.default_rng(0).normal(-900, 30, (3, 64, 64)).astype(np.float32)
    with pytest.raises(StudioError, match="too little uniform soft tissue"):
        finish(matched_noise(Volume.from_hu(lungs, Geometry.axial(3)), PLAIN))
    drawn = Volume.from_hu(np.full((3, 64, 64), 40, np.float32), Geometry.axial(3))
    with pytest.raises(StudioError, match="or no noise"):
        finish(matched_noise(drawn, PLAIN))
    still = noisy("hann", 1, 96)
    grey = Volume.from_hu(still.hu(), still.geometry, unit="grey")
    with pytest.raises(StudioError, match="values in HU"):
        finish(matched_noise(grey, PLAIN))


def test_hardly_any_noise_has_no_photons_to_tell() -> None:
    scanned = noisy("hann", 3, 96)
    hu = np.rint(scanned.hu() / 50) * 50  # mostly steps of 50 HU, which no photons make
    quiet = np.where(np.abs(hu - 50) < 200, 40 + (scanned.hu() - 40) * 1e-3, hu)
    with pytest.raises(StudioError, match="hardly any noise"):
        finish(matched_noise(Volume.from_hu(quiet.astype(np.float32), scanned.geometry), PLAIN))
