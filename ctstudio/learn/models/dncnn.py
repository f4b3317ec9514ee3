"""DnCNN: a plain chain of convolutions that predicts the noise and subtracts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.dncnn_net import DnCNN


@MODELS.add("dncnn", title="DnCNN")
def dncnn(
    *,
    depth: Annotated[int, Param("Number of convolution layers", 2, 40)] = 6,
    features: Annotated[int, Param("Channels of the inner layers", 1, 512)] = 32,
    unshuffle: Annotated[
        Literal[1, 2, 4],
        Param("Work on 1, 2 x 2 or 4 x 4 interleaved images: cheaper, and sees further"),
    ] = 2,
    norm: Annotated[Literal["none", "batch"], Param("Normalisation between the layers")] = "none",
    bias: Annotated[bool, Param("Let the layers add a constant")] = False,
    high_pass_px: Annotated[
        int,
        Param("Keep the mean HU over this neighbourhood; 0 leaves the mean free", 0, 255, "px"),
    ] = 32,
) -> DnCNN:
    """Residual chain of 3 x 3 convolutions after Zhang et al., fast enough for one CPU core."""
    from ctstudio.learn.models.dncnn_net import DnCNN

    return DnCNN(
        depth=depth,
        features=features,
        unshuffle=unshuffle,
        norm=norm,
        bias=bias,
        high_pass_px=high_pass_px,
    )
