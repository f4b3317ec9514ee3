"""The torch module of `ctstudio.learn.models.redcnn`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.learn.models.noise_predictor import NoisePredictor, conv, silent

KERNEL = 5
LAYERS = 5  # of the encoder, and as many of the decoder


class REDCNN(NoisePredictor):
    """Chen et al. 2017, "Low-dose CT with a residual encoder-decoder convolutional neural network"
    (IEEE TMI 36, doi 10.1109/TMI.2017.2715284).

    Five convolutions and five transposed ones of 5 x 5, with shortcuts around the inner ones. The
    paper's network shrinks the image and clips what it returns at its black; this one pads, and
    returns HU of any size. `NoisePredictor` is its outermost shortcut.

    Parameters
    ----------
    features
        Channels of the inner layers: 96 in the paper.
    unshuffle, high_pass_px, slices
        See `NoisePredictor`; the paper has 1, 0 and 1.
    """

    def __init__(
        self, *, features: int = 96, unshuffle: int = 1, high_pass_px: int = 0, slices: int = 1
    ) -> None:
        reach = 2 * LAYERS * (KERNEL // 2)
        super().__init__(slices=slices, unshuffle=unshuffle, rim=reach, high_pass_px=high_pass_px)
        first = slices * self.channels
        self.encoder = nn.ModuleList(
            conv(features if index else first, features, KERNEL, bias=True)
            for index in range(LAYERS)
        )
        self.decoder = nn.ModuleList(_transposed(features, features) for _ in range(LAYERS - 1))
        self.last = silent(conv(features, self.channels, KERNEL))

    def predict(self, image: Tensor) -> Tensor:
        kept = []
        for index, layer in enumerate(self.encoder):
            image = F.relu(layer(image))
            if index % 2:
                kept.append(image)
        for index, layer in enumerate(self.decoder):
            image = layer(image)
            image = F.relu(image if index % 2 else image + kept.pop())
        noise: Tensor = self.last(image)
        return noise


def _transposed(before: int, after: int) -> nn.ConvTranspose2d:
    made = nn.ConvTranspose2d(before, after, KERNEL, padding=KERNEL // 2)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    assert made.bias is not None
    nn.init.zeros_(made.bias)
    return made
