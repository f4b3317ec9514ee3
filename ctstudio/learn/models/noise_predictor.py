"""What networks that predict the noise of an image and subtract it have in common."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.learn.context import Context

HU_SCALE = 500.0
"""HU that count as 1 inside the network: a constant, since a scale taken from the image would
tie every pixel's HU to what else is in the field of view."""


class NoisePredictor(nn.Module):
    """Predicts the noise of a slice and subtracts it.

    CT noise has no power at zero frequency, so the predicted noise is freed of its local mean and
    the mean HU over ``high_pass_px`` pixels stays what it was. A subclass says in `predict` what it
    makes of the image, and starts with noise of zero: an untrained network returns its input.

    Parameters
    ----------
    slices
        Neighbouring slices that it is shown, as channels, the slice itself in the middle.
    unshuffle
        The image is dealt out to ``unshuffle**2`` images of 1 / ``unshuffle`` the size (Zhang et
        al., "FFDNet", IEEE TIP 27, 2018).
    cell
        Pixels of these that the sides of the image must be a multiple of.
    rim
        Pixels of these that an image to keep is mirrored by at its edges. The layers pad with
        zeros, which look like water there: in training that costs less than a wider patch would.
    high_pass_px
        Side of the squares over which the predicted noise averages to about zero, exactly so
        where it is constant; 0 for no such constraint.
    """

    def __init__(
        self,
        *,
        slices: int = 1,
        unshuffle: int = 1,
        cell: int = 1,
        rim: int = 0,
        high_pass_px: int = 0,
    ) -> None:
        super().__init__()
        self.context = Context(slices)
        self.unshuffle = unshuffle
        self.high_pass_px = high_pass_px
        self._cell = cell
        self._rim = math.ceil(rim / cell) * cell

    @property
    def channels(self) -> int:
        """Images that `predict` returns."""
        return self.unshuffle**2

    @property
    def parameter_count(self) -> int:
        """Number of trained numbers."""
        return sum(p.numel() for p in self.parameters())

    def predict(self, image: Tensor) -> Tensor:
        """Noise ``(b, channels, y, x)`` of an image ``(b, slices * channels, y, x)``, both in
        units of `HU_SCALE`."""
        raise NotImplementedError

    def noise(self, hu: Tensor) -> Tensor:
        """The predicted noise ``(b, 1, y, x)``, HU, of ``(b, slices, y, x)`` HU of any size."""
        height, width = hu.shape[-2:]
        step = self.unshuffle
        rim = 0 if self.training else self._rim
        whole = step * self._cell
        image = mirrored(hu, rim * step, -height % whole, -width % whole) / HU_SCALE
        if step > 1:
            image = F.pixel_unshuffle(image, step)
        # On a CPU the convolutions are a third faster with the channels last.
        noise = self.predict(image.contiguous(memory_format=torch.channels_last))
        noise = noise.to(hu.dtype)
        if rim:
            noise = noise[..., rim:-rim, rim:-rim]
        if self.high_pass_px:
            noise = noise - local_mean(noise, max(2, self.high_pass_px // step))
        if step > 1:
            noise = F.pixel_shuffle(noise, step)
        return noise[..., :height, :width] * HU_SCALE

    def forward(self, hu: Tensor) -> Tensor:
        """Denoised HU ``(b, 1, y, x)`` of the middle one of noisy slices ``(b, slices, y, x)``."""
        middle = self.context.slices // 2
        return hu[:, middle : middle + 1] - self.noise(hu)


def local_mean(image: Tensor, side: int) -> Tensor:
    """A smooth local mean of ``(b, c, y, x)``: means of squares of ``side``, interpolated.

    By the factor and not to the size, so that the means stay in their places whatever the size:
    a tile that begins at a multiple of ``side`` has the means of the whole image.
    """
    height, width = image.shape[-2:]
    means = F.avg_pool2d(image, side, ceil_mode=True, count_include_pad=False)
    smooth = F.interpolate(means, scale_factor=float(side), mode="bilinear", align_corners=False)
    return smooth[..., :height, :width]


def mirrored(image: Tensor, rim: int, below: int, right: int) -> Tensor:
    """``image`` with a mirrored rim on all sides, and ``below`` and ``right`` pixels more there."""
    rows, columns = rim + below, rim + right
    if not (rows or columns):
        return image
    # A mirror image has one pixel less than the image; a smaller one repeats its last pixel.
    small = image.shape[-2] <= rows or image.shape[-1] <= columns
    return F.pad(image, (rim, columns, rim, rows), mode="replicate" if small else "reflect")


def conv(before: int, after: int, kernel: int = 3, *, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps the size, its weights fit for a ReLU behind it (He et al. 2015)."""
    made = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=bias)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    if made.bias is not None:
        nn.init.zeros_(made.bias)
    return made


def silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with zeros for weights."""
    nn.init.zeros_(layer.weight)
    return layer
