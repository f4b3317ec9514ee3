"""Losses by which a network learns what another one, trained before, already knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.context import context_of
from ctstudio.learn.losses.base import LOSSES, UNIT_HU, LossFunction

if TYPE_CHECKING:
    from torch import Tensor, nn

Network = Annotated[
    str,
    Param(
        "Folder of a training, or .pt or .safetensors file: the network that teaches",
        file=(".pt", ".safetensors"),
    ),
]


@LOSSES.add("teacher", title="Teacher", tags=["inputs"])
def teacher(*, network: Network = "") -> LossFunction:
    """Mean squared difference from what a trained network makes of the same input.

    The network stays as it is (Hinton, Vinyals and Dean 2015, arXiv 1503.02531, with images).

    Raises
    ------
    StudioError
        When there is no such network, or it tells classes.
    """
    return _regression(network, 1 / UNIT_HU, classes=False)


@LOSSES.add("teacher_logits", title="Teacher of classes", tags=["inputs", "labels"])
def teacher_logits(*, network: Network = "") -> LossFunction:
    """Mean squared difference of logits from those of a trained network for the same input.

    Ba and Caruana 2014, "Do deep nets really need to be deep?" (arXiv 1312.6184), section 2.1.

    Raises
    ------
    StudioError
        When there is no such network, or it tells no classes.
    """
    return _regression(network, 1.0, classes=True)


def _regression(network: str, scale: float, *, classes: bool) -> LossFunction:
    module = _taught(network, classes)

    def loss(prediction: Tensor, inputs: Tensor) -> Tensor:
        import torch

        wants = context_of(module).slices
        if inputs.shape[1] != wants:
            raise StudioError(
                f"The teacher looks at {wants} neighbouring slices, the network at "
                f"{inputs.shape[1]}.",
                hint="Choose a teacher that is shown the same blocks.",
            )
        module.to(inputs.device)
        with torch.no_grad():
            wanted: Tensor = module(inputs)
        if wanted.shape != prediction.shape:
            raise StudioError(
                f"The teacher tells {_size(wanted)}, the network {_size(prediction)}.",
                hint="Give both the same number of classes, and patches of the same size.",
            )
        difference: Tensor = (prediction - wanted) * scale
        return difference.square().mean()

    return loss


def _size(logits: Tensor) -> str:
    classes, rows, columns = logits.shape[1:]
    return f"{classes} classes of {columns} x {rows} voxels"


def _taught(network: str, classes: bool) -> nn.Module:
    from ctstudio.learn import checkpoint
    from ctstudio.learn.recipe_check import learns_classes

    if not network:
        raise StudioError(
            "The loss of a teacher names no network.",
            hint="Set its network to the folder of an earlier training, or to its file.",
        )
    model = checkpoint.load(Path(network).expanduser())
    if learns_classes(model.recipe) != classes:
        kinds = ("classes", "HU") if learns_classes(model.recipe) else ("HU", "classes")
        raise StudioError(
            f"The teacher {network} returns {kinds[0]}, and the network learns {kinds[1]}.",
            hint="Choose a teacher of the same task.",
        )
    return model.module.eval().requires_grad_(False)
