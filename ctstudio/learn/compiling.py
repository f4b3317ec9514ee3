"""Compiling a network, where the machine can."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ctstudio.learn.context import context_of


def compile_in_place(module: nn.Module, size: tuple[int, int, int], device: torch.device) -> str:
    """Let ``module`` be compiled when it is called; says why not where that does not work.

    It is tried at once on HU ``(b, n, p, p)`` of the ``size`` ``(b, p, p)``, or as large as the
    network needs, with the ``n`` slices that it wants, forwards and backwards, since torch would
    otherwise fail in the middle of the training. The weights and what a checkpoint calls them stay
    as they are.
    """
    batch, *sides = size
    context = context_of(module)
    height, width = (max(side, context.patch_px) for side in sides)
    sample = torch.zeros(batch, context.slices, height, width, device=device)
    trial = copy.deepcopy(module)
    try:
        trial.compile()
        trial(sample).sum().backward()
        module.compile()
    # A missing compiler, a layer that torch cannot trace, a platform without one: many errors.
    except Exception as error:
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ""
