"""The network of `ctstudio.learn.models.whole_image`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from ctstudio.learn.models.whole_image import Output


class WholeImage(nn.Module):
    """J. D. Seo 2018, "Deep learning for medical image segmentation with interactive code".

    Convolutions 5 x 5 with 10 and 25 channels that keep the size, ReLU behind each; a fully
    connected layer with tanh; another that gives every pixel of the mask, with tanh again where
    ``output`` says so. Nothing has a constant. With ``local`` a kernel 5 x 5 adds what the
    convolutions tell of each place, which a fully connected layer would need many images to learn.

    Takes HU ``(b, 1, y, x)`` of any size, reduces them to ``side_px`` a side (means of pixels) and
    returns one channel of logits ``(b, 1, y, x)``: of every pixel those of the reduced pixel that
    it lies in.
    """

    def __init__(
        self,
        *,
        side_px: int,
        hidden: int,
        output: Output,
        local: bool,
        own_contrast: bool,
        first_sd: float,
        black: float,
        width: float,
    ) -> None:
        super().__init__()
        self.side, self.output, self.black, self.width = side_px, output, black, width
        self.own_contrast = own_contrast
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 5, padding=2, bias=False)
            for before, after in ((1, 10), (10, 25))
        )
        self.inner = nn.Linear(25 * side_px**2, hidden, bias=False)
        self.mask = nn.Linear(hidden, side_px**2, bias=False)
        self.local = nn.Conv2d(25, 1, 5, padding=2, bias=False) if local else None
        for weight in self.parameters():
            nn.init.normal_(weight, std=first_sd or weight[0].numel() ** -0.5)

    def forward(self, hu: Tensor) -> Tensor:
        """HU to logits."""
        image = (hu - self.black) / self.width
        if self.own_contrast:
            # A thousandth of the width: an image of one grey is 0, not noise blown up.
            sd = image.std((-3, -2, -1), keepdim=True).clamp_min(1e-3)
            image = (image - image.mean((-3, -2, -1), keepdim=True)) / sd
        if self.local is None:
            image = F.adaptive_avg_pool2d(image, self.side)
        for convolution in self.convolutions:
            image = torch.relu(convolution(image))
        maps = F.adaptive_avg_pool2d(image, self.side)
        pixels = self.mask(torch.tanh(self.inner(maps.flatten(1))))
        mask: Tensor = pixels.view(-1, 1, self.side, self.side)
        if self.local is not None:
            mask = F.interpolate(mask, hu.shape[-2:], mode="nearest-exact") + self.local(image)
        mask = torch.tanh(mask) if self.output == "tanh" else mask
        return mask if self.local else F.interpolate(mask, hu.shape[-2:], mode="nearest-exact")
