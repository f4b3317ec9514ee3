"""Lai's networks: the class of a voxel from the patches around it, in one, three or all planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.models.dilated_fcn import whole_numbers
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.patch_cnn_net import PatchCnn

Form = Literal["single", "stacked", "tri_planar", "volume"]
Activation = Literal["relu", "tanh", "sigmoid", "arctan", "swish", "sine", "gaussian"]


@MODELS.add("patch_cnn", title="Patch network (Lai)", tags=["labels", "voxels"])
def patch_cnn(
    *,
    form: Annotated[
        Form,
        Param("One patch, three parallel, three orthogonal, or a cube; the last two look at as "
              "many slices as a patch has pixels"),
    ] = "tri_planar",
    classes: Annotated[int, Param("Classes with the background; 1 asks inside or not", 1, 256)] = 2,
    size_px: Annotated[
        int, Param("Side of a patch; set the recipe's patch to it", 8, 64, "px", label="Patch")
    ] = 24,
    maps: Annotated[str, Param("Channels of every convolution")] = "20, 50",
    kernel: Annotated[int, Param("Side of the kernels", 1, 15, "px")] = 5,
    hidden: Annotated[str, Param("Nodes of every fully connected layer")] = "1000",
    activation: Annotated[
        Activation, Param("Behind every layer but the last; sine, gaussian and swish rise and fall")
    ] = "relu",
    dropout: Annotated[
        float, Param("Share of each fully connected layer's nodes dropped in training", 0, 0.9)
    ] = 0.5,
    centre: Annotated[float, Param("HU that the network takes for 0", -1000, 1000, "HU")] = 0.0,
    width: Annotated[float, Param("HU that it takes for 1", 1, 4000, "HU", log=True)] = 500.0,
) -> PatchCnn:  # fmt: skip
    """Convolutions without pooling and a fully connected layer tell the class of the voxel in the
    middle, after M. Lai 2015.

    Raises StudioError where ``maps`` or ``hidden`` are no lists of whole numbers, or nothing is
    left of a patch behind the convolutions.
    """
    from ctstudio.learn.models.patch_cnn_net import PatchCnn

    channels = whole_numbers("maps", maps, 1024)
    if size_px <= len(channels) * (kernel - 1):
        raise StudioError(
            f"Behind {len(channels)} convolutions of {kernel} x {kernel} nothing is left of a patch"
            f" of {size_px} x {size_px} px.",
            hint="Give larger patches, smaller kernels or fewer convolutions.",
        )
    return PatchCnn(
        form=form,
        classes=classes,
        size_px=size_px,
        maps=channels,
        kernel=kernel,
        hidden=whole_numbers("hidden", hidden, 8192),
        activation=activation,
        dropout=dropout,
        centre=centre,
        width=width,
    )
