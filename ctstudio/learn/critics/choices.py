"""The settings of the networks that judge images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ctstudio.core.registry import Param
from ctstudio.learn.critics.registry import CRITICS

if TYPE_CHECKING:
    from ctstudio.learn.critics.nets import Autoencoding, Connected, Convolutional

Black = Annotated[float, Param("Value that counts as 0: -1000 for HU, 0 for pictures", -4096, 4096)]
Unit = Annotated[
    float, Param("Values that count as 1: 2048 makes HU about 0 to 1", 0.001, 1e5, log=True)
]


@CRITICS.add("connected", title="Fully connected")
def connected(
    *,
    size_px: Annotated[
        int, Param("Side of the squares that are judged, each alone", 4, 256, "px", label="Square")
    ] = 32,
    hidden: Annotated[int, Param("Values in each of the two layers between", 1, 4096)] = 128,
    black: Black = -1000.0,
    unit: Unit = 2048.0,
) -> Connected:
    """Fully connected layers over squares of the image (Goodfellow et al. 2014, vanilla GAN)."""
    from ctstudio.learn.critics.nets import Connected

    return Connected(size_px=size_px, hidden=hidden, black=black, unit=unit)


@CRITICS.add("convolutional", title="All-convolutional")
def convolutional(
    *,
    depth: Annotated[int, Param("How often the image is halved", 1, 6)] = 3,
    features: Annotated[int, Param("Channels of the first layer; they double", 1, 256)] = 12,
    black: Black = -1000.0,
    unit: Unit = 2048.0,
) -> Convolutional:
    """Strided convolutions throughout, and a score for each place (Radford et al. 2016, DCGAN)."""
    from ctstudio.learn.critics.nets import Convolutional

    return Convolutional(depth=depth, features=features, black=black, unit=unit)


@CRITICS.add("autoencoding", title="Autoencoder", tags=["energy"])
def autoencoding(
    *,
    depth: Annotated[int, Param("How often the image is halved", 1, 6)] = 2,
    features: Annotated[int, Param("Channels of the first layer; they double", 1, 256)] = 12,
    latent: Annotated[int, Param("Channels in the middle, at the smallest size", 1, 512)] = 12,
    black: Black = -1000.0,
    unit: Unit = 2048.0,
) -> Autoencoding:
    """What an autoencoder cannot make again is not true (Zhao et al. 2017, EBGAN)."""
    from ctstudio.learn.critics.nets import Autoencoding

    return Autoencoding(depth=depth, features=features, latent=latent, black=black, unit=unit)
