"""The network of `ctstudio.learn.models.dilated_fcn`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from ctstudio.learn.models.dilated_fcn import Edges, Norm, Output

EPSILON = 1e-3
QUIET = 0.1


class DilatedFcn(nn.Module):
    """Anthimopoulos et al. 2018 (arXiv 1803.06167): no pooling, dilation widens the view instead.

    Takes HU ``(b, 1, y, x)`` of any size and returns logits ``(b, classes, y, x)``. The input block
    is ``x + norm(x)``; every dilated layer a 3x3 convolution whose result ``z`` goes on as
    ``relu(z + norm(z))``, with the layer's input added where ``residual`` is set. The input block
    and the outputs of all dilated layers are joined, and 1x1 layers of the same kind lead to the
    classes. An instance's statistics are those of the image, in training and after it.

    With ``shrink`` it works on means of squares of so many pixels, and its answer is enlarged
    linearly: for what is large and smooth that costs little accuracy, and a fraction of the time.

    With the ``output`` "mask" the last layer is the mask itself, to be trained by a squared error:
    what is above half is inside, where logits are inside above 0.

    With ``leak`` a ReLU hands on that share of what is below 0, so that no layer falls silent for
    good: with a squared error against small masks all of the last maps may, and the mask is black.
    """

    def __init__(
        self,
        *,
        classes: int,
        maps: int,
        dilations: tuple[int, ...],
        hidden: tuple[int, ...],
        norm: Norm,
        residual: bool,
        dropout: float,
        output: Output,
        shrink: int,
        edges: Edges,
        calm: bool,
        leak: float,
        centre: float,
        width: float,
    ) -> None:
        super().__init__()
        self.centre, self.width = centre, width
        self.threshold = 0.5 if output == "mask" else 0.0
        self.residual, self.shrink = residual, shrink
        self.entrance = _Normalised(1, norm)
        self.dilated = nn.ModuleList(
            _Layer(before, maps, 3, dilation, norm, edges, leak)
            for before, dilation in zip([1] + [maps] * len(dilations), dilations, strict=False)
        )
        self.dropout = nn.Dropout(dropout)
        joined = 1 + maps * len(dilations)
        self.hidden = nn.ModuleList(
            _Layer(before, after, 1, 1, norm, edges, leak)
            for before, after in zip([joined, *hidden], hidden, strict=False)
        )
        self.head = nn.Conv2d([joined, *hidden][-1], classes, 1)
        _he_normal(self.head)
        if calm:
            self._calm()

    def _calm(self) -> None:
        """Begin with an answer of 0, and with layers of which the statistics tell most.

        ``z + norm(z)`` doubles what He's weights hand on, layer by layer, to a thousandfold.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data.mul_(QUIET)
        nn.init.zeros_(self.head.weight)

    def forward(self, hu: Tensor) -> Tensor:
        """HU to logits."""
        size = hu.shape[-2:]
        if self.shrink > 1:
            hu = F.avg_pool2d(hu, self.shrink, ceil_mode=True, count_include_pad=False)
        image = self.entrance((hu - self.centre) / self.width)
        kept = [image]
        for layer in self.dilated:
            through = layer(image)
            image = through + image if self.residual else through
            kept.append(image)
        image = self.dropout(torch.cat(kept, dim=1))
        for layer in self.hidden:
            image = layer(image)
        values: Tensor = self.head(image)
        if self.shrink > 1:
            # Of a last square that reaches beyond the image only a part is shown.
            whole = [self.shrink * length for length in values.shape[-2:]]
            values = F.interpolate(values, whole, mode="bilinear", align_corners=False)
            values = values[..., : size[0], : size[1]]
        return values


class _Normalised(nn.Module):
    """``z + norm(z)``, with a learned scale and shift."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.norm: nn.Module = (
            nn.InstanceNorm2d(channels, eps=EPSILON, affine=True)
            if norm == "instance"
            else nn.BatchNorm2d(channels, eps=EPSILON)
        )

    def forward(self, z: Tensor) -> Tensor:
        added: Tensor = z + self.norm(z)
        return added


class _Layer(nn.Sequential):
    """A convolution that keeps the size, ``z + norm(z)``, and a ReLU."""

    def __init__(
        self,
        before: int,
        after: int,
        side: int,
        dilation: int,
        norm: Norm,
        edges: Edges,
        leak: float,
    ) -> None:
        reach = dilation * (side // 2)
        convolution = nn.Conv2d(
            before, after, side, padding=reach, dilation=dilation, padding_mode=edges
        )
        _he_normal(convolution)
        super().__init__(convolution, _Normalised(after, norm), _relu(leak))


def _relu(leak: float) -> nn.Module:
    return nn.LeakyReLU(leak) if leak else nn.ReLU()


def _he_normal(convolution: nn.Conv2d) -> None:
    # He et al. 2015 (doi 10.1109/ICCV.2015.123).
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
