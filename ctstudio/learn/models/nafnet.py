"""NAFNet: a U-Net of cheap blocks without activation functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS
from ctstudio.learn.models.settings import HighPass, Slices, Unshuffle

if TYPE_CHECKING:
    from ctstudio.learn.models.nafnet_net import NAFNet


@MODELS.add("nafnet", title="NAFNet")
def nafnet(
    *,
    size: Annotated[
        Literal["small", "base", "large"],
        Param("Channels at full size and blocks a level: 24 and 1, 32 and 2, or 48 and 4"),
    ] = "small",
    unshuffle: Unshuffle = 2,
    high_pass_px: HighPass = 32,
    slices: Slices = 1,
) -> NAFNet:
    """U-Net of depth-wise convolutions and gates, after Chen et al. 2022."""
    from ctstudio.learn.models.nafnet_net import NAFNet

    return NAFNet(size=size, unshuffle=unshuffle, high_pass_px=high_pass_px, slices=slices)
