"""Dilated fully convolutional network: tells the class of every pixel at full resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.dilated_fcn_net import DilatedFcn

Norm = Literal["instance", "batch"]
Output = Literal["logits", "mask"]
Edges = Literal["zeros", "replicate"]
FURTHEST_PX = 1024


@MODELS.add("dilated_fcn", title="Dilated fully convolutional network", tags=["labels", "whole"])
def dilated_fcn(
    *,
    classes: Annotated[int, Param("Classes with the background; 1 asks inside or not", 1, 256)] = 2,
    maps: Annotated[int, Param("Channels of every dilated layer", 1, 128)] = 32,
    dilations: Annotated[
        str, Param("Distance in pixels between the taps of each 3x3 layer")
    ] = "1, 1, 2, 3, 5, 8, 13, 21, 34, 55",
    hidden: Annotated[str, Param("Channels of the 1x1 layers behind them")] = "128, 32",
    norm: Annotated[Norm, Param("Statistics of each image, or of the batch")] = "instance",
    residual: Annotated[bool, Param("Every dilated layer adds its input to its output")] = False,
    dropout: Annotated[float, Param("Share of the joined channels dropped in training", 0, 0.9)]
    = 0.5,
    output: Annotated[
        Output, Param("Logits for a softmax, or the mask itself for a squared error")
    ] = "logits",
    shrink: Annotated[
        int, Param("Images are reduced by so much beforehand, and its answer is enlarged", 1, 16)
    ] = 1,
    edges: Annotated[
        Edges, Param("What stands beyond the image: zeros, whose border shows, or its last pixels")
    ] = "zeros",
    calm: Annotated[bool, Param("Small first weights, and a last layer that begins at 0")] = False,
    leak: Annotated[float, Param("Share of what is below 0 that a ReLU hands on", 0, 0.5)] = 0.0,
    centre: Annotated[float, Param("HU that the network takes for 0", -1000, 1000, "HU")] = 0.0,
    width: Annotated[float, Param("HU that it takes for 1", 1, 4000, "HU", log=True)] = 500.0,
) -> DilatedFcn:  # fmt: skip
    """3x3 layers of growing dilation, all joined at the end, after Anthimopoulos et al. 2018.

    Raises StudioError where ``dilations`` or ``hidden`` are no list of whole numbers.
    """
    from ctstudio.learn.models.dilated_fcn_net import DilatedFcn

    return DilatedFcn(
        classes=classes,
        maps=maps,
        dilations=whole_numbers("dilations", dilations, FURTHEST_PX),
        hidden=whole_numbers("hidden", hidden, 4096, least=0),
        norm=norm,
        residual=residual,
        dropout=dropout,
        output=output,
        shrink=shrink,
        edges=edges,
        calm=calm,
        leak=leak,
        centre=centre,
        width=width,
    )


def whole_numbers(key: str, text: str, most: int, least: int = 1) -> tuple[int, ...]:
    """The whole numbers from 1 to ``most`` that a setting lists, ``least`` of them or more.

    Raises StudioError where they are not.
    """
    parts = text.replace(",", " ").split()
    if len(parts) < least or not all(p.isdecimal() and 1 <= int(p) <= most for p in parts):
        raise StudioError(
            f"{key} = {text!r} is not allowed.",
            hint=f'Give whole numbers from 1 to {most}, such as "1, 2, 4".',
        )
    return tuple(int(part) for part in parts)
