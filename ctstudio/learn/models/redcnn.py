"""RED-CNN: convolutions and transposed convolutions of 5 x 5, with shortcuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS
from ctstudio.learn.models.settings import HighPass, Slices, Unshuffle

if TYPE_CHECKING:
    from ctstudio.learn.models.redcnn_net import REDCNN


@MODELS.add("redcnn", title="RED-CNN")
def redcnn(
    *,
    features: Annotated[int, Param("Channels of the inner layers", 1, 512)] = 96,
    unshuffle: Unshuffle = 1,
    high_pass_px: HighPass = 0,
    slices: Slices = 1,
) -> REDCNN:
    """The network of Chen et al. 2017 for low-dose CT; slow on a CPU at its full width."""
    from ctstudio.learn.models.redcnn_net import REDCNN

    return REDCNN(features=features, unshuffle=unshuffle, high_pass_px=high_pass_px, slices=slices)
