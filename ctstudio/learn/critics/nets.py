"""The torch modules of the networks that judge images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2
"""Slope of the leaky ReLU below 0: a critic with silent places would give no gradient there."""


class Connected(nn.Module):
    """Two hidden layers over each square of ``size_px``; returns a score a square ``(n, 1)``.

    An image is dealt into squares from its upper left corner; what is left at the right and lower
    edge is not judged, and an image that is smaller is filled with black.
    """

    def __init__(self, *, size_px: int, hidden: int, black: float, unit: float) -> None:
        super().__init__()
        self.size_px, self.black, self.unit = size_px, black, unit
        self.layers = nn.Sequential(
            nn.Linear(size_px**2, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, 1),
        )

    def forward(self, hu: Tensor) -> Tensor:
        images, side = (hu - self.black) / self.unit, self.size_px
        missing = [max(side - length, 0) for length in images.shape[-2:]]
        images = F.pad(images, (0, missing[1], 0, missing[0]))
        down, across = images.shape[-2] // side, images.shape[-1] // side
        squares = images[..., : down * side, : across * side]
        squares = squares.reshape(-1, down, side, across, side).transpose(2, 3)
        scores: Tensor = self.layers(squares.reshape(-1, side**2))
        return scores


class Convolutional(nn.Module):
    """Convolutions 4 x 4 of stride 2, then one score for each place ``(b, 1, y', x')``.

    There is neither pooling nor a connected layer, nor a normalisation over the batch: true and
    made images are judged by the same rule.
    """

    def __init__(self, *, depth: int, features: int, black: float, unit: float) -> None:
        super().__init__()
        self.black, self.unit = black, unit
        layers: list[nn.Module] = []
        before = 1
        for level in range(depth):
            layers += [
                nn.Conv2d(before, features * 2**level, 4, stride=2, padding=1),
                nn.LeakyReLU(LEAK),
            ]
            before = features * 2**level
        layers.append(nn.Conv2d(before, 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, hu: Tensor) -> Tensor:
        scores: Tensor = self.layers((hu - self.black) / self.unit)
        return scores


class Autoencoding(nn.Module):
    """Makes an image again by way of few values; returns the mean absolute failure ``(b,)``.

    The failure is in the network's range, where ``unit`` HU are 1.
    """

    def __init__(
        self, *, depth: int, features: int, latent: int, black: float, unit: float
    ) -> None:
        super().__init__()
        self.black, self.unit, self.depth = black, unit, depth
        widths = [features * 2**level for level in range(depth)]
        down: list[nn.Module] = []
        for before, after in zip([1, *widths], widths, strict=False):
            down += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
        down.append(nn.Conv2d(widths[-1], latent, 1))
        up: list[nn.Module] = []
        for before, after in zip([latent, *widths[::-1]], widths[::-1], strict=False):
            up += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)]
            up.append(nn.LeakyReLU(LEAK))
        up.append(nn.Conv2d(widths[0], 1, 3, padding=1))
        self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up)

    def forward(self, hu: Tensor) -> Tensor:
        images = (hu - self.black) / self.unit
        # Sizes that cannot be halved so often are filled up at the right and lower edge.
        step = 2**self.depth
        rows, columns = (-length % step for length in images.shape[-2:])
        images = F.pad(images, (0, columns, 0, rows), mode="replicate")
        failure: Tensor = (self.decoder(self.encoder(images)) - images).abs().mean((1, 2, 3))
        return failure
