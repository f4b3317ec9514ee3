"""DnCNN: a plain chain of convolutions that predicts the noise and subtracts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS
from ctstudio.learn.models.settings import HighPass, Slices, Unshuffle

if TYPE_CHECKING:
    from ctstudio.learn.models.dncnn_net import DnCNN


@MODELS.add("dncnn", title="DnCNN")
def dncnn(
    *,
    depth: Annotated[int, Param("Number of convolution layers", 2, 40)] = 6,
    features: Annotated[int, Param("Channels of the inner layers", 1, 512)] = 32,
    unshuffle: Unshuffle = 2,
    norm: Annotated[Literal["none", "batch"], Param("Normalisation between the layers")] = "none",
    bias: Annotated[bool, Param("Let the layers add a constant")] = False,
    high_pass_px: HighPass = 32,
    slices: Slices = 1,
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
        slices=slices,
    )
