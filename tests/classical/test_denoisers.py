"""Denoisers: HU kept, padding kept, strength monotone, and scikit-image's own result."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from skimage import restoration

from ctstudio.classical.denoisers import DENOISERS, fill_padding, reach
from ctstudio.core.registry import Choice
from ctstudio.ct.metrics import bias, evaluate
from ctstudio.ct.padding import PADDING_HU

NAMES = ["tv", "nlm", "wavelet", "bilateral"]


def run(name, image, **params):
    return DENOISERS.make(Choice(name, params), image)


@pytest.fixture(scope="module")
def pair():
    """A disc phantom with inserts, and the same with correlated noise of 28 HU."""
    y, x = np.mgrid[:160, :160]
    clean = np.full((160, 160), -1000.0)
    clean[(y - 80) ** 2 + (x - 80) ** 2 < 70**2] = 40
    for k, value in enumerate((90, 20, -800, 300)):
        cy, cx = 80 + 35 * np.sin(k * np.pi / 2), 80 + 35 * np.cos(k * np.pi / 2)
        clean[(y - cy) ** 2 + (x - cx) ** 2 < 14**2] = value
    grain = np.random.default_rng(4).normal(size=clean.shape)
    grain = ndimage.gaussian_filter(grain, 0.7) - ndimage.gaussian_filter(grain, 2.0)
    noisy = clean + grain / grain.std() * 28
    middle = (y - 80) ** 2 + (x - 80) ** 2 < 17**2
    return noisy.astype(np.float32), clean.astype(np.float32), middle


def test_the_four_are_registered_with_settings_in_hu():
    assert [entry.name for entry in DENOISERS][:4] == NAMES
    for name in NAMES:
        strength = next(f for f in DENOISERS[name].fields if f.name == "strength")
        assert strength.param.unit == "HU"
        assert strength.param.low < strength.default < strength.param.high
        assert DENOISERS[name].title
        assert DENOISERS[name].help


@pytest.mark.parametrize("name", NAMES)
def test_defaults_suit_quarter_dose_noise(pair, name):
    noisy, clean, middle = pair
    result = run(name, noisy)
    assert result.dtype == np.float32
    assert result.shape == noisy.shape
    assert evaluate(result, clean)["psnr"] > evaluate(noisy, clean)["psnr"] + 3
    water = noisy - clean
    assert run(name, water).std() < 0.5 * water.std()
    assert abs(bias(result, noisy, middle)) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_more_strength_smooths_more(pair, name):
    noisy, clean, _ = pair
    water = noisy - clean
    spread = [float(water.std())]
    for strength in np.geomspace(2.0, 100.0, 8):
        spread.append(float(run(name, water, strength=float(strength)).std()))
    assert all(later <= earlier * 1.001 for earlier, later in pairwise(spread))
    assert spread[-1] < 0.3 * spread[0]


@pytest.mark.parametrize("name", NAMES)
def test_an_offset_of_hu_comes_through_unchanged(pair, name):
    noisy, _, _ = pair
    low = np.maximum(noisy, -1100)
    assert np.abs(run(name, low + 700) - run(name, low) - 700).max() < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_a_far_away_bright_pixel_changes_nothing(pair, name):
    noisy, _, middle = pair
    metal = noisy.copy()
    metal[2, 2] = 3071
    # No setting scales with the image's range: metal in a corner leaves the middle as it was.
    assert np.abs(run(name, metal) - run(name, noisy))[middle].max() < 0.2


def test_total_variation_keeps_the_mean_exactly(pair):
    noisy, _, _ = pair
    assert run("tv", noisy, strength=60).mean(dtype=float) == pytest.approx(
        noisy.mean(dtype=float), abs=1e-3
    )


def test_total_variation_of_a_step_has_its_closed_form():
    # The minimiser of |u - f|^2 / (2 w) + TV(u) in one dimension moves each half of a step of
    # length n towards the other by w / n.
    step = np.tile(np.repeat([0.0, 100.0], 20), (4, 1)).astype(np.float32)
    # Chambolle's steps are slow over wide flat parts: after a thousand, 0.13 HU are left.
    result = run("tv", step, strength=20, iterations=1000)
    assert np.abs(result[:, :20] - 1.0).max() < 0.2
    assert np.abs(result[:, 20:] - 99.0).max() < 0.2


def test_total_variation_is_near_its_minimum_by_default(pair):
    noisy, _, _ = pair
    converged = run("tv", noisy, strength=25, iterations=1000)
    assert np.sqrt(np.mean((run("tv", noisy, strength=25) - converged) ** 2)) < 1.0


def test_settings_reach_scikit_image_in_hu(pair):
    noisy, _, _ = pair
    own = run("nlm", noisy, strength=35, patch_px=7, search_px=4)
    peer = restoration.denoise_nl_means(noisy, 7, 4, 35, preserve_range=True)
    assert np.abs(own - peer).max() < 1e-3


def test_the_bilateral_filter_is_its_definition(pair):
    noisy, _, _ = pair
    own = run("bilateral", noisy, strength=35, radius_px=1.2)
    # The definition, term by term.
    n = int(np.ceil(2.5 * 1.2))
    wide = np.pad(noisy.astype(float), n)
    inside = np.pad(np.ones(noisy.shape), n)
    total, weights = np.zeros(noisy.shape), np.zeros(noisy.shape)
    for dy in range(-n, n + 1):
        for dx in range(-n, n + 1):
            other = wide[n + dy : n + dy + 160, n + dx : n + dx + 160]
            w = np.exp(-((other - noisy) ** 2) / (2 * 35**2) - (dy**2 + dx**2) / (2 * 1.2**2))
            w *= inside[n + dy : n + dy + 160, n + dx : n + dx + 160]
            total += w * other
            weights += w
    assert np.abs(own - total / weights).max() < 1e-3


def test_one_wavelet_shift_is_scikit_image_away_from_the_border(pair):
    noisy, _, _ = pair
    own = run("wavelet", noisy, strength=12, shifts=1)
    padded = np.pad(noisy, 16, mode="symmetric")[8:-8, 8:-8]
    peer = restoration.denoise_wavelet(
        padded, sigma=12, wavelet="sym4", method="VisuShrink", wavelet_levels=3, rescale_sigma=False
    )
    assert np.abs(own - peer[8:-8, 8:-8]).max() < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_padding_survives_and_does_not_bleed(pair, name):
    noisy, _, _ = pair
    y, x = np.mgrid[:160, :160]
    radius2 = (y - 80) ** 2 + (x - 80) ** 2
    outside = radius2 > 60**2  # cuts through tissue, as a small field of view does
    padded = noisy.copy()
    padded[outside] = -3024
    padded[0, 0] = np.nan
    result = run(name, padded)
    assert np.array_equal(result[outside], padded[outside], equal_nan=True)
    rim = ~outside & (radius2 > 54**2)
    assert result[rim].min() > -60
    assert abs(result[rim].mean() - noisy[rim].mean()) < 3


def test_strong_noise_in_air_is_not_taken_for_padding():
    hu = np.random.default_rng(1).normal(-1000, 600, (24, 30)).astype(np.float32)
    assert (hu < PADDING_HU).mean() > 0.1
    assert fill_padding(hu)[1] is None
    assert (run("tv", hu) != hu).mean() > 0.99


def test_fill_padding_takes_the_nearest_tissue():
    image = np.array([[1, 2, -2000, -2000], [3, 4, -2000, np.inf]], np.float32)
    filled, padding = fill_padding(image)
    assert filled.tolist() == [[1, 2, 2, 2], [3, 4, 4, 4]]
    assert padding.tolist() == [[False, False, True, True]] * 2
    clean = np.zeros((2, 2), np.float32)
    assert fill_padding(clean)[0] is clean
    assert fill_padding(clean)[1] is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (40, 2)])
def test_tiny_flat_and_empty_slices(name, shape):
    assert run(name, np.full(shape, 40, np.float32)) == pytest.approx(np.full(shape, 40), abs=1e-3)
    padding = np.full(shape, PADDING_HU, np.float32)
    assert np.array_equal(run(name, padding), padding)


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_left_alone_and_integers_are_taken(pair, name):
    stored = pair[0].astype(np.int16)
    before = stored.copy()
    stored.flags.writeable = False
    assert run(name, stored).dtype == np.float32
    assert np.array_equal(stored, before)


def test_stacks_are_refused():
    with pytest.raises(ValueError, match="one slice"):
        run("tv", np.zeros((2, 4, 4), np.float32))


@pytest.mark.parametrize(
    ("name", "params"),
    [("nlm", {"patch_px": 5, "search_px": 4}), ("bilateral", {"radius_px": 1.5})],
)
def test_nothing_beyond_the_reach_matters(pair, name, params):
    noisy, _, _ = pair
    margin = reach(name, DENOISERS.resolve(Choice(name, params)).params)
    changed = noisy.copy()
    changed[: 80 - margin] += 500
    # Not the row above, which may look at the last changed row.
    difference = np.abs(run(name, changed, **params) - run(name, noisy, **params))
    assert difference[80:].max() < 1e-3
    assert difference[: 80 - margin].max() > 100
    assert reach("tv", {}) is None
