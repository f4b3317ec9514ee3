"""How far a network looks: what must surround a tile for its inside to be as in the whole image."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ctstudio.learn.context import context_of

SIZES_PX = (64, 128, 256, 512)
"""Images that the reach is looked for in, the first that is large enough."""

LONGEST_PERIOD_PX = 64
SPREAD_HU = 500.0
DRAWS = 2


@dataclass(frozen=True)
class ReceptiveField:
    """What one cell of the output depends on.

    Networks that pool or interleave treat pixels by their place in a grid; moved by a multiple of
    ``period_px``, and by no less, the input moves the output with it. A cell is a square of that
    side, beginning at a multiple of it. It depends on itself and on what lies up to ``reach_px``
    beyond it on each side.
    """

    reach_px: int
    period_px: int

    @property
    def margin_px(self) -> int:
        """The reach, rounded up to whole cells."""
        return math.ceil(self.reach_px / self.period_px) * self.period_px


def measure(module: nn.Module) -> ReceptiveField | None:
    """The receptive field of a network that takes ``(1, n, y, x)`` HU of any size.

    It belongs to the kind of network and not to its weights: copies with random weights are
    asked, on the CPU. The reach is where the gradient of one cell with respect to the input is
    not zero, with positive weights, so that nothing cancels.

    Returns
    -------
    ReceptiveField or None
        None where a pixel depends on more than the largest of `SIZES_PX` shows, where no period
        up to `LONGEST_PERIOD_PX` was found, where torch knows no gradient, or where
        the memory does not suffice.
    """
    try:
        one_pixel = _reach(module, 1)
        period = None if one_pixel is None else _period(module, one_pixel)
        reach = None if period is None else _reach(module, period)
    except RuntimeError:  # some size that the network or the memory does not allow
        return None
    return None if reach is None or period is None else ReceptiveField(reach, period)


def _reach(module: nn.Module, side: int) -> int | None:
    """How far beyond a cell of ``side`` the gradient goes; None where it goes beyond all images."""
    for size in SIZES_PX:
        top = size // 2 // side * side
        if top + side >= size:
            continue
        reach = 0
        for seed in range(DRAWS):
            twin, generator = _twin(module, "positive", seed)
            with torch.enable_grad():
                slices = context_of(module).slices
                image = SPREAD_HU * torch.rand(1, slices, size, size, generator=generator)
                image.requires_grad_()
                cell = twin(image)[..., top : top + side, top : top + side]
                if not cell.requires_grad:  # computed outside of torch
                    return None
                (gradient,) = torch.autograd.grad(cell.sum(), image)
            seen = (gradient[0] != 0).any(0)
            for axis in (0, 1):
                places = seen.any(axis).nonzero()
                first, last = int(places.min()), int(places.max())
                if first == 0 or last == size - 1:
                    reach = size  # it may have been cut off, or mirrored
                reach = max(reach, top - first, last - (top + side - 1))
        if reach < size:
            return reach
    return None


def _period(module: nn.Module, reach: int) -> int | None:
    """The least shift, down and right, that the output follows exactly."""
    twin, generator = _twin(module, "any", 0)
    # What follows a shift follows its multiples. Powers of two are the usual periods, and where
    # one is followed and its half is not, it is the least.
    powers = [2**k for k in range(LONGEST_PERIOD_PX.bit_length())]
    others = [shift for shift in range(3, LONGEST_PERIOD_PX) if shift not in powers]
    follows = (shift for shift in (*powers, *others) if _follows(twin, reach, shift, generator))
    return next(follows, None)


def _follows(twin: nn.Module, reach: int, shift: int, generator: torch.Generator) -> bool:
    """Whether the output moves along when the input is moved by ``shift``, away from the edges."""
    edge = reach + shift
    size = 2 * edge + 3 * shift + 8
    slices = context_of(twin).slices
    image = SPREAD_HU * torch.randn(1, slices, size, size, generator=generator)
    with torch.no_grad():
        whole = twin(image)[0, 0]
        # Cut and not only moved, so that a network that depends on the size is found out too.
        cut = twin(image[..., shift:, shift:])[0, 0]
    slack = 1e-3 * float((whole - image[0, slices // 2]).std()) + 1e-6 * SPREAD_HU
    difference = (cut - whole[shift:, shift:])[edge:-edge, edge:-edge]
    return float(difference.abs().max()) <= slack


def _twin(
    module: nn.Module, sign: Literal["positive", "any"], seed: int
) -> tuple[nn.Module, torch.Generator]:
    """A network of the same make with random weights, on the CPU in evaluation mode."""
    twin = copy.deepcopy(module).cpu().float().eval()
    generator = torch.Generator().manual_seed(seed)
    for part in twin.modules():
        if isinstance(part, nn.modules.batchnorm._NormBase):
            part.reset_running_stats()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.copy_(_weights(parameter, sign, generator))
    return twin.requires_grad_(False), generator


def _weights(like: Tensor, sign: str, generator: torch.Generator) -> Tensor:
    """Weights that keep the size of what goes through: positive, or of both signs."""
    positive = 0.5 + torch.rand(like.shape, generator=generator)
    if like.dim() < 2:
        return positive
    inputs = max(1, like[0].numel())
    if sign == "positive":
        return positive / inputs
    return torch.randn(like.shape, generator=generator) * math.sqrt(2 / inputs)
