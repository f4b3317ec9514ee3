"""Metrics against scikit-image and SciPy called separately, and against closed forms."""

import math

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ctstudio.ct import metrics
from ctstudio.ct.metrics import (
    PROTOCOLS,
    bias,
    evaluate,
    noise_sd,
    psnr,
    rmse,
    roi_statistics,
    ssim,
    uniform_regions,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    target = ndimage.gaussian_filter(rng.normal(0, 2000, (3, 64, 80)), (0, 4, 4)) + 40
    return (target + rng.normal(0, 30, target.shape)).astype(np.float32), target.astype(np.float32)


def test_psnr_and_rmse_have_their_closed_forms():
    target = np.zeros((20, 20), np.float32)
    prediction = target + 4.0
    assert rmse(prediction, target) == 4.0
    assert psnr(prediction, target, 400.0) == pytest.approx(40.0)
    assert psnr(target, target, 400.0) == math.inf


def test_protocol_a_is_scikit_image_on_clipped_slices(pair):
    prediction, target = (np.clip(x.astype(float), -160, 240) for x in pair)
    expected = {
        "psnr": np.mean(
            [
                peak_signal_noise_ratio(t, p, data_range=400)
                for p, t in zip(prediction, target, strict=True)
            ]
        ),
        "ssim": np.mean(
            [
                structural_similarity(
                    t,
                    p,
                    data_range=400,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                )
                for p, t in zip(prediction, target, strict=True)
            ]
        ),
        "rmse": np.mean(np.sqrt(np.mean((prediction - target) ** 2, axis=(1, 2)))),
    }
    result = evaluate(*pair, "A")
    assert result == pytest.approx(expected, rel=1e-12)
    assert list(result) == ["psnr", "ssim", "rmse"]


def test_ssim_window_is_11_px_gaussian_with_cropped_border(pair):
    a, b = (x[0].astype(float) for x in pair)
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()

    def blur(image):
        for axis in (0, 1):
            image = ndimage.correlate1d(image, taps, axis=axis)
        return image

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 400) ** 2, (0.03 * 400) ** 2
    value = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    assert ssim(a, b, 400.0) == pytest.approx(value[5:-5, 5:-5].mean(), rel=1e-9)


def test_full_protocol_has_no_clip_and_range_4096(pair):
    prediction, target = pair
    result = evaluate(prediction[0], target[0], PROTOCOLS["full"])
    error = np.sqrt(np.mean((prediction[0].astype(float) - target[0]) ** 2))
    assert result["rmse"] == pytest.approx(error)
    assert result["psnr"] == pytest.approx(20 * np.log10(4096 / error))


@pytest.mark.parametrize(
    ("name", "lower", "upper"),
    [("B chest", -1350, 150), ("B abdomen", -150, 250), ("B head", 0, 80)],
)
def test_protocol_b_equals_the_windowed_image(pair, name, lower, upper):
    windowed = [(np.clip(x[0].astype(float), lower, upper) - lower) / (upper - lower) for x in pair]
    expected = peak_signal_noise_ratio(windowed[1], windowed[0], data_range=1.0)
    assert evaluate(pair[0][0], pair[1][0], name)["psnr"] == pytest.approx(expected)


def test_equal_and_tiny_images():
    image = np.zeros((16, 16), np.float32)
    assert evaluate(image, image) == {"psnr": math.inf, "ssim": 1.0, "rmse": 0.0}
    assert math.isnan(evaluate(image[:10], image[:10] + 1)["ssim"])


@pytest.mark.parametrize("shape", [(4, 4), (0, 8, 8), (2, 2, 2, 2)])
def test_shapes_are_checked(shape):
    with pytest.raises(ValueError, match="one shape"):
        evaluate(np.zeros(shape), np.zeros((8, 8) if len(shape) == 2 else shape))


def test_roi_statistics_agree_with_simpleitk():
    rng = np.random.default_rng(2)
    image = rng.normal(40, 12, (40, 50)).astype(np.float32)
    mask = rng.random((40, 50)) < 0.3
    filter_ = SimpleITK.LabelStatisticsImageFilter()
    filter_.Execute(SimpleITK.GetImageFromArray(image), SimpleITK.GetImageFromArray(mask * 1))
    result = roi_statistics(image, mask, (0.5, 0.8))
    assert result.n == filter_.GetCount(1)
    assert result.mean == pytest.approx(filter_.GetMean(1))
    assert result.sd == pytest.approx(filter_.GetSigma(1))
    assert (result.min, result.max) == (filter_.GetMinimum(1), filter_.GetMaximum(1))
    assert result.area == pytest.approx(result.n * 0.4)
    assert result.area_unit == "mm2"


