"""Losses of an image's structure: similarity in small windows, on one scale or on several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.losses.base import LOSSES, LossFunction

if TYPE_CHECKING:
    from torch import Tensor

SSIM_WINDOW_PX, SSIM_SIGMA_PX = 11, 1.5
SCALES_PX = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the Gaussian windows of the scales, as Zhao et al. have them."""
TRUNCATE = 3.5
"""The windows of the scales end at so many standard deviations."""

Range = Annotated[
    float, Param("Width of the values that count", 1, 10_000, "HU", label="Range", log=True)
]


@LOSSES.add("ssim", title="Structural similarity")
def ssim(*, range_hu: Range = 400.0) -> LossFunction:
    """One minus the mean SSIM (Wang et al. 2004, doi 10.1109/TIP.2003.819861).

    The window is a Gaussian of 1.5 px, cut at 11 x 11 px, and only where it lies wholly inside.
    """

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        return 1 - similarity(prediction, target, range_hu).mean()

    return loss


@LOSSES.add("ms_ssim_l1", title="Multi-scale similarity and absolute error")
def ms_ssim_l1(
    *,
    alpha: Annotated[float, Param("Weight of the similarity; the rest is the error", 0, 1)] = 0.84,
    range_hu: Range = 400.0,
    levels: Annotated[int, Param("Scales at most; small patches have fewer", 1, 5)] = 5,
) -> LossFunction:
    """A mix of multi-scale SSIM and mean absolute error: structure and contrast together.

    Zhao et al. 2017, "Loss functions for image restoration with neural networks"
    (doi 10.1109/TCI.2016.2644865), equation 14: ``alpha (1 - MS-SSIM) + (1 - alpha) G * |d|``. As
    there, the scales are Gaussian windows of 0.5, 1, 2, 4 and 8 px on the image as it is, all
    exponents are 1, and the error is weighted with the coarsest window. Both parts are reckoned
    for values in units of ``range_hu``, for which the weight of 0.84 was found.

    Windows of 5, 9, 15, 29 and 57 px must fit half a patch, so that at least a quarter of its
    pixels have all of theirs wholly inside: patches of 64 px have four scales, of 32 px three,
    and from 114 px on there are five. Those pixels are averaged.
    """

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        sigmas = SCALES_PX[: fitting_levels(min(prediction.shape[-2:]), levels)]
        rim = _window_px(sigmas[-1]) // 2
        likeness: Tensor | None = None
        for sigma in sigmas:
            side = _window_px(sigma)
            luminance, contrast = _comparisons(prediction, target, range_hu, side, sigma)
            # The luminance is compared on the coarsest scale alone.
            here = luminance * contrast if sigma == sigmas[-1] else contrast
            margin = rim - side // 2
            here = here[..., margin : here.shape[-2] - margin, margin : here.shape[-1] - margin]
            likeness = here if likeness is None else likeness * here
        assert likeness is not None  # there is at least one scale
        error = _blurred((prediction - target).abs() / range_hu, 2 * rim + 1, sigmas[-1])
        return alpha * (1 - likeness.mean()) + (1 - alpha) * error.mean()

    return loss


def fitting_levels(patch_px: int, most: int = len(SCALES_PX)) -> int:
    """How many scales of `SCALES_PX` a patch of ``patch_px`` has: their windows fit its half.

    Raises
    ------
    StudioError
        When not even the finest window fits the patch.
    """
    _refuse_smaller(patch_px, _window_px(SCALES_PX[0]))
    return max(1, sum(2 * _window_px(sigma) <= patch_px for sigma in SCALES_PX[:most]))


def similarity(one: Tensor, other: Tensor, range_hu: float) -> Tensor:
    """Local SSIM of ``(b, 1, y, x)`` HU, on the pixels whose window lies inside the images.

    Raises
    ------
    StudioError
        When the images are smaller than the window of 11 px.
    """
    _refuse_smaller(min(one.shape[-2:]), SSIM_WINDOW_PX)
    luminance, contrast = _comparisons(one, other, range_hu, SSIM_WINDOW_PX, SSIM_SIGMA_PX)
    return luminance * contrast


def _refuse_smaller(patch_px: int, window_px: int) -> None:
    if patch_px < window_px:
        raise StudioError(
            f"Patches of {patch_px} px are too small for the structural similarity.",
            hint=f"Make them at least {window_px} px.",
        )


def _window_px(sigma: float) -> int:
    return 2 * int(TRUNCATE * sigma + 0.5) + 1


def _comparisons(
    one: Tensor, other: Tensor, range_hu: float, side: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """The two factors of the local SSIM of ``(b, 1, y, x)`` HU: luminance, and contrast and
    structure. Each is ``(b, 1, y - side + 1, x - side + 1)``."""
    import torch

    images = torch.cat([one, other, one * one, other * other, one * other], dim=1)
    means = _blurred(images, side, sigma)
    mean_1, mean_2, square_1, square_2, product = torch.split(means, 1, dim=1)
    variance_1, variance_2 = square_1 - mean_1**2, square_2 - mean_2**2
    c1, c2 = (0.01 * range_hu) ** 2, (0.03 * range_hu) ** 2
    luminance = (2 * mean_1 * mean_2 + c1) / (mean_1**2 + mean_2**2 + c1)
    contrast = (2 * (product - mean_1 * mean_2) + c2) / (variance_1 + variance_2 + c2)
    return luminance, contrast


def _blurred(images: Tensor, side: int, sigma: float) -> Tensor:
    """Means of ``(b, c, y, x)`` under a Gaussian of ``side`` px that lies inside the image."""
    import torch

    at = torch.arange(side, dtype=images.dtype, device=images.device) - side // 2
    line = torch.exp(-at.square() / (2 * sigma**2))
    line = line / line.sum()
    # A variance is a small difference of large squares: half a number's digits would not do.
    with torch.autocast(images.device.type, enabled=False):
        # On a CPU products are three to five times faster; a GPU may shorten their numbers.
        blur = _by_matrices if images.device.type == "cpu" else _by_convolution
        return blur(images, line)


def _by_matrices(images: Tensor, line: Tensor) -> Tensor:
    down, across = (_sliding(line, length) for length in images.shape[-2:])
    return down @ images @ across.T


def _sliding(line: Tensor, length: int) -> Tensor:
    """``(length - len(line) + 1, length)``: in each row ``line``, one further to the right."""
    import torch.nn.functional as F

    rows = length - len(line) + 1
    # A row and one zero more, written again and again, moves on by one from row to row.
    return F.pad(line, (0, rows)).repeat(rows)[: rows * length].view(rows, length)


def _by_convolution(images: Tensor, line: Tensor) -> Tensor:
    import torch.nn.functional as F

    count = images.shape[1]
    kernel = line.expand(count, 1, -1)
    images = F.conv2d(images, kernel.unsqueeze(-1), groups=count)
    return F.conv2d(images, kernel.unsqueeze(-2), groups=count)
