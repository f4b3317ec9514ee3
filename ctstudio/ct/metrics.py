"""Image quality of CT under named protocols, and what a physicist measures beside it.

A number without its protocol means nothing: the clip and the data range change PSNR by many dB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SSIM_SIGMA_PX = 1.5
SSIM_WINDOW_PX = 11
SOFT_TISSUE_HU = (-150.0, 150.0)


@dataclass(frozen=True)
class Protocol:
    """How a prediction is compared with its target.

    Parameters
    ----------
    name, title
        The key in `PROTOCOLS`, and a label that says what it does.
    clip_hu
        Both images are clipped to this range first; None leaves them as they are.
    data_range_hu
        The peak of PSNR and the range L of SSIM.
    """

    name: str
    title: str
    clip_hu: tuple[float, float] | None
    data_range_hu: float

    def prepare(self, hu: NDArray[np.floating]) -> NDArray[np.float64]:
        """``hu`` in float64, clipped as the protocol asks; same shape."""
        image = np.asarray(hu, np.float64)
        return image if self.clip_hu is None else np.clip(image, *self.clip_hu)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("A", "A: clip [-160, 240] HU, range 400 HU", (-160.0, 240.0), 400.0),
        Protocol("B chest", "B chest: window 1500/-600 HU", (-1350.0, 150.0), 1500.0),
        Protocol("B abdomen", "B abdomen: window 400/50 HU", (-150.0, 250.0), 400.0),
        Protocol("B head", "B head: window 80/40 HU", (0.0, 80.0), 80.0),
        Protocol("full", "full: no clip, range 4096 HU", None, 4096.0),
    )
}
"""A: the Mayo/AAPM 2016 low-dose challenge as RED-CNN evaluates it. B: ldct-benchmark's windows by
body region. full: the range of a 12-bit scanner."""


def rmse(prediction: NDArray[np.floating], target: NDArray[np.floating]) -> float:
    """Root mean square difference of two arrays of one shape, in their unit."""
    difference = np.asarray(prediction, np.float64) - np.asarray(target, np.float64)
    return math.sqrt(float(np.mean(difference * difference)))


def psnr(
    prediction: NDArray[np.floating], target: NDArray[np.floating], data_range: float
) -> float:
    """Peak signal-to-noise ratio in dB, ``20 log10(data_range / RMSE)``; inf for equal images."""
    error = rmse(prediction, target)
    return math.inf if error == 0.0 else 20.0 * math.log10(data_range / error)


def ssim(
    prediction: NDArray[np.floating], target: NDArray[np.floating], data_range: float
) -> float:
    """Structural similarity of two ``(y, x)`` images, at most 1.

    scikit-image's: 11x11 Gaussian window of sigma 1.5 px, K1 0.01, K2 0.03, population
    covariance, and the mean over the pixels whose window lies inside the image (a border of
    5 px is left out). nan for an image smaller than the window.

    Source: Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Process. 13(4), 2004.
    """
    from skimage.metrics import structural_similarity

    if min(np.shape(target)) < SSIM_WINDOW_PX:
        return math.nan
    return float(
        structural_similarity(
            np.asarray(target, np.float64),
            np.asarray(prediction, np.float64),
            data_range=data_range,
            gaussian_weights=True,
            sigma=SSIM_SIGMA_PX,
            use_sample_covariance=False,
        )
    )


def evaluate(
    prediction: NDArray[np.floating], target: NDArray[np.floating], protocol: Protocol | str = "A"
) -> dict[str, float]:
    """PSNR (dB), SSIM and RMSE (HU) of ``(y, x)`` or ``(z, y, x)`` HU, the mean over slices.

    Equal images give ``psnr`` inf, and images smaller than 11 px give ``ssim`` nan: neither is
    JSON, so whoever writes JSON decides what to put there.

    Raises
    ------
    ValueError
        When the shapes differ or are not 2-D or 3-D.
    KeyError
        For a protocol name that is not in `PROTOCOLS`.
    """
    rule = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    prediction, target = np.asarray(prediction), np.asarray(target)
    if prediction.shape != target.shape or prediction.ndim not in (2, 3) or not prediction.size:
        raise ValueError(
            f"prediction {prediction.shape} and target {target.shape} must be (y, x) or "
            "(z, y, x) of one shape"
        )
    if prediction.ndim == 2:
        prediction, target = prediction[None], target[None]
    rows = []
    for one, other in zip(prediction, target, strict=True):
        a, b = rule.prepare(one), rule.prepare(other)
        rows.append((psnr(a, b, rule.data_range_hu), ssim(a, b, rule.data_range_hu), rmse(a, b)))
    means = [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
    return dict(zip(("psnr", "ssim", "rmse"), means, strict=True))


@dataclass(frozen=True)
class RoiStatistics:
    """Statistics of the pixels of a region; ``area_unit`` is "mm2", or "px" without a spacing.

    ``sd`` is the sample standard deviation (n - 1), 0 for one pixel.
    """

    n: int
    area: float
    area_unit: str
    min: float
    max: float
    mean: float
    sd: float


def roi_statistics(
    hu: NDArray[np.floating],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float] | None = None,
) -> RoiStatistics:
    """Statistics of ``hu`` ``(y, x)`` where ``mask`` ``(y, x)`` is True; ``spacing_mm`` (dy, dx).

    Raises
    ------
    ValueError
        When the mask is empty or its shape differs.
    """
    if np.shape(mask) != np.shape(hu):
        raise ValueError(f"mask {np.shape(mask)} and image {np.shape(hu)} differ in shape")
    values = np.asarray(hu, np.float64)[np.asarray(mask, bool)]
    if not values.size:
        raise ValueError("the region holds no pixel")
    return RoiStatistics(
        n=int(values.size),
        area=float(values.size * (spacing_mm[0] * spacing_mm[1] if spacing_mm else 1.0)),
        area_unit="mm2" if spacing_mm else "px",
        min=float(values.min()),
        max=float(values.max()),
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if values.size > 1 else 0.0,
    )


def bias(
    prediction: NDArray[np.floating], reference: NDArray[np.floating], mask: NDArray[np.bool_]
) -> float:
    """Mean of ``prediction - reference`` in HU where ``mask`` is True; nan for an empty mask."""
    chosen = np.asarray(mask, bool)
    if not chosen.any():
        return math.nan
    difference = np.asarray(prediction, np.float64) - np.asarray(reference, np.float64)
    return float(difference[chosen].mean())


def uniform_regions(
    reference: NDArray[np.floating],
    *,
    hu_range: tuple[float, float] = SOFT_TISSUE_HU,
    smoothing_px: float = 3.0,
    gradient_hu: float = 3.0,
    margin_px: int = 3,
    min_area_px: int = 64,
) -> NDArray[np.bool_]:
    """Mask ``(y, x)`` of uniform soft tissue in ``reference`` ``(y, x)`` HU.

    A pixel belongs when the smoothed reference lies in ``hu_range`` and is flat (gradient below
    ``gradient_hu`` HU a pixel, or below what the image's own noise explains), and when the SD
    around it is not above what most of the tissue shows. The mask is then eroded by
    ``margin_px`` and cleared of parts under ``min_area_px``. It may be empty, as it is of a single
    row or column of pixels.
    """
    from scipy import ndimage

    image = np.clip(np.asarray(reference, np.float64), -1100.0, 2000.0)
    smooth = ndimage.gaussian_filter(image, smoothing_px)
    tissue = (smooth >= hu_range[0]) & (smooth <= hu_range[1])
    if not tissue.any() or min(image.shape) < 2:  # a row of pixels has no slope
        return np.zeros(image.shape, np.bool_)
    dy, dx = np.gradient(smooth)
    gradient = np.hypot(dy, dx)
    size = 2 * math.ceil(1.5 * smoothing_px) + 1
    mean = ndimage.uniform_filter(image, size)
    local_sd = np.sqrt(np.maximum(ndimage.uniform_filter(image * image, size) - mean * mean, 0.0))
    # Edges and vessels raise the SD and the gradient, so the lower part of the tissue's values
    # shows the noise alone. The factors leave room for noise that varies across the body.
    noise = float(np.quantile(local_sd[tissue], 0.25))
    slope = float(np.quantile(gradient[tissue], 0.25))
    flat = gradient <= max(gradient_hu, 2.8 * slope)
    quiet = local_sd <= max(2.0, 1.5 * noise)
    mask = tissue & flat & quiet
    if margin_px > 0:
        mask = ndimage.binary_erosion(mask, iterations=margin_px)
    labels, count = ndimage.label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    keep = areas >= min_area_px
    keep[0] = False
    result: NDArray[np.bool_] = keep[labels]
    return result


def noise_sd(
    hu: NDArray[np.floating], mask: NDArray[np.bool_] | None = None, *, size_px: int = 17
) -> float:
    """Noise SD in HU of one slice ``(y, x)``: the median of the SD around every masked pixel.

    Only masked pixels count in each ``size_px`` square, so slow shading and edges outside the
    mask do not add to it. ``mask`` defaults to `uniform_regions` of ``hu``; nan where it is empty.
    """
    from scipy import ndimage

    inside = uniform_regions(hu) if mask is None else np.asarray(mask, bool)
    if not inside.any():
        return math.nan
    image = np.asarray(hu, np.float64)
    # About the masked mean the box sums keep their digits: HU offsets are large against noise.
    image = np.where(inside, image - image[inside].mean(), 0.0)
    boxes = [
        ndimage.uniform_filter(part, size_px, mode="constant") * size_px**2
        for part in (inside.astype(np.float64), image, image * image)
    ]
    count = np.maximum(np.rint(boxes[0]), 1.0)
    variance = (boxes[2] - boxes[1] ** 2 / count) / np.maximum(count - 1.0, 1.0)
    # Squares that the mask barely fills give poor estimates.
    best = count[inside].max()
    usable = inside & (count >= 0.5 * best) & (count > 1)
    if not usable.any():
        return math.nan
    return math.sqrt(max(float(np.median(variance[usable])), 0.0))
