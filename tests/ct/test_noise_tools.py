"""Noise tools against closed forms: white and coloured noise, Gaussian edges, known SDs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ctstudio.ct.metrics import RoiStatistics
from ctstudio.ct.mtf import EdgeResponse, edge_response
from ctstudio.ct.noise import contrast_to_noise, local_noise
from ctstudio.ct.nps import fitting_side, noise_power_spectrum, places

SPACING = (0.7, 0.9)


def white(seed: int, sd: float, count: int, side: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, (count, side, side))


# -- noise power spectrum ------------------------------------------------------------------------


def test_white_noise_is_flat_and_integrates_to_its_variance() -> None:
    squares = white(1, 12.0, 400, 32)
    found = noise_power_spectrum(list(squares), SPACING)
    # A flat spectrum over an area of 1 / (dy dx) whose integral is the variance.
    level = 144.0 * SPACING[0] * SPACING[1]
    at, power = found.radial
    assert power[3:] == pytest.approx(level, rel=0.05)
    # Squares of 400 periodograms vary by 5 %; none stands out but where the trend was taken.
    away = np.hypot(*np.meshgrid(*found.frequencies, indexing="ij")) > 0.15
    assert found.power[away].std() == pytest.approx(level / math.sqrt(400), rel=0.2)
    assert found.sd == pytest.approx(12.0 * math.sqrt(1 - 6 / 32**2), rel=0.01)
    assert at[-1] <= 1 / (2 * 0.9)
    assert found.squares == 400


def test_the_integral_is_exactly_the_variance_about_a_fitted_surface() -> None:
    (square,) = white(2, 5.0, 1, 24)
    y, x = np.mgrid[:24, :24] / 24.0
    design = np.stack([np.ones_like(y), y, x, y * y, x * x, x * y], axis=-1).reshape(-1, 6)
    fitted = design @ np.linalg.lstsq(design, square.ravel(), rcond=None)[0]
    want = float(np.mean((square.ravel() - fitted) ** 2))
    assert noise_power_spectrum([square], SPACING).variance == pytest.approx(want, rel=1e-12)


def test_cupping_and_brightness_are_no_noise() -> None:
    y, x = np.mgrid[:32, :32] - 16.0
    bowl = 40 + 0.3 * x - 0.2 * y + 0.05 * x * x + 0.02 * x * y
    assert noise_power_spectrum([bowl], SPACING).sd == pytest.approx(0.0, abs=1e-9)
    noise = white(3, 4.0, 1, 32)[0]
    one, other = (noise_power_spectrum([s], SPACING).power for s in (noise, noise + bowl))
    assert other == pytest.approx(one, abs=1e-6)


def test_a_filter_of_known_response_colours_the_spectrum() -> None:
    """The mean of two neighbours passes cos^2 of what there was along the row, all of it down."""
    noise = np.random.default_rng(4).normal(0, 10.0, (300, 32, 33))
    found = noise_power_spectrum(list((noise[..., 1:] + noise[..., :-1]) / 2), SPACING)
    fy, fx = found.frequencies
    want = 100.0 * 0.63 * np.cos(math.pi * fx * SPACING[1]) ** 2
    keep = np.abs(fy) > 0.15
    assert found.power[keep].mean(axis=0) == pytest.approx(want, abs=0.05 * want.max())
    # Nothing passes at Nyquist but what the two ends of 32 pixels leave: half the power in all.
    assert float(found.power[keep][:, 0].mean()) == pytest.approx(63.0 / 2 / 32, rel=0.05)


def test_coarse_noise_peaks_low_and_fine_noise_high() -> None:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(5).normal(0, 10.0, (512, 512))
    coarse = gaussian_filter(noise, 2.0)
    cut = [
        (slice(y, y + 64), slice(x, x + 64)) for y in range(0, 512, 64) for x in range(0, 512, 64)
    ]
    low = noise_power_spectrum([coarse[c] for c in cut], (0.5, 0.5))
    high = noise_power_spectrum([(noise - coarse)[c] for c in cut], (0.5, 0.5))
    # Behind a Gaussian of 1 mm the power is exp(-(2 pi f)^2); of the first rings the trend, which
    # such coarse noise resembles, takes a part along.
    at, power = low.radial
    known = 100.0 * 0.25 * np.exp(-((2 * math.pi * at) ** 2))
    assert power[2:8] == pytest.approx(known[2:8], rel=0.15)
    assert low.mean_frequency == pytest.approx(float((at * known).sum() / known.sum()), rel=0.15)
    assert low.peak < 0.1 < 0.3 < high.peak
    assert low.sd == pytest.approx(float(coarse.std()), rel=0.08)


def test_squares_lie_within_the_region_and_overlap_by_half() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:42, 20:68] = True
    found = places(mask, 16)
    assert len(found) == 3 * 5
    assert all(mask[y : y + 16, x : x + 16].all() for y, x in found)
    assert {y for y, _ in found} == {10, 18, 26}
    assert fitting_side(mask) == 16
    round_ = np.hypot(*(np.mgrid[:80, :80] - 40.0)) < 30
    side = fitting_side(round_)
    assert len(places(round_, side)) >= 9
    assert all(round_[y : y + side, x : x + side].all() for y, x in places(round_, side))
    small = np.zeros((20, 20), bool)
    small[3:12, 4:14] = True
    assert fitting_side(small) == 8
    assert fitting_side(small[:, :8]) == 0
    assert places(np.zeros((9, 9), bool), 8) == []


@pytest.mark.parametrize("squares", [[], [np.full((8, 8), np.nan)], [np.zeros((8, 9))]])
def test_what_has_no_spectrum(squares: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="square"):
        noise_power_spectrum(squares, SPACING)


# -- edges ---------------------------------------------------------------------------------------


def blurred(kind: str, sigma: float, spacing: tuple[float, float], step: float) -> Any:
    """An edge behind a Gaussian, in closed form at the pixel centres, and a region around it."""
    from scipy.special import erf

    y, x = np.mgrid[:96, :96].astype(float)
    y, x = y * spacing[0], x * spacing[1]
    middle = 48 * spacing[0], 48 * spacing[1]
    if kind == "circular":
        away = np.hypot(y - middle[0] - 0.2, x - middle[1] + 0.3) - 10.0
        mask = np.hypot(y - middle[0], x - middle[1]) < 17
    else:
        turn = math.radians(7.0 if kind == "straight" else 0.0)
        away = (y - middle[0]) * math.sin(turn) + (x - middle[1] + 0.2) * math.cos(turn)
        mask = np.zeros(y.shape, bool)
        mask[22:74, 24:76] = True
    return 40 + step * 0.5 * (1 + erf(away / sigma / math.sqrt(2))), mask


def known(sigma: float, level: float) -> float:
    """The frequency at which a Gaussian of `sigma` mm passes `level`: exp(-2 (pi sigma f)^2)."""
    return math.sqrt(-math.log(level) / 2) / (math.pi * sigma)


def found(*args: Any, **kwargs: Any) -> EdgeResponse:
    result = edge_response(*args, **kwargs)
    assert result is not None
    return result


@pytest.mark.parametrize("spacing", [(0.7, 0.7), (0.8, 1.0)])
@pytest.mark.parametrize("sigma", [0.45, 0.8])
@pytest.mark.parametrize("kind", ["straight", "circular"])
def test_a_known_blur_is_recovered(kind: str, sigma: float, spacing: tuple[float, float]) -> None:
    picture, mask = blurred(kind, sigma, spacing, -150.0)
    got = found(picture, mask, spacing)
    assert (got.kind, got.coarse) == (kind, False)
    for level in (0.5, 0.1):
        assert got.frequency_at(level) == pytest.approx(known(sigma, level), rel=0.01)
    want = np.exp(-2 * (math.pi * sigma * got.frequencies) ** 2)
    assert got.mtf == pytest.approx(want, abs=0.01)
    assert got.mtf[0] == pytest.approx(1.0)
    # A line is crossed towards the brighter side, a circle from the inside out.
    assert got.step == pytest.approx(-150.0 if kind == "circular" else 150.0, rel=1e-3)
    assert got.radius_mm == pytest.approx(
        10.0 if kind == "circular" else math.nan, abs=0.02, nan_ok=True
    )
    # The response itself is the blurred step, 10 to 90 % in 2.563 sigma.
    share = (got.response - got.response[0]) / np.ptp(got.response) * np.sign(got.step)
    rise = np.interp([0.1, 0.9], share, got.at_mm)
    assert rise[1] - rise[0] == pytest.approx(2.5631 * sigma, rel=0.02)


def test_an_edge_along_the_pixels_is_read_at_their_distance_and_says_so() -> None:
    picture, mask = blurred("along", 0.9, (0.7, 0.7), 200.0)
    got = found(picture, mask, (0.7, 0.7))
    assert got.coarse
    assert got.frequencies[-1] == pytest.approx(1 / (2 * 0.7))
    assert got.frequency_at(0.5) == pytest.approx(known(0.9, 0.5), rel=0.02)


def test_the_error_that_is_told_is_how_far_noise_scatters_the_result() -> None:
    picture, mask = blurred("circular", 0.6, (0.7, 0.7), 150.0)
    random = np.random.default_rng(8)
    got = [found(picture + random.normal(0, 4, picture.shape), mask, (0.7, 0.7)) for _ in range(24)]
    curves = np.stack([g.mtf for g in got])
    scatter, told = curves.std(axis=0, ddof=1), np.mean([g.mtf_error for g in got], axis=0)
    middle = slice(20, 80)
    assert float(np.mean(told[middle] / scatter[middle])) == pytest.approx(1.0, abs=0.3)
    halves = [g.frequency_at(0.5) for g in got]
    assert np.mean(halves) == pytest.approx(known(0.6, 0.5), rel=0.02)
    assert np.std(halves) == pytest.approx(np.mean([g.error_at(0.5) for g in got]), rel=0.6)


def test_where_there_is_no_edge() -> None:
    picture, mask = blurred("straight", 0.6, (0.7, 0.7), 150.0)
    noise = np.random.default_rng(9).normal(0, 20, picture.shape)
    assert edge_response(noise, mask, (0.7, 0.7)) is None
    assert edge_response(np.zeros(picture.shape), mask, (0.7, 0.7)) is None
    few = np.zeros_like(mask)
    few[48, 40:56] = True
    assert edge_response(picture, few, (0.7, 0.7)) is None
    assert edge_response(np.full(picture.shape, np.nan), mask, (0.7, 0.7)) is None


def test_a_curve_that_never_falls_so_low_has_no_frequency_there() -> None:
    picture, mask = blurred("straight", 0.2, (0.7, 0.7), 150.0)
    assert math.isnan(found(picture, mask, (0.7, 0.7)).frequency_at(0.02))


# -- noise from place to place -------------------------------------------------------------------


def test_the_map_tells_the_sd_of_white_noise_on_slopes_and_between_edges() -> None:
    random = np.random.default_rng(6)
    y, x = np.mgrid[:256, :320]
    sd = np.where(x < 160, 8.0, 20.0)
    picture = 40 + 2.5 * x - 1.5 * y + random.normal(0, 1, x.shape) * sd
    picture[100:104] += 500  # a bone
    found = local_noise(picture, (0.7, 0.7))
    assert found.shape == picture.shape
    for part, want in ((np.s_[:, 20:130], 8.0), (np.s_[:, 190:300], 20.0)):
        assert float(np.median(found[part])) == pytest.approx(want, rel=0.03)
        assert np.percentile(found[part], [2, 98]) == pytest.approx([want, want], rel=0.15)


def test_the_map_is_that_of_planes_fitted_square_by_square() -> None:
    """Against least squares in every square and SciPy's median, at the squares' own places."""
    from scipy.ndimage import median_filter

    picture = np.random.default_rng(7).normal(0, 5, (65, 65))
    n, half = 9, 4
    y, x = np.mgrid[:n, :n]
    design = np.stack([np.ones(n * n), y.ravel(), x.ravel()], axis=1)
    project = np.eye(n * n) - design @ np.linalg.pinv(design)
    padded = np.pad(picture, half, mode="edge")
    squares = np.lib.stride_tricks.sliding_window_view(padded, (n, n))[::half, ::half]
    flat = squares.reshape(*squares.shape[:2], -1)
    variance = ((flat @ project) ** 2).sum(-1) / (n * n - 3)
    want = np.sqrt(median_filter(variance, 7, mode="nearest"))
    got = local_noise(picture, (1.0, 1.0), 9.0)[::half, ::half]
    assert got / want == pytest.approx(np.full(got.shape, got[0, 0] / want[0, 0]), rel=1e-5)
    assert got[0, 0] / want[0, 0] == pytest.approx(1 + 1 / (3 * (n * n - 3)), rel=1e-3)


def test_what_is_not_known_stays_unknown() -> None:
    picture = np.random.default_rng(1).normal(0, 5, (64, 64))
    picture[:, :10] = np.nan
    found = local_noise(picture, (1.0, 1.0))
    assert np.isnan(found[:, :10]).all()
    assert np.isfinite(found[:, 10:]).all()
    assert np.isnan(local_noise(np.full((20, 20), np.nan), (1.0, 1.0))).all()


# -- contrast to noise ---------------------------------------------------------------------------


def test_contrast_to_noise() -> None:
    def roi(mean: float, sd: float) -> RoiStatistics:
        return RoiStatistics(100, 100.0, "mm2", 0.0, 1.0, mean, sd)

    one, other = roi(90.0, 12.0), roi(60.0, 16.0)
    assert contrast_to_noise(one, other) == pytest.approx(30 / math.sqrt(200))
    assert contrast_to_noise(other, one) == contrast_to_noise(one, other)
    assert math.isnan(contrast_to_noise(roi(1.0, 0.0), roi(2.0, 0.0)))


@pytest.mark.parametrize(
    ("degrees", "rows", "coarse"), [(0.5, 16, True), (1.0, 16, True), (0.8, 24, True),
                                    (3.0, 40, False), (7.0, 16, False)],
)  # fmt: skip
def test_an_edge_that_hardly_slants_is_not_taken_for_a_finely_sampled_one(
    degrees: float, rows: int, coarse: bool
) -> None:
    """Distances in clumps fill bins of half a pixel too, and stand a whole one apart."""
    from scipy.special import erf

    y, x = np.mgrid[:rows, :40] * 0.65
    turn = math.radians(degrees)
    away = (x - 20.3 * 0.65) * math.cos(turn) + (y - rows * 0.325) * math.sin(turn)
    picture = 500 * (1 + erf(away / 0.6 / math.sqrt(2)))
    got = found(picture, np.ones(picture.shape, bool), (0.65, 0.65), "straight")
    assert got.coarse == coarse
    assert got.nyquist == pytest.approx(1 / 1.3)
    assert (got.samples >= 2) == (not coarse)
    assert got.frequency_at(0.5) == pytest.approx(known(0.6, 0.5), rel=0.01)
    assert got.trusted == pytest.approx(1 / 1.3 if coarse else 1 / 0.65)


def test_beyond_the_nyquist_frequency_noise_ends_what_is_told() -> None:
    picture, mask = blurred("straight", 0.5, (0.7, 0.7), 150.0)
    clean = found(picture, mask, (0.7, 0.7))
    assert clean.trusted == pytest.approx(1 / 0.7)
    noisy = picture + np.random.default_rng(3).normal(0, 30, picture.shape)
    got = found(noisy, mask, (0.7, 0.7))
    assert got.nyquist <= got.trusted * 1.01
    assert got.trusted < 1.1 * got.nyquist
    assert got.mtf[got.frequencies > got.nyquist].max() > 3 * clean.mtf[-60:].max()