def test_roi_statistics_without_spacing_and_of_one_pixel():
    mask = np.zeros((3, 3), bool)
    with pytest.raises(ValueError, match="no pixel"):
        roi_statistics(np.zeros((3, 3)), mask)
    mask[1, 1] = True
    result = roi_statistics(np.full((3, 3), 7.0), mask)
    assert (result.n, result.area, result.area_unit, result.sd) == (1, 1.0, "px", 0.0)
    with pytest.raises(ValueError, match="shape"):
        roi_statistics(np.zeros((3, 4)), mask)


def body(noise=0.0, seed=3):
    """A disc of 40 HU in air, a 60 HU insert, a -800 HU lung; correlated noise of a given SD."""
    y, x = np.mgrid[:256, :256]
    hu = np.full((256, 256), -1000.0)
    hu[(y - 128) ** 2 + (x - 128) ** 2 < 100**2] = 40
    hu[(y - 150) ** 2 + (x - 170) ** 2 < 20**2] = 60
    hu[(y - 110) ** 2 + (x - 90) ** 2 < 35**2] = -800
    truth = hu.copy()
    if noise:
        grain = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=hu.shape), 0.8)
        hu += grain / grain.std() * noise
    return hu, truth


@pytest.mark.parametrize("noise", [0.0, 5.0, 15.0, 40.0])
def test_uniform_regions_keep_off_edges_at_any_noise(noise):
    hu, truth = body(noise)
    mask = uniform_regions(hu)
    assert mask.shape == hu.shape
    assert mask.dtype == bool
    assert mask.sum() > 5000
    assert set(np.unique(truth[mask])) <= {40.0, 60.0}
    # No pixel lies within 3 px of air or lung.
    near_edge = ndimage.maximum_filter(truth < 0, 7)
    assert not (mask & near_edge).any()


def test_uniform_regions_of_air_are_empty():
    mask = uniform_regions(np.full((32, 32), -1000.0))
    assert not mask.any()
    assert math.isnan(noise_sd(np.full((32, 32), -1000.0)))
    assert math.isnan(bias(np.zeros((32, 32)), np.zeros((32, 32)), mask))


@pytest.mark.parametrize("noise", [5.0, 28.0])
def test_noise_sd_finds_the_noise_and_not_the_anatomy(noise):
    hu, _ = body(noise)
    assert noise_sd(hu) == pytest.approx(noise, rel=0.08)
    shaded = hu + np.linspace(-60, 60, 256)[:, None]
    assert noise_sd(shaded, uniform_regions(hu)) == pytest.approx(noise, rel=0.12)


def test_noise_sd_of_a_clean_image_is_zero():
    hu, _ = body()
    assert noise_sd(hu) == pytest.approx(0.0, abs=1e-3)


def test_bias_is_the_mean_difference():
    hu, truth = body(10.0)
    mask = uniform_regions(hu)
    assert bias(hu + 2.5, hu, mask) == pytest.approx(2.5)
    assert bias(hu, truth, mask) == pytest.approx(0.0, abs=0.4)


def test_uniform_regions_of_a_real_scan(test_data):
    pydicom = pytest.importorskip("pydicom")
    files = sorted((test_data / "lungdx_A0002_B40f_smooth").rglob("*.dcm"))
    data = pydicom.dcmread(files[len(files) // 2])
    hu = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    mask = uniform_regions(hu)
    assert 5000 < mask.sum() < 60000
    assert metrics.SOFT_TISSUE_HU[0] < hu[mask].mean() < metrics.SOFT_TISSUE_HU[1]
    assert 8 < noise_sd(hu) < 16


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (2, 2)])
def test_a_row_of_pixels_has_no_uniform_region(size):
    assert not uniform_regions(np.full(size, 40.0)).any()
    assert math.isnan(noise_sd(np.full(size, 40.0)))
