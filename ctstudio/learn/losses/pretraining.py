"""A loss by which layers learn one after the other, without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.losses.base import LOSSES, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


@LOSSES.add("layer_autoencoder", title="Autoencoder of one layer", tags=["network", "labels"])
def layer_autoencoder(
    *, layer: Annotated[int, Param("Which layer learns, from 1", 1, 100)] = 1
) -> LossFunction:
    """Mean squared difference between a layer's input and what its own weights, transposed, make
    of its output.

    The layers before it stay as they are, and no label is used: phases with one layer after the
    other are the greedy pre-training of Bengio et al., "Greedy layer-wise training of deep
    networks" (NIPS 2006), with the weights of encoder and decoder tied.

    Raises
    ------
    StudioError
        When the network cannot be trained layer by layer, or has no such layer.
    """

    def loss(network: Any, inputs: Tensor) -> Tensor:
        layers = int(getattr(network, "layers", 0))
        if not layers:
            raise StudioError(
                "The loss of single layers is given a network that has none to be trained alone.",
                hint='Choose the network "patch_cnn", or another loss.',
            )
        if layer > layers:
            raise StudioError(
                f"The network has {layers} layers to be trained alone, and no layer {layer}.",
                hint=f"Choose a layer from 1 to {layers}.",
            )
        error: Tensor = network.autoencode(layer, inputs)
        return error

    return loss
