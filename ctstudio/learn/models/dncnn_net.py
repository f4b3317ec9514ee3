"""The torch module of DnCNN, with HU in and HU out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HU_SCALE = 500.0
"""HU that count as 1 inside the network: a constant, since a scale taken from the image would
tie every pixel's HU to what else is in the field of view."""


class DnCNN(nn.Module):
    """Predicts the noise of an image and subtracts it.

    The chain of 3 x 3 convolutions follows Zhang et al., "Beyond a Gaussian denoiser" (IEEE TIP
    26, 2017), the work on interleaved low-resolution images Zhang et al., "FFDNet" (IEEE TIP 27,
    2018). Without biases the chain is homogeneous (a k times larger input gives k times larger
    noise: Mohan et al., ICLR 2020). CT noise has no power at zero frequency, so the predicted
    noise is freed of its local mean and the mean HU over ``high_pass_px`` pixels stays what it was.

    The last layer starts at zero: an untrained network returns its input.

    Parameters
    ----------
    depth, features
        Number of convolutions, and channels between them.
    unshuffle
        The image is dealt out to ``unshuffle**2`` images of 1 / ``unshuffle`` the size.
    norm
        "none", or "batch" for batch normalisation as in the paper.
    bias
        Whether the convolutions add a constant.
    high_pass_px
        Side of the squares over which the predicted noise averages to about zero, exactly so
        where it is constant; 0 for no such constraint.
    """

    def __init__(
        self,
        *,
        depth: int = 6,
        features: int = 32,
        unshuffle: int = 2,
        norm: str = "none",
        bias: bool = False,
        high_pass_px: int = 32,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.unshuffle = unshuffle
        self.high_pass_px = high_pass_px
        channels = unshuffle**2
        layers: list[nn.Module] = []
        for index in range(depth):
            inputs = channels if index == 0 else features
            outputs = channels if index == depth - 1 else features
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            if bias:
                assert convolution.bias is not None
                nn.init.zeros_(convolution.bias)
            layers.append(convolution)
            if index < depth - 1:
                if norm == "batch" and index > 0:
                    layers.append(nn.BatchNorm2d(features))
                layers.append(nn.ReLU(inplace=True))
            else:
                nn.init.zeros_(convolution.weight)
        self.body = nn.Sequential(*layers)

    @property
    def parameter_count(self) -> int:
        """Number of trained numbers."""
        return sum(p.numel() for p in self.parameters())

    @property
    def receptive_field_px(self) -> int:
        """Side of the square of input pixels that the noise of one pixel is predicted from,
        before it is freed of its local mean."""
        return (2 * self.depth + 1) * self.unshuffle

    def noise(self, hu: Tensor) -> Tensor:
        """The predicted noise ``(b, 1, y, x)``, HU."""
        height, width = hu.shape[-2:]
        step = self.unshuffle
        # The layers pad with zeros, which look like water at the rim of the image. In training
        # that costs less than a wider patch would; an image to keep is mirrored at its rim instead,
        # as far as the zeros reach.
        rim = 0 if self.training else self.depth
        image = _mirrored(hu, rim * step, -height % step, -width % step) / HU_SCALE
        if step > 1:
            image = F.pixel_unshuffle(image, step)
        # On a CPU the convolutions are a third faster with the channels last.
        noise: Tensor = self.body(image.contiguous(memory_format=torch.channels_last))
        noise = noise.to(hu.dtype)
        if rim:
            noise = noise[..., rim:-rim, rim:-rim]
        if self.high_pass_px:
            noise = noise - local_mean(noise, max(2, self.high_pass_px // step))
        if step > 1:
            noise = F.pixel_shuffle(noise, step)
        return noise[..., :height, :width] * HU_SCALE

    def forward(self, hu: Tensor) -> Tensor:
        """Denoised HU ``(b, 1, y, x)`` of noisy HU of the same shape, any size."""
        return hu - self.noise(hu)


def local_mean(image: Tensor, side: int) -> Tensor:
    """A smooth local mean of ``(b, c, y, x)``: means of squares of ``side``, interpolated.

    By the factor and not to the size, so that the means stay in their places whatever the size:
    a tile that begins at a multiple of ``side`` has the means of the whole image.
    """
    height, width = image.shape[-2:]
    means = F.avg_pool2d(image, side, ceil_mode=True, count_include_pad=False)
    smooth = F.interpolate(means, scale_factor=float(side), mode="bilinear", align_corners=False)
    return smooth[..., :height, :width]


def _mirrored(image: Tensor, rim: int, below: int, right: int) -> Tensor:
    """``image`` with a mirrored rim on all sides, and ``below`` and ``right`` pixels more there."""
    rows, columns = rim + below, rim + right
    if not (rows or columns):
        return image
    # A mirror image has one pixel less than the image; a smaller one repeats its last pixel.
    small = image.shape[-2] <= rows or image.shape[-1] <= columns
    return F.pad(image, (rim, columns, rim, rows), mode="replicate" if small else "reflect")
