"""What is told of a result, for results whose faults are known since they were put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.core.events import finish
from ctstudio.ct.views import Blend
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.learn.cards import Card, Range, TrainedOn
from ctstudio.workflows.guards import Finding, examine, spread

SPACING = (0.8, 0.8)
SIDE = 192


def volume(hu: np.ndarray, kernel: str = "B30f") -> Volume:
    geometry = replace(Geometry.axial(len(hu)), spacing_mm=SPACING)
    source = Source(kernel=kernel, slice_thickness_mm=2.0)
    return Volume.from_hu(hu.astype(np.float32), geometry, source=source)


def truth() -> np.ndarray:
    """Soft tissue full of small vessels on one side, ``(2, y, x)`` HU."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    hu = np.where((y - 96) ** 2 + (x - 96) ** 2 < 88**2, 40.0, -1000.0)
    rng = np.random.default_rng(1)
    for _ in range(150):
        cy, cx = rng.uniform(50, 140), rng.uniform(100, 160)
        hu[(y - cy) ** 2 + (x - cx) ** 2 < 3] = 160
    return np.stack([ndimage.gaussian_filter(hu, 0.6)] * 2)


def noise(seed: int = 0, sd: float = 20.0) -> np.ndarray:
    white = np.random.default_rng(seed).normal(size=(2, SIDE, SIDE))
    field = white - ndimage.gaussian_filter(white, (0, 3, 3))
    return field * sd / field.std()


def told(result: np.ndarray, card: Card | None = None, kernel: str = "B30f") -> dict[str, Finding]:
    scan = volume(truth() + noise(), kernel)
    return {each.name: each for each in finish(examine(scan, volume(result), card))}


def test_the_truth_itself_passes() -> None:
    found = told(truth() + 0.2 * noise())
    assert {each.verdict for each in found.values()} == {"fine"}
    before, after = found["Noise in soft tissue"].numbers
    assert before == pytest.approx(20, rel=0.15)
    assert after == pytest.approx(4, rel=0.25)
    assert abs(float(found["Structure in the residual"].numbers[0])) < 0.05


def test_a_shift_is_told() -> None:
    found = told(truth() + 0.2 * noise() + 3.0)["Bias"]
    assert found.verdict == "note"
    assert found.numbers[0] == pytest.approx(3.0, abs=0.5)


def test_blurred_anatomy_is_told() -> None:
    blurred = ndimage.gaussian_filter(truth() + noise(), (0, 1.5, 1.5))
    found = told(blurred)["Structure in the residual"]
    assert found.verdict == "note"
    assert "anatomy was taken away" in found.meaning


def test_anatomy_made_sharper_is_told() -> None:
    clean = truth()
    sharp = clean + 0.8 * (clean - ndimage.gaussian_filter(clean, (0, 1.5, 1.5)))
    found = told(sharp)["Structure in the residual"]
    assert found.verdict == "note"
    assert "sharper" in found.meaning


def test_blotches_are_told() -> None:
    coarse = ndimage.gaussian_filter(
        np.random.default_rng(5).normal(size=(2, SIDE, SIDE)), (0, 4, 4)
    )
    found = told(truth() + coarse * 5 / coarse.std())["Texture"]
    assert found.verdict == "note"
    before, after = found.numbers
    assert after < 0.6 * before


CARD = Card(
    "t", "n", 1, 1, series=(TrainedOn(10, 0.7, 2.5, "B30f"), TrainedOn(9, 0.9, 1.5, "L")),
    noise_hu=Range(10, 40),
)  # fmt: skip


def test_a_scan_like_those_learnt_from() -> None:
    found = told(truth(), CARD, kernel="b30F ")
    assert found["Kind of scan"].verdict == "fine"
    assert not {"Kernel", "Pixel size", "Slice thickness", "Noise level"} & set(found)


def test_what_the_scan_does_not_tell_is_not_called_alike() -> None:
    found = told(truth(), CARD, kernel="")["Kind of scan"]
    assert found.verdict == "note"
    assert found.value.format(*found.numbers) == "not known: kernel"
    bare = volume(truth() + noise(), "B30f")
    unknown = replace(bare.geometry, spacing_known=False)
    bare = replace(bare, geometry=unknown, source=Source(kernel="B30f"))
    named = {each.name: each for each in finish(examine(bare, volume(truth()), CARD))}
    kind = named["Kind of scan"]
    assert kind.value.format(*kind.numbers) == "not known: pixel size, slice thickness"


def test_a_kernel_with_the_strength_of_its_iteration_is_that_kernel() -> None:
    """Newer scanners write several values: B30f\\3."""
    found = told(truth(), CARD, kernel="B30f\\3")
    assert found["Kind of scan"].verdict == "fine"
    other = told(truth(), CARD, kernel="Qr40d\\3")["Kernel"]
    assert other.value.format(*other.numbers) == "Qr40d 3; learnt from B30f, L"


