"""The torch module of the articles' residual network, and its gradient derived by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from ctstudio.learn.gradients import Trace, WayBack
from ctstudio.learn.models.residual import Block

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "arctan": torch.atan,
    "relu": torch.relu,
    "linear": lambda z: z,
    "sine": torch.sin,
    "swish": lambda z: z * torch.sigmoid(z),
    "gaussian": lambda z: torch.exp(-(z**2)),
}

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda z: torch.sigmoid(z) * (1 - torch.sigmoid(z)),
    "tanh": lambda z: 1 - torch.tanh(z) ** 2,
    "arctan": lambda z: 1 / (1 + z**2),
    "relu": lambda z: (z > 0).to(z.dtype),
    "linear": torch.ones_like,
    "sine": torch.cos,
    "swish": lambda z: torch.sigmoid(z) * (1 + z * (1 - torch.sigmoid(z))),
    "gaussian": lambda z: -2 * z * torch.exp(-(z**2)),
}
"""The derivative of each activation; that of ReLU is 0 at 0."""


MULTIPLYING = ("multiplication", "multiplication_addition")
ADDING = ("multiplication_addition", "addition")


class ResidualNetwork(nn.Module):
    """Blocks that meet the noisy image ``x`` again, every one (J. D. Seo 2018, part 3).

    With ``z = W * input`` (a convolution to the same size, zeros beyond the rim) and
    ``a = act(z)``, a block returns ``a x``, ``a x + x``, ``a + x`` or plainly ``a``; ``x``, of one
    channel, meets every channel of ``a``. The first block's input is ``x`` itself.

    With a shortcut a block returns ``a`` plus its own input instead, where that has as many
    channels (He et al., "Deep residual learning for image recognition", CVPR 2016): what is passed
    back then goes around the block as well, while ``+ x`` passes nothing back.

    Inside, a value is ``(HU - black) / unit``. Where ``unit`` is a power of two, whole HU come
    back from there as they were, to the last bit; nothing is clipped.

    Parameters
    ----------
    blocks
        Kernel, channels and activation of each; the last makes one channel.
    function
        "multiplication", "multiplication_addition", "addition", "shortcut" or "none".
    first_sd
        SD of the first weights; 0 for 1 / sqrt(inputs of the block).
    black, unit
        HU that counts as 0, and HU that count as 1.
    bias
        Whether the convolutions add a constant.
    bias_sd
        SD of the constants' first values.
    first_mean
        Mean of a kernel's first weights times their number: with 1 it begins near a plain mean.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        *,
        function: str,
        first_sd: float,
        black: float,
        unit: float,
        bias: bool = False,
        bias_sd: float = 0.0,
        first_mean: float = 0.0,
    ) -> None:
        super().__init__()
        self.function, self.black, self.unit = function, black, unit
        self.activations = [block.activation for block in blocks]
        self.blocks = nn.ModuleList()
        before = 1
        for block in blocks:
            layer = nn.Conv2d(before, block.channels, block.kernel, padding="same", bias=bias)
            inputs = before * block.kernel**2
            nn.init.normal_(layer.weight, first_mean / inputs, first_sd or inputs**-0.5)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=bias_sd)
            self.blocks.append(layer)
            before = block.channels

    def inside(self, hu: Tensor) -> Tensor:
        """HU in the network's range."""
        return (hu - self.black) / self.unit

    def outside(self, values: Tensor) -> Tensor:
        """Values of the network's range in HU; undoes `inside`."""
        return values * self.unit + self.black

    def forward(self, hu: Tensor) -> Tensor:
        """Denoised HU ``(b, 1, y, x)`` of noisy HU of the same shape, any size."""
        noisy = self.inside(hu)
        passed = noisy
        for layer, activation in zip(self.blocks, self.activations, strict=True):
            passed = self._joined(ACTIVATIONS[activation](layer(passed)), noisy, passed)
        return self.outside(passed)

    def trace(self, inputs: Tensor) -> Trace:
        """The answer to HU ``(b, 1, y, x)`` and the ways back through the blocks."""
        noisy = self.inside(inputs)
        passed = noisy
        ways: list[partial[Tensor]] = []
        for layer, activation in zip(self.blocks, self.activations, strict=True):
            assert isinstance(layer, nn.Conv2d)
            before = layer(passed)
            slope = SLOPES[activation](before)
            # Plus x adds nothing to the gradient, since x is data and has no weights behind it.
            if self.function in MULTIPLYING:
                slope = slope * noisy
            way = partial(go_back, layer, passed, slope)
            ways.append(partial(_around, way) if self._goes_around(before, passed) else way)
            passed = self._joined(ACTIVATIONS[activation](before), noisy, passed)
        return Trace(self.outside(passed), self.unit, ways)

    def _goes_around(self, made: Tensor, passed: Tensor) -> bool:
        return self.function == "shortcut" and made.shape == passed.shape

    def _joined(self, activated: Tensor, noisy: Tensor, passed: Tensor) -> Tensor:
        if self._goes_around(activated, passed):
            return activated + passed
        result = activated * noisy if self.function in MULTIPLYING else activated
        return result + noisy if self.function in ADDING else result


def _around(way: WayBack, gradient: Tensor, pass_on: bool = True) -> Tensor:
    """The way back through a block, and around it."""
    passed = way(gradient, pass_on)
    return passed + gradient if pass_on else passed


@torch.no_grad()
def go_back(
    layer: nn.Conv2d, went_in: Tensor, slope: Tensor, gradient: Tensor, pass_on: bool = True
) -> Tensor:
    """The way back through one convolution and its activation, whose slope is given.

    With ``d = gradient * slope`` at the convolution's output, the kernel's gradient is the
    correlation of what went in with ``d``, and the input's the correlation of ``d`` with the
    kernel turned by 180 degrees.
    """
    behind = gradient * slope
    reach = layer.kernel_size[0] // 2
    handed, kernel, constant = torch.ops.aten.convolution_backward(
        behind,
        went_in,
        layer.weight,
        None if layer.bias is None else [len(layer.bias)],
        [1, 1],
        [reach, reach],
        [1, 1],
        False,
        [0, 0],
        1,
        [pass_on, True, layer.bias is not None],
    )
    for parameter, found in ((layer.weight, kernel), (layer.bias, constant)):
        if parameter is not None:
            parameter.grad = found if parameter.grad is None else parameter.grad + found
    passed: Tensor = handed if pass_on else behind.new_empty(0)
    return passed
