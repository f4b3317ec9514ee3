"""U-Net: tells the class of every pixel, at several scales at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.unet_net import UNet


@MODELS.add("unet", title="U-Net", tags=["labels"])
def unet(
    *,
    classes: Annotated[int, Param("Classes with the background; 1 asks inside or not", 1, 256)] = 2,
    depth: Annotated[int, Param("How often the image is halved", 1, 6)] = 3,
    features: Annotated[int, Param("Channels at full size; they double at every halving", 1, 128)]
    = 16,
    norm: Annotated[
        Literal["group", "batch"], Param("Statistics of each image, or of the batch")
    ] = "group",
    centre: Annotated[float, Param("HU that the network takes for 0", -1000, 1000, "HU")] = 0.0,
    width: Annotated[float, Param("HU that it takes for 1", 1, 4000, "HU", log=True)] = 500.0,
) -> UNet:  # fmt: skip
    """Down and up again with shortcuts between equal sizes, after Ronneberger et al. 2015.

    What was learnt from parts of images with the statistics of each part does not hold of whole
    images where these differ, as they do around large organs; those of the batch ("batch") do.
    """
    from ctstudio.learn.models.unet_net import UNet

    return UNet(
        classes=classes, depth=depth, features=features, norm=norm, centre=centre, width=width
    )
