"""The torch module of the articles' fourth part, and its gradient derived by hand."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ctstudio.learn.gradients import Trace
from ctstudio.learn.models.residual_net import ACTIVATIONS, SLOPES, go_back


class ShortcutBlock(nn.Module):
    """``act(W2 * act(W1 * x)) + act(Ws * x)``, with 3 x 3 kernels and a 1 x 1 shortcut.

    All convolutions keep the size, with zeros beyond the rim, and add no constant.
    """

    def __init__(self, before: int, after: int, activation: str, first_sd: float) -> None:
        super().__init__()
        self.activation = activation
        self.first = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(before, after, 1, bias=False)
        for layer in (self.first, self.second, self.shortcut):
            inputs = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=first_sd or inputs**-0.5)

    def forward(self, images: Tensor) -> Tensor:
        """``(b, after, y, x)`` of ``(b, before, y, x)``."""
        act = ACTIVATIONS[self.activation]
        return act(self.second(torch.relu(self.first(images)))) + act(self.shortcut(images))

    def trace(self, images: Tensor) -> tuple[Tensor, partial[Tensor]]:
        """What `forward` returns, and the way back through the block."""
        act, slope = ACTIVATIONS[self.activation], SLOPES[self.activation]
        inner, short = self.first(images), self.shortcut(images)
        between = torch.relu(inner)
        outer = self.second(between)
        back = partial(
            self._back, images, between, SLOPES["relu"](inner), slope(outer), slope(short)
        )
        return act(outer) + act(short), back

    def _back(
        self,
        images: Tensor,
        between: Tensor,
        inner: Tensor,
        outer: Tensor,
        short: Tensor,
        gradient: Tensor,
        pass_on: bool = True,
    ) -> Tensor:
        passed = go_back(self.second, between, outer, gradient)
        passed = go_back(self.first, images, inner, passed, pass_on)
        return passed + go_back(self.shortcut, images, short, gradient, pass_on)


class ArticleResNet(nn.Module):
    """Residual blocks whose input goes around them through a 1 x 1 convolution.

    J. D. Seo 2018, part 4, after He et al., "Deep residual learning for image recognition"
    (CVPR 2016). A layer of its trace is a whole block.

    Inside, a value is ``(HU - black) / unit``; nothing is clipped.

    Parameters
    ----------
    blocks, features
        Number of blocks, and channels of all but the last, which makes one.
    last
        "relu" or "linear": the activation of the last block's second convolution and shortcut;
        everything else has ReLU.
    first_sd
        SD of the first weights; 0 for 1 / sqrt(inputs of the convolution).
    black, unit
        HU that counts as 0, and HU that count as 1.
    """

    def __init__(
        self,
        *,
        blocks: int,
        features: int,
        last: str,
        first_sd: float,
        black: float,
        unit: float,
    ) -> None:
        super().__init__()
        self.black, self.unit = black, unit
        self.blocks = nn.ModuleList()
        before = 1
        for number in range(1, blocks + 1):
            after, activation = (features, "relu") if number < blocks else (1, last)
            self.blocks.append(ShortcutBlock(before, after, activation, first_sd))
            before = after

    def forward(self, hu: Tensor) -> Tensor:
        """Denoised HU ``(b, 1, y, x)`` of noisy HU of the same shape, any size."""
        images = (hu - self.black) / self.unit
        for block in self.blocks:
            images = block(images)
        return images * self.unit + self.black

    def trace(self, inputs: Tensor) -> Trace:
        """The answer to HU ``(b, 1, y, x)`` and the ways back through the blocks."""
        images = (inputs - self.black) / self.unit
        ways: list[partial[Tensor]] = []
        for block in self.blocks:
            assert isinstance(block, ShortcutBlock)
            images, back = block.trace(images)
            ways.append(back)
        return Trace(images * self.unit + self.black, self.unit, ways)