def test_noise_that_stays_is_told() -> None:
    scan = truth() + noise()
    assert told(truth())["Noise in soft tissue"].verdict == "fine"
    left = told(scan - 0.1 * noise())["Noise in soft tissue"]
    assert left.verdict == "note"
    assert "Hardly any noise is gone" in left.meaning


def test_a_kernel_whose_noise_was_simulated_is_known() -> None:
    found = told(truth(), replace(CARD, simulated_kernels=("ram-lak", "hann")), kernel="hann")
    assert "Kernel" not in found


def test_a_scan_of_another_kind_is_told_in_every_respect() -> None:
    card = Card(
        "t", "n", 1, 1, series=(TrainedOn(10, 0.4, 5.0, "B70f"),), noise_hu=Range(50, 90)
    )  # fmt: skip
    found = told(truth(), card)
    for name in ("Kernel", "Pixel size", "Slice thickness", "Noise level"):
        assert found[name].verdict == "note"
    assert found["Kernel"].value.format(*found["Kernel"].numbers) == "B30f; learnt from B70f"
    size = found["Pixel size"]
    assert size.value.format(*size.numbers) == "0.8 mm; learnt from 0.4 mm"
    assert "Kind of scan" not in found


def test_a_card_that_says_nothing_warns_of_nothing() -> None:
    found = told(truth(), Card("t", "n", 1, 1))
    assert not {"Kind of scan", "Kernel", "Noise level"} & set(found)


def test_slices_are_spread_and_not_the_outermost() -> None:
    assert spread(3) == [0, 1, 2]
    assert spread(100) == [10, 30, 50, 70, 90]


def test_of_a_result_that_is_the_scan_nothing_else_is_told() -> None:
    scan = truth() + noise()
    for result in (scan, scan + 1e-4 * np.sign(noise(3))):
        (found,) = told(result, CARD, kernel="of another kind").values()
        assert (found.name, found.value, found.verdict) == ("Change", "none", "fine")


def test_a_constant_series_has_no_structure_to_lose() -> None:
    flat = volume(np.full((2, 64, 64), 40.0))
    rounded = volume(flat.hu() + np.random.default_rng(1).normal(0, 2e-5, flat.shape))
    found = finish(examine(flat, rounded, CARD))
    assert [each.value for each in found] == ["none"]
    # A network that adds a tenth of an HU has neither lost nor sharpened anything.
    added = volume(flat.hu() + ndimage.gaussian_filter(noise(sd=0.3), (0, 1, 1))[:, :64, :64])
    names = {each.name for each in finish(examine(flat, added, CARD))}
    assert names == {"Bias", "Noise level"}


@pytest.mark.parametrize("size", [(1, 1), (1, 96), (96, 1), (8, 8), (16, 16)])
def test_of_too_few_pixels_no_verdict_is_given(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    scan = rng.normal(40, 20, (2, *size))
    blurred = ndimage.gaussian_filter(scan, (0, 2, 2)) + 1
    names = {each.name for each in finish(examine(volume(scan), volume(blurred)))}
    assert "Structure in the residual" not in names


def test_a_network_that_is_shown_no_hu_is_told_of() -> None:
    scan = replace(volume(truth() + noise()), unit="")
    result = replace(volume(truth()), unit="")
    (found,) = finish(examine(scan, result, CARD, learnt=True))
    assert (found.name, found.verdict) == ("Kind of scan", "note")
    assert found.value == "values are not HU; learnt from CT"
    (own,) = finish(examine(scan, result, learnt=True))
    assert (own.name, own.verdict, own.value) == ("Kind of scan", "note", "values are not HU")
    assert finish(examine(scan, result)) == [], "a filter takes values as they are"


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_a_blend_shows_the_structure_of_what_was_denoised(share: float) -> None:
    """The verdict does not change for the worse where more of the scan is left."""
    scan = volume(truth() + noise())
    for image in (truth() + 0.2 * noise(), ndimage.gaussian_filter(truth(), (0, 1.2, 1.2))):
        denoised = volume(image)
        whole, part = (
            next(f for f in finish(examine(scan, result)) if f.name == "Structure in the residual")
            for result in (denoised, Blend(scan, denoised, share))
        )
        assert part.verdict == whole.verdict
        assert part.numbers[0] == pytest.approx(whole.numbers[0], abs=1e-3)


def test_noise_that_cannot_be_measured_is_not_said_to_be_known() -> None:
    card = replace(CARD, noise_hu=Range(10, 40))
    small = volume(np.random.default_rng(1).normal(40, 20, (2, 12, 12)))
    found = finish(examine(small, volume(small.hu() + 3), card))
    kind = next(f for f in found if f.name == "Kind of scan")
    assert (kind.verdict, kind.numbers) == ("note", ("noise level",))
