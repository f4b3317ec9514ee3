"""DRUNet: a U-Net of residual blocks that is told how strong the noise is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS
from ctstudio.learn.models.settings import HighPass, Slices, Unshuffle

if TYPE_CHECKING:
    from ctstudio.learn.models.drunet_net import DRUNet


@MODELS.add("drunet", title="DRUNet")
def drunet(
    *,
    size: Annotated[
        Literal["small", "base", "large"],
        Param("Channels and blocks: 32 to 128 and 1, 48 to 384 and 2, or 64 to 512 and 4"),
    ] = "small",
    unshuffle: Unshuffle = 2,
    high_pass_px: HighPass = 32,
    slices: Slices = 1,
) -> DRUNet:
    """U-Net of residual blocks without biases, with a map of the noise that it measures itself."""
    from ctstudio.learn.models.drunet_net import DRUNet

    return DRUNet(size=size, unshuffle=unshuffle, high_pass_px=high_pass_px, slices=slices)
