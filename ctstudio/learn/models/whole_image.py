"""The network of the article on Lai's thesis: a mask of a whole image from a fully connected
layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.whole_image_net import WholeImage

Output = Literal["tanh", "linear"]


@MODELS.add("whole_image", title="Whole-image network of the article", tags=["labels", "whole"])
def whole_image(
    *,
    side_px: Annotated[
        int, Param("Side of what images are reduced to, and of the mask", 8, 256, "px",
                   label="Image")
    ] = 64,
    hidden: Annotated[int, Param("Nodes between the maps and the mask", 1, 8192)] = 1000,
    output: Annotated[
        Output, Param("tanh as in the article, which no softmax can peak with, or logits")
    ] = "linear",
    local: Annotated[
        bool, Param("The convolutions see the image in full; a kernel 5 x 5 tells of each pixel")
    ] = False,
    own_contrast: Annotated[
        bool, Param("Each image from its own mean, in units of its own SD", label="Own contrast")
    ] = False,
    first_sd: Annotated[
        float, Param("SD of the first weights; 0 for 1 / sqrt(inputs)", 0, 1, label="First SD")
    ] = 0.0,
    black: Annotated[float, Param("HU that the network takes for 0", -2000, 2000, "HU")] = -1000.0,
    width: Annotated[float, Param("HU between its 0 and its 1", 1, 8000, "HU", log=True)] = 2000.0,
) -> WholeImage:  # fmt: skip
    """Two convolutions and two fully connected layers tell all of a mask at once (J. D. Seo
    2018)."""
    from ctstudio.learn.models.whole_image_net import WholeImage

    return WholeImage(
        side_px=side_px, hidden=hidden, output=output, local=local, own_contrast=own_contrast,
        first_sd=first_sd, black=black, width=width,
    )  # fmt: skip
