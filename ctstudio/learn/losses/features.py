"""A loss of deep features: images are compared as a network trained before sees them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.losses.base import LOSSES, LossFunction

if TYPE_CHECKING:
    from torch import Tensor, nn

CHECKPOINTS = ("best.pt", "last.pt")


class _Reached(Exception):
    """The network has come as far as the layer that is wanted."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features


@LOSSES.add("deep_features", title="Deep features")
def deep_features(
    *,
    network: Annotated[
        str,
        Param(
            "Folder or .pt file of the training whose network compares the images", file=(".pt",)
        ),
    ] = "",
    layer: Annotated[
        str, Param('Name of the layer, such as "body.4"; empty: the one halfway')
    ] = "",
) -> LossFunction:
    """Mean squared difference of what a layer of a trained network makes of the images.

    Johnson et al. 2016, "Perceptual losses for real-time style transfer and super-resolution"
    (doi 10.1007/978-3-319-46475-6_43), with a network that was trained on CT by this program. It
    stays as it is; the gradient goes through it to the prediction alone.

    Raises
    ------
    StudioError
        When there is no such network or it has no such layer.
    """
    from ctstudio.learn import checkpoint

    module = checkpoint.load(_checkpoint(network)).module.eval().requires_grad_(False)
    _halt(module, layer)

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        import torch

        module.to(prediction.device, prediction.dtype)
        with torch.no_grad():
            wanted = _features(module, target)
        return (_features(module, prediction) - wanted).to(prediction.dtype).square().mean()

    return loss


def _checkpoint(network: str) -> Path:
    """The file that ``network`` means."""
    if not network:
        raise StudioError(
            "The loss deep_features names no network.",
            hint="Set its network to the folder or the .pt file of an earlier training.",
        )
    path = Path(network).expanduser()
    if not path.is_dir():
        return path  # whoever reads it says whether it is there
    for name in CHECKPOINTS:
        if (path / name).is_file():
            return path / name
    raise StudioError(
        f"{path} holds no trained network.",
        hint=f"Choose the folder of a training, with {' or '.join(CHECKPOINTS)}.",
        path=path,
    )


def _halt(module: nn.Module, layer: str) -> None:
    """Let ``module`` stop with `_Reached` behind the layer of that name."""
    named = dict(module.named_modules())
    leaves = [name for name, part in named.items() if name and not any(part.children())]
    chosen = layer or (leaves[(len(leaves) - 1) // 2] if leaves else "")
    if not chosen or chosen not in named:
        raise StudioError(
            f"The network of the loss deep_features has no layer {chosen!r}.",
            hint=f"Its layers are {', '.join(leaves) or 'not to be had'}.",
        )

    def stop(layer: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> NoReturn:
        # What comes after is not needed, and might change the output in place.
        raise _Reached(output[0] if isinstance(output, tuple) else output)

    named[chosen].register_forward_hook(stop)


def _features(module: nn.Module, images: Tensor) -> Tensor:
    try:
        module(images)
    except _Reached as reached:
        return reached.features
    raise StudioError(
        "The network of the loss deep_features does not use the layer that was chosen.",
        hint="Choose another layer.",
    )
